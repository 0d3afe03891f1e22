/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_SESSION_H
#define WEIR_LAT_SESSION_H

/*
 * One connection for the length of a run: connect, exchange until the end, close.
 *
 *      weir_lat_session_connect --> weir_lat_session_drive --> weir_lat_session_close
 *
 * Each of the three makes the session's task ready to be started in a scope, and the next may
 * follow when it is done. The sessions of a thread share a lane, where they count. Nothing
 * is allocated between connecting and closing.
 *
 * Source: perf/latency/session.c.
 */

#include "exchange.h"
#include "histogram.h"
#include "schedule.h"

/** What the sessions of one thread share. Only that thread touches it while it runs. */
typedef struct weir_lat_lane {
    const weir_lat_options *options;
    int64_t begin_ns;             /* When the warm-up begins. */
    int64_t measure_ns;           /* When the warm-up ends. */
    int64_t end_ns;               /* When no request is due any more. */
    weir_lat_histogram latencies; /* Of requests that were due from measure_ns to end_ns. */
    uint64_t rated;           /* Answers that messages per second are of: see weir_lat_report. */
    uint64_t rated_bytes;     /* Of these answers. */
    uint64_t errors;          /* Sessions that ended with one. */
    uint64_t unserved;        /* Requests that were due, and not sent or not answered in time. */
    uint64_t answered;        /* Also in the warm-up. __atomic: main reads it for progress. */
    weir_lat_failure failure; /* The first. */
} weir_lat_lane;

/** Fields are private. In place until closed. */
typedef struct weir_lat_session {
    weir_task task;
    weir_scope_child record; /* In the worker's scope. */
    weir_lat_lane *lane;
    weir_lat_exchange exchange;
    weir_lat_schedule schedule; /* Of an open loop. */
    int64_t due_ns;             /* Of the request at hand: open loop: by the schedule. */
} weir_lat_session;

/** Prepare a session. False when there is not enough memory; nothing is to be freed then. */
bool weir_lat_session_init(weir_lat_session *session, weir_lat_lane *lane, unsigned connection);

/** Free what the session holds. It is closed. */
void weir_lat_session_fini(weir_lat_session *session);

/** Make the task ready to connect. It returns the error of connecting. */
void weir_lat_session_connect(weir_lat_session *session);

/**
 * Make the task ready to exchange messages from the lane's begin_ns to its end_ns. It returns
 * without an error; what was wrong is counted in the lane, with the first failure.
 *
 * Requests that are due and not sent at the end (open loop) are still sent, until the task is
 * stopped. WEIR_STOP_EXPIRED makes an answer that is missing an error when the server has been
 * silent for a second, and else a request that was not served; WEIR_STOP_REQUESTED forgets the
 * request.
 */
void weir_lat_session_drive(weir_lat_session *session);

/** Make the task ready to close the connection, if there is one. */
void weir_lat_session_close(weir_lat_session *session);

#endif
