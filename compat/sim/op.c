/* SPDX-License-Identifier: MIT */
/* Operations: queued, inside the kernel, cancelled, completed and reaped. */
#include <errno.h>
#include <stdlib.h>

#include "kernel.h"

enum {
    SOON_NS = 20 * 1000,   /* How long a kernel takes to look at an operation, at most. */
    SLOW_NS = 1000 * 1000, /* And when it is slow. */
    LATE_CANCEL_NS = 1000 * 1000,
};

_Static_assert(sizeof(((sim_operation *)0)->copy.scratch) >= 2 * sizeof(uintptr_t),
               "an operation has words to mark");

static sim_operation *find(sim_kernel *kernel, const weir_operation *operation)
{
    weir_list_node *node;

    for (node = weir_list_first(&kernel->operations); node;
         node = weir_list_next(&kernel->operations, node)) {
        sim_operation *candidate = WEIR_CONTAINER_OF(node, sim_operation, link);

        if (candidate->operation == operation)
            return candidate;
    }
    return NULL;
}

/* Where the attached socket keeps an operation of this kind. */
static sim_operation **slot_of(sim_attached *attached, enum sim_kind kind)
{
    switch (kind) {
    case SIM_ACCEPT_OPERATION:
    case SIM_RECEIVE_OPERATION:
    case SIM_RECEIVE_LENT_OPERATION:
    case SIM_POLL_READ_OPERATION:
        return &attached->pending[WEIR_READING];
    case SIM_CONNECT_OPERATION:
    case SIM_SEND_OPERATION:
    case SIM_SEND_ZERO_COPY_OPERATION:
    case SIM_POLL_WRITE_OPERATION:
        return &attached->pending[WEIR_WRITING];
    case SIM_CLOSE_OPERATION:
    case SIM_KIND_COUNT:
        break;
    }
    return &attached->closing;
}

sim_operation *weir_sim_operation_new(sim_kernel *kernel, weir_operation *operation,
                                      weir_handle *handle, enum sim_kind kind)
{
    sim_attached *attached = weir_sim_attached_of(kernel, handle);
    sim_operation **slot = slot_of(attached, kind);
    sim_operation *self = weir_sim_allocate(sizeof *self);
    weir_sim *sim = kernel->sim;

    SIM_CHECK(sim, !*slot, "one operation reads and one writes a socket");
    SIM_CHECK(sim, !attached->is_closed, "nothing starts on a socket that is closed");
    SIM_CHECK(sim, !find(kernel, operation), "the record of an operation in flight is not reused");
    self->kernel = kernel;
    self->attached = attached;
    self->socket = attached->socket;
    weir_sim_socket_hold(self->socket);
    self->operation = operation;
    self->kind = kind;
    *slot = self;
    weir_list_push(&kernel->operations, &self->link);
    return self;
}

static void operation_free(sim_operation *operation)
{
    weir_sim *sim = operation->kernel->sim;

    weir_sim_agenda_clear(&sim->agenda, &operation->attempt);
    weir_sim_agenda_clear(&sim->agenda, &operation->cancel);
    weir_sim_operation_unstarve(operation);
    weir_sim_agenda_clear(&sim->agenda, &operation->notification);
    weir_sim_socket_release(operation->socket);
    weir_list_remove(&operation->link);
    free(operation);
}

/* Its socket may have another. */
static void leave_socket(sim_operation *operation)
{
    sim_attached *attached = operation->attached;

    if (!attached)
        return;
    operation->attached = NULL;
    *slot_of(attached, operation->kind) = NULL;
    weir_sim_attached_release(attached);
}

/* A multishot that goes on, or what waits for its notification. */
static void operation_goes_on(sim_operation *operation)
{
    weir_sim_operation_check(operation);
    if (operation->kind == SIM_SEND_ZERO_COPY_OPERATION)
        leave_socket(operation);
}

/* What it named belongs to its owner again. */
static void operation_end(sim_operation *operation, int result)
{
    weir_sim_operation_check(operation);
    weir_sim_guard_give(operation, result);
    leave_socket(operation);
    operation_free(operation);
}

void weir_sim_operation_drop(sim_operation *operation)
{
    weir_sim_operation_mark(operation);
    operation_end(operation, 0);
}

/* The submission queue. */

static struct sim_request *add_request(sim_kernel *kernel, enum sim_request_kind kind)
{
    struct sim_request *request = weir_sim_allocate(sizeof *request);

    request->kind = kind;
    weir_list_push(&kernel->requests, &request->link);
    kernel->request_count++;
    return request;
}

static void drop_request(sim_kernel *kernel, struct sim_request *request)
{
    weir_list_remove(&request->link);
    kernel->request_count--;
    free(request);
}

