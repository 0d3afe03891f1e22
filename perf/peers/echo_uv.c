/* SPDX-License-Identifier: MIT */

/*
 * An echo server on libuv, as those write it who want it fast.
 *
 * All connections receive into the same buffer, for libuv calls back before it receives again; what
 * was received is sent at once by uv_try_write, without a request. Only what the socket does not
 * take is copied, and until it is gone the connection does not receive.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "peer.h"

/* What libuv suggests to ask for; a whole message never fills it, so it is received by one call. */
enum { BUFFER_SIZE = 64 * 1024 };

/* What could not be sent at once. */
typedef struct rest {
    uv_write_t request;
    char data[];
} rest;

static void check(const char *what, int status)
{
    if (status < 0)
        weir_peer_die(what, -status);
}

static void connection_closed(uv_handle_t *handle)
{
    free(handle);
}

static void connection_close(uv_stream_t *stream)
{
    if (!uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, connection_closed);
}

static void buffer_offer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    static char shared[BUFFER_SIZE];
    (void)handle;
    (void)suggested;
    *ret_buffer = uv_buf_init(shared, sizeof shared);
}

static void recv_done(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void rest_sent(uv_write_t *request, int status)
{
    uv_stream_t *stream = request->handle;
    free(request);
    if (status < 0 || uv_read_start(stream, buffer_offer, recv_done) < 0)
        connection_close(stream);
}

static void rest_send(uv_stream_t *stream, const char *data, size_t size)
{
    rest *self = malloc(sizeof *self + size);
    if (!self) {
        connection_close(stream);
        return;
    }
    memcpy(self->data, data, size);
    uv_buf_t buffer = uv_buf_init(self->data, (unsigned)size);
    uv_read_stop(stream);
    if (uv_write(&self->request, stream, &buffer, 1, rest_sent) < 0) {
        free(self);
        connection_close(stream);
    }
}

static void recv_done(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    if (size == 0)
        return;
    if (size < 0) {
        connection_close(stream);
        return;
    }
    uv_buf_t all = uv_buf_init(buffer->base, (unsigned)size);
    int sent = uv_try_write(stream, &all, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0)
        connection_close(stream);
    else if (sent < size)
        rest_send(stream, buffer->base + sent, (size_t)(size - sent));
}

static void connection_came(uv_stream_t *listener, int status)
{
    uv_tcp_t *connection = status < 0 ? NULL : malloc(sizeof *connection);
    if (!connection)
        return;
    check("uv_tcp_init", uv_tcp_init(listener->loop, connection));
    uv_stream_t *stream = (uv_stream_t *)connection;
    if (uv_accept(listener, stream) < 0 || uv_read_start(stream, buffer_offer, recv_done) < 0)
        connection_close(stream);
}

static void signal_came(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    uv_stop(poll->loop);
}

int main(int argc, char **argv)
{
    peer_options options;
    uv_loop_t loop;
    uv_poll_t signals;
    uv_tcp_t listener;
    weir_peer_options_parse(&options, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    (void)weir_peer_connections_limit();
    check("uv_loop_init", uv_loop_init(&loop));
    check("uv_poll_init", uv_poll_init(&loop, &signals, weir_peer_signals_open()));
    check("uv_poll_start", uv_poll_start(&signals, UV_READABLE, signal_came));
    check("uv_tcp_init", uv_tcp_init(&loop, &listener));
    check("uv_tcp_open", uv_tcp_open(&listener, weir_peer_listen(&options, SOCK_NONBLOCK)));
    check("uv_listen", uv_listen((uv_stream_t *)&listener, SOMAXCONN, connection_came));
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
}
