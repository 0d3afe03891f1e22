/* SPDX-License-Identifier: MIT */
/* libuv's loop as an executor: turns, time and life. */
#include <string.h>
#include <unistd.h>

#include <weir/sleep.h>

#include "rig.h"

enum { AN_HOUR_MS = 3600000 };

static const int64_t MILLISECOND_NS = 1000000;

/* Life. */

static weir_task *start_nothing(struct op *op)
{
    return weir_task_complete(&op->task, 0, 7);
}

WEIR_TEST(uv_executor, a_tree_runs_and_the_loop_returns)
{
    struct rig rig;
    struct op op = {.patience_ns = 0};

    rig_init(&rig);
    op_launch(&rig, &op, start_nothing);
    CHECK(!op.done); /* Posted, not run. */
    CHECK_EQ(uv_run(&rig.loop, UV_RUN_DEFAULT), 0);
    CHECK(op.done);
    CHECK_EQ(op.result.count, 7);
    rig_fini(&rig);
}

WEIR_TEST(uv_executor, the_io_of_a_turn_is_answered_in_it)
{
    char byte;
    struct rig rig;
    struct end end;
    struct op op;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    op_read_some(&rig, &op, &end, &byte, 1);
    rig_settle(&rig);
    raw_send(peer, "x", 1);
    (void)uv_run(&rig.loop, UV_RUN_ONCE);
    CHECK(op.done);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}

static weir_task *start_gate(struct op *op)
{
    return gate_wait(&op->task, op->object);
}

static void open_gate(uv_timer_t *timer)
{
    gate_open(timer->data, 0, 3);
    uv_close((uv_handle_t *)timer, NULL);
}

WEIR_TEST(uv_executor, a_tree_that_waits_keeps_the_loop_and_a_callback_lets_it_go_on)
{
    struct gate gate = {.waiter = NULL};
    struct op op = {.object = &gate};
    struct rig rig;
    uv_timer_t timer = {.data = &gate};

    rig_init(&rig);
    CHECK_EQ(uv_timer_init(&rig.loop, &timer), 0);
    timer.data = &gate;
    CHECK_EQ(uv_timer_start(&timer, open_gate, 2, 0), 0);
    uv_unref((uv_handle_t *)&timer); /* Only the tree refers the loop. */
    op_launch(&rig, &op, start_gate);
    CHECK_EQ(uv_run(&rig.loop, UV_RUN_DEFAULT), 0);
    CHECK(op.done);
    CHECK_EQ(op.result.count, 3);
    rig_fini(&rig);
}

static bool told;

static void tell(weir_uv *uv)
{
    CHECK_EQ(uv->handles_open, 0);
    told = true;
}

