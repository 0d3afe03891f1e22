/* SPDX-License-Identifier: MIT */
/*
 * Scripted buffer sources and sinks: what they show, lend and find wrong; and weir_push_to and
 * weir_pull_from with them, in every cut, with every failure and every stop.
 */
#include <errno.h>

#include <weir/copy.h>

#include "test_kit_task.h"

static const char hello[] = "hello world";

enum { HELLO = sizeof hello - 1, PIECES = 4, MEMORY = 6 };

/* A task that awaits one pull or one commit. */

struct call {
    weir_task task;
    weir_task *(*start)(struct call *self); /* In. */
    weir_buffer_source *source;
    weir_const_buffer pulled[PIECES]; /* Out. */
    weir_buffer_sink *sink;
    size_t size; /* In: to commit. */
    weir_root root;
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
    return weir_buffer_source_pull(&self->task, self->source, self->pulled, PIECES);
}

static weir_task *start_commit(struct call *self)
{
    return weir_buffer_sink_commit(&self->task, self->sink, self->size);
}

static weir_task *start_commit_eof(struct call *self)
{
    return weir_buffer_sink_commit_eof(&self->task, self->sink, self->size);
}

static weir_result run(struct call *self, weir_task *(*start)(struct call *self))
{
    weir_task_init(&self->task, call_resume);
    self->start = start;
    return weir_test_run(&self->task);
}

static weir_result run_stopped(struct call *self, weir_task *(*start)(struct call *self),
                               size_t step)
{
    weir_result r;

    weir_task_init(&self->task, call_resume);
    self->start = start;
    CHECK(weir_test_run_stopped(&self->task, step, WEIR_STOP_REQUESTED, &r));
    return r;
}

/* Sources. */

struct sourced {
    weir_script_source source;
    struct call call;
};

static void sourced_init(struct sourced *self, weir_script script)
{
    script.bytes = weir_const_buffer_of(hello, HELLO);
    weir_script_source_init(&self->source, &script);
    self->call = (struct call){.source = &self->source.source};
}

static void consume(struct sourced *self, size_t size)
{
    weir_buffer_source_consume(&self->source.source, size);
}

WEIR_TEST(kit_script_source, a_pull_shows_as_many_pieces_as_are_asked_for)
{
    struct sourced t;

    sourced_init(&t, (weir_script){.chunk_max = 2});
    CHECK_RESULT(run(&t.call, start_pull), 0, PIECES);
    for (size_t i = 0; i < PIECES; i++) {
        CHECK_EQ(t.call.pulled[i].size, 2);
        CHECK(t.call.pulled[i].data == hello + 2 * i);
    }
    consume(&t, 7);
    CHECK_EQ(weir_script_position(&t.source.way), 7);
    consume(&t, 1);
    CHECK_RESULT(run(&t.call, start_pull), 0, 2);
    CHECK_EQ(t.call.pulled[1].size, 1);
    consume(&t, 3);
    CHECK_RESULT(run(&t.call, start_pull), WEIR_EOF, 0);
    CHECK_RESULT(run(&t.call, start_pull), WEIR_EOF, 0);
    weir_script_source_fini(&t.source);
}

WEIR_TEST(kit_script_source, without_consuming_a_pull_shows_the_same_again)
{
    struct sourced t;

    sourced_init(&t, (weir_script){.pace = WEIR_SCRIPT_POSTED, .end = -EIO});
    for (int i = 0; i < 2; i++) {
        CHECK_RESULT(run(&t.call, start_pull), 0, 1);
        CHECK(t.call.pulled[0].data == hello);
        CHECK_EQ(t.call.pulled[0].size, HELLO);
    }
    consume(&t, HELLO);
    CHECK_RESULT(run(&t.call, start_pull), -EIO, 0);
    weir_script_source_fini(&t.source);
}

WEIR_TEST(kit_script_source, a_pull_that_is_held_goes_when_it_is_released)
{
    weir_manual manual;
    struct sourced t;

    sourced_init(&t, (weir_script){.pace = WEIR_SCRIPT_HELD});
    weir_manual_init(&manual, NULL);
    weir_task_init(&t.call.task, call_resume);
    t.call.start = start_pull;
    weir_run_async(weir_manual_executor(&manual), &t.call.root, &t.call.task, NULL, NULL);
    settle(&manual);
    CHECK(weir_script_is_waiting(&t.source.way));
    CHECK(weir_script_release(&t.source.way));
    settle(&manual);
    CHECK_RESULT(weir_task_result(&t.call.task), 0, 1);
    consume(&t, HELLO);
    weir_manual_fini(&manual);
    weir_script_source_fini(&t.source);
}

