/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ASSERT_H
#define WEIR_ASSERT_H

/*
 * Assertions: errors the caller causes.
 *
 * What the world causes (peers, the kernel, memory, configuration) is a result; what only a bug can
 * cause ends the process, in release builds too, with file, line and the rule that was broken.
 * Every assertion carries that rule as a sentence.
 */

#include <stddef.h>

#include <weir/export.h>

WEIR_C_BEGIN

/** Print "FILE:LINE: FUNCTION: RULE (CONDITION)" to stderr and abort. */
WEIR_PUBLIC WEIR_NORETURN void weir_assert_fail(const char *file, int line, const char *function,
                                                const char *condition, const char *rule);

/** Abort with the rule unless the condition holds. The condition has no side effects. */
#define WEIR_ASSERT(condition, rule)  \
    (WEIR_LIKELY(condition) ? (void)0 \
                            : weir_assert_fail(__FILE__, __LINE__, __func__, #condition, (rule)))

/** An arm that the type system cannot exclude. */
#define WEIR_UNREACHABLE(rule) weir_assert_fail(__FILE__, __LINE__, __func__, "unreachable", (rule))

/** The struct that holds a member at this address. */
#define WEIR_CONTAINER_OF(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

WEIR_C_END

#endif
