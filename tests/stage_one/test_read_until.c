/* SPDX-License-Identifier: MIT */
/*
 * Reading into dynamic buffers: to the end of a message and to the end of the stream. Every chunk,
 * failure and stop is tried in test_kit_together.c.
 */
#include <weir/stream.h>

#include <errno.h>
#include <string.h>

#include "part_stream.h"
#include "test_kit_task.h"

enum { LIMIT = 16 };

/* A stream of a text in chunks, and a line to read into. */
struct subject {
    weir_script_stream script;
    weir_flat_buffer line;
    weir_delimiter end;
    struct transfer transfer;
    char memory[LIMIT];
};

static void subject_init(struct subject *self, const char *text, size_t chunk_max)
{
    weir_script in = {.bytes = weir_const_buffer_of(text, strlen(text)), .chunk_max = chunk_max};

    weir_script_stream_init(&self->script, &in, NULL);
    weir_flat_buffer_init_fixed(&self->line, self->memory, LIMIT);
    weir_delimiter_init(&self->end, "\r\n", 2);
}

static weir_result read_into(struct subject *self, transfer_start_fn *start)
{
    transfer_init(&self->transfer, start, &self->script.stream);
    self->transfer.dynamic = &self->line.dynamic;
    self->transfer.matcher = &self->end.matcher;
    return weir_test_run(&self->transfer.task);
}

static void check_data(const struct subject *self, const char *wanted)
{
    weir_const_buffer data = weir_flat_buffer_bytes(&self->line);

    CHECK_EQ(data.size, strlen(wanted));
    if (data.size > 0)
        CHECK_EQ(memcmp(data.data, wanted, data.size), 0);
}

/* To the end of a message. */

static void check_lines(size_t chunk_max)
{
    struct subject t;

    subject_init(&t, "one\r\n\r\nthree\r\n", chunk_max);
    CHECK_RESULT(read_into(&t, start_read_until), 0, 5);
    CHECK_EQ(memcmp(t.memory, "one\r\n", 5), 0);
    weir_dynamic_buffer_consume(&t.line.dynamic, 5);
    CHECK_RESULT(read_into(&t, start_read_until), 0, 2);
    weir_dynamic_buffer_consume(&t.line.dynamic, 2);
    CHECK_RESULT(read_into(&t, start_read_until), 0, 7);
    check_data(&t, "three\r\n");
    weir_dynamic_buffer_consume(&t.line.dynamic, 7);
    CHECK_RESULT(read_into(&t, start_read_until), WEIR_EOF, 0);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_until, messages_are_found_however_their_bytes_come)
{
    for (size_t chunk_max = 0; chunk_max <= 15; chunk_max++)
        check_lines(chunk_max);
}