WEIR_ABORT_TEST(kit_script_source, bytes_that_nobody_consumed_are_a_failure)
{
    struct sourced t;

    sourced_init(&t, (weir_script){.chunk_max = 2});
    CHECK_RESULT(run(&t.call, start_pull), 0, PIECES);
    consume(&t, 8);
    weir_script_source_fini(&t.source);
}

WEIR_TEST(kit_script_source, after_a_stop_or_an_excuse_bytes_may_be_left)
{
    struct sourced t;

    sourced_init(&t, (weir_script){.pace = WEIR_SCRIPT_POSTED});
    CHECK_RESULT(run_stopped(&t.call, start_pull, 1), WEIR_CANCELLED, 0);
    weir_script_source_fini(&t.source);
    sourced_init(&t, (weir_script){.chunk_max = 0});
    weir_script_source_excuse(&t.source);
    weir_script_source_fini(&t.source);
}

WEIR_ABORT_TEST(kit_script_source, more_is_consumed_than_was_pulled)
{
    struct sourced t;

    sourced_init(&t, (weir_script){.chunk_max = 2});
    CHECK_RESULT(run(&t.call, start_pull), 0, PIECES);
    CHECK_RESULT(run(&t.call, start_pull), 0, PIECES); /* The same. */
    consume(&t, 2 * PIECES);
    consume(&t, 1);
}

/* Sinks. */

struct sunk {
    weir_script_sink sink;
    struct call call;
    char memory[MEMORY];
};

static void sunk_init(struct sunk *self, weir_script script)
{
    if (!script.bytes.data && !script.capture.data)
        script.bytes = weir_const_buffer_of(hello, HELLO);
    weir_script_sink_init(&self->sink, &script, weir_buffer_of(self->memory, MEMORY));
    self->call = (struct call){.sink = &self->sink.sink};
}

/* Put bytes where the sink says, and prepare to commit them. Returns in how many buffers. */
static size_t put(struct sunk *t, const char *bytes)
{
    weir_const_buffer from = weir_const_buffer_of(bytes, strlen(bytes));
    weir_buffer buffers[MEMORY];
    size_t count = weir_buffer_sink_prepare(&t->sink.sink, buffers, MEMORY);

    t->call.size = weir_buffers_copy(buffers, count, &from, 1, SIZE_MAX);
    CHECK_EQ(t->call.size, from.size);
    return count;
}

WEIR_TEST(kit_script_sink, what_is_committed_is_compared_and_there_is_room_again)
{
    struct sunk t;

    sunk_init(&t, (weir_script){.chunk_max = 4, .must_end = true});
    CHECK_EQ(put(&t, "hello"), 2);
    CHECK_RESULT(run(&t.call, start_commit), 0, 5);
    CHECK_EQ(weir_script_position(&t.sink.way), 5);
    CHECK_EQ(put(&t, " world"), 2);
    CHECK_RESULT(run(&t.call, start_commit_eof), 0, 6);
    CHECK(weir_script_is_ended(&t.sink.way));
    weir_script_sink_fini(&t.sink);
}

WEIR_TEST(kit_script_sink, what_is_committed_can_be_captured)
{
    char data[HELLO] = "";
    struct sunk t;

    sunk_init(&t, (weir_script){.capture = weir_buffer_of(data, sizeof data)});
    CHECK_EQ(put(&t, "abc"), 1);
    CHECK_RESULT(run(&t.call, start_commit), 0, 3);
    CHECK_EQ(put(&t, "de"), 1);
    CHECK_RESULT(run(&t.call, start_commit), 0, 2);
    CHECK_EQ(memcmp(data, "abcde", 6), 0);
    weir_script_sink_fini(&t.sink);
}

WEIR_TEST(kit_script_sink, what_a_stop_held_back_goes_with_the_next_commit)
{
    struct sunk t;

    for (size_t step = 0; step < 2; step++) {
        sunk_init(&t, (weir_script){.pace = WEIR_SCRIPT_POSTED});
        CHECK_EQ(put(&t, "hello "), 1);
        CHECK_RESULT(run_stopped(&t.call, start_commit, step), WEIR_CANCELLED, 6);
        CHECK_EQ(weir_script_position(&t.sink.way), 0);
        CHECK_EQ(put(&t, ""), 0);                       /* No room, */
        CHECK_RESULT(run(&t.call, start_commit), 0, 0); /* until this. */
        CHECK_EQ(weir_script_position(&t.sink.way), 6);
        CHECK_EQ(put(&t, "world"), 1);
        CHECK_RESULT(run(&t.call, start_commit), 0, 5);
        weir_script_sink_fini(&t.sink);
    }
}

