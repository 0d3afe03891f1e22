/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_PLAY_H
#define WEIR_TEST_SIM_PLAY_H

/*
 * What scenarios share beside the kit: choices and expectations where no program runs, and stops
 * that any program or script asks for at any time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/run.h>
#include <weir/sim.h>
#include <weir/weir.h>

#include "kit.h"

/** The rule of a scenario holds, or the world is reported and the process aborts.
 * printf's format. */
#define PLAY_EXPECT(sim, condition, ...) \
    (WEIR_LIKELY(condition) ? (void)0 : weir_sim_fail((sim), __VA_ARGS__))

/* Choices. */

/** Below bound, which is not 0. */
static inline size_t play_below(weir_sim *sim, size_t bound)
{
    return (size_t)weir_sim_random_below(sim, bound);
}

/** Between least and most, both included. */
static inline int64_t play_between(weir_sim *sim, int64_t least, int64_t most)
{
    return least + (int64_t)weir_sim_random_below(sim, (uint64_t)(most - least) + 1);
}

static inline bool play_chance(weir_sim *sim, unsigned percent)
{
    return weir_sim_random_below(sim, 100) < percent;
}

/** Up to 2^bits - 1; each length in bits is as likely as any other. */
static inline int64_t play_magnitude(weir_sim *sim, unsigned bits)
{
    return (int64_t)weir_sim_random_below(sim, UINT64_C(1) << weir_sim_random_below(sim, bits + 1));
}

/* Faults. */

/** No operation fails, and no program stalls. */
void play_forgo_failures(weir_sim_faults *faults);

/* Time. */

/** How long something may take that a loop does at once: no bound where programs stall. */
static inline int64_t play_prompt_ns(const weir_sim_faults *faults, int64_t prompt_ns)
{
    return faults->stalled_program ? INT64_MAX / 2 : prompt_ns;
}

/* Loops. */

/** A loop of the seed's shape runs main and goes. In a program. */
weir_result play_run(weir_task *main);

/* Memory. */

/** So many bytes of the heap, and then none. */
struct play_memory {
    weir_memory memory;
    size_t left;
};

void play_memory_init(struct play_memory *memory, size_t size);

/** What has ended is not touched any more: mark it, and look later. */
void play_poison(void *memory, size_t size);
bool play_is_poisoned(const void *memory, size_t size);

/* Stops. */

/** A task that can be asked to stop before it begins, while it runs and after it has ended. */
struct play_stopper {
    weir_stop_source source;
    weir_sim *sim;
    bool is_open;
    unsigned early;      /* Bits that were asked for before it was open. */
    unsigned asked;      /* Bits that were ever asked for. */
    int64_t asked_ns;    /* When the first were; 0: never. */
    unsigned later_bits; /* What play_stop_at asks for. */
};

/** The task can be stopped from here to an await of weir_stop_source_close(&stopper->source). */
void play_stopper_open(weir_sim *sim, struct play_stopper *stopper, weir_task *task);

/** Ask. From any program or script. */
void play_stop(weir_sim *sim, struct play_stopper *stopper, unsigned bits);

/** Ask when the world's clock shows at_ns; one such request a stopper. */
void play_stop_at(weir_sim *sim, struct play_stopper *stopper, unsigned bits, int64_t at_ns);

/** Whether the error is of a stop that was asked for, and the task knows of it. */
bool play_is_stopped(const struct play_stopper *stopper, int error);

#endif
