/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PERF_RING_CHOICES_H
#define WEIR_PERF_RING_CHOICES_H

/*
 * ring-choices: what the choices of an engine on io_uring cost on this machine, without weir.
 *
 * One thread plays both ends of connections over loopback, in turn: the clients send, the engine
 * serves, the clients receive; only the processor time of the second is counted. So nothing sleeps,
 * and what is compared are costs, not latencies. Whatever fails here ends the program with one line
 * on stderr.
 */

#include <stddef.h>
#include <stdint.h>

#include <liburing.h>

#include "peer.h"

/** This kernel knows no such thing. */
#define RING_NOT_HERE (-1.0)

struct experiment;

/** One way of doing something. */
struct choice {
    const char *name;
    /* nanoseconds an item, or RING_NOT_HERE */
    double (*measure)(const struct experiment *experiment, unsigned number);
    unsigned number; /* says more of it */
};

/** Choices that stand beside each other: each is compared with the first. */
struct experiment {
    const char *name;
    const char *what; /* is chosen, and the item whose cost is compared */
    unsigned connections;
    size_t size; /* of a message */
    const struct choice *choices;
    size_t choice_count;
};

#define RING_CHOICES(choices) choices, sizeof(choices) / sizeof((choices)[0])

/** Both ends of connections over loopback. Non-blocking on the server's end. */
struct pair {
    int server;
    int client;
};

/* bed.c */

/** So many connections, which stay: an engine must leave nothing armed on them. */
const struct pair *ring_pairs(unsigned count);

/** A client that is connected, and resets its connection when it is closed. */
int ring_connect(int listener);

/** A listener on a free port. @flags SOCK_NONBLOCK or 0 */
int ring_listen(int flags);

/** Every client sends so many bytes. */
void ring_clients_send(const struct pair *pairs, unsigned count, size_t size);

/** Every client receives so many bytes. */
void ring_clients_receive(const struct pair *pairs, unsigned count, size_t size);

/** Processor time of this thread. */
int64_t ring_cpu_ns(void);

/** Memory that is resident. Never fails. */
void *ring_memory(size_t size);
void ring_memory_free(void *memory, size_t size);

/** Whether this was measured long enough. */
static inline int ring_is_enough(int64_t cpu_ns)
{
    return cpu_ns >= 15000000;
}

/* The experiments. */
extern const struct experiment ring_buffers[]; /* buffers.c */
extern const size_t ring_buffers_count;
extern const struct experiment ring_waits[]; /* waits.c */
extern const size_t ring_waits_count;
extern const struct experiment ring_accepts[]; /* accepts.c */
extern const size_t ring_accepts_count;

#endif
