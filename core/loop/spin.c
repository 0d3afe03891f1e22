/* SPDX-License-Identifier: MIT */
/* The spin controller. */
#include "spin.h"

static int64_t at_most(int64_t value, int64_t bound)
{
    return value < bound ? value : bound;
}

void weir_spin_init(weir_spin *spin, int64_t max_ns)
{
    spin->max_ns = max_ns >= WEIR_SPIN_FLOOR_NS ? max_ns : 0;
    spin->budget_ns = at_most(WEIR_SPIN_PROBE_NS, spin->max_ns);
    spin->probe_after = 1;
    spin->short_sleeps = 0;
    spin->is_shared = false;
}

static void stop_spinning(weir_spin *spin)
{
    spin->budget_ns = 0;
    spin->short_sleeps = 0;
    if (spin->probe_after < WEIR_SPIN_PROBE_AFTER_MAX)
        spin->probe_after *= 2;
}

static void learn_hit(weir_spin *spin)
{
    spin->budget_ns = at_most(spin->budget_ns + spin->budget_ns / 4, spin->max_ns);
    if (!spin->is_shared)
        spin->probe_after = 1;
}

/* A probe gets one chance, a spin that used to pay about eighteen. */
static void learn_miss(weir_spin *spin)
{
    spin->budget_ns -= spin->budget_ns / 8;
    if (spin->is_shared || spin->probe_after > 1 || spin->budget_ns < WEIR_SPIN_FLOOR_NS)
        stop_spinning(spin);
}

void weir_spin_learn(weir_spin *spin, enum weir_spin_end end, bool is_alone)
{
    if (is_alone)
        spin->is_shared = false;
    else if (end == WEIR_SPIN_TAKEN)
        spin->is_shared = true;
    if (end == WEIR_SPIN_FOUND)
        learn_hit(spin);
    else
        learn_miss(spin);
}

void weir_spin_slept(weir_spin *spin, int64_t slept_ns)
{
    if (spin->budget_ns > 0 || spin->max_ns == 0)
        return;
    if (weir_spin_times(spin) &&
        (slept_ns < WEIR_SPIN_FLOOR_NS || slept_ns > WEIR_SPIN_SHORT_SLEEP_NS))
        return;
    spin->short_sleeps++;
    if (spin->short_sleeps >= spin->probe_after)
        spin->budget_ns = at_most(WEIR_SPIN_PROBE_NS, spin->max_ns);
}
