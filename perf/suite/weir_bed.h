/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PERF_SUITE_WEIR_BED_H
#define WEIR_PERF_SUITE_WEIR_BED_H

/*
 * Where a row of weir's runs: a loop that does not spin, an acceptor, connected pairs of sockets,
 * and a scope for the tasks of the row.
 */

#include <weir/weir.h>

#include "suite.h"

/** A connection on loopback, both ends here. */
struct pair {
    weir_tcp_socket client;
    weir_tcp_socket server;
};

/** Fields are read by the tasks of the row. */
struct bed {
    weir_task task;
    suite_run *run;
    weir_loop *loop;
    weir_tcp_acceptor acceptor;
    weir_endpoint local; /* Where it listens. */
    struct pair *pairs;
    unsigned pair_count;
    unsigned next; /* Of the pairs, while they are connected and closed. */
    weir_scope scope;
    void (*start)(struct bed *bed);
    weir_result outcome; /* Of the tasks, kept across the closing. */
};

/** A task of the row: what it needs, and a buffer. */
struct actor {
    weir_task task;
    struct bed *bed;
    weir_tcp_socket *socket; /* Its end. */
    weir_tcp_socket *other;  /* And the other one, if it owns both. */
    int64_t begin_ns;        /* Of the lap. */
    uint8_t data[1024];
};

/**
 * Connect the pairs, call start, which starts the tasks of the row in the scope, wait for them, and
 * close. Returns NULL, or why it failed.
 */
const char *weir_suite_bed_run(suite_run *run, unsigned pair_count, void (*start)(struct bed *bed));

/** Start a task of the row. */
void weir_suite_actor_start(struct bed *bed, weir_resume_fn *resume, weir_tcp_socket *socket,
                            weir_tcp_socket *other);

/** Closing resets the connection, so that no port stays occupied. */
void weir_suite_reset_at_close(weir_tcp_socket *socket);

suite_row_fn weir_suite_post;
suite_row_fn weir_suite_throughput;
suite_row_fn weir_suite_throughput_both;
suite_row_fn weir_suite_pingpong_one;
suite_row_fn weir_suite_pingpong;
suite_row_fn weir_suite_pairs;
suite_row_fn weir_suite_accept;
suite_row_fn weir_suite_accept_burst;
suite_row_fn weir_suite_timer_cancel;
suite_row_fn weir_suite_timer_fire;
suite_row_fn weir_suite_timers;
suite_row_fn weir_suite_fan_out;
suite_row_fn weir_suite_fan_out_spin;

#endif
