/* SPDX-License-Identifier: MIT */
/*
 * Adapters, each by itself: what they keep, and what they tell. Hauls through all of them, with
 * every failure and every stop, are in test_copy.c.
 */
#include <weir/stream_adapters.h>

#include <errno.h>
#include <string.h>

#include "part_stream.h"
#include "test_kit_task.h"

static const char text[] = "abcdefgh";

/* A task that awaits one operation of an adapter. */

struct call;

typedef weir_task *call_start_fn(struct call *self);

struct call {
    weir_task task;
    call_start_fn *start;
    weir_buffer_source *source;
    weir_buffer_sink *sink;
    weir_source_stream *from_source;
    weir_sink_stream *to_sink;
    size_t size;                 /* To commit. */
    weir_const_buffer pulled[2]; /* Out. */
    const weir_buffer *targets;  /* Three. */
    const weir_const_buffer *origins;
};

static weir_task *call_resume(weir_task *task)
{
    struct call *self = WEIR_TASK_SELF(task, struct call);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, self->start(self));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *start_pull(struct call *self)
{
    return weir_buffer_source_pull(&self->task, self->source, self->pulled, 2);
}

static weir_task *start_commit(struct call *self)
{
    return weir_buffer_sink_commit(&self->task, self->sink, self->size);
}

static weir_task *start_commit_eof(struct call *self)
{
    return weir_buffer_sink_commit_eof(&self->task, self->sink, self->size);
}

static weir_task *start_scatter(struct call *self)
{
    return weir_read_some_v(&self->task, &self->from_source->in, self->targets, 3);
}

static weir_task *start_gather(struct call *self)
{
    return weir_write_some_v(&self->task, &self->to_sink->out, self->origins, 3);
}

static weir_task *start_write_text(struct call *self)
{
    return weir_write_some(&self->task, &self->to_sink->out, weir_const_buffer_of(text, 8));
}

static weir_result run(struct call *self, call_start_fn *start)
{
    weir_task_init(&self->task, call_resume);
    self->start = start;
    return weir_test_run(&self->task);
}

static weir_result run_stopped(struct call *self, call_start_fn *start)
{
    weir_result r;

    weir_task_init(&self->task, call_resume);
    self->start = start;
    CHECK(weir_test_run_stopped(&self->task, 0, WEIR_STOP_REQUESTED, &r));
    return r;
}

/* A stream as a buffer source. */

struct sourced {
    struct part_stream parts;
    weir_stream_source adapter;
    struct call call;
    char memory[4];
};

static void sourced_init(struct sourced *self)
{
    part_stream_init(&self->parts, text);
    weir_stream_source_init(&self->adapter, &self->parts.stream.in,
                            weir_buffer_of(self->memory, sizeof self->memory));
    self->call = (struct call){.source = &self->adapter.source};
}

static void check_pulled(struct sourced *t, const char *wanted)
{
    CHECK_RESULT(run(&t->call, start_pull), 0, 1);
    CHECK_EQ(t->call.pulled[0].size, strlen(wanted));
    CHECK_EQ(memcmp(t->call.pulled[0].data, wanted, strlen(wanted)), 0);
}

WEIR_TEST(stream_source, a_pull_gives_the_same_bytes_until_they_are_consumed)
{
    struct sourced t;

    sourced_init(&t);
    part_add(&t.parts, 3, 0);
    part_add(&t.parts, 8, 0);
    check_pulled(&t, "abc");
    check_pulled(&t, "abc");
    weir_buffer_source_consume(&t.adapter.source, 1);
    check_pulled(&t, "bc");
    weir_buffer_source_consume(&t.adapter.source, 2);
    check_pulled(&t, "defg"); /* As much as the memory holds. */
    CHECK_EQ(t.parts.taken, 2);
}

WEIR_TEST(stream_source, an_error_beside_bytes_is_told_once_and_behind_them)
{
    struct sourced t;

    sourced_init(&t);
    part_add(&t.parts, 3, -ECONNRESET);
    part_add(&t.parts, 0, WEIR_EOF);
    check_pulled(&t, "abc");
    weir_buffer_source_consume(&t.adapter.source, 3);
    CHECK_RESULT(run(&t.call, start_pull), -ECONNRESET, 0);
    CHECK_RESULT(run(&t.call, start_pull), WEIR_EOF, 0);
}

WEIR_TEST(stream_source, a_stop_beside_bytes_is_not_told_to_who_pulls_next)
{
    struct sourced t;

    sourced_init(&t);
    part_add(&t.parts, 3, WEIR_CANCELLED);
    part_add(&t.parts, 2, 0);
    check_pulled(&t, "abc");
    weir_buffer_source_consume(&t.adapter.source, 3);
    check_pulled(&t, "de");
}

