/* SPDX-License-Identifier: MIT */
/* Grinding an operation: see the header. */
#include "test_kit_grind.h"

#include <errno.h>

static const char text[] = "stream";

enum { SIZE = sizeof text - 1, CHUNK_MAX = 3 };

/* One run of an operation, and what it runs on. */
struct trial {
    const struct subject *subject;
    weir_script script; /* Of the way that is used; without the bytes. */
    weir_grinder cut;
    char memory[SIZE + 1];    /* To read into: a byte more than there is. */
    weir_flat_buffer dynamic; /* Likewise. */
    weir_delimiter last;      /* The last byte ends the message. */
    weir_script_stream stream;
    struct transfer transfer;
};

typedef void grind_fn(struct trial *trial);

static weir_script_way *way_of(struct trial *trial)
{
    return trial->subject->reads ? &trial->stream.in : &trial->stream.out;
}

/* Back to the beginning, with the same split. */
static void set_up(struct trial *trial)
{
    weir_script script = trial->script;

    script.bytes = weir_const_buffer_of(text, SIZE);
    memset(trial->memory, '.', sizeof trial->memory);
    weir_flat_buffer_init_fixed(&trial->dynamic, trial->memory, sizeof trial->memory);
    weir_delimiter_init(&trial->last, text + SIZE - 1, 1);
    weir_script_stream_init(&trial->stream, trial->subject->reads ? &script : NULL,
                            trial->subject->reads ? NULL : &script);
    transfer_init(&trial->transfer, trial->subject->start, &trial->stream.stream);
    trial->transfer.buffer = weir_buffer_of(trial->memory, SIZE);
    trial->transfer.bytes = weir_const_buffer_of(text, SIZE);
    trial->transfer.dynamic = &trial->dynamic.dynamic;
    trial->transfer.matcher = &trial->last.matcher;
    trial->transfer.cut = &trial->cut;
}

/* The script has compared what was written. */
static void check_memory(const struct trial *trial, size_t count)
{
    CHECK(memcmp(trial->memory, text, count) == 0);
    for (size_t i = count; i < sizeof trial->memory; i++)
        CHECK_EQ(trial->memory[i], '.');
}

/* After a run, in which nothing but this error was to be expected; 0: none. */
static void check(struct trial *trial, weir_result r, int error)
{
    CHECK(r.error == 0 || r.error == error);
    CHECK_EQ(r.count, weir_script_position(way_of(trial)));
    if (r.error == 0)
        CHECK(trial->subject->is_whole ? r.count == SIZE : r.count > 0);
    if (r.error == 0)
        CHECK_EQ(weir_script_is_ended(&trial->stream.out), trial->subject->ends);
    if (trial->subject->reads)
        check_memory(trial, r.count);
    if (!trial->subject->is_whole || r.error)
        weir_script_stream_excuse(&trial->stream);
    weir_script_stream_fini(&trial->stream);
}

static void grind_splits(struct trial *trial, grind_fn *grind)
{
    if (trial->subject->reads)
        weir_grinder_init(&trial->cut, trial->memory, SIZE, trial->subject->buffers_max, 1);
    else
        weir_grinder_init_const(&trial->cut, text, SIZE, trial->subject->buffers_max, 1);
    while (weir_grinder_next(&trial->cut))
        grind(trial);
}

static void grind_everywhere(const struct subject *subject, enum weir_script_pace pace,
                             bool stops_late, grind_fn *grind)
{
    struct trial trial;

    memset(&trial, 0, sizeof trial);
    trial.subject = subject;
    trial.script.pace = pace;
    trial.script.stops_late = stops_late;
    for (size_t chunk_max = 0; chunk_max <= CHUNK_MAX; chunk_max++) {
        trial.script.chunk_max = chunk_max;
        grind_splits(&trial, grind);
    }
}

/* Failures. */

static void burn(struct trial *trial)
{
    weir_fuse fuse;
    weir_result r;

    trial->script.fuse = &fuse;
    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse)) {
        set_up(trial);
        r = weir_test_run(&trial->transfer.task);
        CHECK_EQ(r.error != 0, weir_fuse_is_blown(&fuse));
        check(trial, r, -EIO);
    }
    CHECK(weir_fuse_points(&fuse) > 0);
}

void grind_through_fuse(const struct subject *subject)
{
    grind_everywhere(subject, WEIR_SCRIPT_AT_ONCE, false, burn);
    grind_everywhere(subject, WEIR_SCRIPT_POSTED, false, burn);
}

/* Ends beside bytes: who asked for all bytes has got them, which is success. */

static void end_early(struct trial *trial)
{
    int end = trial->subject->is_to_end ? WEIR_EOF : -ECONNRESET;
    weir_result r;

    if (trial->subject->ends) /* The connection has to last until then. */
        end = 0;
    trial->script.ends_early = true;
    trial->script.end = end;
    set_up(trial);
    r = weir_test_run(&trial->transfer.task);
    check(trial, r, trial->subject->is_whole ? 0 : end);
}

void grind_through_early_end(const struct subject *subject)
{
    grind_everywhere(subject, WEIR_SCRIPT_AT_ONCE, false, end_early);
    grind_everywhere(subject, WEIR_SCRIPT_POSTED, false, end_early);
}

/* Stops at each step. */

static void stop_at_steps(struct trial *trial)
{
    weir_result r = {0, 0};
    bool is_stopped = true;

    for (size_t step = 0; is_stopped; step++) {
        set_up(trial);
        is_stopped = weir_test_run_stopped(&trial->transfer.task, step, WEIR_STOP_REQUESTED, &r);
        if (step == 0)
            CHECK_RESULT(r, WEIR_CANCELLED, 0);
        check(trial, r, is_stopped ? WEIR_CANCELLED : 0);
    }
}

void grind_through_stops(const struct subject *subject)
{
    grind_everywhere(subject, WEIR_SCRIPT_AT_ONCE, false, stop_at_steps);
    grind_everywhere(subject, WEIR_SCRIPT_POSTED, false, stop_at_steps);
    grind_everywhere(subject, WEIR_SCRIPT_POSTED, true, stop_at_steps);
}

/* Stops while a part is held, and behind it. */

static void release_and_settle(struct trial *trial, weir_manual *manual, size_t parts)
{
    while (parts-- > 0 && weir_script_release(way_of(trial)))
        settle(manual);
}

/* Run so many parts, then stop. Returns whether there was still something to be stopped. */
static bool stop_at_part(struct trial *trial, size_t parts, bool behind)
{
    weir_manual manual;
    bool is_stopped;

    set_up(trial);
    weir_manual_init(&manual, NULL);
    transfer_launch(&trial->transfer, &manual);
    release_and_settle(trial, &manual, parts);
    is_stopped = !trial->transfer.is_done;
    if (is_stopped) {
        if (behind)
            CHECK(weir_script_release(way_of(trial)));
        transfer_stop(&trial->transfer, &manual);
    }
    CHECK(trial->transfer.is_done);
    weir_test_check_idle(&manual);
    weir_manual_fini(&manual);
    if (behind && is_stopped)
        CHECK(trial->transfer.result.count > 0);
    check(trial, trial->transfer.result, is_stopped ? WEIR_CANCELLED : 0);
    return is_stopped;
}

static void stop_at_parts(struct trial *trial)
{
    for (size_t parts = 0; stop_at_part(trial, parts, false); parts++)
        ;
    for (size_t parts = 0; stop_at_part(trial, parts, true); parts++)
        ;
}

void grind_through_held_stops(const struct subject *subject)
{
    grind_everywhere(subject, WEIR_SCRIPT_HELD, false, stop_at_parts);
}
