/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_TALLY_H
#define WEIR_TEST_SIM_TALLY_H

/* Sums over runs, and how they are printed. */

#include <stdint.h>
#include <stdio.h>

#include "scenario.h"

/** Of one scenario, or of all. */
struct tally {
    uint64_t runs;
    uint64_t worlds;
    uint64_t steps;
    uint64_t operations;
    uint64_t faults;
    int64_t time_ns;
    uint64_t hash; /* A sum, so that it does not matter who ran what, and when. */
};

void tally_run(struct tally *tally, const struct scenario_run *run);
void tally_add(struct tally *sum, const struct tally *part);

/** The line of one run. */
void tally_print_run(FILE *stream, const struct scenario_run *run);

/** The table of many runs: by_scenario[scenario_count], and all. */
void tally_print_table(FILE *stream, const struct tally *by_scenario);

enum { TALLY_GROUPED_BYTES = 32 };

/** 1234567 as 1,234,567. Returns the text. */
const char *tally_grouped(uint64_t number, char ret_text[TALLY_GROUPED_BYTES]);

#endif
