/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_FAIL_H
#define WEIR_TEST_FAIL_H

/*
 * How the test kit tells a failure: a line on stderr, and an abort.
 *
 * A tool may find out deep inside of an operation, under a task that cannot go on; an abort is what
 * every framework counts as a failed test without being told of weir, and what a debugger stops at.
 * What a test may want to decide for itself (counts, positions, whether a fuse has blown) can be
 * read, and fails nothing.
 *
 * Source: core/test/fail.c.
 */

#include <weir/export.h>

WEIR_C_BEGIN

/** Print "weir test kit: MESSAGE" to stderr and abort. For scripted tools of your own, too. */
WEIR_PUBLIC WEIR_NORETURN WEIR_PRINTF(1, 2) void weir_test_fail(const char *format, ...);

WEIR_C_END

#endif