WEIR_TEST(kit_script_sink, behind_its_bytes_it_fails_as_the_script_says_and_counts_what_it_took)
{
    struct sunk t;

    sunk_init(&t, (weir_script){.bytes = weir_const_buffer_of("abc", 3), .end = -EPIPE});
    CHECK_EQ(put(&t, "abcde"), 1);
    CHECK_RESULT(run(&t.call, start_commit_eof), -EPIPE, 5);
    CHECK_EQ(weir_script_position(&t.sink.way), 3);
    CHECK(!weir_script_is_ended(&t.sink.way));
    t.call.size = 0;
    CHECK_RESULT(run(&t.call, start_commit), -EPIPE, 0);
    weir_script_sink_fini(&t.sink);
}

WEIR_TEST(kit_script_sink, a_commit_that_a_fuse_fails_has_taken_its_bytes)
{
    weir_fuse fuse;
    struct sunk t;

    weir_fuse_init(&fuse, -EIO);
    CHECK(weir_fuse_next(&fuse));
    sunk_init(&t, (weir_script){.fuse = &fuse});
    CHECK_EQ(put(&t, "hello"), 1);
    CHECK_RESULT(run(&t.call, start_commit), -EIO, 5);
    CHECK_EQ(weir_script_position(&t.sink.way), 0);
    weir_script_sink_fini(&t.sink);
}

WEIR_ABORT_TEST(kit_script_sink, a_byte_that_differs_is_a_failure)
{
    struct sunk t;

    sunk_init(&t, (weir_script){.chunk_max = 0});
    put(&t, "help");
    (void)run(&t.call, start_commit);
}

WEIR_ABORT_TEST(kit_script_sink, a_byte_too_many_is_a_failure)
{
    struct sunk t;

    sunk_init(&t, (weir_script){.bytes = weir_const_buffer_of("abc", 3)});
    put(&t, "abcd");
    (void)run(&t.call, start_commit);
}

WEIR_ABORT_TEST(kit_script_sink, bytes_that_were_not_passed_on_are_a_failure)
{
    struct sunk t;

    sunk_init(&t, (weir_script){.chunk_max = 0});
    put(&t, "hello");
    CHECK_RESULT(run(&t.call, start_commit), 0, 5);
    weir_script_sink_fini(&t.sink);
}

WEIR_ABORT_TEST(kit_script_sink, an_end_that_is_missing_is_a_failure)
{
    struct sunk t;

    sunk_init(&t, (weir_script){.bytes = weir_const_buffer_of("abc", 3), .must_end = true});
    put(&t, "abc");
    CHECK_RESULT(run(&t.call, start_commit), 0, 3);
    weir_script_sink_fini(&t.sink);
}

WEIR_ABORT_TEST(kit_script_sink, a_buffer_that_is_prepared_after_the_end_is_a_failure)
{
    struct sunk t;

    sunk_init(&t, (weir_script){.bytes = weir_const_buffer_of("abc", 3)});
    put(&t, "abc");
    CHECK_RESULT(run(&t.call, start_commit_eof), 0, 3);
    put(&t, "");
}

WEIR_ABORT_TEST(kit_script_sink, more_is_committed_than_was_prepared)
{
    char data[HELLO];
    struct sunk t;

    sunk_init(&t, (weir_script){.capture = weir_buffer_of(data, sizeof data)});
    put(&t, "hello");
    CHECK_RESULT(run(&t.call, start_commit), 0, 5);
    t.call.size = 1;
    (void)run(&t.call, start_commit); /* Nothing was prepared since. */
}

/* Hauls: from a source to a stream, and from a stream to a sink. */

struct haul {
    weir_task task;
    bool pulls; /* In: into the sink. */
    weir_script_source source;
    weir_script_sink sink;
    weir_script_stream stream;
    union {
        weir_push_frame push;
        weir_pull_frame pull;
    } frame;
    size_t total; /* Out. */
    char memory[MEMORY];
};

static weir_task *start_haul(struct haul *self)
{
    if (self->pulls)
        return weir_pull_from(&self->task, &self->frame.pull, &self->stream.stream.in,
                              &self->sink.sink);
    return weir_push_to(&self->task, &self->frame.push, &self->source.source,
                        &self->stream.stream.out);
}

static weir_task *haul_resume(weir_task *task)
{
    struct haul *self = WEIR_TASK_SELF(task, struct haul);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, start_haul(self));
    self->total += r.count;
    if (r.error || !self->pulls)
        WEIR_RETURN(task, r);
    WEIR_AWAIT(task, r, weir_buffer_sink_commit_eof(task, &self->sink.sink, 0));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* What moves in each way: the buffers of the one, the chunks of the other. */
