/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_COVERAGE_FLAGS_H
#define WEIR_TEST_SIM_COVERAGE_FLAGS_H

/* What the instrumented code of this program registers when it starts. In builds with
 * WEIR_SIM_COVERAGE the library brings coverage_flags.c along, for whatever is linked to it. */

#include <stdint.h>

/** An edge: its address in this process. Clang's layout. */
struct coverage_edge {
    uintptr_t address;
    uintptr_t flags;
};

/** A flag an edge, set once it is reached, and the edges themselves; in the same order. */
struct coverage_flags {
    const unsigned char *begin;
    const unsigned char *end;
    const struct coverage_edge *edges;
};

extern struct coverage_flags weir_coverage_flags;

#endif
