/* SPDX-License-Identifier: MIT */
/* The names and texts of errors. */
#include <weir/error.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "test.h"

static const int own_codes[] = {
    WEIR_OK,        WEIR_EOF,         WEIR_CANCELLED, WEIR_TIMED_OUT,
    WEIR_TRUNCATED, WEIR_BAD_ADDRESS, WEIR_CLOSED,
};

enum { OWN_CODES = sizeof(own_codes) / sizeof(own_codes[0]) };

static bool is_known(int error)
{
    return strcmp(weir_error_name(error), "UNKNOWN") != 0;
}

WEIR_TEST(error, own_codes_have_their_names)
{
    CHECK_STR_EQ(weir_error_name(WEIR_OK), "WEIR_OK");
    CHECK_STR_EQ(weir_error_name(WEIR_EOF), "WEIR_EOF");
    CHECK_STR_EQ(weir_error_name(WEIR_CANCELLED), "WEIR_CANCELLED");
    CHECK_STR_EQ(weir_error_name(WEIR_TIMED_OUT), "WEIR_TIMED_OUT");
    CHECK_STR_EQ(weir_error_name(WEIR_TRUNCATED), "WEIR_TRUNCATED");
    CHECK_STR_EQ(weir_error_name(WEIR_BAD_ADDRESS), "WEIR_BAD_ADDRESS");
    CHECK_STR_EQ(weir_error_name(WEIR_CLOSED), "WEIR_CLOSED");
}

WEIR_TEST(error, own_codes_have_distinct_texts)
{
    for (int i = 0; i < OWN_CODES; i++) {
        for (int j = 0; j < i; j++)
            CHECK(strcmp(weir_error_text(own_codes[i]), weir_error_text(own_codes[j])) != 0);
    }
}

WEIR_TEST(error, own_codes_stand_where_no_errno_can)
{
    for (int i = 1; i < OWN_CODES; i++)
        CHECK(own_codes[i] < -4095);
}

WEIR_TEST(error, errnos_have_their_names)
{
    CHECK_STR_EQ(weir_error_name(-ECONNRESET), "ECONNRESET");
    CHECK_STR_EQ(weir_error_name(-EPIPE), "EPIPE");
    CHECK_STR_EQ(weir_error_name(-EMFILE), "EMFILE");
    CHECK_STR_EQ(weir_error_name(-EAGAIN), "EAGAIN");
    CHECK_STR_EQ(weir_error_name(-E2BIG), "E2BIG");
}

WEIR_TEST(error, no_errno_is_told_as_a_deadline_or_a_cancel_of_weir)
{
    CHECK_STR_EQ(weir_error_name(-ETIMEDOUT), "ETIMEDOUT");
    CHECK_STR_EQ(weir_error_name(-ECANCELED), "ECANCELED");
    CHECK(strcmp(weir_error_text(-ETIMEDOUT), weir_error_text(WEIR_TIMED_OUT)) != 0);
    CHECK(strcmp(weir_error_text(-ECANCELED), weir_error_text(WEIR_CANCELLED)) != 0);
}

WEIR_TEST(error, every_number_has_a_name_and_a_text)
{
    for (int error = -5000; error <= 5000; error++) {
        CHECK(weir_error_name(error)[0] != '\0');
        CHECK(weir_error_text(error)[0] != '\0');
    }
}

WEIR_TEST(error, numbers_that_are_no_error_are_unknown)
{
    CHECK(!is_known(ECONNRESET));
    CHECK(!is_known(WEIR_CLOSED - 1));
    CHECK(!is_known(-4095));
    CHECK(!is_known(INT_MIN));
    CHECK(!is_known(INT_MAX));
    CHECK_STR_EQ(weir_error_text(INT_MIN), "unknown error");
}

WEIR_TEST(error, a_result_keeps_its_count_beside_an_error)
{
    weir_result result = weir_result_of(WEIR_EOF, 17);

    CHECK_EQ(result.error, WEIR_EOF);
    CHECK_EQ(result.count, 17);
}
