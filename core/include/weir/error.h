/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

/*
 * Errors and results.
 *
 * An error is an int: 0, a negative errno, or one of the codes below, which stand under -4095 where
 * no errno can reach. Cancelled, timed out, end of stream and truncated are distinct and the same
 * on every backend; weir's own deadline (WEIR_TIMED_OUT) is never the kernel's ETIMEDOUT.
 *
 * Source: core/base/error.c. Tests: tests/unit/test_error.c.
 */

#include <stddef.h>

#include <weir/export.h>

WEIR_C_BEGIN

enum {
    WEIR_OK = 0,
    WEIR_EOF = -4096,         /* The peer will send no more. */
    WEIR_CANCELLED = -4097,   /* A stop or a cancel reached the operation. */
    WEIR_TIMED_OUT = -4098,   /* A deadline of weir's passed. */
    WEIR_TRUNCATED = -4099,   /* The stream ended where the protocol did not. */
    WEIR_BAD_ADDRESS = -4100, /* Text that is no address or endpoint. */
    WEIR_CLOSED = -4101,      /* The object is not open. */
};

/** What an await gives. count is always what was transferred, also beside an error. */
typedef struct weir_result {
    int error;    /* 0, a negative errno, or a code above. */
    size_t count; /* Bytes, or what the operation says. */
} weir_result;

static inline weir_result weir_result_of(int error, size_t count)
{
    weir_result result;

    result.error = error;
    result.count = count;
    return result;
}

/** A short sentence for the error, in static memory; never NULL. */
WEIR_PUBLIC const char *weir_error_text(int error);

/** The name of the code ("WEIR_EOF", "ECONNRESET"), in static memory; "UNKNOWN" for others. */
WEIR_PUBLIC const char *weir_error_name(int error);

WEIR_C_END

#endif