WEIR_TEST(read_until, what_is_there_is_looked_at_before_the_stream_is_asked)
{
    struct subject t;

    subject_init(&t, "one\r\ntwo\r\n", 0);
    CHECK_RESULT(read_into(&t, start_read_until), 0, 5);
    check_data(&t, "one\r\ntwo\r\n");
    weir_dynamic_buffer_consume(&t.line.dynamic, 5);
    t.script.in.script.pace = WEIR_SCRIPT_HELD; /* It would wait for ever. */
    CHECK_RESULT(read_into(&t, start_read_until), 0, 5);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_until, a_stream_that_ends_in_a_message_leaves_its_bytes)
{
    struct subject t;

    subject_init(&t, "half a\r", 2);
    CHECK_RESULT(read_into(&t, start_read_until), WEIR_EOF, 7);
    check_data(&t, "half a\r");
    CHECK_RESULT(read_into(&t, start_read_until), WEIR_EOF, 7);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_until, a_message_that_is_longer_than_the_limit_leaves_its_bytes)
{
    struct subject t;

    subject_init(&t, "0123456789abcdef\r\n", 5);
    CHECK_RESULT(read_into(&t, start_read_until), -ENOBUFS, LIMIT);
    check_data(&t, "0123456789abcdef");
    weir_dynamic_buffer_consume(&t.line.dynamic, 10);
    CHECK_RESULT(read_into(&t, start_read_until), 0, 8);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_until, a_message_as_long_as_the_limit_fits)
{
    struct subject t;

    subject_init(&t, "0123456789abcd\r\n", 3);
    CHECK_RESULT(read_into(&t, start_read_until), 0, LIMIT);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_until, without_memory_it_fails_and_leaves_the_stream_alone)
{
    struct subject t;
    weir_fuse_memory dry;
    weir_fuse fuse;

    weir_fuse_init(&fuse, -ENOMEM);
    CHECK(weir_fuse_next(&fuse));
    weir_fuse_memory_init(&dry, &fuse, NULL);
    subject_init(&t, "one\r\n", 0);
    weir_flat_buffer_init_growing(&t.line, &dry.memory, LIMIT);
    CHECK_RESULT(read_into(&t, start_read_until), -ENOMEM, 0);
    CHECK_EQ(weir_script_position(&t.script.in), 0);
    CHECK_RESULT(read_into(&t, start_read_until), 0, 5); /* The fuse has blown. */
    weir_flat_buffer_fini(&t.line);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_until, the_matcher_sees_every_byte_once)
{
    struct subject t;

    subject_init(&t, "-x--", 1);
    weir_delimiter_init(&t.end, "--", 2);
    CHECK_RESULT(read_into(&t, start_read_until), 0, 4);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_until, what_the_matcher_saw_before_does_not_matter)
{
    struct subject t;

    subject_init(&t, "\nx\r\n", 0);
    CHECK_EQ(weir_matcher_feed(&t.end.matcher, "\r", 1).count, 0);
    CHECK_RESULT(read_into(&t, start_read_until), 0, 4);
    weir_script_stream_fini(&t.script);
}

/* A matcher that takes nothing but digits. */

static weir_result digits_feed(weir_matcher *matcher, const void *data, size_t size)
{
    const char *bytes = data;

    (void)matcher;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == ';')
            return weir_result_of(0, i + 1);
        if (bytes[i] < '0' || bytes[i] > '9')
            return weir_result_of(-EBADMSG, 0);
    }
    return weir_result_of(0, 0);
}

static void digits_reset(weir_matcher *matcher)
{
    (void)matcher;
}

static const struct weir_matcher_ops digits_ops = {.feed = digits_feed, .reset = digits_reset};

WEIR_TEST(read_until, an_error_of_the_matcher_ends_it_and_leaves_the_bytes)
{
    struct subject t;

    subject_init(&t, "12;34x5;", 2);
    t.end.matcher.ops = &digits_ops;
    CHECK_RESULT(read_into(&t, start_read_until), 0, 3);
    weir_dynamic_buffer_consume(&t.line.dynamic, 3);
    CHECK_RESULT(read_into(&t, start_read_until), -EBADMSG, 3);
    check_data(&t, "34x");
    CHECK_RESULT(read_into(&t, start_read_until), -EBADMSG, 3);
    weir_script_stream_excuse(&t.script);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_until, a_message_is_success_whatever_comes_with_its_last_byte)
{
    struct subject t;
    struct part_stream parts;

    subject_init(&t, "", 0);
    part_stream_init(&parts, "one\r\n");
    part_add(&parts, 3, 0);
    part_add(&parts, 2, -ECONNRESET);
    transfer_init(&t.transfer, start_read_until, &parts.stream);
    t.transfer.dynamic = &t.line.dynamic;
    t.transfer.matcher = &t.end.matcher;
    CHECK_RESULT(weir_test_run(&t.transfer.task), 0, 5);
    weir_script_stream_fini(&t.script);
}

/* To the end of the stream. */

