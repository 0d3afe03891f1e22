/* SPDX-License-Identifier: MIT */

/*
 * An echo server written by hand on epoll: the floor for weir's epoll backend.
 *
 * One thread, edge-triggered: a socket is registered once, for both directions, and never touched
 * with epoll_ctl again. On an event the server sends what is left over, then receives and sends
 * until the socket is exhausted. A receive that returns less than it asked for has exhausted it,
 * because data that arrives later raises an edge of its own; only an end of stream that is already
 * there has to be read for.
 *
 * Compiled twice. With PEER_SHARED_BUFFER 0 each connection receives into its own buffer; with 1
 * all receive into the same, which stays in the cache, and only what cannot be sent at once is
 * copied, to memory that is held until it has been sent.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"

enum {
    EVENTS_MAX = 1024,
    BUFFER_SIZE = PEER_SHARED_BUFFER ? 0 : PEER_BUFFER_SIZE, /* of a connection */
    ROUNDS_MAX = 16, /* full buffers echoed for one connection before the others get their turn */
};

/* Where an attempt to move bytes ended. */
typedef enum progress {
    PROGRESS_DONE,    /* everything sent */
    PROGRESS_BLOCKED, /* an edge will come */
    PROGRESS_CLOSED,  /* end of stream or an error */
} progress;

typedef struct server {
    void *connections; /* by descriptor */
    int epoll;
    int listener;
    int signals;
    bool accepting; /* false after running out of descriptors, until one is closed */
    bool running;
} server;

static peer_connection *connection_at(const server *self, int fd)
{
    return weir_peer_connection_at(self->connections, BUFFER_SIZE, fd);
}

static void watch(server *self, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.fd = fd};
    if (epoll_ctl(self->epoll, operation, fd, &event) < 0)
        weir_peer_die("epoll_ctl", errno);
}

static void connection_watch(server *self, int operation, int fd)
{
    watch(self, operation, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
}

static void connections_accept(server *self)
{
    for (;;) {
        int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            peer_connection *connection = connection_at(self, fd);
            connection->fd = fd;
            connection->sent = connection->received = 0;
            connection_watch(self, EPOLL_CTL_ADD, fd);
        } else if (errno != ECONNABORTED && errno != EPROTO) {
            self->accepting = errno == EAGAIN;
            return;
        }
    }
}

static void connection_forget_rest(peer_connection *connection)
{
    free(connection->rest);
    connection->rest = NULL;
}

static void connection_close(server *self, peer_connection *connection)
{
    connection_forget_rest(connection);
    close(connection->fd);
    if (!self->accepting)
        connections_accept(self);
}

/* The socket takes no more: the next connection is about to receive into the same buffer. */
static void connection_keep_rest(peer_connection *connection)
{
    if (!PEER_SHARED_BUFFER || connection->rest)
        return;
    uint32_t size = connection->received - connection->sent;
    connection->rest = malloc(size);
    if (!connection->rest)
        weir_peer_die("malloc", ENOMEM);
    memcpy(connection->rest, connection->data + connection->sent, size);
    connection->data = connection->rest;
    connection->sent = 0;
    connection->received = size;
}

/* There is something left to send. */
static progress connection_send(peer_connection *connection)
{
    do {
        ssize_t n = send(connection->fd, connection->data + connection->sent,
                         connection->received - connection->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            connection_keep_rest(connection);
            return PROGRESS_BLOCKED;
        }
        if (n < 0)
            return PROGRESS_CLOSED;
        connection->sent += (uint32_t)n;
    } while (connection->sent < connection->received);
    if (PEER_SHARED_BUFFER && connection->rest)
        connection_forget_rest(connection);
    return PROGRESS_DONE;
}

static progress connection_recv(peer_connection *connection)
{
    static char shared[PEER_BUFFER_SIZE];
    connection->data = PEER_SHARED_BUFFER ? shared : connection->buffer;
    ssize_t n = recv(connection->fd, connection->data, PEER_BUFFER_SIZE, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? PROGRESS_BLOCKED : PROGRESS_CLOSED;
    connection->sent = 0;
    connection->received = (uint32_t)n;
    return PROGRESS_DONE;
}

static progress connection_echo(peer_connection *connection, uint32_t events)
{
    bool ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        progress received = connection_recv(connection);
        if (received != PROGRESS_DONE)
            return received;
        progress sent = connection_send(connection);
        if (sent != PROGRESS_DONE)
            return sent;
        if (connection->received < PEER_BUFFER_SIZE && !ending)
            return PROGRESS_BLOCKED;
    }
    return PROGRESS_DONE;
}

static void connection_serve(server *self, peer_connection *connection, uint32_t events)
{
    progress result = PROGRESS_DONE;
    if (connection->sent < connection->received)
        result = connection_send(connection);
    if (result == PROGRESS_DONE && events != EPOLLOUT) {
        result = connection_echo(connection, events);
        if (result == PROGRESS_DONE)
            connection_watch(self, EPOLL_CTL_MOD, connection->fd); /* raises the edge again */
    }
    if (result == PROGRESS_CLOSED)
        connection_close(self, connection);
}

static void event_dispatch(server *self, const struct epoll_event *event)
{
    int fd = event->data.fd;
    if (fd == self->listener)
        connections_accept(self);
    else if (fd == self->signals)
        self->running = false;
    else
        connection_serve(self, connection_at(self, fd), event->events);
}

static void serve(server *self)
{
    static struct epoll_event events[EVENTS_MAX];
    while (self->running) {
        int count = epoll_wait(self->epoll, events, EVENTS_MAX, -1);
        if (count < 0 && errno != EINTR)
            weir_peer_die("epoll_wait", errno);
        for (int i = 0; i < count; i++)
            event_dispatch(self, &events[i]);
    }
}

int main(int argc, char **argv)
{
    peer_options options;
    weir_peer_options_parse(&options, argc, argv);
    server self = {.accepting = true, .running = true};
    self.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self.epoll < 0)
        weir_peer_die("epoll_create1", errno);
    self.connections = weir_peer_connections_map(BUFFER_SIZE);
    self.signals = weir_peer_signals_open();
    self.listener = weir_peer_listen(&options, SOCK_NONBLOCK);
    watch(&self, EPOLL_CTL_ADD, self.signals, EPOLLIN);
    watch(&self, EPOLL_CTL_ADD, self.listener, EPOLLIN);
    serve(&self);
    return 0;
}
