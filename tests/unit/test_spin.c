/* SPDX-License-Identifier: MIT */
/* The spin controller. */
#include "spin.h"
#include "test.h"

enum {
    BOUND_NS = 2 * WEIR_SPIN_PROBE_NS,
    SHORT_NS = WEIR_SPIN_SHORT_SLEEP_NS,
    LONG_NS = SHORT_NS + 1
};

/* Let every spin miss until it stops spinning; returns how many spins that took. */
static int miss_until_it_stops(weir_spin *spin)
{
    int misses = 0;

    while (weir_spin_budget_ns(spin) > 0) {
        weir_spin_learn(spin, WEIR_SPIN_EMPTY, false);
        misses++;
    }
    return misses;
}

/* Sleep for so long until it spins again; returns how many sleeps that took. */
static uint32_t sleep_until_it_probes(weir_spin *spin, int64_t slept_ns)
{
    uint32_t sleeps = 0;

    while (weir_spin_budget_ns(spin) == 0) {
        weir_spin_slept(spin, slept_ns);
        sleeps++;
    }
    return sleeps;
}

WEIR_TEST(spin, the_first_spin_is_a_probe)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);

    CHECK_EQ(weir_spin_budget_ns(&spin), WEIR_SPIN_PROBE_NS);
}

WEIR_TEST(spin, a_hit_lengthens_the_next_spin_by_a_quarter)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    weir_spin_learn(&spin, WEIR_SPIN_FOUND, false);

    CHECK_EQ(weir_spin_budget_ns(&spin), WEIR_SPIN_PROBE_NS / 4 * 5);
}

WEIR_TEST(spin, hits_never_exceed_the_bound)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    for (int i = 0; i < 100; i++)
        weir_spin_learn(&spin, WEIR_SPIN_FOUND, false);

    CHECK_EQ(weir_spin_budget_ns(&spin), BOUND_NS);
}

WEIR_TEST(spin, a_miss_shortens_the_next_spin_by_an_eighth)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    weir_spin_learn(&spin, WEIR_SPIN_EMPTY, false);

    CHECK_EQ(weir_spin_budget_ns(&spin), WEIR_SPIN_PROBE_NS / 8 * 7);
}

WEIR_TEST(spin, a_processor_that_is_taken_ends_spinning_at_once)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    weir_spin_learn(&spin, WEIR_SPIN_FOUND, false);
    weir_spin_learn(&spin, WEIR_SPIN_TAKEN, false);

    CHECK_EQ(weir_spin_budget_ns(&spin), 0);
    CHECK_EQ(sleep_until_it_probes(&spin, SHORT_NS), 2);
}

WEIR_TEST(spin, a_processor_that_is_taken_again_doubles_the_sleeps_before_the_next_probe)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    for (uint32_t expected = 2; expected <= 64; expected *= 2) {
        weir_spin_learn(&spin, WEIR_SPIN_TAKEN, false);
        CHECK_EQ(sleep_until_it_probes(&spin, SHORT_NS), expected);
    }
}

WEIR_TEST(spin, what_is_found_soon_on_a_shared_processor_does_not_restore_patience)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    weir_spin_learn(&spin, WEIR_SPIN_TAKEN, false);
    sleep_until_it_probes(&spin, SHORT_NS);
    for (int i = 0; i < 10; i++)
        weir_spin_learn(&spin, WEIR_SPIN_FOUND, false);
    weir_spin_learn(&spin, WEIR_SPIN_TAKEN, false);

    CHECK_EQ(sleep_until_it_probes(&spin, SHORT_NS), 4);
}

WEIR_TEST(spin, an_offer_that_nobody_took_restores_patience)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    weir_spin_learn(&spin, WEIR_SPIN_TAKEN, false);
    sleep_until_it_probes(&spin, SHORT_NS);
    weir_spin_learn(&spin, WEIR_SPIN_FOUND, true);

    CHECK(miss_until_it_stops(&spin) > 10);
}

WEIR_TEST(spin, a_miss_alone_on_the_processor_lets_the_next_probe_restore_patience)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    weir_spin_learn(&spin, WEIR_SPIN_TAKEN, false);
    sleep_until_it_probes(&spin, SHORT_NS);
    weir_spin_learn(&spin, WEIR_SPIN_EMPTY, true);
    CHECK_EQ(sleep_until_it_probes(&spin, SHORT_NS), 4);
    weir_spin_learn(&spin, WEIR_SPIN_FOUND, false);

    CHECK(miss_until_it_stops(&spin) > 10);
}

WEIR_TEST(spin, misses_in_a_row_end_spinning)
{
    weir_spin spin;
    int misses;

    weir_spin_init(&spin, BOUND_NS);
    misses = miss_until_it_stops(&spin);

    CHECK(misses > 10 && misses < 30);
}

WEIR_TEST(spin, a_spin_that_goes_on_is_never_shorter_than_the_floor)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    while (weir_spin_budget_ns(&spin) > 0) {
        CHECK(weir_spin_budget_ns(&spin) >= WEIR_SPIN_FLOOR_NS);
        weir_spin_learn(&spin, WEIR_SPIN_EMPTY, false);
    }
}