int weir_sim_operation_queue(sim_operation *operation)
{
    sim_kernel *kernel = operation->kernel;

    weir_sim_operation_mark(operation);
    weir_sim_trace_operation(operation, SIM_PHASE_START, (int64_t)operation->guard.size);
    if (kernel->request_count >= kernel->request_max)
        kernel->statistics->deferred++;
    add_request(kernel, SIM_REQUEST_START)->started = operation;
    weir_sim_interleave(kernel->sim);
    return WEIR_IN_FLIGHT;
}

void weir_sim_kernel_queue_wake(sim_kernel *kernel, sim_kernel *target)
{
    add_request(kernel, SIM_REQUEST_WAKE)->woken = target;
}

void weir_sim_kernel_forget_requests(sim_kernel *kernel)
{
    weir_list_node *node;

    while ((node = weir_list_first(&kernel->requests)))
        drop_request(kernel, WEIR_CONTAINER_OF(node, struct sim_request, link));
}

void weir_sim_kernel_forget_wakes(sim_kernel *kernel, const sim_kernel *target)
{
    weir_list_node *node = weir_list_first(&kernel->requests);

    while (node) {
        struct sim_request *request = WEIR_CONTAINER_OF(node, struct sim_request, link);

        node = weir_list_next(&kernel->requests, node);
        if (request->kind == SIM_REQUEST_WAKE && request->woken == target)
            drop_request(kernel, request);
    }
}

/* Inside the kernel. */

static void try(sim_operation *operation)
{
    int64_t result;

    if (operation->state != SIM_INSIDE)
        return;
    if (operation->kind == SIM_ACCEPT_OPERATION) {
        weir_sim_operation_accept(operation);
        return;
    }
    if (operation->kind == SIM_RECEIVE_LENT_OPERATION) {
        weir_sim_operation_receive_lent(operation);
        return;
    }
    result = weir_sim_operation_perform(operation);
    if (result != -EAGAIN)
        weir_sim_operation_result(operation, result);
}

static void attempt_fired(sim_alarm *alarm)
{
    try(WEIR_CONTAINER_OF(alarm, sim_operation, attempt));
}

void weir_sim_operation_try_soon(sim_operation *operation)
{
    weir_sim *sim = operation->kernel->sim;
    int64_t most_ns = SOON_NS;

    if (operation->state != SIM_INSIDE || sim_alarm_is_set(&operation->attempt))
        return;
    if (weir_sim_fault_at(sim_kernel_host(operation->kernel), sim->options.faults.slow_completion,
                          SIM_FAULT_SLOW_COMPLETION))
        most_ns = SLOW_NS;
    sim_after(sim, &operation->attempt, sim_random_between(&sim->random, 0, most_ns),
              attempt_fired);
}

/* A kernel tries at once what may succeed at once, or leaves it to a worker. A connect begins
 * before a close that follows it, which ends it. */
static void enter(sim_operation *operation)
{
    operation->state = SIM_INSIDE;
    if (operation->kind == SIM_CONNECT_OPERATION ||
        sim_random_below(&operation->kernel->sim->random, 2))
        try(operation);
    weir_sim_operation_try_soon(operation);
}

/* Data that came first may win. */
static void cancel_now(sim_operation *operation)
{
    if (operation->state != SIM_INSIDE || operation->kind == SIM_CLOSE_OPERATION)
        return;
    if (sim_random_below(&operation->kernel->sim->random, 4) == 0)
        try(operation);
    if (operation->state == SIM_INSIDE)
        weir_sim_operation_result(operation, -ECANCELED);
}

static void cancel_fired(sim_alarm *alarm)
{
    cancel_now(WEIR_CONTAINER_OF(alarm, sim_operation, cancel));
}

/* The kernel knows what to cancel by its name only, and may find nothing. */
static void enter_cancel(sim_kernel *kernel, const weir_operation *name)
{
    sim_operation *operation = find(kernel, name);
    weir_sim *sim = kernel->sim;

    if (!operation || operation->state != SIM_INSIDE)
        return;
    if (weir_sim_fault_at(sim_kernel_host(kernel), sim->options.faults.late_cancel,
                          SIM_FAULT_LATE_CANCEL))
        sim_after(sim, &operation->cancel, sim_random_between(&sim->random, 0, LATE_CANCEL_NS),
                  cancel_fired);
    else
        cancel_now(operation);
}

