/* SPDX-License-Identifier: MIT */

/*
 * An echo server written by hand on liburing: the floor for weir's io_uring backend.
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

#include <liburing.h>

#include "peer.h"

enum {
    SQ_ENTRIES = 1024,
    CQ_ENTRIES = 4096, /* more than one enter can produce, so the ring never overflows */
};

/* What a completion is about: the low two bits of its user data, below the descriptor. */
typedef enum operation {
    OPERATION_RECV,
    OPERATION_SEND,
    OPERATION_ACCEPT,
    OPERATION_SIGNAL,
} operation;

typedef struct server {
    struct io_uring ring;
    peer_connection *connections; /* by descriptor */
    int listener;
    bool accepting; /* false after running out of descriptors, until one is closed */
    bool running;
} server;

static void ring_open(struct io_uring *ring)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP |
                 IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    int failure = io_uring_queue_init_params(SQ_ENTRIES, ring, &params);
    if (failure < 0)
        weir_peer_die("io_uring_setup", -failure);
    int registered = io_uring_register_ring_fd(ring);
    if (registered < 0)
        weir_peer_die("io_uring_register_ring_fd", -registered);
}

/* The next entry with its preparation left to the caller; a full queue is submitted first. */
static inline struct io_uring_sqe *sqe_get(server *self)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    if (__builtin_expect(sqe == NULL, 0)) {
        int submitted = io_uring_submit(&self->ring);
        if (submitted < 0)
            weir_peer_die("io_uring_submit", -submitted);
        sqe = io_uring_get_sqe(&self->ring);
    }
    return sqe;
}

static void sqe_mark(struct io_uring_sqe *sqe, operation what, int fd)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)fd << 2 | (uint64_t)what);
}

static void accept_start(server *self)
{
    struct io_uring_sqe *sqe = sqe_get(self);
    io_uring_prep_multishot_accept(sqe, self->listener, NULL, NULL, SOCK_CLOEXEC);
    sqe_mark(sqe, OPERATION_ACCEPT, self->listener);
    self->accepting = true;
}

static void signal_wait(server *self, int signals)
{
    struct io_uring_sqe *sqe = sqe_get(self);
    io_uring_prep_poll_add(sqe, signals, POLLIN);
    sqe_mark(sqe, OPERATION_SIGNAL, signals);
}

static void recv_start(server *self, peer_connection *connection)
{
    struct io_uring_sqe *sqe = sqe_get(self);
    io_uring_prep_recv(sqe, connection->fd, connection->buffer, PEER_BUFFER_SIZE, 0);
    sqe_mark(sqe, OPERATION_RECV, connection->fd);
}

static void send_start(server *self, peer_connection *connection)
{
    struct io_uring_sqe *sqe = sqe_get(self);
    io_uring_prep_send(sqe, connection->fd, connection->buffer + connection->sent,
                       connection->received - connection->sent, MSG_NOSIGNAL);
    sqe_mark(sqe, OPERATION_SEND, connection->fd);
}

static void connection_close(server *self, peer_connection *connection)
{
    close(connection->fd);
    if (!self->accepting)
        accept_start(self);
}

static void accept_done(server *self, int result, bool more)
{
    if (!more)
        self->accepting = false;
    if (result >= 0) {
        peer_connection *connection = &self->connections[result];
        connection->fd = result;
        recv_start(self, connection);
    }
    bool exhausted =
        result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM;
    if (!more && !exhausted)
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
    uint64_t fd = cqe->user_data >> 2;
    switch ((operation)(cqe->user_data & 3)) {
    case OPERATION_RECV:
        recv_done(self, &self->connections[fd], cqe->res);
        break;
    case OPERATION_SEND:
        send_done(self, &self->connections[fd], cqe->res);
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
        int ret = io_uring_submit_and_wait(&self->ring, 1);
        if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
            weir_peer_die("io_uring_enter", -ret);
        completions_dispatch(self);
    }
}

int main(int argc, char **argv)
{
    peer_options options;
    weir_peer_options_parse(&options, argc, argv);
    server self = {.running = true};
    ring_open(&self.ring);
    self.connections = weir_peer_connections_map();
    int signals = weir_peer_signals_open();
    self.listener = weir_peer_listen(&options, 0);
    signal_wait(&self, signals);
    accept_start(&self);
    serve(&self);
    io_uring_queue_exit(&self.ring);
    return 0;
}
