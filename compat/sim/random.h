/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_RANDOM_H
#define WEIR_SIM_RANDOM_H

/* Numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014). The same everywhere. */

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *random)
{
    uint64_t mixed = random->state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/** Below bound, which is not 0. The bias is under bound / 2^64. */
static inline uint64_t sim_random_below(struct sim_random *random, uint64_t bound)
{
    return sim_random_next(random) % bound;
}

/** Between least and most, both included. */
static inline int64_t sim_random_between(struct sim_random *random, int64_t least, int64_t most)
{
    return least + (int64_t)sim_random_below(random, (uint64_t)(most - least) + 1);
}

/** Mostly small: up to most, each half as likely as the one of half its size. */
static inline int64_t sim_random_small(struct sim_random *random, int64_t most)
{
    int64_t bound = most >> sim_random_below(random, 16);

    return sim_random_between(random, 0, bound);
}

static inline bool sim_random_chance(struct sim_random *random, unsigned thousandths)
{
    return thousandths > 0 && sim_random_below(random, 1000) < thousandths;
}

#endif
