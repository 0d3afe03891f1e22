/* SPDX-License-Identifier: MIT */
/* Scripted streams: what they serve and expect, when, and what they find wrong. */
#include <errno.h>

#include "test_kit_task.h"

static const char hello[] = "hello world";

enum { HELLO = sizeof hello - 1 };

static weir_script says(const char *text)
{
    return (weir_script){.bytes = weir_const_buffer_of(text, strlen(text))};
}

static weir_result run_read(weir_script_stream *stream, transfer_start_fn *start, void *data,
                            size_t size)
{
    struct transfer transfer;

    transfer_init_read(&transfer, start, &stream->stream, data, size);
    return weir_test_run(&transfer.task);
}

static weir_result run_write(weir_script_stream *stream, transfer_start_fn *start, const char *text)
{
    struct transfer transfer;

    transfer_init_write(&transfer, start, &stream->stream, text, strlen(text));
    return weir_test_run(&transfer.task);
}

static weir_result run_finish(weir_script_stream *stream)
{
    struct transfer transfer;

    transfer_init(&transfer, start_finish, &stream->stream);
    return weir_test_run(&transfer.task);
}

/* Reading. */

WEIR_TEST(kit_script_stream, reads_are_served_the_script_and_then_its_end_every_time)
{
    weir_script in = says(hello);
    weir_script_stream stream;
    char data[32];

    weir_script_stream_init(&stream, &in, NULL);
    CHECK_RESULT(run_read(&stream, start_read_some, data, 5), 0, 5);
    CHECK_RESULT(run_read(&stream, start_read_some, data + 5, 20), 0, HELLO - 5);
    CHECK(memcmp(data, hello, HELLO) == 0);
    CHECK_RESULT(run_read(&stream, start_read_some, data, 5), WEIR_EOF, 0);
    CHECK_RESULT(run_read(&stream, start_read, data, 5), WEIR_EOF, 0);
    weir_script_stream_fini(&stream);
}

WEIR_TEST(kit_script_stream, a_chunk_is_the_most_that_a_read_gives)
{
    weir_script in = says(hello);
    weir_script_stream stream;
    char data[32];

    in.chunk_max = 2;
    weir_script_stream_init(&stream, &in, NULL);
    CHECK_RESULT(run_read(&stream, start_read_some, data, 1), 0, 1);
    CHECK_RESULT(run_read(&stream, start_read_some, data + 1, 9), 0, 2);
    CHECK_EQ(weir_script_position(&stream.in), 3);
    CHECK_RESULT(run_read(&stream, start_read, data + 3, 29), WEIR_EOF, HELLO - 3);
    CHECK(memcmp(data, hello, HELLO) == 0);
    weir_script_stream_fini(&stream);
}

WEIR_TEST(kit_script_stream, reading_ends_with_the_error_of_the_script)
{
    weir_script in = says("abc");
    weir_script_stream stream;
    char data[8];

    in.end = -ECONNRESET;
    weir_script_stream_init(&stream, &in, NULL);
    CHECK_RESULT(run_read(&stream, start_read, data, 8), -ECONNRESET, 3);
    CHECK_RESULT(run_read(&stream, start_read_some, data, 8), -ECONNRESET, 0);
    weir_script_stream_fini(&stream);
}

WEIR_TEST(kit_script_stream, an_end_may_come_beside_the_last_bytes)
{
    weir_script in = says("abc");
    weir_script out = says("xy");
    weir_script_stream stream;
    char data[8];

    in.ends_early = true;
    out.ends_early = true;
    out.end = -EPIPE;
    weir_script_stream_init(&stream, &in, &out);
    CHECK_RESULT(run_read(&stream, start_read_some, data, 2), 0, 2);
    CHECK_RESULT(run_read(&stream, start_read_some, data, 8), WEIR_EOF, 1);
    CHECK_RESULT(run_read(&stream, start_read_some, data, 8), WEIR_EOF, 0);
    CHECK_RESULT(run_write(&stream, start_write_some, "xyz"), -EPIPE, 2);
    weir_script_stream_fini(&stream);
}

WEIR_ABORT_TEST(kit_script_stream, bytes_that_were_not_read_are_told)
{
    weir_script in = says("abc");
    weir_script_stream stream;
    char data[2];

    weir_script_stream_init(&stream, &in, NULL);
    CHECK_RESULT(run_read(&stream, start_read, data, 2), 0, 2);
    weir_script_stream_fini(&stream);
}

/* Writing. */

