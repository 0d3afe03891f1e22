/* SPDX-License-Identifier: MIT */
#ifndef WEIR_OPTION_H
#define WEIR_OPTION_H

/*
 * The vocabulary of socket options: what can be set, without the sockets it is set on.
 *
 * Source: core/sys/posix_socket.c says what each means to the system. Tests:
 * tests/contract/test_tcp_options.c.
 */

#include <stdbool.h>

#include <weir/export.h>

WEIR_C_BEGIN

/** Which direction weir_tcp_shutdown ends. */
enum weir_tcp_direction {
    WEIR_TCP_READS,  /* Tells the peer nothing. */
    WEIR_TCP_WRITES, /* Sends FIN: the peer reads WEIR_EOF after what is queued. */
    WEIR_TCP_BOTH,
};

/** Options of an open socket. */
enum weir_tcp_option {
    WEIR_TCP_NO_DELAY,             /* 0 or 1: send small segments at once. On by default. */
    WEIR_TCP_KEEP_ALIVE,           /* 0 or 1. */
    WEIR_TCP_SEND_BUFFER_BYTES,    /* The kernel may round and double it. */
    WEIR_TCP_RECEIVE_BUFFER_BYTES, /* The kernel may round and double it. */
    WEIR_TCP_USER_TIMEOUT_MS,      /* The connection is lost, with -ETIMEDOUT, when what was sent
                                      goes unacknowledged for so long, or cannot be sent because
                                      the peer does not read (RFC 793 and 5482; tcp(7)). 0, the
                                      default: the first after a quarter of an hour, the second
                                      never. Rounded up to when the kernel tries again. */
    WEIR_TCP_LINGER_SECONDS,       /* -1: off; 0: close resets the connection. More is -EINVAL: a
                                      close would block the loop until the peer has read. */
};

/** How an acceptor listens. Zero-initialised: the defaults. */
typedef struct weir_tcp_listen_options {
    int backlog;           /* Connections the kernel may queue; 0: 4,096 (capped by somaxconn). */
    bool reuse_port;       /* SO_REUSEPORT: one acceptor per loop on the same port. */
    bool no_reuse_address; /* Do not set SO_REUSEADDR. */
    bool v6_only;          /* IPv6: do not accept IPv4 as mapped addresses. */
    bool delay;            /* Accepted sockets start without WEIR_TCP_NO_DELAY. */
    int user_timeout_ms;   /* And with this WEIR_TCP_USER_TIMEOUT_MS. */
} weir_tcp_listen_options;

WEIR_C_END

#endif
