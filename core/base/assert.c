/* SPDX-License-Identifier: MIT */
/* Where an assertion ends the process. */
#include <weir/assert.h>

#include <stdio.h>
#include <stdlib.h>

#include "thread.h"

void weir_assert_fail(const char *file, int line, const char *function, const char *condition,
                      const char *rule)
{
    fprintf(stderr, "%s:%d: %s: %s (%s)\n", file, line, function, rule, condition);
    if (weir_thread.report)
        weir_thread.report();
    abort();
}
