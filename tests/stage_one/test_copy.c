/* SPDX-License-Identifier: MIT */
/*
 * Bytes from one stream to another, by each algorithm and through every adapter.
 *
 * A haul moves a text from a scripted stream to another. Whatever happens to it (a failure of any
 * operation, a stop at any step) no byte is lost, doubled or out of order: the scripts compare, and
 * a haul that was stopped is begun again with the same objects until it has come to its end.
 */
#include <weir/copy.h>

#include <errno.h>
#include <string.h>

#include <weir/stream_adapters.h>
#include <weir/test/kit.h>

#include "at_once.h"
#include "part_stream.h"

static const char text[] = "abcdefg";

enum { SIZE = sizeof text - 1, CHUNK_MAX = 3, MEMORY_MAX = 3 };

struct haul;

/** A way to move it. */
struct way {
    weir_task *(*start)(struct haul *self);
    bool has_sink; /* What is committed may not have been written yet. */
};

struct haul {
    weir_task task;
    const struct way *way; /* In. */
    weir_script_stream script;
    weir_read_stream *in;           /* The script's, or another. */
    weir_stream_source source;      /* Over the script's in, */
    weir_source_stream from_source; /* and over that. */
    weir_stream_sink sink;          /* Over the script's out, */
    weir_sink_stream to_sink;       /* and over that. */
    union {
        weir_copy_frame copy;
        weir_push_frame push;
        weir_pull_frame pull;
    } frame;
    weir_const_buffer rest; /* Of a copy that did not succeed. */
    size_t total;           /* Out. */
    char memories[3][MEMORY_MAX];
    size_t memory_size;
};

static weir_buffer memory_of(struct haul *self, size_t which)
{
    return weir_buffer_of(self->memories[which], self->memory_size);
}

/* The ways. */

static weir_task *copy(struct haul *self)
{
    return weir_copy(&self->task, &self->frame.copy, self->in, &self->script.stream.out,
                     memory_of(self, 0));
}

static weir_task *push(struct haul *self)
{
    return weir_push_to(&self->task, &self->frame.push, &self->source.source,
                        &self->script.stream.out);
}

static weir_task *pull(struct haul *self)
{
    return weir_pull_from(&self->task, &self->frame.pull, self->in, &self->sink.sink);
}

static weir_task *push_to_sink(struct haul *self)
{
    return weir_push_to(&self->task, &self->frame.push, &self->source.source, &self->to_sink.out);
}

static weir_task *pull_from_source(struct haul *self)
{
    return weir_pull_from(&self->task, &self->frame.pull, &self->from_source.in, &self->sink.sink);
}

static weir_task *copy_through_all(struct haul *self)
{
    return weir_copy(&self->task, &self->frame.copy, &self->from_source.in, &self->to_sink.out,
                     memory_of(self, 0));
}

static const struct way ways[] = {
    {copy, false},
    {push, false},
    {pull, true},
    {push_to_sink, true},
    {pull_from_source, true},
    {copy_through_all, true},
};

enum { WAYS = sizeof ways / sizeof ways[0] };

/* The haul. */

static weir_write_stream *out_of(struct haul *self)
{
    return self->way->has_sink ? &self->to_sink.out : &self->script.stream.out;
}

static bool copies(const struct haul *self)
{
    return self->way->start == copy || self->way->start == copy_through_all;
}

