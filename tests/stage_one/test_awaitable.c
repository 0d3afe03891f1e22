/* SPDX-License-Identifier: MIT */
/* The awaitable that <weir/awaitable.h> shows, as an outsider would write it. */
#include <weir/awaitable.h>

#include <weir/manual.h>
#include <weir/run.h>

#include "test.h"

struct bell {
    weir_task *waiter;
};

struct bell_wait {
    weir_wait wait;
    struct bell *bell;
};

static void bell_ring(struct bell *bell, int error)
{
    weir_task *waiter = bell->waiter;

    bell->waiter = NULL;
    if (waiter)
        weir_task_wake(waiter, error, 0);
}

static void bell_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)bits;
    bell_ring(((struct bell_wait *)wait)->bell, weir_task_stop_error(task));
}

static const struct weir_wait_ops bell_ops = {"bell", bell_stop, weir_wait_dump_nothing};

static weir_task *bell_wait(weir_task *task, struct bell *bell)
{
    struct bell_wait *record = WEIR_TASK_SCRATCH(task, struct bell_wait);
    int error = weir_task_stop_error(task);

    if (error)
        return weir_task_complete(task, error, 0);
    record->wait.ops = &bell_ops;
    record->bell = bell;
    bell->waiter = task;
    return weir_task_suspend(task, &record->wait);
}

struct listener {
    weir_task task;
    struct bell *bell;
    int heard;
};

static weir_task *listener_resume(weir_task *task)
{
    struct listener *self = WEIR_TASK_SELF(task, struct listener);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, bell_wait(task, self->bell));
        if (r.error)
            break;
        self->heard++;
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct house {
    weir_manual manual;
    weir_root root;
    struct bell bell;
    struct listener listener;
    weir_result result;
    bool ended;
};

static void listener_ended(weir_root *root, weir_result result)
{
    struct house *house = root->user;

    house->result = result;
    house->ended = true;
}

static void turn(struct house *house)
{
    while (weir_manual_poll(&house->manual))
        continue;
}

static void open_house(struct house *house)
{
    house->bell.waiter = NULL;
    house->ended = false;
    house->listener = (struct listener){.bell = &house->bell};
    weir_task_init(&house->listener.task, listener_resume);
    weir_manual_init(&house->manual, NULL);
    weir_run_async(weir_manual_executor(&house->manual), &house->root, &house->listener.task,
                   listener_ended, house);
}

WEIR_TEST(awaitable, each_completion_resumes_the_task_once)
{
    struct house house;

    open_house(&house);
    turn(&house);
    bell_ring(&house.bell, 0);
    CHECK_EQ(house.listener.heard, 0); /* Ready, not resumed. */
    turn(&house);
    CHECK_EQ(house.listener.heard, 1);
    bell_ring(&house.bell, 0);
    turn(&house);
    CHECK_EQ(house.listener.heard, 2);
    weir_root_stop(&house.root, WEIR_STOP_REQUESTED);
    turn(&house);
    CHECK(house.ended);
    CHECK_EQ(house.result.error, WEIR_CANCELLED);
    weir_manual_fini(&house.manual);
}

WEIR_TEST(awaitable, a_stop_before_the_start_completes_without_waiting)
{
    struct house house;

    open_house(&house);
    weir_root_stop(&house.root, WEIR_STOP_REQUESTED);
    turn(&house);
    CHECK(house.ended);
    CHECK_EQ(house.result.error, WEIR_CANCELLED);
    weir_manual_fini(&house.manual);
}

WEIR_TEST(awaitable, a_stop_after_the_completion_leaves_it_as_it_is)
{
    struct house house;

    open_house(&house);
    turn(&house);
    bell_ring(&house.bell, 0);
    weir_root_stop(&house.root, WEIR_STOP_REQUESTED);
    turn(&house);
    CHECK_EQ(house.listener.heard, 1);
    CHECK_EQ(house.result.error, WEIR_CANCELLED); /* Of the next wait. */
    weir_manual_fini(&house.manual);
}
