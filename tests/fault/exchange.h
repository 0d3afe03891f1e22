/* SPDX-License-Identifier: MIT */
#ifndef FAULT_EXCHANGE_H
#define FAULT_EXCHANGE_H

/*
 * An exchange: an echo server and its clients on one loop, small enough to be run thousands of
 * times, and such that every system call of the library is made in it.
 *
 * Each client sends what only it sends, in parts of all sizes, and checks every byte that comes
 * back whether or not something fails: wrong bytes end the test on the spot. Nothing here expects
 * success.
 */

#include <stddef.h>

enum { EXCHANGE_CLIENTS = 3 };

/** What became of it. */
struct exchange {
    int loop_error;   /* Of weir_loop_new: then nothing below happened. */
    int listen_error; /* Of listening: then no client tried. */
    int client_errors[EXCHANGE_CLIENTS];
    int session_errors; /* Sessions of the server that failed, not counting peers that closed. */
    int accept_error;   /* What ended the server before it was stopped. */
};

/** Run one to its end, on a loop of its own. Fails the test on a leaked descriptor or frame. */
void exchange_run(struct exchange *ret_exchange, const char *backend);

/** How many clients did not get everything. */
int exchange_failed_clients(const struct exchange *exchange);

#endif
