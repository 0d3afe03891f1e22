/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PERF_PEERS_PEER_H
#define WEIR_PERF_PEERS_PEER_H

/*
 * What the echo servers beside weir share: everything that happens once.
 *
 * The peers are what weir measures itself against, so they differ only in how they wait and move
 * bytes. Command line, listener and signals are common; whatever fails here ends the program with
 * one line on stderr. Single-threaded, for C and C++, and nothing of weir is linked in.
 */

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PEER_BUFFER_SIZE = 16 * 1024, /* bytes a server asks for at a time */
    PEER_CONNECTIONS_MAX = 128 * 1024,
};

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

/** How many connections there is room for: the descriptor limit, which is lowered if need be. */
unsigned weir_peer_connections_limit(void);

/** Print "PROGRAM: WHAT: reason" and exit with 1. @error a positive errno */
__attribute__((noreturn)) void weir_peer_die(const char *what, int error);

#ifdef __cplusplus
}
#endif

#endif