WEIR_TEST(stream_source, after_a_stop_nothing_is_pulled_and_nothing_is_lost)
{
    struct sourced t;

    sourced_init(&t);
    part_add(&t.parts, 3, 0);
    check_pulled(&t, "abc");
    CHECK_RESULT(run_stopped(&t.call, start_pull), WEIR_CANCELLED, 0);
    check_pulled(&t, "abc");
}

WEIR_ABORT_TEST(stream_source_misuse, more_is_consumed_than_was_pulled)
{
    struct sourced t;

    sourced_init(&t);
    part_add(&t.parts, 3, 0);
    check_pulled(&t, "abc");
    weir_buffer_source_consume(&t.adapter.source, 4);
}

/* A buffer source as a stream. */

WEIR_TEST(source_stream, what_was_pulled_is_scattered_and_only_that_is_consumed)
{
    struct sourced t;
    weir_source_stream stream;
    char data[4] = "....";
    const weir_buffer targets[3] = {{data, 1}, {NULL, 0}, {data + 1, 2}};

    sourced_init(&t);
    part_add(&t.parts, 4, 0);
    weir_source_stream_init(&stream, &t.adapter.source);
    t.call.from_source = &stream;
    t.call.targets = targets;
    CHECK_RESULT(run(&t.call, start_scatter), 0, 3);
    CHECK_EQ(memcmp(data, "abc.", 4), 0);
    check_pulled(&t, "d");
}

/* A stream as a buffer sink. */

struct sunk {
    struct part_stream parts;
    weir_stream_sink adapter;
    struct call call;
    char memory[4];
};

static void sunk_init(struct sunk *self)
{
    part_stream_init(&self->parts, text);
    weir_stream_sink_init(&self->adapter, &self->parts.stream.out,
                          weir_buffer_of(self->memory, sizeof self->memory));
    self->call = (struct call){.sink = &self->adapter.sink};
}

/* Put bytes in front of what is prepared. Returns how much room there was. */
static size_t put(struct sunk *t, const char *bytes)
{
    weir_buffer prepared;

    if (weir_buffer_sink_prepare(&t->adapter.sink, &prepared, 1) == 0)
        return 0;
    t->call.size = strlen(bytes);
    CHECK(t->call.size <= prepared.size);
    memcpy(prepared.data, bytes, t->call.size);
    return prepared.size;
}

static void check_written(const struct sunk *t, const char *wanted)
{
    CHECK_EQ(t->parts.position, strlen(wanted));
    CHECK_EQ(memcmp(t->parts.written, wanted, strlen(wanted)), 0);
}

WEIR_TEST(stream_sink, a_commit_writes_all_that_was_committed)
{
    struct sunk t;

    sunk_init(&t);
    part_add(&t.parts, 2, 0);
    part_add(&t.parts, 2, 0);
    CHECK_EQ(put(&t, "abc"), 4);
    CHECK_RESULT(run(&t.call, start_commit), 0, 3);
    check_written(&t, "abc");
    CHECK_EQ(put(&t, "d"), 4);
}

WEIR_TEST(stream_sink, what_was_committed_and_not_written_goes_with_the_next_commit)
{
    struct sunk t;

    sunk_init(&t);
    part_add(&t.parts, 1, 0);
    part_add(&t.parts, 0, -EIO);
    part_add(&t.parts, 8, 0);
    CHECK_EQ(put(&t, "abc"), 4);
    CHECK_RESULT(run(&t.call, start_commit), -EIO, 3);
    check_written(&t, "a");
    CHECK_EQ(put(&t, "d"), 1);
    CHECK_RESULT(run(&t.call, start_commit), 0, 1);
    check_written(&t, "abcd");
}

WEIR_TEST(stream_sink, a_commit_after_a_stop_takes_the_bytes_and_writes_none)
{
    struct sunk t;

    sunk_init(&t);
    part_add(&t.parts, 8, 0);
    CHECK_EQ(put(&t, "abcd"), 4);
    CHECK_RESULT(run_stopped(&t.call, start_commit), WEIR_CANCELLED, 4);
    check_written(&t, "");
    CHECK_EQ(put(&t, ""), 0); /* No room, */
    t.call.size = 0;
    CHECK_RESULT(run(&t.call, start_commit), 0, 0); /* until this. */
    check_written(&t, "abcd");
    CHECK_EQ(put(&t, ""), 4);
}

