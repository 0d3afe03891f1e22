/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_MESSAGE_H
#define WEIR_LAT_MESSAGE_H

/*
 * The bytes of a request, so that an echo can be checked to the byte.
 *
 * A message is a run of 64-bit words that count upwards by a large odd number, from a start that
 * depends on the connection and on the message's number. No word occurs twice on a connection, and
 * the first bytes of 256 consecutive messages (and of 256 consecutive words) are distinct: a wrong,
 * missing, repeated or reordered byte shows at the place where it happens. The last word of an odd
 * size is cut. Words are in the machine's byte order: who fills also verifies.
 *
 * Pure functions.
 *
 * Source: perf/latency/message.c. Tests: tests/unit/test_lat_message.c.
 */

#include <stddef.h>
#include <stdint.h>

/** The largest message: what the numbers of words are spaced for. */
#define WEIR_LAT_MESSAGE_MAX_BYTES ((size_t)16 << 20)

/**
 * Write the message's bytes.
 *
 * @data[size]  at most WEIR_LAT_MESSAGE_MAX_BYTES
 * @connection  the number of the connection
 * @sequence    the number of the message on its connection
 */
void weir_lat_message_fill(void *data, size_t size, uint64_t connection, uint64_t sequence);

/**
 * Compare with the message's bytes, or with the first of them.
 *
 * Result  the offset of the first wrong byte; size when all are right
 */
size_t weir_lat_message_verify(const void *data, size_t size, uint64_t connection,
                               uint64_t sequence);

#endif
