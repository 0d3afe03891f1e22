/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SPIN_H
#define WEIR_SPIN_H

/*
 * The spin controller: how long to look for completions before sleeping, the same on every backend.
 *
 * Sleeping and being woken costs far more than a system call, so when completions follow soon after
 * the loop runs dry, looking for them is cheaper. When they do not, because the peer is slow or
 * shares this processor, looking is waste. The controller learns which:
 *
 *  - a spin that found something makes the next one longer (by a quarter), one that did not shorter
 *    (by an eighth), between a floor and the caller's bound;
 *  - a spin that goes on for long offers its processor to others, once. When one of them took it,
 *    it ends and counts as a probe that failed, for a sleep costs less than a turn of somebody
 *    else's; and until an offer is not taken, what is found sooner does not make up for that;
 *  - when misses have brought it under the floor it stops spinning, and probes again after a number
 *    of short sleeps that doubles each time a probe fails. An idle loop therefore burns nothing,
 *    and one that shares its processor with its peer almost nothing;
 *  - only the last sleeps before a probe are timed, for reading the clock costs as much as a
 *    spin may save.
 *
 * Knows no clock and no backend. Source: core/loop/spin.c. Tests: tests/unit/test_spin.c.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
    WEIR_SPIN_FLOOR_NS = 2000, /* Shorter spins find nothing; shorter sleeps were none. */
    /* The first spin, and each probe: long enough to outlast the wake-up of a peer that sleeps, or
     * neither of two loops that answer each other would ever find the other awake. */
    WEIR_SPIN_PROBE_NS = 50000,
    WEIR_SPIN_ALONE_NS = 10000, /* What a spin takes for itself before it offers its processor: what
                                   two loops that both spin need to answer each other. */
    WEIR_SPIN_TAKEN_NS = 5000,  /* An offer that took so long was taken. */
    WEIR_SPIN_SHORT_SLEEP_NS = 100000, /* A sleep that a spin might have spared. */
    WEIR_SPIN_PROBE_AFTER_MAX = 4096,  /* Sleeps between probes, at most. */
    WEIR_SPIN_TIMED_MAX = 8, /* Of these, the last that are timed, and have to be short. */
};

/** How a spin ended. */
enum weir_spin_end {
    WEIR_SPIN_FOUND, /* There is something to do. */
    WEIR_SPIN_EMPTY, /* Its time passed. */
    WEIR_SPIN_TAKEN, /* Another thread took the processor. */
};

typedef struct weir_spin {
    int64_t max_ns;        /* The caller's bound; 0: never spin. */
    int64_t budget_ns;     /* Of the next spin; 0: sleep at once. */
    uint32_t probe_after;  /* Sleeps before the next probe. */
    uint32_t short_sleeps; /* Since spinning stopped. */
    bool is_shared;        /* The last offer of the processor was taken. */
} weir_spin;

void weir_spin_init(weir_spin *spin, int64_t max_ns);

/** How long to spin now; 0: not at all. */
static inline int64_t weir_spin_budget_ns(const weir_spin *spin)
{
    return spin->budget_ns;
}

/**
 * Learn from a spin.
 *
 * @is_alone  it has offered the processor, and nobody took it
 */
void weir_spin_learn(weir_spin *spin, enum weir_spin_end end, bool is_alone);

/** Whether the next sleep is to be timed. */
static inline bool weir_spin_times(const weir_spin *spin)
{
    return spin->budget_ns == 0 && spin->max_ns > 0 &&
           spin->short_sleeps + WEIR_SPIN_TIMED_MAX >= spin->probe_after;
}

/** Learn from a sleep that something ended: after slept_ns, if it was to be timed. */
void weir_spin_slept(weir_spin *spin, int64_t slept_ns);

#endif
