/* SPDX-License-Identifier: MIT */
#ifndef TEST_H
#define TEST_H

/*
 * Tests, written once.
 *
 * They run under Criterion, or under the plain runner where Criterion cannot go; CMake chooses by
 * putting criterion/ or plain/ on the include path. Under both, each test has a process of its own
 * and a minute, its name is "suite/name", --filter takes a glob over that, and a descriptor (under
 * AddressSanitizer also memory) that is still held when the body returns fails the test.
 *
 * Any helper on any thread may CHECK: a check that does not hold reports and ends the process.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runner.h"

/** A test: passes when the body returns. */
#define WEIR_TEST(suite, name)                         \
    static void suite##_##name##_body(void);           \
    TEST_DEFINE(suite, name, suite##_##name##_body, 0) \
    static void suite##_##name##_body(void)

/** A test that passes only if the body aborts. */
#define WEIR_ABORT_TEST(suite, name)                         \
    static void suite##_##name##_body(void);                 \
    TEST_DEFINE(suite, name, suite##_##name##_body, SIGABRT) \
    static void suite##_##name##_body(void)

/** A test for each backend of this machine's kernel; the body sees its name as `backend`. */
#define WEIR_KERNEL_TEST(suite, name)                                       \
    static void suite##_##name##_on(const char *backend);                   \
    TEST_DEFINE_ON(test_on_kernel, suite, name, uring, suite##_##name##_on) \
    TEST_DEFINE_ON(test_on_kernel, suite, name, epoll, suite##_##name##_on) \
    static void suite##_##name##_on(const char *backend)

/** The same, and one more for io_uring whose sockets are direct descriptors. */
#define WEIR_SOCKET_TEST(suite, name)                                        \
    static void suite##_##name##_on(const char *backend);                    \
    TEST_DEFINE_ON(test_on_direct, suite, name, direct, suite##_##name##_on) \
    WEIR_KERNEL_TEST(suite, name)

/** The same, and one more for the simulated kernel, in a world. */
#define WEIR_CONTRACT_TEST(suite, name)                                \
    static void suite##_##name##_on(const char *backend);              \
    TEST_DEFINE_ON(test_on_sim, suite, name, sim, suite##_##name##_on) \
    WEIR_SOCKET_TEST(suite, name)

/** A contract test that does not apply to the simulated kernel, for a reason. */
#define WEIR_CONTRACT_TEST_BUT_SIM(suite, name, reason)          \
    static void suite##_sim_##name##_body(void)                  \
    {                                                            \
        test_skip("%s", reason);                                 \
    }                                                            \
    TEST_DEFINE(suite##_sim, name, suite##_sim_##name##_body, 0) \
    WEIR_SOCKET_TEST(suite, name)

/** A contract test that does not apply to direct descriptors, for a reason. */
#define WEIR_CONTRACT_TEST_BUT_DIRECT(suite, name, reason)             \
    static void suite##_direct_##name##_body(void)                     \
    {                                                                  \
        test_skip("%s", reason);                                       \
    }                                                                  \
    TEST_DEFINE(suite##_direct, name, suite##_direct_##name##_body, 0) \
    static void suite##_##name##_on(const char *backend);              \
    TEST_DEFINE_ON(test_on_sim, suite, name, sim, suite##_##name##_on) \
    WEIR_KERNEL_TEST(suite, name)

#define TEST_DEFINE_ON(run, suite, name, backend, body) \
    static void suite##_##backend##_##name##_body(void) \
    {                                                   \
        run(#backend, body);                            \
    }                                                   \
    TEST_DEFINE(suite##_##backend, name, suite##_##backend##_##name##_body, 0)

#define CHECK(condition) ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #condition))

/** Integers of any width and signedness. */
#define CHECK_EQ(a, b) test_check_eq(__FILE__, __LINE__, #a " == " #b, (intmax_t)(a), (intmax_t)(b))

/** Strings; NULL equals only NULL. */
#define CHECK_STR_EQ(a, b) test_check_str_eq(__FILE__, __LINE__, #a " == " #b, (a), (b))

/** Report "FILE:LINE: TEST: check failed: MESSAGE" and end the process of the test. */
__attribute__((noreturn, cold, format(printf, 3, 4))) void test_fail(const char *file, int line,
                                                                     const char *format, ...);

/** Report that this test does not apply here, and end it. On the thread of the test only. */
__attribute__((noreturn, format(printf, 1, 2))) void test_skip(const char *format, ...);

/** What stands behind the name of the test in reports: before its body starts. */
__attribute__((format(printf, 1, 2))) void test_detail(const char *format, ...);

void test_check_eq(const char *file, int line, const char *text, intmax_t a, intmax_t b);
void test_check_str_eq(const char *file, int line, const char *text, const char *a, const char *b);

typedef void test_on_fn(const char *backend);

/** Run the body of a test, if this machine has the backend. */
void test_on_kernel(const char *backend, test_on_fn *body);

/** The same on "uring"; the loops of the test ask for so many direct descriptors. */
void test_on_direct(const char *backend, test_on_fn *body);
extern unsigned test_direct_descriptors;

/** Run it as a program of a world, for some seeds. Defined by support/on_sim.c: for
 * contract tests. */
void test_on_sim(const char *backend, test_on_fn *body);

/** The same, in worlds that do whatever a kernel may do without failing: faults of level 1. */
void test_on_faulty_sim(const char *backend, test_on_fn *body);

/** Skip the test unless this machine has the backend. */
void test_require_backend(const char *name);

/** Whether this machine has the backend. Weak, and true; define it to ask the library. */
bool test_backend_available(const char *name);

#endif