static void haul_init(struct haul *self, bool pulls, weir_script buffers, weir_script chunks)
{
    memset(self, 0, sizeof *self);
    self->pulls = pulls;
    buffers.bytes = weir_const_buffer_of(hello, HELLO);
    buffers.must_end = pulls;
    chunks.bytes = buffers.bytes;
    weir_script_source_init(&self->source, pulls ? NULL : &buffers);
    weir_script_sink_init(&self->sink, pulls ? &buffers : NULL,
                          weir_buffer_of(self->memory, MEMORY));
    weir_script_stream_init(&self->stream, pulls ? &chunks : NULL, pulls ? NULL : &chunks);
    weir_task_init(&self->task, haul_resume);
}

static void haul_fini(struct haul *self)
{
    weir_script_source_fini(&self->source);
    weir_script_sink_fini(&self->sink);
    weir_script_stream_fini(&self->stream);
}

static void check_whole(struct haul *self, weir_result r)
{
    CHECK_EQ(r.error, 0);
    CHECK_EQ(self->total, HELLO);
    haul_fini(self);
}

typedef void haul_fn(bool pulls, weir_script buffers, weir_script chunks);

static void haul_in_every_cut(haul_fn *fn, weir_script script)
{
    weir_script buffers = script;
    weir_script chunks = script;

    for (buffers.chunk_max = 0; buffers.chunk_max < 5; buffers.chunk_max++) {
        for (chunks.chunk_max = 0; chunks.chunk_max < 5; chunks.chunk_max++) {
            fn(false, buffers, chunks);
            fn(true, buffers, chunks);
        }
    }
}

static void haul_it(bool pulls, weir_script buffers, weir_script chunks)
{
    struct haul haul;

    haul_init(&haul, pulls, buffers, chunks);
    check_whole(&haul, weir_test_run(&haul.task));
}

WEIR_TEST(kit_script_buffers, hauls_move_every_byte_in_every_cut)
{
    haul_in_every_cut(haul_it, (weir_script){.pace = WEIR_SCRIPT_AT_ONCE});
    haul_in_every_cut(haul_it, (weir_script){.pace = WEIR_SCRIPT_POSTED});
}

static void haul_through_fuse(bool pulls, weir_script buffers, weir_script chunks)
{
    struct haul haul;
    weir_fuse fuse;
    weir_result r;

    buffers.fuse = &fuse;
    chunks.fuse = &fuse;
    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse)) {
        haul_init(&haul, pulls, buffers, chunks);
        r = weir_test_run(&haul.task);
        CHECK_EQ(r.error, weir_fuse_is_blown(&fuse) ? -EIO : 0);
        CHECK(haul.total >= weir_script_position(pulls ? &haul.sink.way : &haul.stream.out));
        CHECK_EQ(haul.total, weir_script_position(pulls ? &haul.stream.in : &haul.source.way));
        haul_fini(&haul);
    }
    CHECK(weir_fuse_points(&fuse) > 2);
}

WEIR_TEST(kit_script_buffers, hauls_count_what_moved_before_any_failure)
{
    haul_in_every_cut(haul_through_fuse, (weir_script){.pace = WEIR_SCRIPT_AT_ONCE});
    haul_in_every_cut(haul_through_fuse, (weir_script){.pace = WEIR_SCRIPT_POSTED});
}

static void haul_through_stops(bool pulls, weir_script buffers, weir_script chunks)
{
    bool is_stopped = true;

    for (size_t step = 0; is_stopped; step++) {
        struct haul haul;
        weir_result r;

        haul_init(&haul, pulls, buffers, chunks);
        is_stopped = weir_test_run_stopped(&haul.task, step, WEIR_STOP_REQUESTED, &r);
        if (r.error) {
            CHECK_EQ(r.error, WEIR_CANCELLED);
            weir_task_init(&haul.task, haul_resume);
            r = weir_test_run(&haul.task);
        }
        check_whole(&haul, r);
    }
}

WEIR_TEST(kit_script_buffers, hauls_that_are_stopped_anywhere_go_on_where_they_were)
{
    haul_in_every_cut(haul_through_stops, (weir_script){.pace = WEIR_SCRIPT_AT_ONCE});
    haul_in_every_cut(haul_through_stops, (weir_script){.pace = WEIR_SCRIPT_POSTED});
    haul_in_every_cut(haul_through_stops,
                      (weir_script){.pace = WEIR_SCRIPT_POSTED, .stops_late = true});
}
