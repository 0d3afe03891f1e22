/* SPDX-License-Identifier: MIT */
/* Base64: the vectors of RFC 4648, every way to cut them, and what a filter owes
 * when next fails. */
#include <errno.h>

#include <weir/base64.h>

#include "filter.h"

static const struct vector {
    const char *bytes;
    const char *text;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/"},
};

enum { VECTORS = sizeof vectors / sizeof vectors[0] };

static const char LONGEST[] = "Zm9vYmFyZm9vYmFyZm9vYg==";
static const char LONGEST_BYTES[] = "foobarfoobarfoob";

static weir_script script_of(const char *text)
{
    return (weir_script){.bytes = weir_const_buffer_of(text, strlen(text))};
}

static weir_result decode(const weir_script *script, size_t chunk, char *data, size_t size)
{
    weir_script_stream next;
    weir_base64_decoder decoder;
    struct reading reading;
    weir_result r;

    weir_script_stream_init(&next, script, NULL);
    weir_base64_decoder_init(&decoder, &next.stream.in);
    reading = reading_of(&decoder.in, data, size, chunk);
    r = weir_test_run(&reading.task);
    if (r.error != WEIR_EOF || !script->fuse) /* Which may blow only now. */
        CHECK_EQ(run_again(&reading.task).error, r.error);
    CHECK_EQ(reading.size, r.count);
    weir_script_stream_excuse(&next);
    weir_script_stream_fini(&next);
    return r;
}

static void check_decode(const char *text, int error, const char *bytes)
{
    weir_script script = script_of(text);
    char data[64];
    weir_result r;
    int pace;

    for (pace = WEIR_SCRIPT_AT_ONCE; pace <= WEIR_SCRIPT_POSTED; pace++)
        for (script.chunk_max = 1; script.chunk_max < 7; script.chunk_max++) {
            script.pace = (enum weir_script_pace)pace;
            r = decode(&script, script.chunk_max % 4 + 1, data, sizeof data);
            CHECK_EQ(r.error, error);
            CHECK_SAME(data, r.count, bytes, strlen(bytes));
        }
}

/* Decoding. */

WEIR_TEST(base64_decoder, the_vectors_of_the_rfc_are_decoded_however_they_are_cut)
{
    int i;

    for (i = 0; i < VECTORS; i++)
        check_decode(vectors[i].text, WEIR_EOF, vectors[i].bytes);
}

WEIR_TEST(base64_decoder, an_end_in_the_midst_of_a_group_is_truncated_behind_the_groups_before)
{
    check_decode("Z", WEIR_TRUNCATED, "");
    check_decode("Zm9vY", WEIR_TRUNCATED, "foo");
    check_decode("Zm9vYm", WEIR_TRUNCATED, "foo");
    check_decode("Zm9vYmE", WEIR_TRUNCATED, "foo");
    check_decode("Zm9vYg=", WEIR_TRUNCATED, "foo");
}

WEIR_TEST(base64_decoder, what_is_not_base64_is_a_bad_message_behind_the_groups_before)
{
    static const char *const bad[] = {
        "Zm9v\n",   "Zm9vZm-v", "Zm9vZm_v", "Zm9v=",     "Zm9vZ=",   "Zm9vZg=A",
        "Zm9vZh==", "Zm9vZm9=", "Zm9v====", "Zm9v \x80", "Zm9vZ===="};
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check_decode(bad[i], -EBADMSG, "foo");
    check_decode("Zg==Zm9v", -EBADMSG, "f");
    check_decode("Zm8==", -EBADMSG, "fo");
}

WEIR_TEST(base64_decoder, each_byte_in_each_place_is_a_digit_or_refused)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[5] = "AAAA";
    char data[8];
    weir_result r;
    int place, c;

    for (place = 0; place < 4; place++)
        for (c = 1; c < 256; c++) {
            weir_script script;

            memcpy(text, "AAAA", 4);
            text[place] = (char)c;
            script = script_of(text);
            r = decode(&script, 8, data, sizeof data);
            if (strchr(digits, c))
                CHECK_RESULT(r, WEIR_EOF, 3);
            else if (c == '=' && place == 3)
                CHECK_RESULT(r, WEIR_EOF, 2);
            else
                CHECK_RESULT(r, -EBADMSG, 0);
        }
}

