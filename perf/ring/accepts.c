/* SPDX-License-Identifier: MIT */
/* Ways to accept connections, and to close them. */
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "choices.h"
#include "ring.h"

enum { CONNECTIONS_MAX = 64 };

/* How: choice.number. */
enum how { ENTRIES, ENTRIES_CLOSE_CALLS, ENTRIES_DIRECT };

/* Some have connected: take them, close them. Whoever waits for them connects and closes. */
static double measure(const struct experiment *load, int listener,
                      void (*serve)(void *state, unsigned count), void *state)
{
    int clients[CONNECTIONS_MAX];
    int64_t cpu_ns = 0;
    int64_t served = 0;
    unsigned i;

    while (!ring_is_enough(cpu_ns)) {
        int64_t begin_ns;

        for (i = 0; i < load->connections; i++)
            clients[i] = ring_connect(listener);
        begin_ns = ring_cpu_ns();
        serve(state, load->connections);
        cpu_ns += ring_cpu_ns() - begin_ns;
        for (i = 0; i < load->connections; i++)
            (void)close(clients[i]);
        served += load->connections;
    }
    return (double)cpu_ns / (double)served;
}

static void calls_serve(void *state, unsigned count)
{
    int listener = *(const int *)state;

    while (count > 0) {
        int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (accepted >= 0) {
            (void)close(accepted);
            count--;
        } else if (errno != EAGAIN) {
            weir_peer_die("accept", errno);
        }
    }
}

static double measure_calls(const struct experiment *load, unsigned number)
{
    int listener = ring_listen(SOCK_NONBLOCK);
    double result = measure(load, listener, calls_serve, &listener);

    (void)number;
    (void)close(listener);
    return result;
}

struct server {
    struct io_uring ring;
    int listener;
    enum how how;
};

enum about { ACCEPTED, CLOSED };

static void accept_arm(struct server *self)
{
    struct io_uring_sqe *entry = ring_sqe(&self->ring);

    if (self->how == ENTRIES_DIRECT)
        io_uring_prep_multishot_accept_direct(entry, self->listener, NULL, NULL, 0);
    else
        io_uring_prep_multishot_accept(entry, self->listener, NULL, NULL,
                                       SOCK_CLOEXEC | SOCK_NONBLOCK);
    io_uring_sqe_set_data64(entry, ACCEPTED);
}

static void close_accepted(struct server *self, int accepted)
{
    struct io_uring_sqe *entry;

    if (self->how == ENTRIES_CLOSE_CALLS) {
        (void)close(accepted);
        return;
    }
    entry = ring_sqe(&self->ring);
    if (self->how == ENTRIES_DIRECT)
        io_uring_prep_close_direct(entry, (unsigned)accepted);
    else
        io_uring_prep_close(entry, accepted);
    io_uring_sqe_set_data64(entry, CLOSED);
}

/* Returns whether it was the end of a connection. */
static bool completed(struct server *self, const struct io_uring_cqe *completion)
{
    if (completion->res < 0)
        weir_peer_die("io_uring", -completion->res);
    if (completion->user_data == CLOSED)
        return true;
    if (!(completion->flags & IORING_CQE_F_MORE))
        accept_arm(self);
    close_accepted(self, completion->res);
    return self->how == ENTRIES_CLOSE_CALLS;
}

static void entries_serve(void *state, unsigned left)
{
    struct server *self = state;

    while (left > 0) {
        struct io_uring_cqe *completion;
        unsigned head;
        unsigned count = 0;

        ring_enter(&self->ring);
        io_uring_for_each_cqe(&self->ring, head, completion)
        {
            left -= completed(self, completion);
            count++;
        }
        io_uring_cq_advance(&self->ring, count);
    }
}

static double measure_entries(const struct experiment *load, unsigned number)
{
    struct server self = {.listener = ring_listen(0), .how = (enum how)number};
    double result;
    int error;

    ring_open(&self.ring);
    error = io_uring_register_files_sparse(&self.ring, 2 * CONNECTIONS_MAX);
    if (error)
        weir_peer_die("io_uring_register_files_sparse", -error);
    accept_arm(&self);
    result = measure(load, self.listener, entries_serve, &self);
    io_uring_queue_exit(&self.ring);
    (void)close(self.listener);
    return result;
}

static const struct choice accepts[] = {
    {"accept4 and close", measure_calls, 0},
    {"an accept that stays, close", measure_entries, ENTRIES_CLOSE_CALLS},
    {"an accept that stays, entries that close", measure_entries, ENTRIES},
    {"the same, direct descriptors", measure_entries, ENTRIES_DIRECT},
};

#define ACCEPTS "how to accept and close, a connection"

const struct experiment ring_accepts[] = {
    {"accept-1", ACCEPTS, 1, 0, RING_CHOICES(accepts)},
    {"accept-8", ACCEPTS, 8, 0, RING_CHOICES(accepts)},
    {"accept-64", ACCEPTS, 64, 0, RING_CHOICES(accepts)},
};
const size_t ring_accepts_count = sizeof ring_accepts / sizeof ring_accepts[0];