WEIR_TEST(kit_script_stream, writes_are_what_the_script_expects)
{
    weir_script out = says(hello);
    weir_script_stream stream;

    out.chunk_max = 4;
    out.must_end = true;
    weir_script_stream_init(&stream, NULL, &out);
    CHECK_RESULT(run_write(&stream, start_write_some, "hello"), 0, 4);
    CHECK_RESULT(run_write(&stream, start_write, "o world"), 0, 7);
    CHECK(!weir_script_is_ended(&stream.out));
    CHECK_RESULT(run_finish(&stream), 0, 0);
    CHECK(weir_script_is_ended(&stream.out));
    weir_script_stream_fini(&stream);
}

WEIR_TEST(kit_script_stream, writing_fails_at_the_byte_that_the_script_says)
{
    weir_script out = says("abc");
    weir_script_stream stream;

    out.end = -EPIPE;
    weir_script_stream_init(&stream, NULL, &out);
    CHECK_RESULT(run_write(&stream, start_write, "abcdef"), -EPIPE, 3);
    CHECK_RESULT(run_write(&stream, start_write_some, "d"), -EPIPE, 0);
    weir_script_stream_fini(&stream);
}

WEIR_TEST(kit_script_stream, captured_bytes_are_those_written)
{
    char data[8] = {0};
    weir_script out = {.capture = {data, sizeof data}};
    weir_script_stream stream;

    weir_script_stream_init(&stream, NULL, &out);
    CHECK_RESULT(run_write(&stream, start_write, "abc"), 0, 3);
    CHECK_RESULT(run_write(&stream, start_write, "de"), 0, 2);
    CHECK_STR_EQ(data, "abcde");
    weir_script_stream_fini(&stream);
}

WEIR_ABORT_TEST(kit_script_stream, a_wrong_byte_is_told)
{
    weir_script out = says(hello);
    weir_script_stream stream;

    weir_script_stream_init(&stream, NULL, &out);
    (void)run_write(&stream, start_write, "help!");
}

WEIR_ABORT_TEST(kit_script_stream, a_byte_too_many_is_told)
{
    weir_script out = says("abc");
    weir_script_stream stream;

    weir_script_stream_init(&stream, NULL, &out);
    (void)run_write(&stream, start_write, "abcd");
}

WEIR_ABORT_TEST(kit_script_stream, bytes_that_were_not_written_are_told)
{
    weir_script out = says("abc");
    weir_script_stream stream;

    weir_script_stream_init(&stream, NULL, &out);
    CHECK_RESULT(run_write(&stream, start_write, "ab"), 0, 2);
    weir_script_stream_fini(&stream);
}

WEIR_ABORT_TEST(kit_script_stream, an_end_of_writing_that_does_not_come_is_told)
{
    weir_script out = {.must_end = true};
    weir_script_stream stream;

    weir_script_stream_init(&stream, NULL, &out);
    weir_script_stream_fini(&stream);
}

WEIR_ABORT_TEST(kit_script_stream, a_write_after_the_end_of_writing_is_told)
{
    weir_script out = says("abc");
    weir_script_stream stream;

    weir_script_stream_init(&stream, NULL, &out);
    CHECK_RESULT(run_finish(&stream), 0, 0);
    (void)run_write(&stream, start_write, "abc");
}

/* Pace. */

WEIR_TEST(kit_script_stream, what_is_posted_completes_in_a_later_turn)
{
    weir_script in = says(hello);
    weir_script_stream stream;
    struct transfer transfer;
    weir_manual manual;
    char data[HELLO] = {0};

    in.pace = WEIR_SCRIPT_POSTED;
    weir_script_stream_init(&stream, &in, NULL);
    weir_manual_init(&manual, &(weir_manual_options){.budget = 1});
    transfer_init_read(&transfer, start_read, &stream.stream, data, HELLO);
    weir_run_async(weir_manual_executor(&manual), &transfer.root, &transfer.task, NULL, NULL);
    CHECK(weir_manual_poll(&manual));
    CHECK(weir_script_is_waiting(&stream.in));
    CHECK_EQ(data[0], 0);
    settle(&manual);
    CHECK_RESULT(transfer.result, 0, HELLO);
    weir_manual_fini(&manual);
    weir_script_stream_fini(&stream);
}

/* A held read of up to eight bytes. */
struct hold {
    weir_script_stream stream;
    struct transfer transfer;
    weir_manual manual;
    char data[8];
};

static void hold_begin(struct hold *hold, enum weir_script_pace pace, bool stops_late)
{
    weir_script in = says("abcd");

    memset(hold, 0, sizeof *hold);
    in.pace = pace;
    in.stops_late = stops_late;
    weir_script_stream_init(&hold->stream, &in, NULL);
    weir_manual_init(&hold->manual, &(weir_manual_options){.budget = 1});
    transfer_init_read(&hold->transfer, start_read_some, &hold->stream.stream, hold->data, 8);
    weir_run_async(weir_manual_executor(&hold->manual), &hold->transfer.root, &hold->transfer.task,
                   NULL, NULL);
}