WEIR_TEST(stream_sink, the_last_commit_ends_the_stream_and_can_be_repeated)
{
    struct sunk t;

    sunk_init(&t);
    part_add(&t.parts, 8, 0);
    t.parts.finish_error = -EIO;
    CHECK_EQ(put(&t, "abc"), 4);
    CHECK_RESULT(run(&t.call, start_commit_eof), -EIO, 3);
    check_written(&t, "abc");
    t.parts.finish_error = 0;
    t.call.size = 0;
    CHECK_RESULT(run(&t.call, start_commit_eof), 0, 0);
    CHECK_EQ(t.parts.finished, 2);
}

WEIR_TEST(stream_sink, a_last_commit_that_cannot_write_does_not_end_the_stream)
{
    struct sunk t;

    sunk_init(&t);
    part_add(&t.parts, 1, -EIO);
    CHECK_EQ(put(&t, "abc"), 4);
    CHECK_RESULT(run(&t.call, start_commit_eof), -EIO, 3);
    CHECK_EQ(t.parts.taken, 1);
    CHECK_EQ(t.parts.finished, 0);
}

WEIR_ABORT_TEST(stream_sink_misuse, more_is_committed_than_was_prepared)
{
    struct sunk t;

    sunk_init(&t);
    t.call.size = 5;
    (void)run(&t.call, start_commit);
}

/* A buffer sink as a stream. */

WEIR_TEST(sink_stream, a_sequence_is_gathered_as_far_as_there_is_room)
{
    struct sunk t;
    weir_sink_stream stream;
    const weir_const_buffer origins[3] = {{text, 1}, {NULL, 0}, {text + 1, 7}};

    sunk_init(&t);
    part_add(&t.parts, 8, 0);
    weir_sink_stream_init(&stream, &t.adapter.sink);
    t.call.to_sink = &stream;
    t.call.origins = origins;
    CHECK_RESULT(run(&t.call, start_gather), 0, 4);
    check_written(&t, "abcd");
}

WEIR_TEST(sink_stream, bytes_that_were_taken_are_counted_beside_the_error)
{
    struct sunk t;
    weir_sink_stream stream;

    sunk_init(&t);
    part_add(&t.parts, 3, -EIO);
    weir_sink_stream_init(&stream, &t.adapter.sink);
    t.call.to_sink = &stream;
    CHECK_RESULT(run(&t.call, start_write_text), -EIO, 4);
    check_written(&t, "abc");
}

/* Else who treats an error as "not all of it was taken" sends the bytes twice. */
WEIR_TEST(sink_stream, a_write_that_took_all_its_bytes_succeeds_and_the_next_meets_the_error)
{
    struct sunk t;
    weir_sink_stream stream;
    const weir_const_buffer origins[3] = {{text, 1}, {NULL, 0}, {text + 1, 3}};

    sunk_init(&t);
    part_add(&t.parts, 1, 0);
    part_add(&t.parts, 0, -EIO);
    part_add(&t.parts, 0, -EIO);
    part_add(&t.parts, 8, 0);
    part_add(&t.parts, 8, 0);
    weir_sink_stream_init(&stream, &t.adapter.sink);
    t.call.to_sink = &stream;
    t.call.origins = origins;
    CHECK_RESULT(run(&t.call, start_gather), 0, 4);
    check_written(&t, "a");
    CHECK_RESULT(run(&t.call, start_gather), -EIO, 0);
    CHECK_RESULT(run(&t.call, start_gather), 0, 4);
    check_written(&t, "abcdabcd");
}

WEIR_TEST(sink_stream, a_write_that_finds_no_room_waits_for_some)
{
    struct sunk t;
    weir_sink_stream stream;

    sunk_init(&t);
    part_add(&t.parts, 0, -EIO);
    part_add(&t.parts, 2, 0);
    part_add(&t.parts, 2, 0);
    part_add(&t.parts, 4, 0);
    weir_sink_stream_init(&stream, &t.adapter.sink);
    t.call.to_sink = &stream;
    CHECK_RESULT(run(&t.call, start_write_text), -EIO, 4);
    CHECK_RESULT(run(&t.call, start_write_text), 0, 4);
    check_written(&t, "abcdabcd");
}

WEIR_TEST(sink_stream, after_a_stop_nothing_is_taken)
{
    struct sunk t;
    weir_sink_stream stream;

    sunk_init(&t);
    weir_sink_stream_init(&stream, &t.adapter.sink);
    t.call.to_sink = &stream;
    CHECK_RESULT(run_stopped(&t.call, start_write_text), WEIR_CANCELLED, 0);
    CHECK_EQ(put(&t, ""), 4);
    CHECK_EQ(t.parts.taken, 0);
}
