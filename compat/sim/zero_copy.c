/* SPDX-License-Identifier: MIT */
/*
 * Sending without a copy.
 *
 * The send is an operation like any other until its result; then its socket may have another, and
 * be closed, and the operation stays for its notification, with the memory. Whether the kernel does
 * it at all, whether it copies and when the notification comes is the seed's.
 */
#include <errno.h>

#include "kernel.h"

static const int64_t ACKNOWLEDGED_NS = 5 * 1000 * 1000; /* When a notification comes, at most, */
static const int64_t LATE_NS = INT64_C(3000000000); /* and when the peer does not acknowledge; */
static const int64_t GIVEN_UP_NS = 20 * 1000;       /* and when the connection is broken off. */

/* What kernel this is: io_uring's way, with a network that cannot gather, or which
 * can; or epoll's. */
static bool can_send(sim_kernel *kernel)
{
    static const unsigned copies[] = {0, 500, 1000};

    if (!kernel->has_copies) {
        kernel->has_copies = true;
        kernel->copies = copies[sim_random_below(&kernel->sim->random, 3)];
    }
    return kernel->at_once < 1000;
}

/* That can be locked, which is scarcer than other memory. */
static bool has_memory(sim_kernel *kernel)
{
    unsigned thousandths = 5 * kernel->sim->options.faults.no_kernel_memory;

    return !weir_sim_fault_at(sim_kernel_host(kernel), thousandths < 1000 ? thousandths : 1000,
                              SIM_FAULT_NO_KERNEL_MEMORY);
}

int weir_sim_kernel_register_memory(weir_backend *backend, weir_buffer region)
{
    sim_kernel *kernel = sim_kernel_of(backend);

    SIM_CHECK(kernel->sim, !kernel->region.data, "one region is registered");
    SIM_CHECK(kernel->sim, region.size > 0, "a region that is registered is not empty");
    if (!can_send(kernel))
        return -EOPNOTSUPP;
    if (!has_memory(kernel))
        return -ENOMEM;
    kernel->region = region;
    return 0;
}

static bool is_inside(weir_buffer region, weir_const_buffer buffer)
{
    uintptr_t begin = (uintptr_t)region.data;
    uintptr_t first = (uintptr_t)buffer.data;

    return region.data && first >= begin && buffer.size <= region.size &&
           first - begin <= region.size - buffer.size;
}

int weir_sim_kernel_send_zero_copy(weir_backend *backend, weir_operation *operation,
                                   weir_handle *handle, weir_const_buffer buffer,
                                   bool is_registered)
{
    sim_kernel *kernel = sim_kernel_of(backend);
    weir_buffer same = weir_buffer_of((void *)(uintptr_t)buffer.data, buffer.size);
    sim_operation *self;

    if (!can_send(kernel))
        return -EOPNOTSUPP;
    SIM_CHECK(kernel->sim, !is_registered || is_inside(kernel->region, buffer),
              "what is sent as registered stands in the region");
    self = weir_sim_operation_new(kernel, operation, handle, SIM_SEND_ZERO_COPY_OPERATION);
    weir_sim_guard_take(self, &same, 1, NULL);
    return weir_sim_operation_queue(self);
}

int64_t weir_sim_operation_send_zero_copy(sim_operation *operation)
{
    if (weir_sim_socket_is_writable(operation->socket) && !has_memory(operation->kernel))
        return -ENOMEM;
    return weir_sim_operation_send(operation);
}

static void notify(sim_alarm *alarm)
{
    sim_operation *operation = WEIR_CONTAINER_OF(alarm, sim_operation, notification);
    sim_kernel *kernel = operation->kernel;
    bool is_copied = operation->has_sent && sim_random_chance(&kernel->sim->random, kernel->copies);

    weir_sim_operation_complete(operation, is_copied ? WEIR_SEND_COPIED : 0, 0);
}

/* What fails may be told in one, or in two as all else. */
void weir_sim_operation_result(sim_operation *operation, int64_t result)
{
    weir_sim *sim = operation->kernel->sim;
    int64_t most_ns = ACKNOWLEDGED_NS;

    if (operation->kind != SIM_SEND_ZERO_COPY_OPERATION ||
        (result < 0 && sim_random_below(&sim->random, 2))) {
        weir_sim_operation_complete(operation, result, 0);
        return;
    }
    operation->has_sent = result > 0;
    if (operation->has_sent &&
        weir_sim_fault_at(sim_kernel_host(operation->kernel), sim->options.faults.late_notification,
                          SIM_FAULT_LATE_NOTIFICATION))
        most_ns = LATE_NS;
    weir_sim_operation_complete(operation, result, WEIR_OPERATION_MORE);
    operation->state = SIM_NOTIFYING;
    sim_after(sim, &operation->notification, sim_random_between(&sim->random, 0, most_ns), notify);
}

void weir_sim_kernel_hurry_notifications(sim_kernel *kernel, const sim_socket *socket)
{
    weir_sim *sim = kernel->sim;
    weir_list_node *node;

    for (node = weir_list_first(&kernel->operations); node;
         node = weir_list_next(&kernel->operations, node)) {
        sim_operation *operation = WEIR_CONTAINER_OF(node, sim_operation, link);

        if (operation->socket == socket && sim_alarm_is_set(&operation->notification)) {
            weir_sim_agenda_clear(&sim->agenda, &operation->notification);
            sim_after(sim, &operation->notification,
                      sim_random_between(&sim->random, 0, GIVEN_UP_NS), notify);
        }
    }
}
