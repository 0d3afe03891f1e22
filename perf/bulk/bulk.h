/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PERF_BULK_BULK_H
#define WEIR_PERF_BULK_BULK_H

/*
 * What the servers of a bulk transfer share: everything that happens once.
 *
 * NAME [...] send|receive SIZE. A server accepts one connection after the other and moves bytes in
 * one direction, SIZE at a time, until the peer closes. What is sent is whatever the buffer holds,
 * and nobody looks at what is received: the programs differ only in how they move it. SIGTERM ends
 * them with 0. Whatever fails here ends the program with one line on stderr. Single-threaded, for C
 * and C++, and nothing of weir is linked in.
 */

#include <stddef.h>

#include "peer.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BULK_SIZE_MAX = 64 * 1024 * 1024 };

/** What to move. */
typedef struct bulk {
    int receives; /* 0: sends */
    size_t size;  /* bytes of a call */
    char *buffer; /* of that size, resident; never freed */
} bulk;

/** Read the arguments and make SIGTERM end the program; wrong ones exit with 2.
 * @first of the two */
void weir_bulk_open(int first, int argc, char **argv, bulk *ret_bulk);

/** Say what the arguments are, and exit with 2. */
void weir_bulk_usage_die(void);

/** Listen on a free port of this machine and print where. @socket_flags SOCK_NONBLOCK or 0 */
int weir_bulk_listen(int socket_flags);

/** Wait for the next connection. */
int weir_bulk_accept(int listener);

#ifdef __cplusplus
}
#endif

#endif
