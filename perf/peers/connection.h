/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PERF_PEERS_CONNECTION_H
#define WEIR_PERF_PEERS_CONNECTION_H

/*
 * The connections of the hand-written servers: with a buffer each, or one for all.
 */

#include <stddef.h>
#include <stdint.h>

#include "peer.h"

/**
 * One connection: what was received and how much of it has been sent back.
 *
 * The bookkeeping has a cache line of its own in front of the buffer. Besides keeping the buffer
 * aligned, the line staggers the buffers: at a stride of exactly 16 KiB they would all begin in the
 * same few cache sets.
 */
typedef struct peer_connection {
    _Alignas(64) int fd;
    uint32_t sent;              /* bytes of the buffer sent back, up to received */
    uint32_t received;          /* bytes in the buffer */
    char *data;                 /* where they lie: the buffer, the one for all, or rest */
    char *rest;                 /* what did not go out of the one for all, or NULL */
    _Alignas(64) char buffer[]; /* receives only when all of it has been sent */
} peer_connection;

/**
 * Reserve the connection table, indexed by descriptor.
 *
 * Memory is only address space until a connection touches it, and it is touched again by the next
 * connection with that descriptor: no allocation and no free list in the servers. Every descriptor
 * has its place: see weir_peer_connections_limit.
 *
 * @buffer_size  of each connection: PEER_BUFFER_SIZE, or 0
 */
void *weir_peer_connections_map(size_t buffer_size);

/** An entry of a table that was reserved with this buffer_size. */
static inline peer_connection *weir_peer_connection_at(void *table, size_t buffer_size, int fd)
{
    size_t stride = sizeof(peer_connection) + buffer_size;

    return (peer_connection *)(void *)((char *)table + (size_t)fd * stride);
}

#endif