WEIR_TEST(base64_decoder, over_a_stream_that_is_ready_it_never_suspends)
{
    weir_script script = script_of(LONGEST);
    weir_script_stream next;
    weir_base64_decoder decoder;
    struct reading reading;
    char data[64];

    script.chunk_max = 1;
    weir_script_stream_init(&next, &script, NULL);
    weir_base64_decoder_init(&decoder, &next.stream.in);
    reading = reading_of(&decoder.in, data, sizeof data, 2);
    CHECK_RESULT(run_at_once(&reading.task), WEIR_EOF, 16);
    weir_script_stream_fini(&next);
}

WEIR_TEST(base64_decoder, stopped_at_any_step_it_loses_no_byte)
{
    weir_script script = script_of(LONGEST);
    bool is_late, is_stopped;
    size_t step = 0;

    script.chunk_max = 3;
    script.pace = WEIR_SCRIPT_POSTED;
    for (is_late = false;; is_late = true, step = 0) {
        script.stops_late = is_late;
        do {
            weir_script_stream next;
            weir_base64_decoder decoder;
            struct reading reading;
            weir_result r;
            char data[64];

            weir_script_stream_init(&next, &script, NULL);
            weir_base64_decoder_init(&decoder, &next.stream.in);
            reading = reading_of(&decoder.in, data, sizeof data, 2);
            is_stopped = run_stopped_and_again(&reading.task, step++, &r);
            CHECK_EQ(r.error, WEIR_EOF);
            CHECK_SAME(data, r.count, LONGEST_BYTES, 16);
            weir_script_stream_fini(&next);
        } while (is_stopped);
        CHECK(step > 3);
        if (is_late)
            break;
    }
}

WEIR_TEST(base64_decoder, an_error_of_next_comes_behind_the_bytes_before_it)
{
    weir_script script = script_of(LONGEST);
    weir_fuse fuse;

    weir_fuse_init(&fuse, -EIO);
    script.fuse = &fuse;
    script.chunk_max = 5;
    while (weir_fuse_next(&fuse)) {
        char data[64];
        weir_result r = decode(&script, 2, data, sizeof data);

        CHECK_EQ(r.error, weir_fuse_is_blown(&fuse) ? -EIO : WEIR_EOF);
        CHECK(!memcmp(data, LONGEST_BYTES, r.count));
    }
}

/* Encoding. */

static void check_encode(const weir_script *script, const char *bytes, size_t chunk)
{
    weir_script_stream next;
    weir_base64_encoder encoder;
    struct writing writing;

    weir_script_stream_init(&next, NULL, script);
    weir_base64_encoder_init(&encoder, &next.stream.out);
    writing = writing_of(&encoder.out, bytes, strlen(bytes), chunk);
    CHECK_RESULT(weir_test_run(&writing.task), 0, 0);
    weir_script_stream_fini(&next);
}

WEIR_TEST(base64_encoder, the_vectors_of_the_rfc_are_encoded_however_they_are_cut)
{
    size_t chunk;
    int i;

    for (i = 0; i < VECTORS; i++)
        for (chunk = 1; chunk < 7; chunk++) {
            weir_script script = script_of(vectors[i].text);

            script.must_end = true;
            script.chunk_max = chunk;
            check_encode(&script, vectors[i].bytes, chunk % 4 + 1);
            script.pace = WEIR_SCRIPT_POSTED;
            check_encode(&script, vectors[i].bytes, chunk % 3 + 1);
        }
}

enum { LARGE = 5000, LARGE_TEXT = (LARGE + 2) / 3 * 4 };

static void fill(unsigned char *data, size_t size)
{
    uint32_t seed = 1;
    size_t i;

    for (i = 0; i < size; i++) {
        seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
        data[i] = (unsigned char)(seed >> 24);
    }
}

/* What was captured decodes to the bytes. */
static void check_text(char *text, size_t size, const unsigned char *bytes, size_t count)
{
    weir_script script = {.bytes = weir_const_buffer_of(text, size)};
    static char data[LARGE + 1];

    CHECK_RESULT(decode(&script, 0, data, sizeof data), WEIR_EOF, count);
    CHECK(!memcmp(data, bytes, count));
}

