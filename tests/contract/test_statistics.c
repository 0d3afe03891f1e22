/* SPDX-License-Identifier: MIT */
/* What a loop counts, on each backend. What cannot be brought about on all of them is tested where
 * it can: overflows and deferred in test_uring.c and test_kernel.c, spins in the tests of loops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

enum { READS = 10 };

/* A loop without spins, and a socket with a raw peer. */
struct rig {
    struct fixture f;
    weir_tcp_socket socket;
    int peer;
    weir_loop_statistics before;
};

static void rig_init(struct rig *t, const char *backend)
{
    weir_loop_options options = {
        .backend = backend,
        .spin_ns_max = -1,
        .frames_retained_bytes_max = 1 << 16, /* By default none with sanitizers. */
    };

    fixture_init_with(&t->f, &options);
    t->peer = fixture_connect_raw(&t->f, &t->socket);
    t->before = weir_loop_statistics_get(t->f.loop);
}

static void rig_fini(struct rig *t)
{
    fixture_close(&t->f, &t->socket);
    raw_close(t->peer);
    fixture_fini(&t->f);
}

/* Reads that each have to wait. */
static void read_after_waiting(struct rig *t, int count)
{
    struct op op;
    uint8_t byte;

    for (int i = 0; i < count; i++) {
        op_read_some(&t->f, &op, &t->socket, &byte, 1);
        fixture_turn(&t->f);
        raw_send(t->peer, "x", 1);
        CHECK_EQ(op_wait(&t->f, &op).count, 1);
    }
}

WEIR_CONTRACT_TEST(statistics, each_result_that_had_to_be_waited_for_is_a_completion)
{
    struct rig t;

    rig_init(&t, backend);
    read_after_waiting(&t, READS);
    CHECK_EQ(weir_loop_statistics_get(t.f.loop).completions - t.before.completions, READS);
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(statistics, a_sleep_is_one_entry_and_an_iteration_rarely_more)
{
    weir_loop_statistics after;
    struct rig t;
    uint64_t enters;

    rig_init(&t, backend);
    read_after_waiting(&t, READS);
    after = weir_loop_statistics_get(t.f.loop);
    enters = after.enters - t.before.enters;
    CHECK(enters >= READS);
    CHECK(enters >= after.sleeps - t.before.sleeps);
    /* Each run ends with one that belongs to no iteration. */
    CHECK(enters <= 2 * (after.iterations - t.before.iterations));
    rig_fini(&t);
}

WEIR_CONTRACT_TEST(statistics, who_does_nothing_counts_nothing)
{
    weir_loop_statistics statistics;
    struct fixture f;

    fixture_init(&f, backend);
    statistics = weir_loop_statistics_get(f.loop);
    CHECK_EQ(statistics.completions, 0);
    CHECK_EQ(statistics.deferred, 0);
    CHECK_EQ(statistics.overflows, 0);
    CHECK_EQ(statistics.frames_live, 0);
    CHECK_EQ(statistics.frames_fresh, 0);
    fixture_fini(&f);
}

/* Frames. */

struct family {
    weir_task task;
    weir_tcp_socket *socket;
    struct child *child;
    int left;
};

struct child {
    weir_task task;
    weir_tcp_socket *socket;
    uint8_t byte;
};

static weir_task *child_resume(weir_task *task)
{
    struct child *self = WEIR_TASK_SELF(task, struct child);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_read_some(task, &self->socket->stream.in, weir_buffer_of(&self->byte, 1)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *family_resume(weir_task *task)
{
    struct family *self = WEIR_TASK_SELF(task, struct family);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->left-- > 0) {
        self->child = weir_frame_new(task, sizeof *self->child, child_resume);
        CHECK(self->child);
        self->child->socket = self->socket;
        WEIR_AWAIT(task, r, weir_call(task, &self->child->task));
        CHECK_EQ(r.count, 1);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(statistics, frames_are_live_while_they_are_out_and_then_recycled)
{
    weir_loop_statistics now;
    struct family family;
    struct job job;
    struct rig t;

    rig_init(&t, backend);
    family = (struct family){.socket = &t.socket, .left = READS};
    weir_task_init(&family.task, family_resume);
    job_start(&t.f, &job, &family.task);
    fixture_turn(&t.f);
    CHECK_EQ(weir_loop_statistics_get(t.f.loop).frames_live, t.before.frames_live + 1);
    for (int i = 0; i < READS; i++)
        raw_send(t.peer, "x", 1);
    CHECK_EQ(job_wait(&t.f, &job).error, 0);
    now = weir_loop_statistics_get(t.f.loop);
    CHECK_EQ(now.frames_live, t.before.frames_live);
    CHECK_EQ(now.frames_fresh + now.frames_recycled,
             t.before.frames_fresh + t.before.frames_recycled + READS);
    CHECK(now.frames_recycled - t.before.frames_recycled >= READS - 1);
    rig_fini(&t);
}

/* Printing. */

WEIR_TEST(statistics, every_counter_is_printed_on_a_line_of_its_own_in_order)
{
    enum { COUNT = sizeof(weir_loop_statistics) / sizeof(uint64_t) };
    uint64_t values[COUNT];
    weir_loop_statistics statistics;
    char name[64];
    char *text;
    char *line;
    char *rest;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    for (size_t i = 0; i < COUNT; i++)
        values[i] = i + 1;
    memcpy(&statistics, values, sizeof statistics);
    weir_loop_statistics_print(&statistics, stream);
    CHECK_EQ(fclose(stream), 0);
    line = strtok_r(text, "\n", &rest);
    for (size_t i = 0; i < COUNT; i++) {
        unsigned long long value;

        CHECK(line);
        CHECK_EQ(sscanf(line, "%63[a-z_] %llu", name, &value), 2);
        CHECK_EQ(value, i + 1);
        CHECK(i > 0 || strcmp(name, "iterations") == 0);
        line = strtok_r(NULL, "\n", &rest);
    }
    CHECK(!line);
    free(text);
}
