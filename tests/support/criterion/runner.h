/* SPDX-License-Identifier: MIT */
#ifndef TEST_RUNNER_H
#define TEST_RUNNER_H

/*
 * Tests as Criterion's. Its library brings main, parallel workers and --filter.
 */

#include <signal.h>

#include <criterion/criterion.h>

#include "test_run.h"

#define TEST_DEFINE(suite, name, body, expected_signal)                             \
    Test(suite, name, .signal = expected_signal, .timeout = (double)TEST_TIMEOUT_S) \
    {                                                                               \
        test_run(#suite "/" #name, body);                                           \
    }

#endif
