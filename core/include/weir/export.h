/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EXPORT_H
#define WEIR_EXPORT_H

/*
 * What a compiler is told about declarations: linkage, visibility, results that must be used.
 *
 * The library is built with hidden visibility; WEIR_PUBLIC marks what leaves it.
 */

#if defined(__GNUC__)
#define WEIR_PUBLIC         __attribute__((visibility("default")))
#define WEIR_MUST_USE       __attribute__((warn_unused_result))
#define WEIR_LIKELY(x)      __builtin_expect(!!(x), 1)
#define WEIR_UNLIKELY(x)    __builtin_expect(!!(x), 0)
#define WEIR_NORETURN       __attribute__((noreturn, cold))
#define WEIR_NOINLINE       __attribute__((noinline))
#define WEIR_FALLTHROUGH    __attribute__((fallthrough))
#define WEIR_PRINTF(at, of) __attribute__((format(printf, at, of)))
#else
#define WEIR_PUBLIC
#define WEIR_MUST_USE
#define WEIR_LIKELY(x)   (x)
#define WEIR_UNLIKELY(x) (x)
#define WEIR_NORETURN
#define WEIR_NOINLINE
#define WEIR_FALLTHROUGH ((void)0)
#define WEIR_PRINTF(at, of)
#endif

#ifdef __cplusplus
#define WEIR_C_BEGIN extern "C" {
#define WEIR_C_END   }
#else
#define WEIR_C_BEGIN
#define WEIR_C_END
#endif

#endif
