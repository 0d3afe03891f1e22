/* SPDX-License-Identifier: MIT */

/*
 * An echo server written by hand on liburing, one-shot: a floor for weir's io_uring backend.
 *
 * One ring, one thread, one io_uring_enter an iteration: it submits what the last batch of
 * completions asked for and waits for the next. A multishot accept is armed all the time; each
 * connection has exactly one operation in flight, a receive into its own buffer or a send out of
 * it, so a connection can be closed whenever one of its operations has completed.
 */

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "ring.h"

/* What a completion is about: the low two bits of its user data, below the descriptor. */
typedef enum operation {
    OPERATION_RECV,
    OPERATION_SEND,
    OPERATION_ACCEPT,
    OPERATION_SIGNAL,
} operation;

typedef struct server {
    struct io_uring ring;
    void *connections; /* by descriptor */
    int listener;
    bool accepting; /* false after running out of descriptors, until one is closed */
    bool has_room;  /* one was closed since accepting started */
    bool running;
} server;

static peer_connection *connection_at(const server *self, int fd)
{
    return weir_peer_connection_at(self->connections, PEER_BUFFER_SIZE, fd);
}

static void sqe_mark(struct io_uring_sqe *sqe, operation what, int fd)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)fd << 2 | (uint64_t)what);
}

static void accept_start(server *self)
{
    struct io_uring_sqe *sqe = ring_sqe(&self->ring);
    io_uring_prep_multishot_accept(sqe, self->listener, NULL, NULL, SOCK_CLOEXEC);
    sqe_mark(sqe, OPERATION_ACCEPT, self->listener);
    self->accepting = true;
    self->has_room = false;
}

static void signal_wait(server *self, int signals)
{
    struct io_uring_sqe *sqe = ring_sqe(&self->ring);
    io_uring_prep_poll_add(sqe, signals, POLLIN);
    sqe_mark(sqe, OPERATION_SIGNAL, signals);
}

static void recv_start(server *self, peer_connection *connection)
{
    struct io_uring_sqe *sqe = ring_sqe(&self->ring);
    io_uring_prep_recv(sqe, connection->fd, connection->buffer, PEER_BUFFER_SIZE, 0);
    sqe_mark(sqe, OPERATION_RECV, connection->fd);
}

static void send_start(server *self, peer_connection *connection)
{
    struct io_uring_sqe *sqe = ring_sqe(&self->ring);
    io_uring_prep_send(sqe, connection->fd, connection->buffer + connection->sent,
                       connection->received - connection->sent, MSG_NOSIGNAL);
    sqe_mark(sqe, OPERATION_SEND, connection->fd);
}

static void connection_close(server *self, peer_connection *connection)
{
    close(connection->fd);
    self->has_room = true;
    if (!self->accepting)
        accept_start(self);
}

static void accept_done(server *self, int result, bool more)
{
    if (!more)
        self->accepting = false;
    if (result >= 0) {
        peer_connection *connection = connection_at(self, result);
        connection->fd = result;
        recv_start(self, connection);
    }
    bool exhausted =
        result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM;
    if (!more && (!exhausted || self->has_room))
        accept_start(self);
}

static void recv_done(server *self, peer_connection *connection, int result)
{
    if (result <= 0) {
        connection_close(self, connection);
        return;
    }
    connection->sent = 0;
    connection->received = (uint32_t)result;
    send_start(self, connection);
}

static void send_done(server *self, peer_connection *connection, int result)
{
    if (result < 0) {
        connection_close(self, connection);
        return;
    }
    connection->sent += (uint32_t)result;
    if (connection->sent < connection->received)
        send_start(self, connection);
    else
        recv_start(self, connection);
}

static void completion_dispatch(server *self, const struct io_uring_cqe *cqe)
{
    int fd = (int)(cqe->user_data >> 2);
    switch ((operation)(cqe->user_data & 3)) {
    case OPERATION_RECV:
        recv_done(self, connection_at(self, fd), cqe->res);
        break;
    case OPERATION_SEND:
        send_done(self, connection_at(self, fd), cqe->res);
        break;
    case OPERATION_ACCEPT:
        accept_done(self, cqe->res, (cqe->flags & IORING_CQE_F_MORE) != 0);
        break;
    case OPERATION_SIGNAL:
        self->running = false;
        break;
    }
}

static void completions_dispatch(server *self)
{
    unsigned head;
    unsigned count = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&self->ring, head, cqe)
    {
        completion_dispatch(self, cqe);
        count++;
    }
    io_uring_cq_advance(&self->ring, count);
}

static void serve(server *self)
{
    while (self->running) {
        ring_enter(&self->ring);
        completions_dispatch(self);
    }
}

int main(int argc, char **argv)
{
    peer_options options;
    weir_peer_options_parse(&options, argc, argv);
    server self = {.running = true};
    ring_open(&self.ring);
    self.connections = weir_peer_connections_map(PEER_BUFFER_SIZE);
    int signals = weir_peer_signals_open();
    self.listener = weir_peer_listen(&options, 0);
    signal_wait(&self, signals);
    accept_start(&self);
    serve(&self);
    io_uring_queue_exit(&self.ring);
    return 0;
}
