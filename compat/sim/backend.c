/* SPDX-License-Identifier: MIT */
/* The backend's life, and its table. */
#include <stdlib.h>

#include "kernel.h"

/* What kernel this is: io_uring's way, which never answers at once, epoll's, or between them. */
static unsigned style(weir_sim *sim)
{
    static const unsigned styles[] = {0, 1000, 500};

    return styles[sim_random_below(&sim->random, sizeof styles / sizeof styles[0])];
}

static void set_queues(sim_kernel *kernel, size_t queue_depth)
{
    weir_sim *sim = kernel->sim;

    kernel->request_max = queue_depth;
    kernel->completion_max = 2 * queue_depth;
    if (!weir_sim_fault(sim, sim->options.faults.tiny_queues, SIM_FAULT_TINY_QUEUES))
        return;
    kernel->request_max = 1 + sim_random_below(&sim->random, 4);
    kernel->completion_max = 1 + sim_random_below(&sim->random, 4);
}

static int kernel_open(const weir_backend_options *options, weir_backend **ret_backend)
{
    sim_kernel *kernel = weir_sim_allocate(sizeof *kernel);
    weir_sim *sim = weir_sim_running;

    SIM_CHECK(sim, sim->running, "loops are made by programs");
    kernel->base.ops = &weir_sim_backend;
    kernel->base.lending = &kernel->lending.buffers;
    kernel->sim = sim;
    kernel->loop = options->loop;
    kernel->opener = sim_program_current();
    kernel->program = kernel->opener;
    kernel->statistics = options->statistics;
    kernel->at_once = style(sim);
    set_queues(kernel, options->queue_depth);
    weir_list_init(&kernel->requests);
    weir_list_init(&kernel->completions);
    weir_list_init(&kernel->operations);
    weir_list_init(&kernel->attached);
    weir_sim_lending_init(kernel, options);
    weir_list_push(&sim->kernels, &kernel->link);
    *ret_backend = &kernel->base;
    return 0;
}

static void leave_world(sim_kernel *kernel)
{
    weir_sim *sim = kernel->sim;
    weir_list_node *node;

    weir_list_remove(&kernel->link);
    for (node = weir_list_first(&sim->kernels); node; node = weir_list_next(&sim->kernels, node))
        weir_sim_kernel_forget_wakes(WEIR_CONTAINER_OF(node, sim_kernel, link), kernel);
}

/* Whether all that is left are notifications. */
static bool is_idle(const sim_kernel *kernel)
{
    weir_list_node *node;

    for (node = weir_list_first(&kernel->operations); node;
         node = weir_list_next(&kernel->operations, node)) {
        if (WEIR_CONTAINER_OF(node, sim_operation, link)->attached)
            return false;
    }
    return true;
}

static void kernel_close(weir_backend *backend)
{
    sim_kernel *kernel = sim_kernel_of(backend);

    SIM_CHECK(kernel->sim, is_idle(kernel), "a loop ends when nothing is in flight on it");
    weir_sim_lending_fini(kernel);
    weir_sim_kernel_drop_operations(kernel);
    leave_world(kernel);
    free(kernel);
}

void weir_sim_kernel_drop(sim_kernel *kernel)
{
    weir_sim_kernel_drop_operations(kernel);
    weir_sim_kernel_drop_attached(kernel);
    weir_sim_lending_drop(kernel);
    weir_sim_agenda_clear(&kernel->sim->agenda, &kernel->deadline);
    leave_world(kernel);
    free(kernel->loop);
    free(kernel);
}

static int kernel_start(weir_backend *backend)
{
    sim_kernel_of(backend)->program = sim_program_current();
    return 0;
}

void weir_sim_kernel_look_at_wakes(weir_sim *sim)
{
    weir_list_node *node;

    for (node = weir_list_first(&sim->kernels); node; node = weir_list_next(&sim->kernels, node)) {
        sim_kernel *kernel = WEIR_CONTAINER_OF(node, sim_kernel, link);

        if (kernel->is_waiting && __atomic_load_n(&kernel->is_woken, __ATOMIC_ACQUIRE))
            weir_sim_program_ready(kernel->program);
    }
}

const struct weir_backend_ops weir_sim_backend = {
    .name = "sim",
    .sockets = &weir_sim_sockets,
    .open = kernel_open,
    .close = kernel_close,
    .start = kernel_start,
    .attach = weir_sim_kernel_attach,
    .detach = weir_sim_kernel_detach,
    .accept = weir_sim_kernel_accept,
    .connect = weir_sim_kernel_connect,
    .receive = weir_sim_kernel_receive,
    .send = weir_sim_kernel_send,
    .register_memory = weir_sim_kernel_register_memory,
    .send_zero_copy = weir_sim_kernel_send_zero_copy,
    .receive_v = weir_sim_kernel_receive_v,
    .send_v = weir_sim_kernel_send_v,
    .receive_lent = weir_sim_kernel_receive_lent,
    .give_back = weir_sim_kernel_give_back,
    .poll = weir_sim_kernel_poll,
    .close_socket = weir_sim_kernel_close_socket,
    .cancel = weir_sim_kernel_cancel,
    .wait = weir_sim_kernel_wait,
    .peek = weir_sim_kernel_peek,
    .wake = weir_sim_kernel_wake,
};
