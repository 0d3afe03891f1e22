/* SPDX-License-Identifier: MIT */
/*
 * Bridges between libuv's loop, on the thread of the test, and a loop of weir's on another: there
 * and back, so that each is the home of one bridge and the host of the other.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include <weir/loop.h>
#include <weir/sleep.h>

#include "rig.h"

/* A loop of weir's on a thread of its own, kept running by a task at the door. */
struct side {
    weir_loop *loop;
    const char *backend;
    pthread_t thread;
    weir_task door;
    weir_root door_root;
    sem_t is_open;
    sem_t is_quiet; /* Nobody posts to the loop any more. */
};

static weir_task *door_resume(weir_task *task)
{
    struct side *self = WEIR_CONTAINER_OF(task, struct side, door);
    weir_result r;

    WEIR_BEGIN(task);
    CHECK_EQ(sem_post(&self->is_open), 0);
    WEIR_AWAIT(task, r, weir_sleep_until(task, INT64_MAX));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void *side_run(void *argument)
{
    struct side *self = argument;
    weir_loop_options options = {.backend = self->backend};

    CHECK_EQ(weir_loop_new(&options, &self->loop), 0);
    weir_task_init(&self->door, door_resume);
    weir_run_async(weir_loop_executor(self->loop), &self->door_root, &self->door, NULL, NULL);
    weir_loop_run(self->loop);
    CHECK_EQ(sem_wait(&self->is_quiet), 0);
    weir_loop_free(self->loop);
    return NULL;
}

static void side_start(struct side *self, const char *backend)
{
    self->backend = backend;
    CHECK_EQ(sem_init(&self->is_open, 0, 0), 0);
    CHECK_EQ(sem_init(&self->is_quiet, 0, 0), 0);
    CHECK_EQ(pthread_create(&self->thread, NULL, side_run, self), 0);
    CHECK_EQ(sem_wait(&self->is_open), 0);
}

static void side_stop(struct side *self)
{
    weir_root_stop(&self->door_root, WEIR_STOP_REQUESTED);
    CHECK_EQ(sem_post(&self->is_quiet), 0);
    CHECK_EQ(pthread_join(self->thread, NULL), 0);
    CHECK_EQ(sem_destroy(&self->is_open), 0);
    CHECK_EQ(sem_destroy(&self->is_quiet), 0);
}

/* A voyage: from libuv's loop to weir's, and from there back as a guest, which does something. */
struct voyage {
    struct op op; /* At home. */
    struct rig *rig;
    struct side *side;
    weir_bridge out;
    struct {
        weir_task task;
        weir_bridge bridge;
        pthread_t ran_on;
    } there;
    struct {
        weir_task task;
        weir_task *(*start)(struct voyage *self);
        pthread_t ran_on;
    } guest;
    struct end *end;
    char byte;
};

static weir_task *guest_resume(weir_task *task)
{
    struct voyage *self = WEIR_CONTAINER_OF(task, struct voyage, guest.task);
    weir_result r;

    WEIR_BEGIN(task);
    self->guest.ran_on = pthread_self();
    WEIR_AWAIT(task, r, self->guest.start(self));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *there_resume(weir_task *task)
{
    struct voyage *self = WEIR_CONTAINER_OF(task, struct voyage, there.task);
    weir_result r;

    WEIR_BEGIN(task);
    self->there.ran_on = pthread_self();
    weir_task_init(&self->guest.task, guest_resume);
    WEIR_AWAIT(task, r,
               weir_run_on(task, &self->there.bridge, weir_uv_executor(&self->rig->uv),
                           &self->guest.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *start_voyage(struct op *op)
{
    struct voyage *self = WEIR_CONTAINER_OF(op, struct voyage, op);

    weir_task_init(&self->there.task, there_resume);
    return weir_run_on(&op->task, &self->out, weir_loop_executor(self->side->loop),
                       &self->there.task);
}

static weir_task *guest_returns(struct voyage *self)
{
    return weir_task_complete(&self->guest.task, -7, 42);
}

static weir_task *guest_sleeps(struct voyage *self)
{
    return weir_sleep_until(&self->guest.task, INT64_MAX);
}

static weir_task *guest_reads(struct voyage *self)
{
    return weir_read_some(&self->guest.task, &self->end->connection.stream.in,
                          weir_buffer_of(&self->byte, 1));
}

/* Both loops, and what a test sets out with. */
struct crossing {
    struct rig rig;
    struct side side;
    struct voyage voyage;
};

static void crossing_init(struct crossing *t, const char *backend,
                          weir_task *(*start)(struct voyage *self))
{
    rig_init(&t->rig);
    side_start(&t->side, backend);
    memset(&t->voyage, 0, sizeof t->voyage);
    t->voyage.rig = &t->rig;
    t->voyage.side = &t->side;
    t->voyage.guest.start = start;
}

static void crossing_fini(struct crossing *t)
{
    side_stop(&t->side);
    rig_fini(&t->rig);
}

WEIR_KERNEL_TEST(uv_bridge, each_part_runs_on_its_loop_and_the_result_comes_home)
{
    struct crossing t;

    crossing_init(&t, backend, guest_returns);
    op_launch(&t.rig, &t.voyage.op, start_voyage);
    CHECK_OP(&t.rig, &t.voyage.op, -7, 42);
    CHECK(pthread_equal(t.voyage.there.ran_on, t.side.thread));
    CHECK(pthread_equal(t.voyage.guest.ran_on, pthread_self()));
    crossing_fini(&t);
}

WEIR_KERNEL_TEST(uv_bridge, a_guest_reads_from_a_stream_of_its_host)
{
    struct crossing t;
    struct end end;
    int peer;

    crossing_init(&t, backend, guest_reads);
    peer = rig_connect_raw(&t.rig, &end);
    t.voyage.end = &end;
    op_launch(&t.rig, &t.voyage.op, start_voyage);
    raw_send(peer, "x", 1);
    CHECK_OP(&t.rig, &t.voyage.op, 0, 1);
    CHECK_EQ(t.voyage.byte, 'x');
    rig_close(&t.rig, &end);
    close(peer);
    crossing_fini(&t);
}

WEIR_KERNEL_TEST(uv_bridge, a_stop_at_home_crosses_both_bridges)
{
    struct crossing t;

    crossing_init(&t, backend, guest_sleeps);
    op_launch(&t.rig, &t.voyage.op, start_voyage);
    rig_settle(&t.rig);
    op_stop(&t.voyage.op);
    CHECK_OP(&t.rig, &t.voyage.op, WEIR_CANCELLED, 0);
    crossing_fini(&t);
}

WEIR_KERNEL_TEST(uv_bridge, a_deadline_at_home_crosses_both_bridges)
{
    struct crossing t;

    crossing_init(&t, backend, guest_sleeps);
    t.voyage.op.patience_ns = 1000000;
    op_launch(&t.rig, &t.voyage.op, start_voyage);
    CHECK_OP(&t.rig, &t.voyage.op, WEIR_TIMED_OUT, 0);
    crossing_fini(&t);
}

WEIR_KERNEL_TEST(uv_bridge, no_wake_is_lost)
{
    enum { ROUNDS = 3000 };
    struct crossing t;

    crossing_init(&t, backend, guest_returns);
    for (int round = 0; round < ROUNDS; round++) {
        op_launch(&t.rig, &t.voyage.op, start_voyage);
        CHECK_OP(&t.rig, &t.voyage.op, -7, 42);
    }
    crossing_fini(&t);
}

WEIR_KERNEL_TEST(uv_bridge, stop_against_the_voyage)
{
    enum { ROUNDS = 500 };
    struct crossing t;

    crossing_init(&t, backend, guest_returns);
    for (int round = 0; round < ROUNDS; round++) {
        weir_result r;

        op_launch(&t.rig, &t.voyage.op, start_voyage);
        for (int turns = round % 6; turns > 0 && !t.voyage.op.done; turns--)
            (void)uv_run(&t.rig.loop, UV_RUN_NOWAIT);
        if (!t.voyage.op.done)
            op_stop(&t.voyage.op);
        r = op_wait(&t.rig, &t.voyage.op);
        CHECK(r.error == WEIR_CANCELLED || r.count == 42);
    }
    crossing_fini(&t);
}
