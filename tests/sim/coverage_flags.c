/* SPDX-License-Identifier: MIT */
/*
 * The functions that code built with -fsanitize-coverage=inline-bool-flag,pc-table calls when the
 * program starts, once for each source file, with the same ranges: those of the whole program.
 */
#include "coverage_flags.h"

struct coverage_flags weir_coverage_flags;

/* Clang's names. */
void __sanitizer_cov_bool_flag_init(const unsigned char *begin, const unsigned char *end);
void __sanitizer_cov_pcs_init(const struct coverage_edge *begin, const struct coverage_edge *end);

void __sanitizer_cov_bool_flag_init(const unsigned char *begin, const unsigned char *end)
{
    weir_coverage_flags.begin = begin;
    weir_coverage_flags.end = end;
}

void __sanitizer_cov_pcs_init(const struct coverage_edge *begin, const struct coverage_edge *end)
{
    (void)end;
    weir_coverage_flags.edges = begin;
}
