/* SPDX-License-Identifier: MIT */
/* Addresses and endpoints: values, reading, writing. */
#include <weir/endpoint.h>
#include <weir/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { UNTOUCHED = 0xa5 };

/* A text and the canonical text of its value. */
typedef struct pair {
    const char *text;
    const char *canonical;
} pair;

static const pair ipv4_valid[] = {
    {"0.0.0.0", "0.0.0.0"},       {"127.0.0.1", "127.0.0.1"},
    {"192.0.2.10", "192.0.2.10"}, {"255.255.255.255", "255.255.255.255"},
    {"1.20.100.9", "1.20.100.9"},
};

static const char *const ipv4_invalid[] = {
    "",
    "1",
    "1.2",
    "1.2.3",
    "1.2.3.",
    "1.2.3.4.",
    "1.2.3.4.5",
    ".1.2.3.4",
    "1..3.4",
    "256.1.1.1",
    "1.1.1.256",
    "1.1.1.1000",
    "01.2.3.4",
    "1.2.3.04",
    "00.0.0.0",
    "0x7f.0.0.1",
    "127.1",
    "2130706433",
    "017700000001",
    " 1.2.3.4",
    "1.2.3.4 ",
    "1.2.3.4\n",
    "+1.2.3.4",
    "-1.2.3.4",
    "1.2.3.4:80",
    "1,2,3,4",
    "a.b.c.d",
    "::1",
    "1.2.3.99999999999999999999",
};

