/* SPDX-License-Identifier: MIT */

/*
 * Two loops on io_uring that wake each other: the messages go out with a ring's next submission, so
 * there must be one.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <weir/run.h>

#include "loop.h"
#include "seam.h"
#include "test.h"

struct other {
    weir_loop *loop;
    weir_loop *caller;
    weir_task task;
    pthread_t thread;
};

static weir_task *child_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    WEIR_RETURN(task, weir_result_of(0, 7));
    WEIR_END(task);
}

struct caller {
    weir_task task;
    struct other *other;
    weir_bridge bridge;
};

static weir_task *caller_resume(weir_task *task)
{
    struct caller *self = WEIR_TASK_SELF(task, struct caller);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_run_on(task, &self->bridge, weir_loop_executor(self->other->loop),
                           &self->other->task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Run the loop once its caller sleeps: the child's end is all that can wake that, and the end of
 * this loop, too. */
static void *other_thread(void *argument)
{
    struct other *other = argument;

    while (!__atomic_load_n(&other->loop->inbox, __ATOMIC_ACQUIRE) ||
           !__atomic_load_n(&other->caller->sleeping, __ATOMIC_ACQUIRE))
        (void)sched_yield();
    weir_loop_run(other->loop);
    return NULL;
}

static weir_loop *new_loop(void)
{
    weir_loop_options options = {.backend = "uring", .spin_ns_max = -1};
    weir_loop *loop;

    CHECK_EQ(weir_loop_new(&options, &loop), 0);
    return loop;
}

static void call_and_end(void)
{
    struct caller caller;
    struct other other;

    other.caller = new_loop();
    other.loop = new_loop();
    weir_task_init(&other.task, child_resume);
    weir_task_init(&caller.task, caller_resume);
    caller.other = &other;
    CHECK_EQ(pthread_create(&other.thread, NULL, other_thread, &other), 0);
    CHECK_EQ(weir_run(other.caller, &caller.task).count, 7);
    CHECK_EQ(pthread_join(other.thread, NULL), 0);
    weir_loop_free(other.loop);
    weir_loop_free(other.caller);
}

WEIR_TEST(uring_loop, a_loop_that_ends_has_sent_its_wakes)
{
    int i;

    seam_require();
    (void)alarm(20); /* A lost wake would be waited for until then. */
    for (i = 0; i < 10; i++)
        call_and_end();
}
