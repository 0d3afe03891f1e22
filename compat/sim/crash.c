/* SPDX-License-Identifier: MIT */
/*
 * Crashes: a host loses its programs and all that they had, in the midst of whatever they did.
 *
 * Nothing that stands in the memory of a program is looked at once its stack is gone.
 */
#include "kernel.h"

static void drop_kernels(weir_sim_host *host)
{
    weir_sim *sim = host->sim;
    weir_list_node *node = weir_list_first(&sim->kernels);

    while (node) {
        sim_kernel *kernel = WEIR_CONTAINER_OF(node, sim_kernel, link);

        node = weir_list_next(&sim->kernels, node);
        if (kernel->opener->host == host)
            weir_sim_kernel_drop(kernel);
    }
}

/* The process knows signal sets. They may stand on a stack: they are looked at
 * while there is one. */
static void abandon_loops(const weir_sim_host *host)
{
    const weir_list *kernels = &host->sim->kernels;
    weir_list_node *node;

    for (node = weir_list_first(kernels); node; node = weir_list_next(kernels, node)) {
        const sim_kernel *kernel = WEIR_CONTAINER_OF(node, sim_kernel, link);

        if (kernel->opener->host == host)
            weir_loop_abandon(kernel->loop);
    }
}

static void drop_programs(weir_sim_host *host)
{
    weir_sim *sim = host->sim;
    size_t i;

    for (i = 0; i < sim->program_count; i++) {
        if (sim->programs[i]->host == host && sim->programs[i]->state != SIM_PROGRAM_ENDED)
            weir_sim_program_drop(sim->programs[i]);
    }
}

void weir_sim_host_crash(weir_sim_host *host)
{
    weir_sim *sim = host->sim;

    WEIR_ASSERT(!sim->running, "a host crashes between the turns of programs: from a script");
    weir_sim_trace_at(host, SIM_CRASH, -1, 0);
    abandon_loops(host);
    drop_programs(host);
    drop_kernels(host);
    weir_sim_network_crash(host);
    weir_sim_frames_drop(&sim->frames, host);
}