WEIR_TEST(uv_executor, closed_is_called_when_the_memory_may_go)
{
    uv_loop_t loop;
    weir_uv uv;

    CHECK_EQ(uv_loop_init(&loop), 0);
    CHECK_EQ(weir_uv_open(&uv, &loop), 0);
    weir_uv_close(&uv, tell);
    CHECK(!told);
    CHECK_EQ(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK(told);
    memset(&uv, 0xee, sizeof uv);
    CHECK_EQ(uv_loop_close(&loop), 0);
    uv_library_shutdown();
}

WEIR_TEST(uv_executor, two_executors_share_a_loop)
{
    struct op one = {.patience_ns = 0};
    struct op other = {.patience_ns = 0};
    struct rig second;
    struct rig rig;

    rig_init(&rig);
    CHECK_EQ(weir_uv_open(&second.uv, &rig.loop), 0);
    op_launch(&rig, &one, start_nothing);
    op_launch(&second, &other, start_nothing);
    CHECK_EQ(uv_run(&rig.loop, UV_RUN_DEFAULT), 0);
    CHECK(one.done && other.done);
    weir_uv_close(&second.uv, NULL);
    rig_fini(&rig);
}

WEIR_ABORT_TEST(uv_executor, close_while_a_tree_lives)
{
    struct gate gate = {.waiter = NULL};
    struct op op = {.object = &gate};
    struct rig rig;

    rig_init(&rig);
    op_launch(&rig, &op, start_gate);
    rig_settle(&rig);
    weir_uv_close(&rig.uv, NULL);
}

/* Time. */

static weir_task *start_sleep(struct op *op)
{
    return weir_sleep_for(&op->task, (int64_t)op->size * MILLISECOND_NS);
}

WEIR_TEST(uv_executor, a_sleep_is_never_short)
{
    struct rig rig;

    rig_init(&rig);
    for (size_t ms = 0; ms < 8; ms++) {
        struct op op = {.size = ms};
        uint64_t begin_ns = uv_hrtime();

        op_launch(&rig, &op, start_sleep);
        CHECK_OP(&rig, &op, 0, 0);
        CHECK(uv_hrtime() - begin_ns >= ms * (uint64_t)MILLISECOND_NS);
    }
    rig_fini(&rig);
}

WEIR_TEST(uv_executor, a_shorter_sleep_overtakes_a_longer_one)
{
    struct op early = {.size = 2};
    struct op late = {.size = AN_HOUR_MS};
    struct rig rig;

    rig_init(&rig);
    op_launch(&rig, &late, start_sleep);
    rig_settle(&rig);
    op_launch(&rig, &early, start_sleep); /* Moves the timer forward. */
    CHECK_OP(&rig, &early, 0, 0);
    CHECK(!late.done);
    op_stop(&late);
    CHECK_OP(&rig, &late, WEIR_CANCELLED, 0);
    rig_fini(&rig);
}

WEIR_TEST(uv_executor, a_sleep_keeps_the_loop_and_a_stop_ends_it)
{
    struct op op = {.size = AN_HOUR_MS};
    struct rig rig;

    rig_init(&rig);
    op_launch(&rig, &op, start_sleep);
    rig_settle(&rig);
    CHECK(uv_loop_alive(&rig.loop));
    op_stop(&op);
    CHECK_OP(&rig, &op, WEIR_CANCELLED, 0);
    CHECK(!uv_loop_alive(&rig.loop));
    rig_fini(&rig);
}

/* Fairness. */

/* A task that never waits: by turns it yields, and completes at once. */
struct glutton {
    weir_task task;
    weir_root root;
    bool is_enough;
    bool done;
};

static weir_task *glutton_resume(weir_task *task)
{
    struct glutton *self = WEIR_TASK_SELF(task, struct glutton);
    weir_result r;

    WEIR_BEGIN(task);
    while (!self->is_enough) {
        WEIR_YIELD(task);
        WEIR_AWAIT(task, r, weir_task_complete(task, 0, 0));
        CHECK_EQ(r.error, 0);
    }
    self->done = true;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void sate(uv_timer_t *timer)
{
    ((struct glutton *)timer->data)->is_enough = true;
    uv_close((uv_handle_t *)timer, NULL);
}

WEIR_TEST(uv_executor, a_task_that_never_waits_starves_neither_callbacks_nor_io)
{
    struct glutton glutton = {.done = false};
    uv_timer_t timer;
    struct rig rig;
    struct end end;
    struct op op;
    char byte;
    int peer;

    rig_init(&rig);
    peer = rig_connect_raw(&rig, &end);
    weir_task_init(&glutton.task, glutton_resume);
    weir_run_async(weir_uv_executor(&rig.uv), &glutton.root, &glutton.task, NULL, NULL);
    raw_send(peer, "x", 1);
    op_read_some(&rig, &op, &end, &byte, 1);
    CHECK_OP(&rig, &op, 0, 1);
    CHECK(!glutton.done);
    CHECK_EQ(uv_timer_init(&rig.loop, &timer), 0);
    timer.data = &glutton;
    CHECK_EQ(uv_timer_start(&timer, sate, 1, 0), 0);
    rig_wait(&rig, &glutton.done);
    rig_close(&rig, &end);
    close(peer);
    rig_fini(&rig);
}
