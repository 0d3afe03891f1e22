/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PERF_PEERS_PEER_H
#define WEIR_PERF_PEERS_PEER_H

/*
 * What the hand-written echo servers share: everything that happens once.
 *
 * The peers are the floor weir measures itself against, so the two differ only in how they wait and
 * move bytes. Command line, listener, signals and memory are common; whatever fails here ends the
 * program with one line on stderr. Single-threaded, and nothing of weir is linked in.
 */

#include <stdint.h>

enum {
    PEER_BUFFER_SIZE = 16 * 1024,
    PEER_CONNECTIONS_MAX = 128 * 1024,
};

/**
 * One connection: what was received and how much of it has been sent back.
 *
 * The bookkeeping has a cache line of its own in front of the buffer. Besides keeping the buffer
 * aligned, the line staggers the buffers: at a stride of exactly 16 KiB they would all begin in the
 * same few cache sets.
 */
typedef struct peer_connection {
    _Alignas(64) int fd;
    uint32_t sent;                              /* bytes of the buffer sent back, up to received */
    uint32_t received;                          /* bytes in the buffer */
    _Alignas(64) char buffer[PEER_BUFFER_SIZE]; /* receives only when all of it has been sent */
} peer_connection;

/** Where the server listens, as the command line says. */
typedef struct peer_options {
    const char *host; /* numeric address, IPv4 or IPv6 */
    const char *port; /* "0" lets the kernel choose */
} peer_options;

/** Parse `[--port N] [--host A]`; anything else prints one line and exits with 2. */
void weir_peer_options_parse(peer_options *options, int argc, char **argv);

/**
 * Open the listener and print `listening on HOST:PORT`.
 *
 * TCP_NODELAY is set here, once: an accepted socket inherits it from its listener (tcp(7)).
 *
 * @socket_flags  SOCK_NONBLOCK or 0, for the listener itself
 */
int weir_peer_listen(const peer_options *options, int socket_flags);

/** Block SIGINT and SIGTERM and return a signalfd that becomes readable when one arrives. */
int weir_peer_signals_open(void);

/**
 * Reserve the connection table, indexed by descriptor.
 *
 * Memory is only address space until a connection touches it, and it is touched again by the next
 * connection with that descriptor: no allocation and no free list in the servers. The descriptor
 * limit is lowered to the size of the table if need be, so that every descriptor has its place.
 */
peer_connection *weir_peer_connections_map(void);

/** Print "PROGRAM: WHAT: reason" and exit with 1. @error a positive errno */
_Noreturn void weir_peer_die(const char *what, int error);

#endif
