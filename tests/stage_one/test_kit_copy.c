/* SPDX-License-Identifier: MIT */
/* A copy between two scripted streams, ground: no byte is lost, whatever ends it wherever. */
#include <errno.h>

#include <weir/copy.h>

#include "test_kit_task.h"

static const char text[] = "what goes in comes out";

enum { SIZE = sizeof text - 1, MEMORY = 5, PACES = 2 };

struct copier {
    weir_task task;
    weir_script_stream from;
    weir_script_stream to;
    weir_copy_frame copy;
    char memory[MEMORY];
};

static weir_task *copier_resume(weir_task *task)
{
    struct copier *self = WEIR_TASK_SELF(task, struct copier);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_copy(task, &self->copy, &self->from.stream.in, &self->to.stream.out,
                         weir_buffer_of(self->memory, MEMORY)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void copier_init(struct copier *copier, const weir_script *in, const weir_script *out)
{
    memset(copier, 0, sizeof *copier);
    weir_task_init(&copier->task, copier_resume);
    weir_script_stream_init(&copier->from, in, NULL);
    weir_script_stream_init(&copier->to, NULL, out);
}

/* What was read is written, or it is the rest. */
static void copier_check(struct copier *copier, weir_result r)
{
    size_t in = weir_script_position(&copier->from.in);
    size_t out = weir_script_position(&copier->to.out);
    weir_const_buffer rest = weir_copy_rest(&copier->copy);

    CHECK_EQ(r.count, out);
    if (r.error == 0)
        CHECK_EQ(out, SIZE);
    else if (in > out)
        CHECK(rest.size == in - out && memcmp(rest.data, text + out, rest.size) == 0);
    if (r.error) {
        weir_script_stream_excuse(&copier->from);
        weir_script_stream_excuse(&copier->to);
    }
    weir_script_stream_fini(&copier->from);
    weir_script_stream_fini(&copier->to);
}

typedef void copy_fn(weir_script *in, weir_script *out);

/* In chunks of each size, at each pace, with the end behind the bytes and beside them. */
static void copy_everywhere(copy_fn *copy)
{
    for (size_t i = 0; i < 4 * 4 * PACES * PACES * 2; i++) {
        weir_script in = {.bytes = weir_const_buffer_of(text, SIZE)};
        weir_script out = in;

        in.chunk_max = i % 4;
        out.chunk_max = i / 4 % 4;
        in.pace = i / 16 % PACES ? WEIR_SCRIPT_POSTED : WEIR_SCRIPT_AT_ONCE;
        out.pace = i / 32 % PACES ? WEIR_SCRIPT_POSTED : WEIR_SCRIPT_AT_ONCE;
        in.ends_early = i / 64 > 0;
        copy(&in, &out);
    }
}

static void copy_with_failures(weir_script *in, weir_script *out)
{
    struct copier copier;
    weir_fuse fuse;
    weir_result r;

    in->fuse = &fuse;
    out->fuse = &fuse;
    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse)) {
        copier_init(&copier, in, out);
        r = weir_test_run(&copier.task);
        CHECK_EQ(r.error, weir_fuse_is_blown(&fuse) ? -EIO : 0);
        copier_check(&copier, r);
    }
    CHECK(weir_fuse_points(&fuse) > SIZE / MEMORY);
}

static void copy_with_stops(weir_script *in, weir_script *out)
{
    struct copier copier;
    weir_result r = {0, 0};
    bool is_stopped = true;

    for (size_t step = 0; is_stopped; step++) {
        copier_init(&copier, in, out);
        is_stopped = weir_test_run_stopped(&copier.task, step, WEIR_STOP_REQUESTED, &r);
        CHECK(r.error == 0 || (is_stopped && r.error == WEIR_CANCELLED));
        copier_check(&copier, r);
    }
}

WEIR_TEST(kit_copy, no_byte_is_lost_whichever_operation_fails)
{
    copy_everywhere(copy_with_failures);
}

WEIR_TEST(kit_copy, no_byte_is_lost_wherever_it_is_stopped)
{
    copy_everywhere(copy_with_stops);
}
