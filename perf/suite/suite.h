/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PERF_SUITE_SUITE_H
#define WEIR_PERF_SUITE_SUITE_H

/*
 * What the programs of the suite share: the rows, the command line, the clock, the report.
 *
 * The rows are a part of Corosio's benchmark suite, once for weir and once for Asio's coroutines,
 * compiled on epoll and on io_uring. A program runs one row and prints one line of JSON. Where the
 * original measures something else than its name says, the row here is the corrected one: a
 * ping-pong has a task at each end, a cancelled timer was waited for, and a join counts instead of
 * spinning. Rows called "_one" and "_spin" are the originals.
 *
 * Of the original suite these are left out:
 *
 *      with several threads      every such row: here each program has one
 *      http_server               its figure is one of reading and parsing strings as well
 *      local sockets             weir has none
 *      "lockless" and settings   variants of how Corosio's context is made
 *      timer schedule_cancel     as it was: it made and destroyed timers that nobody waited for
 *      accept concurrent         the work of "accept", on several listeners
 *      fan_out nested, parents   the work of "fan_out", in two levels or several times at once
 *      some parameters           throughput of 4 and 256 KiB, both ways all but 64 KiB, 100 timers,
 *                                a burst of 10, joins of 1 and 16; of the originals all but the
 *                                ping-pong of 64 bytes and the join of 4
 *
 *      SUITE --row NAME [--seconds S] [--warmup S] [--backend B]        SUITE --list
 *
 * For C and C++. One thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "histogram.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One run of a row. */
typedef struct suite_run {
    unsigned parameter;  /* Bytes, pairs, timers: what stands behind the slash of the name. */
    const char *backend; /* Of a library that has several; or NULL. */
    int64_t warmup_ns;
    int64_t duration_ns;
    int64_t measure_ns; /* From weir_suite_begin on: the window, */
    int64_t end_ns;
    uint64_t amount; /* and what was done in it: operations, or bytes. */
    weir_lat_histogram laps;
} suite_run;

/** Run a row to its end. Returns NULL, or why it could not. */
typedef const char *suite_row_fn(suite_run *run);

/** What a library has to provide: every row. */
typedef struct suite_library {
    suite_row_fn *post;            /* Start `parameter` tasks that count, and wait for them. */
    suite_row_fn *throughput;      /* One way, parts of `parameter` bytes. */
    suite_row_fn *throughput_both; /* Both ways on one connection. */
    suite_row_fn *pingpong_one;    /* One task owns both ends; `parameter` bytes. */
    suite_row_fn *pingpong;        /* A task at each end. */
    suite_row_fn *pairs;           /* `parameter` ping-pongs of 64 bytes. */
    suite_row_fn *accept;          /* Connect, accept, a byte, close both. */
    suite_row_fn *accept_burst;    /* `parameter` connects, then as many accepts; close all. */
    suite_row_fn *timer_cancel;    /* `parameter` tasks wait for an hour; all are cancelled. */
    suite_row_fn *timer_fire;      /* Sleep for 0 ns. */
    suite_row_fn *timers;          /* `parameter` tasks sleep for 0.1 to 1 ms, again and again. */
    suite_row_fn *fan_out;      /* `parameter` requests of 64 bytes side by side; join by count. */
    suite_row_fn *fan_out_spin; /* The parent sleeps for 0 ns until all are answered. */
} suite_library;

enum { SUITE_MESSAGE_BYTES = 64 };

int weir_suite_main(int argc, char **argv, const suite_library *library);

static inline int64_t suite_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/** All is connected: the warm-up begins, and the window after it. */
static inline void suite_begin(suite_run *run)
{
    run->measure_ns = suite_now_ns() + run->warmup_ns;
    run->end_ns = run->measure_ns + run->duration_ns;
}

static inline bool suite_is_over(const suite_run *run)
{
    return suite_now_ns() >= run->end_ns;
}

/** Something was done that began then; what ends outside of the window does not count. */
static inline void suite_lap(suite_run *run, int64_t begin_ns, uint64_t amount)
{
    int64_t now_ns = suite_now_ns();

    if (now_ns < run->measure_ns || now_ns >= run->end_ns)
        return;
    run->amount += amount;
    weir_lat_histogram_record(&run->laps, now_ns - begin_ns);
}

/** How long timer `index` of `count` sleeps: from 0.1 to 1 ms. */
static inline int64_t suite_interval_ns(unsigned index, unsigned count)
{
    return 100000 + (count > 1 ? INT64_C(900000) * index / (count - 1) : 0);
}

#ifdef __cplusplus
}
#endif

#endif