static weir_task *haul_resume(weir_task *task)
{
    struct haul *self = WEIR_TASK_SELF(task, struct haul);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_write(task, out_of(self), self->rest));
    self->total += r.count;
    self->rest = weir_const_buffer_after(self->rest, r.count);
    if (r.error)
        WEIR_RETURN(task, r);
    WEIR_AWAIT(task, r, self->way->start(self));
    self->total += r.count;
    if (copies(self))
        self->rest = weir_copy_rest(&self->frame.copy);
    if (r.error)
        WEIR_RETURN(task, r);
    WEIR_AWAIT(task, r, weir_write_eof(task, out_of(self), weir_const_buffer_of(NULL, 0)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* What is read and what is written, and how; both are of the text. */
struct scripts {
    weir_script in;
    weir_script out;
};

static void haul_init(struct haul *self, const struct way *way, const struct scripts *scripts,
                      size_t memory_size)
{
    memset(self, 0, sizeof *self);
    memset(&self->frame, 0xA5, sizeof self->frame);
    self->way = way;
    self->memory_size = memory_size;
    self->rest = weir_const_buffer_of(text, 0);
    weir_script_stream_init(&self->script, &scripts->in, &scripts->out);
    self->in = &self->script.stream.in;
    weir_stream_source_init(&self->source, self->in, memory_of(self, 1));
    weir_source_stream_init(&self->from_source, &self->source.source);
    weir_stream_sink_init(&self->sink, &self->script.stream.out, memory_of(self, 2));
    weir_sink_stream_init(&self->to_sink, &self->sink.sink);
    weir_task_init(&self->task, haul_resume);
}

static struct scripts scripts_of(weir_script script)
{
    struct scripts scripts;

    script.bytes = weir_const_buffer_of(text, SIZE);
    scripts.in = script;
    scripts.out = script;
    scripts.out.must_end = true;
    return scripts;
}

/* What is counted is what was written, or is the sink's; what was read is somewhere. */
static void check_count(const struct haul *self)
{
    size_t read = weir_script_position(&self->script.in);
    size_t written = weir_script_position(&self->script.out);

    CHECK(self->total >= written);
    if (!self->way->has_sink)
        CHECK_EQ(self->total, written);
    if (!self->way->has_sink && copies(self))
        CHECK_EQ(self->total + self->rest.size, read);
}

static void check_whole(struct haul *self, weir_result r)
{
    CHECK_EQ(r.error, 0);
    CHECK_EQ(self->total, SIZE);
    CHECK(weir_script_is_ended(&self->script.out));
    weir_script_stream_fini(&self->script);
}

typedef void haul_fn(const struct way *way, const struct scripts *scripts, size_t memory_size);

static void haul_in_chunks(haul_fn *fn, const struct way *way, struct scripts *scripts)
{
    for (size_t in = 0; in <= CHUNK_MAX; in++) {
        for (size_t out = 0; out <= CHUNK_MAX; out++) {
            scripts->in.chunk_max = in;
            scripts->out.chunk_max = out;
            for (size_t size = 1; size <= MEMORY_MAX; size++)
                fn(way, scripts, size);
        }
    }
}

static void haul_everywhere(haul_fn *fn, enum weir_script_pace pace, bool stops_late)
{
    struct scripts scripts = scripts_of((weir_script){.pace = pace, .stops_late = stops_late});

    for (size_t i = 0; i < WAYS; i++)
        haul_in_chunks(fn, &ways[i], &scripts);
}

/* Nothing happens. */

static void haul_it(const struct way *way, const struct scripts *scripts, size_t memory_size)
{
    struct haul haul;

    haul_init(&haul, way, scripts, memory_size);
    check_whole(&haul, weir_test_run(&haul.task));
}

WEIR_TEST(copy, every_way_moves_every_byte_in_order)
{
    haul_everywhere(haul_it, WEIR_SCRIPT_AT_ONCE, false);
    haul_everywhere(haul_it, WEIR_SCRIPT_POSTED, false);
}

static void haul_at_once(const struct way *way, const struct scripts *scripts, size_t memory_size)
{
    struct haul haul;

    haul_init(&haul, way, scripts, memory_size);
    check_whole(&haul, run_at_once(&haul.task));
}

WEIR_TEST(copy, between_streams_that_are_always_ready_nothing_suspends)
{
    haul_everywhere(haul_at_once, WEIR_SCRIPT_AT_ONCE, false);
}

/* Failures. */

static void haul_through_fuse(const struct way *way, const struct scripts *scripts,
                              size_t memory_size)
{
    struct scripts fused = *scripts;
    struct haul haul;
    weir_fuse fuse;
    weir_result r;

    fused.in.fuse = &fuse;
    fused.out.fuse = &fuse;
    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse)) {
        haul_init(&haul, way, &fused, memory_size);
        r = weir_test_run(&haul.task);
        CHECK_EQ(r.error, weir_fuse_is_blown(&fuse) ? -EIO : 0);
        check_count(&haul);
        weir_script_stream_fini(&haul.script);
    }
    CHECK(weir_fuse_points(&fuse) > SIZE / MEMORY_MAX);
}