static void hold_end(struct hold *hold)
{
    weir_test_check_idle(&hold->manual);
    weir_manual_fini(&hold->manual);
    weir_script_stream_fini(&hold->stream);
}

WEIR_TEST(kit_script_stream, what_is_held_completes_when_it_is_released)
{
    struct hold hold;

    hold_begin(&hold, WEIR_SCRIPT_HELD, false);
    CHECK(!weir_script_release(&hold.stream.in));
    settle(&hold.manual);
    CHECK(weir_script_is_waiting(&hold.stream.in));
    CHECK_EQ(hold.data[0], 0);
    CHECK(weir_script_release(&hold.stream.in));
    CHECK_EQ(hold.data[0], 'a');
    CHECK(!hold.transfer.is_done);
    settle(&hold.manual);
    CHECK_RESULT(hold.transfer.result, 0, 4);
    hold_end(&hold);
}

WEIR_TEST(kit_script_stream, a_stop_before_an_operation_moves_nothing)
{
    struct hold hold;

    hold_begin(&hold, WEIR_SCRIPT_AT_ONCE, false);
    transfer_stop(&hold.transfer, &hold.manual);
    CHECK_RESULT(hold.transfer.result, WEIR_CANCELLED, 0);
    CHECK_EQ(weir_script_position(&hold.stream.in), 0);
    hold_end(&hold);
}

WEIR_TEST(kit_script_stream, a_stop_while_it_is_held_moves_nothing)
{
    struct hold hold;

    hold_begin(&hold, WEIR_SCRIPT_HELD, false);
    settle(&hold.manual);
    transfer_stop(&hold.transfer, &hold.manual);
    CHECK_RESULT(hold.transfer.result, WEIR_CANCELLED, 0);
    CHECK(!weir_script_release(&hold.stream.in));
    hold_end(&hold);
}

WEIR_TEST(kit_script_stream, a_stop_after_the_release_does_not_unmake_it)
{
    struct hold hold;

    hold_begin(&hold, WEIR_SCRIPT_HELD, false);
    settle(&hold.manual);
    CHECK(weir_script_release(&hold.stream.in));
    transfer_stop(&hold.transfer, &hold.manual);
    CHECK_RESULT(hold.transfer.result, 0, 4);
    hold_end(&hold);
}

WEIR_TEST(kit_script_stream, a_stop_of_what_is_posted_arrives_in_a_later_turn)
{
    struct hold hold;

    hold_begin(&hold, WEIR_SCRIPT_POSTED, false);
    CHECK(weir_manual_poll(&hold.manual));
    weir_task_stop(&hold.transfer.root.task, WEIR_STOP_REQUESTED);
    CHECK(weir_script_is_waiting(&hold.stream.in));
    settle(&hold.manual);
    CHECK_RESULT(hold.transfer.result, WEIR_CANCELLED, 0);
    hold_end(&hold);
}

WEIR_TEST(kit_script_stream, a_late_stop_finds_the_bytes_moved)
{
    struct hold hold;

    hold_begin(&hold, WEIR_SCRIPT_POSTED, true);
    CHECK(weir_manual_poll(&hold.manual));
    transfer_stop(&hold.transfer, &hold.manual);
    CHECK_RESULT(hold.transfer.result, 0, 4);
    hold_end(&hold);
}

WEIR_ABORT_TEST(kit_script_stream, it_does_not_end_under_an_operation)
{
    struct hold hold;

    hold_begin(&hold, WEIR_SCRIPT_HELD, false);
    settle(&hold.manual);
    weir_script_stream_fini(&hold.stream);
}

/* Failing. */

WEIR_TEST(kit_script_stream, each_operation_is_a_point_and_a_failure_stays)
{
    weir_script in = says(hello);
    weir_script_stream stream;
    weir_fuse fuse;
    char data[HELLO];
    weir_result r;

    in.chunk_max = 4;
    in.fuse = &fuse;
    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse)) {
        weir_script_stream_init(&stream, &in, NULL);
        r = run_read(&stream, start_read, data, HELLO);
        CHECK_EQ(r.error, weir_fuse_is_blown(&fuse) ? -EIO : 0);
        CHECK_EQ(r.count, weir_script_position(&stream.in));
        if (r.error)
            CHECK_RESULT(run_read(&stream, start_read, data, 1), -EIO, 0);
        weir_script_stream_fini(&stream);
    }
    CHECK_EQ(weir_fuse_points(&fuse), 3);
}

WEIR_TEST(kit_script_stream, an_excused_script_need_not_come_to_its_end)
{
    weir_script in = says(hello);
    weir_script_stream stream;

    weir_script_stream_init(&stream, &in, &in);
    weir_script_stream_excuse(&stream);
    weir_script_stream_fini(&stream);
}
