/* SPDX-License-Identifier: MIT */
/*
 * Whole transfers over parts: what is counted, what is offered, and what an error beside bytes
 * means. Every split, chunk, failure and stop is tried in test_kit_together.c.
 */
#include <weir/stream.h>

#include <errno.h>
#include <string.h>

#include "part_stream.h"
#include "test_kit_task.h"

static const char text[] = "abcdefgh";

static weir_result run(struct transfer *transfer)
{
    return weir_test_run(&transfer->task);
}

/* A condition that comes with the last byte waits: the transfer is whole. */

static void check_full_is_success(transfer_start_fn *start)
{
    struct part_stream parts;
    struct transfer transfer;
    char data[8] = {0};

    part_stream_init(&parts, text);
    part_add(&parts, 3, 0);
    part_add(&parts, 5, WEIR_EOF);
    transfer_init_read(&transfer, start, &parts.stream, data, sizeof data);
    transfer.bytes = weir_const_buffer_of(text, 8);
    CHECK_RESULT(run(&transfer), 0, 8);
}

WEIR_TEST(sequence, full_buffers_are_success_whatever_comes_with_the_last_byte)
{
    check_full_is_success(start_read);
    check_full_is_success(start_write);
    check_full_is_success(start_write_eof);
}

static void check_part_is_counted(transfer_start_fn *start)
{
    struct part_stream parts;
    struct transfer transfer;
    char data[8] = {0};

    part_stream_init(&parts, text);
    part_add(&parts, 3, 0);
    part_add(&parts, 2, -EIO);
    transfer_init_read(&transfer, start, &parts.stream, data, sizeof data);
    transfer.bytes = weir_const_buffer_of(text, 8);
    CHECK_RESULT(run(&transfer), -EIO, 5);
    CHECK_EQ(parts.finished, 0);
}

WEIR_TEST(sequence, bytes_beside_an_error_are_counted_before_it)
{
    check_part_is_counted(start_read);
    check_part_is_counted(start_write);
    check_part_is_counted(start_write_eof);
}

/* What a part is offered. */

enum { LONG = 1500 };

static void check_offers(transfer_start_fn *start)
{
    static const char zeros[PART_BYTES_MAX];
    static char data[2 * LONG];
    static weir_buffer buffers[LONG];
    weir_grinder cut = {.count = 0};
    struct part_stream parts;
    struct transfer transfer;

    part_stream_init(&parts, zeros);
    part_add(&parts, 4, 0); /* Ends with the second buffer: */
    part_add(&parts, 3, 0); /* the caller's array is offered; ends inside a buffer: */
    part_add(&parts, 1, 0); /* a window is; */
    part_add(&parts, 2, -EIO);
    for (size_t i = 0; i < LONG; i++)
        buffers[i] = weir_buffer_of(data + 2 * i, 2);
    transfer_init(&transfer, start, &parts.stream);
    transfer.cut = &cut;
    transfer.buffer = weir_buffer_of(buffers, LONG);
    CHECK_RESULT(run(&transfer), -EIO, 10);

    CHECK(parts.arrays[0] == buffers);
    CHECK_EQ(parts.counts[0], LONG);
    CHECK(parts.arrays[1] == buffers + 2);
    CHECK_EQ(parts.counts[1], LONG - 2);
    CHECK_EQ(parts.counts[2], WEIR_TRANSFER_WINDOW);
    CHECK(parts.arrays[3] == buffers + 4);
}

static weir_task *start_read_long(struct transfer *self)
{
    return weir_read_v(&self->task, &self->stream->in, self->buffer.data, self->buffer.size);
}

static weir_task *start_write_long(struct transfer *self)
{
    return weir_write_v(&self->task, &self->stream->out, weir_buffers_as_const(self->buffer.data),
                        self->buffer.size);
}

WEIR_TEST(sequence, the_callers_array_is_offered_where_a_buffer_begins)
{
    check_offers(start_read_long);
    check_offers(start_write_long);
}

WEIR_TEST(sequence, an_empty_sequence_asks_nobody)
{
    static transfer_start_fn *const starts[] = {start_read_long, start_write_long};
    weir_buffer empty[2] = {{NULL, 0}, {NULL, 0}};

    for (size_t i = 0; i < 2; i++) {
        for (size_t count = 0; count <= 2; count++) {
            struct part_stream parts;
            struct transfer transfer;

            part_stream_init(&parts, text);
            transfer_init(&transfer, starts[i], &parts.stream);
            transfer.buffer = weir_buffer_of(empty, count);
            CHECK_RESULT(run(&transfer), 0, 0);
            CHECK_EQ(parts.taken, 0);
        }
    }
}

/* The end of writing. */

WEIR_TEST(sequence, an_end_that_fails_is_told_beside_all_the_bytes_and_can_be_repeated)
{
    struct part_stream parts;
    struct transfer transfer;

    part_stream_init(&parts, text);
    part_add(&parts, 8, 0);
    parts.finish_error = -EIO;
    transfer_init_write(&transfer, start_write_eof, &parts.stream, text, 8);
    CHECK_RESULT(run(&transfer), -EIO, 8);

    parts.finish_error = 0;
    transfer_init_write(&transfer, start_write_eof, &parts.stream, NULL, 0);
    CHECK_RESULT(run(&transfer), 0, 0);
    CHECK_EQ(parts.finished, 2);
    CHECK_EQ(memcmp(parts.written, text, 8), 0);
}

WEIR_TEST(sequence, a_stream_that_marks_no_end_has_ended_at_once)
{
    weir_stream stream;
    struct transfer transfer;
    struct weir_write_stream_ops ops = part_out_ops;

    ops.finish = weir_stream_finish_nothing;
    weir_stream_init(&stream, &part_in_ops, &ops);
    transfer_init_write(&transfer, start_write_eof, &stream, NULL, 0);
    CHECK_RESULT(run(&transfer), 0, 0);
}
