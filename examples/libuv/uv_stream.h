/* SPDX-License-Identifier: MIT */
#ifndef WEIR_UV_STREAM_H
#define WEIR_UV_STREAM_H

/*
 * A connected stream of libuv's (uv_tcp_t, uv_pipe_t) as a weir_stream.
 *
 *      uv_tcp_t tcp;                     accepted or connected by libuv
 *      weir_uv_stream connection;
 *
 *      weir_uv_stream_open(&connection, &uv, (uv_stream_t *)&tcp);
 *      weir_read_some(task, &connection.stream.in, buffer)
 *      weir_uv_stream_close(task, &connection)
 *
 * What <weir/stream.h> says of streams holds. A stop is exact in both directions, and at once:
 * bytes that it does not count were neither read nor written. No operation allocates.
 *
 * A write that finds no room hands libuv its first WEIR_UV_STAGE_SIZE bytes, copied, and goes on
 * when they are gone. If it is stopped before, they count as written: libuv cannot give them back.
 * They go out before anything that is written later, and are dropped by a close.
 *
 * Thread: that of the loop, and tasks on its executor. libuv's programs ignore SIGPIPE. POSIX: on
 * Windows libuv fills a buffer after it was asked to stop.
 *
 * Source: examples/libuv/uv_stream.c. Tests: tests/libuv/test_uv_stream.c.
 */

#include <uv.h>

#include <weir/stream.h>

#include "uv_executor.h"

enum { WEIR_UV_STAGE_SIZE = 512 };

/** Caller's memory; in place until closed. Fields are private but for stream. */
typedef struct weir_uv_stream {
    weir_stream stream;
    uv_stream_t *handle; /* NULL: closed. */
    weir_uv *uv;
    struct {
        weir_wait wait;
        weir_task *task; /* Who reads; NULL: nobody. */
        weir_buffer buffer;
        int error; /* The end, or the failure, that every read meets from now on. */
    } reading;
    struct {
        weir_wait wait;
        weir_task *task;          /* Who writes; NULL: nobody. */
        weir_const_buffer buffer; /* Empty: the end of writing. */
        size_t staged;            /* How much of it the request in flight has. */
        bool is_carried;          /* The request in flight is the writer's, not an older one. */
        bool is_in_flight;        /* A request is, for a writer or for one that was stopped. */
        int error;                /* The failure that every write meets from now on. */
    } writing;
    struct {
        weir_wait wait;
        weir_task *task;
    } closing;
    uv_write_t write;
    uv_shutdown_t shutdown;
    char stage[WEIR_UV_STAGE_SIZE];
} weir_uv_stream;

/**
 * Let tasks read and write a handle.
 *
 * Takes      the handle, with its data field, until weir_uv_stream_close is done
 *
 * @handle  connected, neither reading nor writing, on the loop of uv
 */
void weir_uv_stream_open(weir_uv_stream *self, weir_uv *uv, uv_stream_t *handle);

/**
 * Close the stream and its handle.
 *
 * Completes  when libuv is done with the handle: its memory may go. At once if it is closed
 * Result     {0, 0}
 * Borrows    stream and handle until then
 * Overlap    one read and one write: they complete with WEIR_CANCELLED
 * Cancel     shielded
 */
WEIR_MUST_USE weir_task *weir_uv_stream_close(weir_task *task, weir_uv_stream *self);

#endif
