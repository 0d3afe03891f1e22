/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_PROGRESS_H
#define WEIR_TEST_SIM_PROGRESS_H

/* The line on stderr while many runs go on: rewritten on a terminal, else a new one
 * now and then. */

#include <stdbool.h>
#include <stdint.h>

struct progress {
    uint64_t runs; /* To come in all; 1: nothing is shown. */
    bool is_terminal;
    bool is_shown; /* The line is on the terminal. */
    int64_t begun_ns;
    int64_t shown_ns;
};

void progress_begin(struct progress *progress, uint64_t runs, bool is_terminal);

/** Show it if it is time to. */
void progress_show(struct progress *progress, uint64_t done, unsigned failures,
                   const unsigned char *reached);

/** Show it for the last time, with the line's end. */
void progress_end(struct progress *progress, uint64_t done, unsigned failures,
                  const unsigned char *reached);

/** The real clock. */
int64_t progress_now_ns(void);

#endif
