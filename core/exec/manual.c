/* SPDX-License-Identifier: MIT */
/* The manual executor: a queue, an inbox and a clock, and no kernel. */
#include <weir/manual.h>

#include <stdio.h>

#include "context.h"
#include "ready.h"
#include "sys.h"
#include "thread.h"
#include "wheel.h"

static weir_manual *manual_of(weir_executor *executor)
{
    return WEIR_CONTAINER_OF(executor, weir_manual, executor);
}

/* What was pushed may end the last tree, and let the owner end the executor before this thread has
 * woken it: `posting` makes weir_manual_fini wait. The increment precedes the push, which publishes
 * it; the decrement releases. */
static void post_from_outside(weir_manual *manual, weir_task *task)
{
    __atomic_add_fetch(&manual->posting, 1, __ATOMIC_RELAXED);
    weir_interleave();
    if (weir_inbox_push(&manual->inbox, task) && manual->options.wake)
        manual->options.wake(manual, manual->options.user);
    __atomic_sub_fetch(&manual->posting, 1, __ATOMIC_RELEASE);
}

static void manual_post(weir_executor *executor, weir_task *task)
{
    weir_manual *manual = manual_of(executor);

    if (weir_thread.manual == manual)
        weir_ready_push(&manual->ready, task);
    else
        post_from_outside(manual, task);
}

static weir_task *manual_dispatch(weir_executor *executor, weir_task *task)
{
    if (weir_thread.manual == manual_of(executor) && executor->budget > 0) {
        executor->budget--;
        task->state = WEIR_TASK_RUNNING;
        return task;
    }
    manual_post(executor, task);
    return NULL;
}

static weir_context *manual_context(weir_executor *executor)
{
    return &manual_of(executor)->context;
}

static const struct weir_executor_ops manual_ops = {
    .name = "manual",
    .is_serial = true,
    .post = manual_post,
    .dispatch = manual_dispatch,
    .context = manual_context,
};

static int64_t clock_now_ns(weir_clock *clock)
{
    weir_manual *manual = WEIR_CONTAINER_OF(clock, weir_manual, clock);

    return manual->options.now_ns ? manual->options.now_ns() : manual->virtual_ns;
}

void weir_manual_init(weir_manual *manual, const weir_manual_options *options)
{
    static const weir_manual_options defaults;
    size_t retained;

    manual->options = options ? *options : defaults;
    retained = manual->options.frames_retained_bytes_max;
    if (manual->options.budget <= 0)
        manual->options.budget = 256;
    manual->executor.ops = &manual_ops;
    manual->executor.budget = WEIR_READY_SLICE;
    weir_context_init(&manual->context, manual->options.frames,
                      retained ? retained : weir_context_frames_bound());
    manual->context.clock = &manual->clock;
    manual->ready.first = NULL;
    manual->ready.last = NULL;
    manual->virtual_ns = 0;
    manual->clock.now_ns = clock_now_ns;
    weir_wheel_init(&manual->clock.wheel, clock_now_ns(&manual->clock));
    manual->inbox = NULL;
    manual->posting = 0;
}

void weir_manual_fini(weir_manual *manual)
{
    WEIR_ASSERT(weir_thread.manual != manual, "a manual executor does not end while it runs");
    WEIR_ASSERT(weir_inbox_is_empty(&manual->inbox) && !manual->ready.first,
                "a manual executor does not end while a task is ready");
    while (__atomic_load_n(&manual->posting, __ATOMIC_ACQUIRE))
        weir_sys_yield();
    weir_context_fini(&manual->context);
    WEIR_ASSERT(weir_wheel_is_empty(&manual->clock.wheel),
                "every deadline is disarmed before its executor ends");
}

weir_executor *weir_manual_executor(weir_manual *manual)
{
    return &manual->executor;
}

weir_context *weir_manual_context(weir_manual *manual)
{
    return &manual->context;
}

bool weir_manual_poll(weir_manual *manual)
{
    weir_manual *outer = weir_thread.manual;
    int resumptions;

    WEIR_ASSERT(outer != manual, "a manual executor is not polled by its own tasks");
    weir_thread.manual = manual;
    weir_inbox_drain(&manual->inbox, &manual->ready);
    if (!weir_wheel_is_empty(&manual->clock.wheel))
        (void)weir_wheel_advance(&manual->clock.wheel, clock_now_ns(&manual->clock));
    resumptions = weir_ready_run(&manual->ready, &manual->executor, manual->options.budget);
    weir_thread.manual = outer;
    return resumptions > 0;
}

int64_t weir_manual_next_ns(const weir_manual *manual)
{
    return weir_wheel_is_empty(&manual->clock.wheel) ? INT64_MAX
                                                     : weir_wheel_next_ns(&manual->clock.wheel);
}

void weir_manual_advance(weir_manual *manual, int64_t duration_ns)
{
    WEIR_ASSERT(!manual->options.now_ns, "only virtual time passes by hand");
    WEIR_ASSERT(duration_ns >= 0 && duration_ns < INT64_MAX - manual->virtual_ns,
                "time passes forward, and ends before INT64_MAX");
    manual->virtual_ns += duration_ns;
}

/* Running to the end. */

/* Nothing is ready: let time pass to what is due next. */
static void jump(weir_manual *manual)
{
    int64_t next_ns = weir_manual_next_ns(manual);

    if (next_ns == INT64_MAX) {
        (void)weir_context_dump(&manual->context, stderr);
        WEIR_UNREACHABLE("nothing is ready and no deadline is armed: the task would never end");
    }
    if (!manual->options.now_ns && next_ns > manual->virtual_ns)
        manual->virtual_ns = next_ns;
}

weir_result weir_manual_run(weir_manual *manual, weir_task *main)
{
    weir_root root;
    bool is_done = false;

    weir_run_async(&manual->executor, &root, main, weir_root_tell_done, &is_done);
    while (!is_done) {
        if (!weir_manual_poll(manual))
            jump(manual);
    }
    return root.outcome;
}