WEIR_TEST(base64_encoder, what_it_writes_is_what_the_decoder_reads_also_when_stopped)
{
    static unsigned char bytes[LARGE];
    static char text[LARGE_TEXT];
    bool is_stopped;
    size_t step = 0;

    fill(bytes, LARGE);
    do {
        weir_script script = {.capture = weir_buffer_of(text, LARGE_TEXT),
                              .chunk_max = 300,
                              .pace = WEIR_SCRIPT_POSTED,
                              .stops_late = step % 2};
        weir_script_stream next;
        weir_base64_encoder encoder;
        struct writing writing;
        weir_result r;

        weir_script_stream_init(&next, NULL, &script);
        weir_base64_encoder_init(&encoder, &next.stream.out);
        writing = writing_of(&encoder.out, bytes, LARGE, 0);
        is_stopped = run_stopped_and_again(&writing.task, step++, &r);
        CHECK_EQ(r.error, 0);
        CHECK(weir_script_is_ended(&next.out));
        check_text(text, weir_script_position(&next.out), bytes, LARGE);
        weir_script_stream_fini(&next);
    } while (is_stopped);
    CHECK(step > 10);
}

WEIR_TEST(base64_encoder, an_error_of_next_is_reported_and_stays)
{
    static unsigned char bytes[LARGE];
    static char text[LARGE_TEXT];
    weir_fuse fuse;

    fill(bytes, LARGE);
    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse)) {
        weir_script script = {
            .capture = weir_buffer_of(text, LARGE_TEXT), .chunk_max = 300, .fuse = &fuse};
        weir_script_stream next;
        weir_base64_encoder encoder;
        struct writing writing;
        weir_result r;

        weir_script_stream_init(&next, NULL, &script);
        weir_base64_encoder_init(&encoder, &next.stream.out);
        writing = writing_of(&encoder.out, bytes, LARGE, 100);
        r = weir_test_run(&writing.task);
        CHECK_EQ(r.error, weir_fuse_is_blown(&fuse) ? -EIO : 0);
        if (weir_fuse_is_blown(&fuse))
            CHECK_EQ(run_again(&writing.task).error, -EIO);
        weir_script_stream_fini(&next);
    }
    CHECK(weir_fuse_points(&fuse) > 20);
}

WEIR_TEST(base64_encoder, over_a_stream_that_is_ready_it_never_suspends)
{
    static unsigned char bytes[LARGE];
    static char text[LARGE_TEXT];
    weir_script script = {.capture = weir_buffer_of(text, LARGE_TEXT), .chunk_max = 7};
    weir_script_stream next;
    weir_base64_encoder encoder;
    struct writing writing;

    weir_script_stream_init(&next, NULL, &script);
    weir_base64_encoder_init(&encoder, &next.stream.out);
    writing = writing_of(&encoder.out, bytes, LARGE, 0);
    CHECK_RESULT(run_at_once(&writing.task), 0, 0);
    CHECK_EQ(weir_script_position(&next.out), LARGE_TEXT);
    weir_script_stream_fini(&next);
}

struct flushing {
    weir_task task;
    weir_base64_encoder *encoder;
};

static weir_task *flushing_resume(weir_task *task)
{
    struct flushing *self = WEIR_TASK_SELF(task, struct flushing);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_base64_encoder_flush(task, self->encoder));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(base64_encoder, a_flush_passes_on_whole_groups)
{
    weir_script script = script_of("Zm9vYmFy");
    weir_script_stream next;
    weir_base64_encoder encoder;
    struct flushing flushing = {.encoder = &encoder};
    struct writing writing;

    weir_script_stream_init(&next, NULL, &script);
    weir_base64_encoder_init(&encoder, &next.stream.out);
    weir_task_init(&flushing.task, flushing_resume);
    CHECK_RESULT(weir_test_run(&flushing.task), 0, 0);
    writing = writing_of(&encoder.out, "fooba", 5, 5);
    writing.is_open = true;
    CHECK_RESULT(weir_test_run(&writing.task), 0, 0);
    CHECK_EQ(weir_script_position(&next.out), 0);
    CHECK_RESULT(run_again(&flushing.task), 0, 0);
    CHECK_EQ(weir_script_position(&next.out), 4);
    writing = writing_of(&encoder.out, "r", 1, 1);
    CHECK_RESULT(weir_test_run(&writing.task), 0, 0);
    weir_script_stream_fini(&next);
}

WEIR_ABORT_TEST(base64_encoder, a_write_behind_the_end_of_writing_aborts)
{
    weir_script script = script_of("Zg==");
    weir_script_stream next;
    weir_base64_encoder encoder;
    struct writing writing;

    weir_script_stream_init(&next, NULL, &script);
    weir_base64_encoder_init(&encoder, &next.stream.out);
    writing = writing_of(&encoder.out, "f", 1, 1);
    (void)weir_test_run(&writing.task);
    writing = writing_of(&encoder.out, "f", 1, 1);
    (void)weir_test_run(&writing.task);
}
