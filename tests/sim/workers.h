/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_WORKERS_H
#define WEIR_TEST_SIM_WORKERS_H

/*
 * The processes that run worlds. Each worker takes the next run that nobody has taken, until there
 * is none left; what it finds goes to memory that it shares with the parent. A run that dies takes
 * its worker along. Then those before it are run to their end, so that it is always the first
 * failing run that is shown, however many workers there are.
 */

#include <stdbool.h>

#include "options.h"
#include "scenario.h"
#include "tally.h"

/** What came out of all runs. */
struct results {
    struct tally *by_scenario; /* [scenario_count] */
    unsigned char *reached;    /* [coverage_edges()] */
    struct scenario_run run;   /* If there was only one. */
};

/** Run what the options ask for. False if a run failed, which has been printed. */
bool workers_run(const struct options *options, struct results *ret_results);

#endif
