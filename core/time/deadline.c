/* SPDX-License-Identifier: MIT */
/* Deadlines: a node on the wheel that stops what its task awaits. */
#include <weir/deadline.h>

#include "clock.h"
#include "stop_walk.h"

static void deadline_fired(weir_wheel_node *node)
{
    weir_deadline *deadline = WEIR_CONTAINER_OF(node, weir_deadline, node);

    deadline->passed = true;
    if (deadline->inside_shield)
        weir_task_stop_inside_shield(deadline->task, deadline->bits);
    else
        weir_task_stop(deadline->task, deadline->bits);
}

static void arm(weir_task *task, weir_deadline *deadline, int64_t at_ns, unsigned bits)
{
    WEIR_ASSERT(!deadline->armed,
                "a deadline is initialised, and disarmed before it is armed again");
    WEIR_ASSERT(task->flags < UINT8_MAX - WEIR_TASK_HELD,
                "a task has at most 15 deadlines and scopes in use");

    task->flags = (uint8_t)(task->flags + WEIR_TASK_HELD);
    deadline->task = task;
    deadline->bits = (uint8_t)bits;
    deadline->armed = true;
    deadline->passed = false;
    deadline->inside_shield = task->flags & WEIR_TASK_SHIELDED;
    weir_wheel_arm(&weir_task_clock(task)->wheel, &deadline->node, at_ns, deadline_fired);
}

static int64_t after(const weir_task *task, int64_t duration_ns)
{
    return weir_clock_after_ns(weir_task_clock(task), duration_ns);
}

void weir_deadline_arm_at(weir_task *task, weir_deadline *deadline, int64_t at_ns)
{
    arm(task, deadline, at_ns, WEIR_STOP_EXPIRED);
}

void weir_deadline_arm_after(weir_task *task, weir_deadline *deadline, int64_t duration_ns)
{
    arm(task, deadline, after(task, duration_ns), WEIR_STOP_EXPIRED);
}

void weir_deadline_arm_hard_after(weir_task *task, weir_deadline *deadline, int64_t duration_ns)
{
    arm(task, deadline, after(task, duration_ns), WEIR_STOP_HARD);
}

/* Take the expiry back from the task that armed it: what it awaited has ended. */
static void take_back(weir_task *task)
{
    WEIR_ASSERT(task->expired > 0, "deadlines are disarmed last armed first, in their own shield");

    task->expired--;
    if (task->expired == 0)
        task->stop = (uint8_t)(task->stop & ~WEIR_STOP_EXPIRED);
}

bool weir_deadline_disarm(weir_task *task, weir_deadline *deadline)
{
    if (!deadline->armed)
        return false;
    WEIR_ASSERT(deadline->task == task, "a deadline is disarmed by the task that armed it");
    WEIR_ASSERT(deadline->inside_shield == ((task->flags & WEIR_TASK_SHIELDED) != 0),
                "a deadline armed inside a shield is disarmed inside it, one from outside outside");

    deadline->armed = false;
    task->flags = (uint8_t)(task->flags - WEIR_TASK_HELD);
    if (!deadline->passed) {
        weir_wheel_cancel(&weir_task_clock(task)->wheel, &deadline->node);
        return false;
    }
    if (deadline->bits & WEIR_STOP_EXPIRED)
        take_back(task);
    return true;
}
