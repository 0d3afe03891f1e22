/* SPDX-License-Identifier: MIT */
/* A child under a deadline. */
#include <weir/timeout.h>

static weir_task *timeout_resume(weir_task *task)
{
    weir_timeout_frame *self = WEIR_TASK_SELF(task, weir_timeout_frame);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_init(&self->deadline);
    weir_deadline_arm_after(task, &self->deadline, self->duration_ns);
    WEIR_AWAIT(task, r, weir_call(task, self->child));
    self->outcome = r;
    (void)weir_deadline_disarm(task, &self->deadline);
    WEIR_RETURN(task, self->outcome);
    WEIR_END(task);
}

weir_task *weir_timeout(weir_task *task, weir_timeout_frame *frame, weir_task *child,
                        int64_t duration_ns)
{
    weir_task_init(&frame->task, timeout_resume);
    frame->child = child;
    frame->duration_ns = duration_ns;
    return weir_call(task, &frame->task);
}