WEIR_TEST(copy, every_way_counts_what_moved_before_a_failure)
{
    haul_everywhere(haul_through_fuse, WEIR_SCRIPT_AT_ONCE, false);
    haul_everywhere(haul_through_fuse, WEIR_SCRIPT_POSTED, false);
}

/* Stops. */

static void haul_through_stops(const struct way *way, const struct scripts *scripts,
                               size_t memory_size)
{
    bool is_stopped = true;

    for (size_t step = 0; is_stopped; step++) {
        struct haul haul;
        weir_result r;

        haul_init(&haul, way, scripts, memory_size);
        is_stopped = weir_test_run_stopped(&haul.task, step, WEIR_STOP_REQUESTED, &r);
        check_count(&haul);
        if (r.error) {
            CHECK(is_stopped);
            CHECK_EQ(r.error, WEIR_CANCELLED);
            weir_task_init(&haul.task, haul_resume);
            r = weir_test_run(&haul.task);
        }
        check_whole(&haul, r);
    }
}

WEIR_TEST(copy, a_haul_that_is_stopped_anywhere_goes_on_where_it_was)
{
    haul_everywhere(haul_through_stops, WEIR_SCRIPT_AT_ONCE, false);
    haul_everywhere(haul_through_stops, WEIR_SCRIPT_POSTED, false);
    haul_everywhere(haul_through_stops, WEIR_SCRIPT_POSTED, true);
}

/* Ends. */

WEIR_TEST(copy, an_error_behind_the_bytes_comes_after_all_of_them_are_written)
{
    struct scripts scripts = scripts_of((weir_script){.chunk_max = 2});

    scripts.in.end = -ECONNRESET;
    scripts.out.must_end = false;
    for (size_t i = 0; i < WAYS; i++) {
        struct haul haul;

        haul_init(&haul, &ways[i], &scripts, 3);
        CHECK_EQ(weir_test_run(&haul.task).error, -ECONNRESET);
        CHECK_EQ(haul.total, SIZE);
        weir_script_stream_fini(&haul.script);
    }
}

WEIR_TEST(copy, bytes_beside_the_end_are_moved)
{
    struct scripts scripts = scripts_of((weir_script){.chunk_max = 2});

    scripts.in.bytes.size = 0;
    for (size_t i = 0; i < WAYS; i++) {
        struct part_stream parts;
        struct haul haul;

        part_stream_init(&parts, text);
        part_add(&parts, 3, 0);
        part_add(&parts, 3, 0);
        part_add(&parts, 1, WEIR_EOF);
        haul_init(&haul, &ways[i], &scripts, 3);
        haul.in = &parts.stream.in;
        weir_stream_source_init(&haul.source, haul.in, memory_of(&haul, 1));
        check_whole(&haul, weir_test_run(&haul.task));
    }
}

WEIR_ABORT_TEST(copy_misuse, a_copy_without_memory)
{
    struct scripts scripts = scripts_of((weir_script){.chunk_max = 0});
    struct haul haul;

    haul_init(&haul, &ways[0], &scripts, 1);
    haul.memory_size = 0;
    (void)weir_test_run(&haul.task);
}