WEIR_TEST(spin, an_idle_loop_never_spins_again)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    miss_until_it_stops(&spin);
    for (int i = 0; i < 100000; i++) {
        weir_spin_slept(&spin, LONG_NS);
        CHECK_EQ(weir_spin_budget_ns(&spin), 0);
    }
}

WEIR_TEST(spin, sleeps_that_were_none_bring_no_probe)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    miss_until_it_stops(&spin);
    for (int i = 0; i < 1000; i++)
        weir_spin_slept(&spin, WEIR_SPIN_FLOOR_NS - 1);
    CHECK_EQ(weir_spin_budget_ns(&spin), 0);

    CHECK_EQ(sleep_until_it_probes(&spin, WEIR_SPIN_FLOOR_NS), 2);
}

/* Stop spinning so that so many sleeps are needed before it probes. */
static void stop_for(weir_spin *spin, uint32_t sleeps)
{
    weir_spin_init(spin, BOUND_NS);
    while (spin->probe_after < sleeps)
        weir_spin_learn(spin, WEIR_SPIN_TAKEN, false);
}

WEIR_TEST(spin, only_the_last_sleeps_before_a_probe_are_timed)
{
    weir_spin spin;

    stop_for(&spin, 64);
    for (int i = 0; i < 64; i++) {
        CHECK_EQ(weir_spin_times(&spin), i >= 64 - WEIR_SPIN_TIMED_MAX);
        weir_spin_slept(&spin, weir_spin_times(&spin) ? SHORT_NS : 0);
    }
    CHECK_EQ(weir_spin_budget_ns(&spin), WEIR_SPIN_PROBE_NS);
}

WEIR_TEST(spin, long_sleeps_bring_no_probe_however_many_were_not_timed)
{
    weir_spin spin;

    stop_for(&spin, 64);
    for (int i = 0; i < 10000; i++)
        weir_spin_slept(&spin, weir_spin_times(&spin) ? LONG_NS : 0);

    CHECK_EQ(weir_spin_budget_ns(&spin), 0);
}

WEIR_TEST(spin, nothing_is_timed_while_it_spins_or_when_it_never_does)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    CHECK(!weir_spin_times(&spin));
    weir_spin_init(&spin, 0);
    CHECK(!weir_spin_times(&spin));
}

WEIR_TEST(spin, short_sleeps_bring_a_probe)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    miss_until_it_stops(&spin);

    CHECK_EQ(sleep_until_it_probes(&spin, SHORT_NS), 2);
    CHECK_EQ(weir_spin_budget_ns(&spin), WEIR_SPIN_PROBE_NS);
}

WEIR_TEST(spin, a_probe_that_misses_ends_spinning_at_once)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    miss_until_it_stops(&spin);
    sleep_until_it_probes(&spin, SHORT_NS);

    CHECK_EQ(miss_until_it_stops(&spin), 1);
}

WEIR_TEST(spin, probes_that_miss_double_the_sleeps_between_them_up_to_a_bound)
{
    weir_spin spin;
    uint32_t expected = 2;

    weir_spin_init(&spin, BOUND_NS);
    for (int i = 0; i < 20; i++) {
        miss_until_it_stops(&spin);
        CHECK_EQ(sleep_until_it_probes(&spin, SHORT_NS), expected);
        expected = expected < WEIR_SPIN_PROBE_AFTER_MAX ? expected * 2 : expected;
    }
    CHECK_EQ(expected, WEIR_SPIN_PROBE_AFTER_MAX);
}

WEIR_TEST(spin, a_probe_that_hits_restores_patience)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    miss_until_it_stops(&spin);
    sleep_until_it_probes(&spin, SHORT_NS);
    weir_spin_learn(&spin, WEIR_SPIN_FOUND, false);

    CHECK(miss_until_it_stops(&spin) > 10);
    CHECK_EQ(sleep_until_it_probes(&spin, SHORT_NS), 2);
}

WEIR_TEST(spin, sleeps_while_spinning_pays_teach_nothing)
{
    weir_spin spin;

    weir_spin_init(&spin, BOUND_NS);
    for (int i = 0; i < 100; i++)
        weir_spin_slept(&spin, 0);

    CHECK_EQ(weir_spin_budget_ns(&spin), WEIR_SPIN_PROBE_NS);
}

WEIR_TEST(spin, a_bound_below_a_probe_bounds_the_first_spin)
{
    weir_spin spin;

    weir_spin_init(&spin, WEIR_SPIN_FLOOR_NS + 1);

    CHECK_EQ(weir_spin_budget_ns(&spin), WEIR_SPIN_FLOOR_NS + 1);
}

WEIR_TEST(spin, a_bound_of_nothing_or_below_the_floor_never_spins)
{
    const int64_t bounds[] = {0, 1, WEIR_SPIN_FLOOR_NS - 1};

    for (int i = 0; i < 3; i++) {
        weir_spin spin;

        weir_spin_init(&spin, bounds[i]);
        for (int j = 0; j < 100; j++) {
            CHECK_EQ(weir_spin_budget_ns(&spin), 0);
            weir_spin_slept(&spin, 0);
        }
    }
}
