/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_COVERAGE_H
#define WEIR_TEST_SIM_COVERAGE_H

/*
 * Which edges of weir's own code (core without core/sys) were reached. Counted where CMake's
 * WEIR_SIM_COVERAGE is on, which takes clang: its -fsanitize-coverage sets a flag for each edge.
 */

#include <stdbool.h>
#include <stddef.h>

bool coverage_is_built_in(void);

/** Edges there are. 0 if it is not built in. */
size_t coverage_edges(void);

/** Note in reached[coverage_edges()], which processes share, what this process reached. */
void coverage_collect(unsigned char *reached);

size_t coverage_count(const unsigned char *reached);

/** One line, on stdout. */
void coverage_print(const unsigned char *reached);

/** By source file, on stdout: how much was reached and the lines that were not. Runs addr2line. */
void coverage_print_uncovered(const unsigned char *reached);

#endif