WEIR_TEST(read_to_end, the_bytes_go_behind_what_is_there)
{
    struct subject t;
    weir_buffer front;

    subject_init(&t, "world", 2);
    CHECK_EQ(weir_dynamic_buffer_prepare(&t.line.dynamic, 6, &front, 1).error, 0);
    memcpy(front.data, "hello ", 6);
    weir_dynamic_buffer_commit(&t.line.dynamic, 6);
    CHECK_RESULT(read_into(&t, start_read_to_end), 0, 5);
    check_data(&t, "hello world");
    CHECK_RESULT(read_into(&t, start_read_to_end), 0, 0);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_to_end, a_stream_that_reaches_the_limit_is_not_known_to_have_ended)
{
    struct subject t;

    subject_init(&t, "0123456789abcdef", 7);
    CHECK_RESULT(read_into(&t, start_read_to_end), -ENOBUFS, LIMIT);
    weir_dynamic_buffer_consume(&t.line.dynamic, 1);
    CHECK_RESULT(read_into(&t, start_read_to_end), 0, 0);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_to_end, after_a_stop_it_is_cancelled_even_at_the_limit)
{
    struct subject t;
    weir_result r;

    subject_init(&t, "0123456789abcdef", 0);
    CHECK_RESULT(read_into(&t, start_read_to_end), -ENOBUFS, LIMIT);
    transfer_init(&t.transfer, start_read_to_end, &t.script.stream);
    t.transfer.dynamic = &t.line.dynamic;
    CHECK(weir_test_run_stopped(&t.transfer.task, 0, WEIR_STOP_REQUESTED, &r));
    CHECK_RESULT(r, WEIR_CANCELLED, 0);
    weir_script_stream_fini(&t.script);
}

WEIR_TEST(read_to_end, bytes_beside_the_end_are_kept)
{
    struct subject t;
    struct part_stream parts;

    subject_init(&t, "", 0);
    part_stream_init(&parts, "abc");
    part_add(&parts, 3, WEIR_EOF);
    transfer_init(&t.transfer, start_read_to_end, &parts.stream);
    t.transfer.dynamic = &t.line.dynamic;
    CHECK_RESULT(weir_test_run(&t.transfer.task), 0, 3);
    check_data(&t, "abc");
    weir_script_stream_fini(&t.script);
}

/* Growing buffers of every kind, with more than fits their first block. */

enum { MANY = 100000, SEGMENT = 4096 };

static void check_many(weir_dynamic_buffer *buffer, size_t chunk_max)
{
    static char sent[MANY];
    static char got[MANY];
    weir_const_buffer pieces[MANY / 1024];
    weir_script in = {.bytes = weir_const_buffer_of(sent, MANY), .chunk_max = chunk_max};
    weir_script_stream script;
    struct transfer transfer;
    weir_buffer target = weir_buffer_of(got, MANY);
    size_t count;

    for (size_t i = 0; i < MANY; i++)
        sent[i] = (char)(i * 31 + i / 256);
    weir_script_stream_init(&script, &in, NULL);
    transfer_init(&transfer, start_read_to_end, &script.stream);
    transfer.dynamic = buffer;
    CHECK_RESULT(weir_test_run(&transfer.task), 0, MANY);
    count = weir_dynamic_buffer_data(buffer, 0, pieces, MANY / 1024);
    CHECK_EQ(weir_buffers_copy(&target, 1, pieces, count, SIZE_MAX), MANY);
    CHECK_EQ(memcmp(sent, got, MANY), 0);
    weir_script_stream_fini(&script);
}

WEIR_TEST(read_to_end, a_buffer_of_any_kind_grows_with_the_stream)
{
    for (size_t chunk_max = 0; chunk_max <= 1500; chunk_max += 1500) {
        weir_flat_buffer flat;
        weir_circular_buffer circular;
        weir_segmented_buffer segmented;

        weir_flat_buffer_init_growing(&flat, NULL, MANY + 1);
        check_many(&flat.dynamic, chunk_max);
        weir_flat_buffer_fini(&flat);
        weir_circular_buffer_init_growing(&circular, NULL, MANY + 1);
        check_many(&circular.dynamic, chunk_max);
        weir_circular_buffer_fini(&circular);
        weir_segmented_buffer_init(&segmented, NULL, SEGMENT, MANY + 1);
        check_many(&segmented.dynamic, chunk_max);
        weir_segmented_buffer_fini(&segmented);
    }
}
