/* SPDX-License-Identifier: MIT */
#ifndef TEST_RUNNER_H
#define TEST_RUNNER_H

/*
 * Tests as the plain runner's: constructors put them on its list before main runs.
 */

#include <signal.h>

#include "test_run.h"

struct test_case {
    const char *name; /* "suite/name" */
    test_body_fn *body;
    int expected_signal; /* Or 0: the body returns. */
    struct test_case *next;
};

/** The case is linked, not copied. */
void test_register(struct test_case *test);

#define TEST_DEFINE(suite, test_name, test_body, signal_number)                 \
    __attribute__((constructor)) static void suite##_##test_name##_enlist(void) \
    {                                                                           \
        static struct test_case test = {                                        \
            .name = #suite "/" #test_name,                                      \
            .body = test_body,                                                  \
            .expected_signal = signal_number,                                   \
        };                                                                      \
        test_register(&test);                                                   \
    }

#endif
