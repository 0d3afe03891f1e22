/* SPDX-License-Identifier: MIT */

/*
 * What test.c asks of the runner, answered by Criterion.
 */

#include "runner.h"

void test_runner_skip(void)
{
    criterion_skip_test("skipped");
}
