/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_SCENARIO_H
#define WEIR_TEST_SIM_SCENARIO_H

/*
 * What weir-sim runs: scenarios, each a file scenario_NAME.c with one const struct scenario, listed
 * in scenarios.c.
 *
 * A run is one scenario with one seed and one level of faults. It makes one world, or several: a
 * world is made, built by the scenario, run until every program has ended, checked and freed. What
 * a scenario decides by itself it decides by weir_sim_random or from what it is given here; what it
 * finds wrong it says by weir_sim_fail, at any time. A world whose programs do not all end in time
 * has broken a rule: that something stays possible.
 *
 *      struct state {
 *          struct server server;
 *          struct client clients[16];
 *      };
 *
 *      static void build(weir_sim *sim, struct scenario_run *run)
 *      {
 *          struct state *state = run->state;
 *
 *          weir_sim_start(weir_sim_host_new(sim, "server"), "server", server_main, &state->server);
 *          ...
 *      }
 *
 *      const struct scenario scenario_echo = {
 *          .name = "echo",
 *          .summary = "clients that come and go, and what they sent comes back",
 *          .state_size_bytes = sizeof(struct state),
 *          .build = build,
 *          .check = check,
 *      };
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/sim.h>

struct options;
struct scenario;

/** One run, as its scenario sees it. */
struct scenario_run {
    const struct scenario *scenario;
    uint64_t seed;
    unsigned level;         /* Of faults: 0 .. WEIR_SIM_FAULTS_MAX. */
    weir_sim_faults faults; /* Of the next world; the level's, until adjust changes them. */

    void *state;      /* Of the world that is running: zeroed when it is made, freed after check. */
    uint64_t variant; /* Which of several worlds: the scenario's own number. 0 if there is one. */
    bool has_no_such_variant; /* Set by build or check of a scenario that has worlds. */

    /* Of the runner: run.c. */
    const struct options *options;
    bool has_lost_trace;    /* Not all of it could be written. */
    weir_sim_outcome total; /* Of its worlds. */
    uint64_t worlds;        /* That have ended. Written by the worker, read by its parent. */
};

/** A scenario. What is optional may be NULL or 0. */
struct scenario {
    const char *name;
    const char *summary; /* One line, for --list. */

    size_t state_size_bytes;
    int64_t deadline_ns; /* After which the world counts as stuck; 0: an hour of its clock. */

    /** Optional. Change run->faults, once a run, before the first world is made. */
    void (*adjust)(struct scenario_run *run);

    /** Add hosts, programs and scripts to a world that has not run yet. */
    void (*build)(weir_sim *sim, struct scenario_run *run);

    /** Optional. Look at the state after every program has ended. */
    void (*check)(weir_sim *sim, struct scenario_run *run);

    /** Optional. Run other worlds than the one: set run->variant and call scenario_run_world for
     * each. --variant runs a single one of them. */
    void (*worlds)(struct scenario_run *run);
};

/**
 * Run one world of a run, with run->faults and run->variant as they are. All worlds of a run have
 * its seed; so the same variant is the same history, and two differ where build or a script
 * differs.
 *
 * Returns its outcome, for instance .steps: which stops at every event index count up to. Comes
 * back only if nothing was wrong.
 */
weir_sim_outcome scenario_run_world(struct scenario_run *run);

/** All scenarios of this executable, in the order of --list. scenarios.c. */
extern const struct scenario *const scenarios[];
extern const size_t scenario_count;

#endif
