/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SCALE_H
#define WEIR_SCALE_H

/*
 * weir-scale: as many connections as the machine carries.
 *
 * Two processes. The server is weir: loops on threads of their own, each with listeners on loopback
 * addresses of its own and a table of direct descriptors. The client holds the idle connections in
 * tables of bare rings (crowd.c) and a few active ones that it sends messages over (active.c), and
 * measures. They share a page of counters, which the server writes and the client reads.
 *
 * Source: main.c (the run and its report), server.c, crowd.c, active.c, memory.c.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    WEIR_SCALE_LOOPS_MAX = 250,
    WEIR_SCALE_TABLE_MAX = 40000, /* So few that the ports of the doors are never short. */
    /* Endpoints of a loop: the kernel searches long for a port when most are taken
     * to one endpoint. */
    WEIR_SCALE_DOORS = 4,
    WEIR_SCALE_ACTIVE_MAX = 10000,
    WEIR_SCALE_MESSAGE_BYTES = 64,
};

typedef struct weir_scale_options {
    unsigned connections; /* Idle ones. */
    unsigned active;
    unsigned per_loop; /* Idle connections. */
    double seconds;    /* Of each measurement of latency. */
    double rate;       /* Messages a second over each active connection. */
    double floor_gib;  /* Stop when less memory is available. */
} weir_scale_options;

/** Of one loop, on cache lines of its own. Written by the loop's thread. __atomic. */
typedef struct weir_scale_loop {
    _Alignas(128) uint64_t accepted;
    uint64_t ended;                   /* Sessions. */
    uint32_t ports[WEIR_SCALE_DOORS]; /* Where it listens: weir_scale_address. */
} weir_scale_loop;

/** Shared between the two processes. */
typedef struct weir_scale_shared {
    uint32_t ready_count;   /* Loops that listen. __atomic. */
    int32_t error;          /* Of setting one up. __atomic. */
    uint32_t table_size;    /* Of direct descriptors, of each loop; 0: none. */
    uint32_t session_bytes; /* Of a session, its socket included. */
    weir_scale_loop loops[WEIR_SCALE_LOOPS_MAX];
} weir_scale_shared;

/** The address of a door, in network byte order. */
uint32_t weir_scale_address(unsigned loop, unsigned door);

/** What the server has seen of all loops. */
uint64_t weir_scale_accepted(const weir_scale_shared *shared, unsigned loop_count);
uint64_t weir_scale_ended(const weir_scale_shared *shared, unsigned loop_count);

int64_t weir_scale_now_ns(void);

/* server.c */

/** Serve until the process is killed. */
_Noreturn void weir_scale_serve(weir_scale_shared *shared, unsigned loop_count,
                                unsigned table_size);

/* crowd.c: the idle connections. */

typedef struct weir_scale_crowd weir_scale_crowd;

/** NULL with *ret_why: what this machine lacks. */
weir_scale_crowd *weir_scale_crowd_new(unsigned loop_count, unsigned per_loop,
                                       const char **ret_why);

/**
 * Open connections to all loops, one loop after the other.
 *
 * Returns how many stand, and in why_stopped why there are not more; "" if there are.
 */
unsigned weir_scale_crowd_open(weir_scale_crowd *crowd, const weir_scale_shared *shared,
                               const weir_scale_options *options, char *why_stopped, size_t size);

/** Close them all. */
void weir_scale_crowd_free(weir_scale_crowd *crowd);

/* active.c: those that speak. */

typedef struct weir_scale_active weir_scale_active;

typedef struct weir_scale_latency {
    uint64_t messages;
    uint64_t missing; /* Not sent, for the one before had not come back. */
    double p50_us;
    double p99_us;
    double p999_us;
    double max_us;
} weir_scale_latency;

/** Connect so many, spread over the loops. NULL with errno. */
weir_scale_active *weir_scale_active_new(const weir_scale_shared *shared, unsigned loop_count,
                                         unsigned count);

/** Let each send a message so often, and measure until it is back, from when it was due. */
int weir_scale_active_run(weir_scale_active *active, double rate, double seconds,
                          weir_scale_latency *ret_latency);

void weir_scale_active_free(weir_scale_active *active);

/* memory.c */

enum { WEIR_SCALE_SLABS_MAX = 512 };

typedef struct weir_scale_slab {
    char name[32];
    uint64_t bytes;
} weir_scale_slab;

/** What the system says of memory, in bytes. */
typedef struct weir_scale_memory {
    uint64_t available;
    uint64_t free;
    uint64_t slab;
    uint64_t server; /* Resident, not of files. */
    uint64_t client;
    uint64_t tcp_bytes;  /* Of segments that are queued. */
    unsigned slab_count; /* 0: they may not be read. */
    weir_scale_slab slabs[WEIR_SCALE_SLABS_MAX];
} weir_scale_memory;

void weir_scale_memory_read(weir_scale_memory *memory, int server_pid);

uint64_t weir_scale_memory_available(void);

#endif
