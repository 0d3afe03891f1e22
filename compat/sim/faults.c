/* SPDX-License-Identifier: MIT */
/* Faults: which occur in a world, and whether one occurs now. */
#include "sim.h"

/* Thousandths at each level. */
struct fault_levels {
    uint16_t at[WEIR_SIM_FAULTS_MAX + 1];
};

static uint16_t of_level(struct sim_random *random, unsigned level, struct fault_levels levels)
{
    bool is_in_this_world = sim_random_below(random, 3) > 0;

    return is_in_this_world ? levels.at[level] : 0;
}

#define LEVELS(one, two, three) ((struct fault_levels){{0, one, two, three}})

weir_sim_faults weir_sim_faults_at(unsigned level, uint64_t seed)
{
    struct sim_random random = {.state = ~seed};
    weir_sim_faults faults;

    WEIR_ASSERT(level <= WEIR_SIM_FAULTS_MAX, "faults have levels up to WEIR_SIM_FAULTS_MAX");
    faults.partial_transfer = of_level(&random, level, LEVELS(200, 300, 600));
    faults.slow_completion = of_level(&random, level, LEVELS(50, 100, 200));
    faults.spurious_wakeup = of_level(&random, level, LEVELS(20, 50, 200));
    faults.late_cancel = of_level(&random, level, LEVELS(100, 300, 500));
    faults.multishot_end = of_level(&random, level, LEVELS(50, 100, 300));
    faults.tiny_queues = of_level(&random, level, LEVELS(200, 300, 600));
    faults.lost_connection = of_level(&random, level, LEVELS(0, 20, 100));
    faults.refused_connection = of_level(&random, level, LEVELS(0, 20, 100));
    faults.reset_connection = of_level(&random, level, LEVELS(0, 2, 20));
    faults.no_descriptors = of_level(&random, level, LEVELS(0, 20, 100));
    faults.no_kernel_memory = of_level(&random, level, LEVELS(0, 20, 100));
    faults.no_frames = of_level(&random, level, LEVELS(0, 10, 100));
    faults.no_buffers = of_level(&random, level, LEVELS(100, 200, 500));
    faults.late_notification = of_level(&random, level, LEVELS(0, 50, 300));
    faults.stalled_program = 0; /* Who checks how late things are could check nothing. */
    return faults;
}

static bool occurs(weir_sim *sim, const weir_sim_host *host, unsigned thousandths,
                   enum sim_fault_kind kind)
{
    if (!sim_random_chance(&sim->random, thousandths))
        return false;
    sim->faults++;
    weir_sim_trace_fault(sim, host, kind);
    return true;
}

bool weir_sim_fault(weir_sim *sim, unsigned thousandths, enum sim_fault_kind kind)
{
    return occurs(sim, NULL, thousandths, kind);
}

bool weir_sim_fault_at(weir_sim_host *host, unsigned thousandths, enum sim_fault_kind kind)
{
    return occurs(host->sim, host, thousandths, kind);
}
