/* SPDX-License-Identifier: MIT */
#ifndef TEST_LEAKS_H
#define TEST_LEAKS_H

/*
 * Leaks: what is still held when it should not be.
 *
 * Every test is searched when its body returns. A test that wants to know earlier counts itself:
 *
 *     int before = test_descriptor_count();
 *     ...
 *     CHECK_EQ(test_descriptor_count(), before);
 */

#include <stdbool.h>

enum { TEST_DESCRIPTORS_MAX = 4096 };

/** The open descriptors of this process; those above the maximum are not seen. */
struct test_descriptors {
    bool is_open[TEST_DESCRIPTORS_MAX];
};

int test_descriptor_count(void);

void test_descriptors_list(struct test_descriptors *ret_descriptors);

/** Fail the test, naming what it is, if a descriptor is open that was not open before. */
void test_descriptors_check(const struct test_descriptors *before);

/** This test loses memory, as it should: what is crashed on purpose cannot give it back. */
void test_memory_lost(void);

/** Fail the test if it leaked memory. Only AddressSanitizer can tell; without it, nothing. */
void test_memory_check(void);

#endif