/* A wake goes out with the next wait, whatever else has to wait for room. */
static void send_wakes(sim_kernel *kernel)
{
    weir_list_node *node = weir_list_first(&kernel->requests);

    while (node) {
        struct sim_request *request = WEIR_CONTAINER_OF(node, struct sim_request, link);

        node = weir_list_next(&kernel->requests, node);
        if (request->kind != SIM_REQUEST_WAKE)
            continue;
        sim_kernel_set_woken(request->woken);
        drop_request(kernel, request);
    }
}

void weir_sim_kernel_submit(sim_kernel *kernel)
{
    size_t left = kernel->request_max;
    weir_list_node *node;

    weir_sim_lending_feed(kernel);
    while (left-- > 0 && (node = weir_list_first(&kernel->requests))) {
        struct sim_request request = *WEIR_CONTAINER_OF(node, struct sim_request, link);

        drop_request(kernel, WEIR_CONTAINER_OF(node, struct sim_request, link));
        switch (request.kind) {
        case SIM_REQUEST_START:
            enter(request.started);
            break;
        case SIM_REQUEST_CANCEL:
            enter_cancel(kernel, request.cancelled);
            break;
        case SIM_REQUEST_WAKE:
            sim_kernel_set_woken(request.woken);
            break;
        }
    }
    send_wakes(kernel);
}

void weir_sim_kernel_cancel(weir_backend *backend, weir_operation *operation)
{
    sim_kernel *kernel = sim_kernel_of(backend);
    sim_operation *self = find(kernel, operation);

    SIM_CHECK(kernel->sim, self, "what is cancelled is in flight");
    weir_sim_trace_operation(self, SIM_PHASE_CANCEL, self->is_cancelled);
    if (self->is_cancelled)
        return;
    self->is_cancelled = true;
    add_request(kernel, SIM_REQUEST_CANCEL)->cancelled = operation;
    weir_sim_interleave(kernel->sim);
}

/* The completion queue. */

static bool is_full(const sim_kernel *kernel)
{
    return kernel->completion_count >= kernel->completion_max;
}

void weir_sim_operation_complete(sim_operation *operation, int64_t result, unsigned flags)
{
    sim_kernel *kernel = operation->kernel;
    struct sim_completion *completion = weir_sim_allocate(sizeof *completion);

    if (is_full(kernel)) {
        if (!kernel->is_overflowing)
            kernel->statistics->overflows++;
        kernel->is_overflowing = true;
        if (operation->kind != SIM_SEND_ZERO_COPY_OPERATION) /* A multishot ends then. */
            flags &= ~(unsigned)WEIR_OPERATION_MORE;
    }
    weir_sim_trace_operation(operation, SIM_PHASE_DONE, result);
    completion->operation = operation;
    completion->result = (int)result;
    completion->flags = flags;
    weir_list_push(&kernel->completions, &completion->link);
    kernel->completion_count++;
    if (!(flags & WEIR_OPERATION_MORE)) {
        operation->state = SIM_DONE;
        weir_sim_operation_unstarve(operation);
    }
    if (kernel->is_waiting)
        weir_sim_program_ready(kernel->program);
}

static void deliver(sim_kernel *kernel, struct sim_completion *completion)
{
    sim_operation *self = completion->operation;
    weir_operation *operation = self->operation;
    int result = completion->result;
    unsigned flags = completion->flags;

    weir_sim_trace_operation(self, SIM_PHASE_REAPED, result);
    kernel->sim->operations++;
    weir_list_remove(&completion->link);
    kernel->completion_count--;
    free(completion);
    if (flags & WEIR_OPERATION_LENT)
        weir_sim_lending_show(kernel, flags);
    if (flags & WEIR_OPERATION_MORE)
        operation_goes_on(self);
    else
        operation_end(self, result);
    operation->ops->completed(operation, result, flags);
}

/* What completes while its owners are told is left for the next time. */
void weir_sim_kernel_reap(sim_kernel *kernel)
{
    size_t count = kernel->completion_count;

    if (count > kernel->completion_max)
        count = kernel->completion_max;
    kernel->statistics->completions += count;
    while (count-- > 0)
        deliver(kernel, WEIR_CONTAINER_OF(weir_list_first(&kernel->completions),
                                          struct sim_completion, link));
    kernel->is_overflowing = kernel->completion_count > kernel->completion_max;
}

void weir_sim_kernel_drop_operations(sim_kernel *kernel)
{
    weir_list_node *node;

    weir_sim_kernel_forget_requests(kernel);
    while ((node = weir_list_first(&kernel->completions))) {
        weir_list_remove(node);
        free(WEIR_CONTAINER_OF(node, struct sim_completion, link));
    }
    while ((node = weir_list_first(&kernel->operations))) {
        sim_operation *operation = WEIR_CONTAINER_OF(node, sim_operation, link);

        weir_sim_guard_drop(operation);
        operation_free(operation);
    }
}
