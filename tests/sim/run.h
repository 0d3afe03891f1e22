/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_RUN_H
#define WEIR_TEST_SIM_RUN_H

/* One run: from its number to its outcome. */

#include "options.h"
#include "scenario.h"

/** Run number index of those that the options ask for: scenario, seed and faults. */
void run_init(struct scenario_run *run, const struct options *options, uint64_t index);

/** Run its worlds. Comes back only if all is well. */
void run_go(struct scenario_run *run);

enum { RUN_REPEAT_BYTES = 512 };

/** The command that repeats a run, or the world of it that has not ended. */
void run_repeat(const struct scenario_run *run, char ret_command[RUN_REPEAT_BYTES]);

/** SplitMix64's: each bit depends on all. */
uint64_t run_mix(uint64_t value);

#endif
