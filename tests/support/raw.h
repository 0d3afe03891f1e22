/* SPDX-License-Identifier: MIT */
#ifndef TEST_RAW_H
#define TEST_RAW_H

/*
 * Raw sockets: the other end of a connection, without weir; and descriptors counted and limited.
 *
 * All of it goes to the system that the test runs on: to that of this machine, or to that of a
 * simulated world. Calls wait as long as it takes unless they say otherwise, and what they do has
 * arrived at the other end when they return, if that is on the same host.
 *
 * Source: raw.c, raw_posix.c, raw_sim.c. Thread: any; one socket, one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/endpoint.h>
#include <weir/tcp.h>

enum { RAW_WALL_SOCKETS = 9 };

/* How long a segment is on its way inside a host of a world, and how long the calls wait for it. */
enum { RAW_SIM_LATENCY_NS = 1000, RAW_SIM_ARRIVAL_NS = 4 * RAW_SIM_LATENCY_NS };

/** Where a connection neither stands nor fails. */
struct raw_wall {
    weir_endpoint endpoint;
    int sockets[RAW_WALL_SOCKETS];
};

/** A system; its calls fail the test when they fail, if no error is named. */
struct raw_system {
    int (*connect)(const weir_endpoint *endpoint);
    /* How much was sent. */
    size_t (*send)(int socket, const void *data, size_t size);
    /* How much came, 0 at the end, or a negative errno; -EAGAIN unless it waits. */
    int64_t (*receive)(int socket, void *data, size_t size, bool waits);
    void (*shutdown)(int socket, enum weir_tcp_direction direction);
    void (*reset)(int socket);
    void (*close)(int socket);
    int (*reserve)(weir_endpoint *ret_endpoint);
    void (*wall_open)(struct raw_wall *wall);
    void (*wall_close)(struct raw_wall *wall);
    int (*descriptor_count)(void);
    void (*limit_descriptors)(int more);
    void (*unlimit_descriptors)(void);
    /* How long its kernel may take for what could be done at once; 0: it does that at once. */
    int64_t slowness_ns;
};

/** Of this machine. */
extern const struct raw_system raw_posix;

/** Of the world that the calling program runs in. For programs that link the simulator. */
extern const struct raw_system raw_sim;

/** The one that the test runs on: raw_posix, unless it was set otherwise before the test began. */
extern const struct raw_system *raw_system;

/* Sockets. */

/** A connection to the endpoint. */
static inline int raw_connect(const weir_endpoint *endpoint)
{
    return raw_system->connect(endpoint);
}

/** Send all of it. */
void raw_send(int socket, const void *data, size_t size);

/** Receive until the buffer is full or the stream ends; returns how much came. */
size_t raw_receive(int socket, void *data, size_t size);

/** Receive what comes: how much, 0 at the end, or a negative errno. */
static inline int64_t raw_receive_some(int socket, void *data, size_t size)
{
    return raw_system->receive(socket, data, size, true);
}

/** The same, and -EAGAIN if nothing is there yet. */
static inline int64_t raw_receive_now(int socket, void *data, size_t size)
{
    return raw_system->receive(socket, data, size, false);
}

/** End directions of the connection. */
static inline void raw_shutdown(int socket, enum weir_tcp_direction direction)
{
    raw_system->shutdown(socket, direction);
}

/** Close so that the peer sees a reset. */
static inline void raw_reset(int socket)
{
    raw_system->reset(socket);
}

static inline void raw_close(int socket)
{
    raw_system->close(socket);
}

/** An endpoint where nobody listens, for as long as the socket is open that this returns. */
static inline int raw_reserve(weir_endpoint *ret_endpoint)
{
    return raw_system->reserve(ret_endpoint);
}

static inline void raw_wall_open(struct raw_wall *wall)
{
    raw_system->wall_open(wall);
}

static inline void raw_wall_close(struct raw_wall *wall)
{
    raw_system->wall_close(wall);
}

/* Descriptors. */

/** Those that are open: of the process, or of the program's host. */
static inline int raw_descriptor_count(void)
{
    return raw_system->descriptor_count();
}

/** Let this many more be opened. */
static inline void raw_limit_descriptors(int more)
{
    raw_system->limit_descriptors(more);
}

/** As many as the system has. */
static inline void raw_unlimit_descriptors(void)
{
    raw_system->unlimit_descriptors();
}

#endif
