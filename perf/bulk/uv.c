/* SPDX-License-Identifier: MIT */

/*
 * bulk-uv send|receive SIZE: libuv, as those write it who want it fast. What the socket takes at
 * once is sent by uv_try_write, without a request; the rest waits in one.
 */

#include <stdlib.h>

#include <uv.h>

#include "bulk.h"

enum { ROUNDS_MAX = 16 }; /* whole buffers sent before the loop gets its turn */

/* One, from its beginning to the callback of its close; that of the last may still come. */
struct connection {
    uv_tcp_t tcp; /* First: a stream of libuv's is this. */
    uv_write_t request;
};

static bulk self;

static void send_on(uv_stream_t *stream);

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

static void sent(uv_write_t *done, int status)
{
    if (status < 0)
        connection_close(done->handle);
    else
        send_on(done->handle);
}

/* What a try left over, or all of a buffer, which is tried once more. */
static void rest_send(uv_stream_t *stream, size_t done)
{
    uv_buf_t rest = uv_buf_init(self.buffer + done, (unsigned)(self.size - done));
    if (uv_write(&((struct connection *)stream)->request, stream, &rest, 1, sent) < 0)
        connection_close(stream);
}

static void send_on(uv_stream_t *stream)
{
    uv_buf_t all = uv_buf_init(self.buffer, (unsigned)self.size);
    size_t done = self.size;
    for (int round = 0; round < ROUNDS_MAX && done == self.size; round++) {
        int count = uv_try_write(stream, &all, 1);
        if (count < 0 && count != UV_EAGAIN) {
            connection_close(stream);
            return;
        }
        done = count < 0 ? 0 : (size_t)count;
    }
    rest_send(stream, done % self.size);
}

static void buffer_offer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    (void)handle;
    (void)suggested;
    *ret_buffer = uv_buf_init(self.buffer, (unsigned)self.size);
}

static void received(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    (void)buffer;
    if (size < 0)
        connection_close(stream);
}

static void connection_came(uv_stream_t *listener, int status)
{
    struct connection *connection = status < 0 ? NULL : malloc(sizeof *connection);
    if (!connection)
        return;
    check("uv_tcp_init", uv_tcp_init(listener->loop, &connection->tcp));
    uv_stream_t *stream = (uv_stream_t *)connection;
    check("uv_accept", uv_accept(listener, stream));
    if (self.receives)
        check("uv_read_start", uv_read_start(stream, buffer_offer, received));
    else
        send_on(stream);
}

int main(int argc, char **argv)
{
    uv_loop_t loop;
    uv_tcp_t listener;
    weir_bulk_open(1, argc, argv, &self);
    check("uv_loop_init", uv_loop_init(&loop));
    check("uv_tcp_init", uv_tcp_init(&loop, &listener));
    check("uv_tcp_open", uv_tcp_open(&listener, weir_bulk_listen(SOCK_NONBLOCK)));
    check("uv_listen", uv_listen((uv_stream_t *)&listener, SOMAXCONN, connection_came));
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
}
