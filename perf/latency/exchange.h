/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_EXCHANGE_H
#define WEIR_LAT_EXCHANGE_H

/*
 * One request and its answer, checked, again and again on one connection.
 *
 * An exchange is a child task that is called once for each request: it writes the request, reads
 * the answer, notes the time of both and checks every byte. Messages that the sockets' buffers may
 * not hold are written while the answer is read, since an echo server that cannot write stops
 * reading.
 *
 * What is wrong ends as a line in the failure, with the connection, the message and the offset. An
 * exchange that was stopped softly (WEIR_CANCELLED) says nothing.
 *
 * Embed it; in place while the socket is open. It belongs to its loop's thread.
 *
 * Source: perf/latency/exchange.c.
 */

#include <weir/scope.h>
#include <weir/tcp.h>

#include "failure.h"
#include "http.h"
#include "options.h"

/** Read sent_ns, answered_ns and answer_bytes after a call; the rest is private. */
typedef struct weir_lat_exchange {
    weir_task task;
    weir_tcp_socket socket;
    weir_lat_failure *failure; /* In. Filled when it is empty: the first failure is told. */
    weir_resume_fn *resume;    /* How this protocol and size go. */
    unsigned connection;       /* Its number in the run. */
    uint64_t sequence;         /* Number of the next message. */
    int64_t sent_ns;           /* Out. When the request was begun to be written. */
    int64_t answered_ns;       /* Out. When the last byte of the answer was read. */
    uint64_t answer_bytes;     /* Out. Of the message or of the HTTP body. */
    unsigned char *request;    /* Owned: what is written. */
    size_t request_bytes;
    unsigned char *answer;  /* Owned: what is read; never the request's memory. */
    size_t answer_capacity; /* Echo: the size of a message. HTTP: of one read. */
    weir_lat_http *http;    /* Owned; NULL for an echo. */
    uint64_t body_bytes;    /* HTTP: what every body has; 0: the first one tells. */
    size_t excess_bytes;    /* HTTP: read behind the end of the answer. */
    weir_result outcome;    /* Of the reading, kept while the writing is joined. */
    weir_scope writing;     /* Holds the writer of a large message. */
    weir_scope_child writer_record;
    struct weir_lat_writer {
        weir_task task;
        struct weir_lat_exchange *exchange;
    } writer;
} weir_lat_exchange;

/**
 * Prepare an exchange with a closed socket.
 *
 * Returns false when there is not enough memory for its buffers; nothing is to be freed then.
 *
 * @connection  its number in the run
 * @failure     where the first failure is told; outlives the exchange
 */
bool weir_lat_exchange_init(weir_lat_exchange *exchange, const weir_lat_options *options,
                            unsigned connection, weir_lat_failure *failure);

/** Free the buffers. The socket is closed. */
void weir_lat_exchange_fini(weir_lat_exchange *exchange);

/** Write the next request into memory: what need not be measured. Before each call. */
void weir_lat_exchange_prepare(weir_lat_exchange *exchange);

/**
 * Send the request that was prepared, and check its answer.
 *
 * Completes  when the answer is there, or the exchange failed
 * Result     {0, 0}; -EBADMSG for an answer that is not right; WEIR_TRUNCATED for one that ended
 *            early; the error of reading or writing
 * Borrows    exchange until then
 * Cancel     WEIR_TIMED_OUT: a deadline passed, and the server had been silent for a second;
 *            WEIR_CANCELLED: otherwise, also at a deadline when the request was younger.
 *            The connection is of no use any more
 */
WEIR_MUST_USE weir_task *weir_lat_exchange_call(weir_task *task, weir_lat_exchange *exchange);

#endif
