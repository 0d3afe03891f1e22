/* SPDX-License-Identifier: MIT */
#ifndef TEST_RUN_H
#define TEST_RUN_H

/*
 * Between test.c and the runners: what a runner calls, and what it provides.
 */

enum { TEST_TIMEOUT_S = 60 };

typedef void test_body_fn(void);

/** Called by a runner in the process of the test: the body, then the search for leaks. */
void test_run(const char *name, test_body_fn *body);

/** Provided by a runner: end the test as skipped. */
__attribute__((noreturn)) void test_runner_skip(void);

#endif