static const pair ipv6_valid[] = {
    {"::", "::"},
    {"::1", "::1"},
    {"1::", "1::"},
    {"0:0:0:0:0:0:0:0", "::"},
    {"0:0:0:0:0:0:0:1", "::1"},
    {"2001:db8::1", "2001:db8::1"},
    {"2001:DB8::ABCD", "2001:db8::abcd"},
    {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
    {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    /* "::" reads as one group too, but a single zero group is not written so. */
    {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
    {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
    {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"1:0:3:0:5:0:7:0", "1:0:3:0:5:0:7:0"},
    /* The longest run, and the first of equal ones. */
    {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
    {"0:0:1:1:1:1:0:0", "::1:1:1:1:0:0"},
    {"0:0:1:1:1:0:0:0", "0:0:1:1:1::"},
    {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
    {"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"},
    /* Dotted quads: only a mapped address is written with one. */
    {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
    {"::ffff:c000:201", "::ffff:192.0.2.1"},
    {"::FFFF:0:0", "::ffff:0.0.0.0"},
    {"0:0:0:0:0:ffff:1.2.3.4", "::ffff:1.2.3.4"},
    {"::1.2.3.4", "::102:304"},
    {"::0.0.0.1", "::1"},
    {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
    {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
    {"1::5:1.2.3.4", "1::5:102:304"},
    {"::2:3:4:5:6:1.2.3.4", "0:2:3:4:5:6:102:304"},
    /* Scopes. */
    {"fe80::1%3", "fe80::1%3"},
    {"fe80::1%4294967295", "fe80::1%4294967295"},
    {"fe80::1%0", "fe80::1"},
    {"::%1", "::%1"},
    {"::ffff:1.2.3.4%7", "::ffff:1.2.3.4%7"},
};

static const char *const ipv6_invalid[] = {
    "",
    ":",
    ":::",
    "1",
    "1:",
    ":1",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    ":2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7:8:",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1:2:3:4::5:6:7:8",
    "1::2::3",
    "1:::2",
    "::1:",
    "12345::",
    "00001::",
    "g::",
    "::-1",
    "::+1",
    "0x1::",
    " ::1",
    "::1 ",
    "[::1]",
    "::1/64",
    "1.2.3.4",
    "::1.2.3",
    "::1.2.3.4.5",
    "::1.2.3.256",
    "::1.2.3.04",
    "::1.2.3.4:5",
    "1.2.3.4::",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1:2:3:4:5:1.2.3.4",
    "::3:4:5:6:7:8:1.2.3.4",
    "fe80::1%",
    "fe80::1%eth0",
    "fe80::1%03",
    "fe80::1%-1",
    "fe80::1%3 ",
    "fe80::1%3%3",
    "fe80::1%4294967296",
    "fe80::1%99999999999999999999",
    "%3",
};

static const pair endpoint_valid[] = {
    {"1.2.3.4:80", "1.2.3.4:80"},
    {"0.0.0.0:0", "0.0.0.0:0"},
    {"255.255.255.255:65535", "255.255.255.255:65535"},
    {"[::1]:80", "[::1]:80"},
    {"[::]:0", "[::]:0"},
    {"[2001:DB8::1]:443", "[2001:db8::1]:443"},
    {"[fe80::1%3]:80", "[fe80::1%3]:80"},
    {"[::ffff:192.0.2.1]:8080", "[::ffff:192.0.2.1]:8080"},
};

static const char *const endpoint_invalid[] = {
    "",
    ":",
    ":80",
    "80",
    "1.2.3.4",
    "1.2.3.4:",
    "1.2.3.4:-1",
    "1.2.3.4:+1",
    "1.2.3.4:080",
    "1.2.3.4:00",
    "1.2.3.4:65536",
    "1.2.3.4:99999999999",
    "1.2.3.4:80 ",
    "1.2.3.4: 80",
    "1.2.3.4:http",
    "1.2.3.4:80:80",
    "1.2.3:80",
    "[1.2.3.4]:80",
    "::1:80",
    "::1",
    "[::1]",
    "[::1]:",
    "[::1]80",
    "[::1:80",
    "::1]:80",
    "[]:80",
    "[::1]]:80",
    "[[::1]]:80",
    "[::1 ]:80",
    "[::1]:65536",
    "[fe80::1%]:80",
    "[fe80::1]%3:80",
    "localhost:80",
    "*:80",
};

/* A fixed-seed generator (xorshift), so that a failure can be had again. */
static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static bool is_filled(const void *object, size_t size)
{
    const unsigned char *bytes = object;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != UNTOUCHED)
            return false;
    }
    return true;
}

/*
 * Read a text into a value that was filled before, write it, and check that failure left the value
 * alone. Returns the length, or the error. One such function a kind.
 */
typedef int transcribe_fn(const char *text, char ret_text[WEIR_ENDPOINT_TEXT_MAX]);

static int ipv4_transcribe(const char *text, char ret_text[WEIR_ENDPOINT_TEXT_MAX])
{
    weir_ipv4 address;
    int error;

    memset(&address, UNTOUCHED, sizeof(address));
    error = weir_ipv4_parse(text, &address);
    if (error) {
        CHECK(is_filled(&address, sizeof(address)));
        return error;
    }
    return (int)weir_ipv4_format(address, ret_text);
}

static int ipv6_transcribe(const char *text, char ret_text[WEIR_ENDPOINT_TEXT_MAX])
{
    weir_ipv6 address;
    int error;

    memset(&address, UNTOUCHED, sizeof(address));
    error = weir_ipv6_parse(text, &address);
    if (error) {
        CHECK(is_filled(&address, sizeof(address)));
        return error;
    }
    return (int)weir_ipv6_format(address, ret_text);
}

static int endpoint_transcribe(const char *text, char ret_text[WEIR_ENDPOINT_TEXT_MAX])
{
    weir_endpoint endpoint;
    int error;

    memset(&endpoint, UNTOUCHED, sizeof(endpoint));
    error = weir_endpoint_parse(text, &endpoint);
    if (error) {
        CHECK(is_filled(&endpoint, sizeof(endpoint)));
        return error;
    }
    return (int)weir_endpoint_format(&endpoint, ret_text);
}

static void check_valid(transcribe_fn *transcribe, const pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[WEIR_ENDPOINT_TEXT_MAX] = "invalid";
        int length = transcribe(pairs[i].text, text);

        CHECK_STR_EQ(text, pairs[i].canonical);
        CHECK_EQ(length, strlen(text));
        CHECK_EQ(transcribe(pairs[i].canonical, text), length);
        CHECK_STR_EQ(text, pairs[i].canonical);
    }
}

static void check_invalid(transcribe_fn *transcribe, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[WEIR_ENDPOINT_TEXT_MAX] = "";
        int error = transcribe(texts[i], text);

        CHECK_STR_EQ(error == WEIR_BAD_ADDRESS ? "" : texts[i], "");
    }
}

/* Read every prefix from a block of just its size, so that a sanitizer sees a look beyond. */
static void check_prefixes(transcribe_fn *transcribe, const pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t length = 0; length <= strlen(pairs[i].text); length++) {
            char text[WEIR_ENDPOINT_TEXT_MAX];
            char *prefix = malloc(length + 1);

            CHECK(prefix != NULL);
            memcpy(prefix, pairs[i].text, length);
            prefix[length] = '\0';
            CHECK(transcribe(prefix, text) > 0 || transcribe(prefix, text) == WEIR_BAD_ADDRESS);
            free(prefix);
        }
    }
}

/* What random text reads as, if anything, is written so that it reads as the same again. */
static void check_random_texts(transcribe_fn *transcribe, const char *alphabet)
{
    for (int round = 0; round < 200000; round++) {
        char input[24] = "";
        char first[WEIR_ENDPOINT_TEXT_MAX];
        char second[WEIR_ENDPOINT_TEXT_MAX];
        size_t length = random_next() % sizeof(input);

        for (size_t i = 0; i < length; i++)
            input[i] = alphabet[random_next() % strlen(alphabet)];
        if (transcribe(input, first) < 0)
            continue;
        CHECK(transcribe(first, second) > 0);
        CHECK_STR_EQ(first, second);
    }
}

WEIR_TEST(ipv4, valid_texts_are_read_and_written_canonically)
{
    check_valid(ipv4_transcribe, ipv4_valid, COUNT(ipv4_valid));
}

WEIR_TEST(ipv4, invalid_texts_are_refused_and_leave_the_output_alone)
{
    check_invalid(ipv4_transcribe, ipv4_invalid, COUNT(ipv4_invalid));
}

WEIR_TEST(ipv4, every_prefix_of_a_valid_text_is_read_within_its_bounds)
{
    check_prefixes(ipv4_transcribe, ipv4_valid, COUNT(ipv4_valid));
}

WEIR_TEST(ipv4, random_text_that_is_read_makes_the_round_trip)
{
    check_random_texts(ipv4_transcribe, "0123.");
}

WEIR_TEST(ipv4, bytes_stand_in_network_order)
{
    weir_ipv4 address;

    CHECK_EQ(weir_ipv4_parse("1.2.3.4", &address), 0);
    CHECK_EQ(memcmp(address.bytes, (const uint8_t[]){1, 2, 3, 4}, 4), 0);
    CHECK(weir_ipv4_equals(address, weir_ipv4_make(1, 2, 3, 4)));
}

WEIR_TEST(ipv4, the_longest_text_fills_its_buffer)
{
    char text[WEIR_IPV4_TEXT_MAX];

    CHECK_EQ(weir_ipv4_format(weir_ipv4_make(255, 255, 255, 255), text), WEIR_IPV4_TEXT_MAX - 1);
}

WEIR_TEST(ipv4, predicates_know_their_ranges)
{
    CHECK(weir_ipv4_is_any(weir_ipv4_any()));
    CHECK(!weir_ipv4_is_any(weir_ipv4_make(0, 0, 0, 1)));
    CHECK(weir_ipv4_is_loopback(weir_ipv4_loopback()));
    CHECK(weir_ipv4_is_loopback(weir_ipv4_make(127, 255, 255, 255)));
    CHECK(!weir_ipv4_is_loopback(weir_ipv4_make(128, 0, 0, 1)));
    CHECK(weir_ipv4_is_multicast(weir_ipv4_make(224, 0, 0, 0)));
    CHECK(weir_ipv4_is_multicast(weir_ipv4_make(239, 255, 255, 255)));
    CHECK(!weir_ipv4_is_multicast(weir_ipv4_make(223, 255, 255, 255)));
    CHECK(!weir_ipv4_is_multicast(weir_ipv4_make(240, 0, 0, 0)));
}

WEIR_TEST(ipv6, valid_texts_are_read_and_written_canonically)
{
    check_valid(ipv6_transcribe, ipv6_valid, COUNT(ipv6_valid));
}

WEIR_TEST(ipv6, invalid_texts_are_refused_and_leave_the_output_alone)
{
    check_invalid(ipv6_transcribe, ipv6_invalid, COUNT(ipv6_invalid));
}

WEIR_TEST(ipv6, every_prefix_of_a_valid_text_is_read_within_its_bounds)
{
    check_prefixes(ipv6_transcribe, ipv6_valid, COUNT(ipv6_valid));
}

WEIR_TEST(ipv6, random_text_that_is_read_makes_the_round_trip)
{
    check_random_texts(ipv6_transcribe, "01fF::::.%");
}

WEIR_TEST(ipv6, every_pattern_of_zero_groups_makes_the_round_trip)
{
    for (unsigned zeros = 0; zeros < 256; zeros++) {
        uint8_t bytes[16] = {0};
        char text[WEIR_IPV6_TEXT_MAX];
        weir_ipv6 address;

        for (unsigned group = 0; group < 8; group++)
            bytes[2 * group + 1] = zeros >> group & 1 ? 0 : (uint8_t)(0x10 + group);
        weir_ipv6_format(weir_ipv6_make(bytes, zeros), text);

        CHECK_EQ(weir_ipv6_parse(text, &address), 0);
        CHECK(weir_ipv6_equals(address, weir_ipv6_make(bytes, zeros)));
    }
}

WEIR_TEST(ipv6, the_longest_text_fills_its_buffer)
{
    char text[WEIR_IPV6_TEXT_MAX];
    weir_ipv6 address;

    memset(address.bytes, 0xff, sizeof(address.bytes));
    address.scope = UINT32_MAX;

    CHECK_EQ(weir_ipv6_format(address, text), WEIR_IPV6_TEXT_MAX - 1);
}

WEIR_TEST(ipv6, equality_includes_the_scope)
{
    weir_ipv6 address = weir_ipv6_loopback();
    weir_ipv6 scoped = address;

    scoped.scope = 1;

    CHECK(weir_ipv6_equals(address, weir_ipv6_loopback()));
    CHECK(!weir_ipv6_equals(address, scoped));
    CHECK(!weir_ipv6_equals(address, weir_ipv6_any()));
}

WEIR_TEST(ipv6, predicates_know_their_ranges)
{
    weir_ipv6 multicast;
    weir_ipv6 mapped;
    weir_ipv6 compatible;

    CHECK_EQ(weir_ipv6_parse("ff02::1%2", &multicast), 0);
    CHECK_EQ(weir_ipv6_parse("::ffff:127.0.0.1", &mapped), 0);
    CHECK_EQ(weir_ipv6_parse("::127.0.0.1", &compatible), 0);

    CHECK(weir_ipv6_is_any(weir_ipv6_any()));
    CHECK(!weir_ipv6_is_any(weir_ipv6_loopback()));
    CHECK(weir_ipv6_is_loopback(weir_ipv6_loopback()));
    CHECK(!weir_ipv6_is_loopback(mapped));
    CHECK(weir_ipv6_is_multicast(multicast));
    CHECK(!weir_ipv6_is_multicast(mapped));
    CHECK(weir_ipv6_is_v4_mapped(mapped));
    CHECK(!weir_ipv6_is_v4_mapped(compatible));
    CHECK(!weir_ipv6_is_v4_mapped(multicast));
}

WEIR_TEST(endpoint, valid_texts_are_read_and_written_canonically)
{
    check_valid(endpoint_transcribe, endpoint_valid, COUNT(endpoint_valid));
}

WEIR_TEST(endpoint, invalid_texts_are_refused_and_leave_the_output_alone)
{
    check_invalid(endpoint_transcribe, endpoint_invalid, COUNT(endpoint_invalid));
}

WEIR_TEST(endpoint, every_prefix_of_a_valid_text_is_read_within_its_bounds)
{
    check_prefixes(endpoint_transcribe, endpoint_valid, COUNT(endpoint_valid));
}

WEIR_TEST(endpoint, random_text_that_is_read_makes_the_round_trip)
{
    check_random_texts(endpoint_transcribe, "1:.[]%");
}

WEIR_TEST(endpoint, the_addresses_in_it_obey_the_rules_of_their_families)
{
    for (size_t i = 0; i < COUNT(ipv6_invalid); i++) {
        char text[128];
        weir_endpoint endpoint;

        snprintf(text, sizeof(text), "[%s]:80", ipv6_invalid[i]);
        CHECK_EQ(weir_endpoint_parse(text, &endpoint), WEIR_BAD_ADDRESS);
    }
}

WEIR_TEST(endpoint, every_port_makes_the_round_trip)
{
    for (uint32_t port = 0; port <= UINT16_MAX; port++) {
        weir_endpoint made = weir_endpoint_make_ipv4(weir_ipv4_loopback(), (uint16_t)port);
        char text[WEIR_ENDPOINT_TEXT_MAX];
        weir_endpoint read;

        weir_endpoint_format(&made, text);

        CHECK_EQ(weir_endpoint_parse(text, &read), 0);
        CHECK_EQ(read.port, port);
        CHECK(weir_endpoint_equals(&made, &read));
    }
}

WEIR_TEST(endpoint, the_longest_text_fills_its_buffer)
{
    char text[WEIR_ENDPOINT_TEXT_MAX];
    weir_ipv6 address;
    weir_endpoint endpoint;

    memset(address.bytes, 0xff, sizeof(address.bytes));
    address.scope = UINT32_MAX;
    endpoint = weir_endpoint_make_ipv6(address, UINT16_MAX);

    CHECK_EQ(weir_endpoint_format(&endpoint, text), WEIR_ENDPOINT_TEXT_MAX - 1);
}

WEIR_TEST(endpoint, equality_tells_family_address_and_port_apart)
{
    weir_endpoint ipv4 = weir_endpoint_make_ipv4(weir_ipv4_any(), 80);
    weir_endpoint ipv6 = weir_endpoint_make_ipv6(weir_ipv6_any(), 80);
    weir_endpoint other_address = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 80);
    weir_endpoint other_port = weir_endpoint_make_ipv6(weir_ipv6_any(), 81);

    CHECK(weir_endpoint_equals(&ipv4, &ipv4));
    CHECK(weir_endpoint_equals(&ipv6, &ipv6));
    CHECK(!weir_endpoint_equals(&ipv4, &ipv6));
    CHECK(!weir_endpoint_equals(&ipv4, &other_address));
    CHECK(!weir_endpoint_equals(&ipv6, &other_port));
}

WEIR_ABORT_TEST(endpoint, a_zeroed_endpoint_is_not_written)
{
    weir_endpoint endpoint;
    char text[WEIR_ENDPOINT_TEXT_MAX];

    memset(&endpoint, 0, sizeof(endpoint));
    weir_endpoint_format(&endpoint, text);
}
