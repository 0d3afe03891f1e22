/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_WORKER_H
#define WEIR_LAT_WORKER_H

/*
 * One thread of a run: its loop, and the sessions that live on it.
 *
 * A worker is a task: it connects its sessions, meets the other workers at the start, lets the
 * sessions run until the end (and two seconds more, for answers that are missing), and closes them.
 * A watcher beside it ends the run early at SIGINT or SIGTERM. Each worker awaits the signals in a
 * set of its own, so that no thread has to tell another.
 *
 * Source: perf/latency/worker.c.
 */

#include <weir/deadline.h>
#include <weir/scope.h>
#include <weir/signal.h>

#include "crew.h"
#include "session.h"

/** Read lane, backend and ended_ns when the crew has finished; the rest is private. */
typedef struct weir_lat_worker {
    weir_task task;
    weir_loop *loop;            /* Owned by the thread. */
    weir_lat_crew *crew;        /* Shared with the other threads. */
    unsigned session_count;     /* Of connections number, number + threads, and so on. */
    weir_lat_session *sessions; /* Owned. */
    weir_lat_lane lane;
    int64_t ended_ns;       /* When the last session ended; 0: it never began. */
    char backend[16];       /* What the loop runs on. */
    bool is_interrupted;    /* A signal came. */
    weir_deadline deadline; /* Of connecting; then of the answers that are missing. */
    weir_scope scope;       /* Of the sessions. */
    weir_scope watching;    /* Of the watcher. */
    weir_scope_child watcher_record;
    struct weir_lat_watcher {
        weir_task task;
        weir_signal_set signals;
        struct weir_lat_worker *worker;
    } watcher;
} weir_lat_worker;

/** Prepare the worker with this number, from 0 to options->threads - 1. False: out of memory. */
bool weir_lat_worker_init(weir_lat_worker *worker, const weir_lat_options *options,
                          weir_lat_crew *crew, unsigned number);

/** Free what the worker holds. Its thread has ended, or never began. */
void weir_lat_worker_fini(weir_lat_worker *worker);

/** Work, on the calling thread. What goes wrong before the start is told to the crew. */
void weir_lat_worker_run(weir_lat_worker *worker);

#endif
