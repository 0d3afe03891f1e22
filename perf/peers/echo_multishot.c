/* SPDX-License-Identifier: MIT */

/*
 * An echo server written by hand on liburing, multishot: the other floor for weir's
 * io_uring backend.
 *
 * A receive is armed once for each connection and takes its buffers from a ring that all share;
 * what it filled is sent from where it lies, one send at a time, and given back. Descriptors are
 * direct. An idle connection holds no buffer.
 *
 * The buffers are few: the kernel takes them in turn, so what is touched of all of them together is
 * what has to stay in the cache. When small messages come of more connections than there are
 * buffers, more are made. A client that does not read can hold them all: this is a floor and no
 * server.
 */

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "ring.h"

enum {
    /* The kernel completes some 20 receives an enter, while the sends of the last 20 are submitted:
     * of some 64 connections. */
    BUFFERS_FIRST = 64,
    BUFFERS_MAX = 1024,
    HOT_BYTES = 1024 * 1024,               /* of all buffers what may be touched: a core's cache */
    BUFFER_STRIDE = PEER_BUFFER_SIZE + 64, /* not all in the same few cache sets */
    GROUP = 0,
    NOTHING = -1,
};

/* What a completion is about: the low three bits of its user data, below the slot. */
typedef enum operation {
    OPERATION_RECV,
    OPERATION_SEND,
    OPERATION_ACCEPT,
    OPERATION_SIGNAL,
    OPERATION_END, /* of a connection, of interest to nobody */
} operation;

typedef struct connection {
    int16_t first; /* buffer that is being sent, or NOTHING */
    int16_t last;
    bool is_armed;    /* a receive will complete */
    bool is_starving; /* and is not armed, because there was no buffer */
    bool is_ending;
    int next_starving;
} connection;

/* What was received into a buffer, while the server holds it. */
typedef struct piece {
    uint32_t size;
    int16_t next; /* of the same connection, or NOTHING */
} piece;

typedef struct server {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    char *memory;
    piece pieces[BUFFERS_MAX];
    unsigned buffer_count;   /* buffers that there are */
    unsigned free_count;     /* buffers that the kernel may have */
    uint32_t latest_size;    /* of what was received last */
    connection *connections; /* by slot */
    int first_starving;      /* a queue of slots, or NOTHING */
    int last_starving;
    unsigned starving_count;
    int listener;
    bool accepting; /* false after running out of slots, until one is closed */
    bool has_room;  /* one was closed since accepting started */
    bool running;
} server;

static uint64_t user_data_of(operation what, int slot)
{
    return (uint64_t)slot << 3 | (uint64_t)what;
}

static void sqe_mark(struct io_uring_sqe *sqe, operation what, int slot)
{
    io_uring_sqe_set_data64(sqe, user_data_of(what, slot));
}

/* The buffers. */

static char *buffer_at(const server *self, int id)
{
    return self->memory + (size_t)id * BUFFER_STRIDE;
}

static void buffer_publish(server *self, int id)
{
    io_uring_buf_ring_add(self->buffers, buffer_at(self, id), PEER_BUFFER_SIZE, (uint16_t)id,
                          io_uring_buf_ring_mask(BUFFERS_MAX), 0);
    io_uring_buf_ring_advance(self->buffers, 1);
    self->free_count++;
}

static void *pages_map(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        weir_peer_die("mmap", errno);
    return pages;
}

static void buffers_add(server *self)
{
    for (unsigned end = self->buffer_count + BUFFERS_FIRST; self->buffer_count < end;)
        buffer_publish(self, (int)self->buffer_count++);
}

/* So many more that each starving connection has one, if what they receive is small. */
static void buffers_add_if_small(server *self)
{
    while (self->starving_count > self->free_count && self->buffer_count < BUFFERS_MAX &&
           (self->buffer_count + BUFFERS_FIRST) * (size_t)self->latest_size <= HOT_BYTES)
        buffers_add(self);
}

static void buffers_open(server *self)
{
    self->memory = pages_map((size_t)BUFFERS_MAX * BUFFER_STRIDE);
    self->buffers = pages_map(BUFFERS_MAX * sizeof(struct io_uring_buf));
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)self->buffers,
        .ring_entries = BUFFERS_MAX,
        .bgid = GROUP,
    };
    int failure = io_uring_register_buf_ring(&self->ring, &registration, 0);
    if (failure < 0)
        weir_peer_die("io_uring_register_buf_ring", -failure);
    io_uring_buf_ring_init(self->buffers);
    buffers_add(self);
}

/* Starting. */

static void accept_start(server *self)
{
    struct io_uring_sqe *sqe = ring_sqe(&self->ring);
    io_uring_prep_multishot_accept_direct(sqe, self->listener, NULL, NULL, 0);
    sqe_mark(sqe, OPERATION_ACCEPT, 0);
    self->accepting = true;
    self->has_room = false;
}

static void signal_wait(server *self, int signals)
{
    struct io_uring_sqe *sqe = ring_sqe(&self->ring);
    io_uring_prep_poll_add(sqe, signals, POLLIN);
    sqe_mark(sqe, OPERATION_SIGNAL, 0);
}

static void recv_start(server *self, int slot)
{
    struct io_uring_sqe *sqe = ring_sqe(&self->ring);
    io_uring_prep_recv_multishot(sqe, slot, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe_mark(sqe, OPERATION_RECV, slot);
    self->connections[slot].is_armed = true;
}

/* All of the first piece: the kernel goes on after a short send. */
static void send_start(server *self, int slot)
{
    int id = self->connections[slot].first;
    struct io_uring_sqe *sqe = ring_sqe(&self->ring);
    io_uring_prep_send(sqe, slot, buffer_at(self, id), self->pieces[id].size,
                       MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_FIXED_FILE;
    sqe_mark(sqe, OPERATION_SEND, slot);
}

/*
 * End the armed receive. Not by a shutdown: that runs in a worker, which looks up the slot when it
 * gets there, and may find the next connection in it.
 */
static void cancel_start(server *self, int slot)
{
    struct io_uring_sqe *sqe = ring_sqe(&self->ring);
    io_uring_prep_cancel64(sqe, user_data_of(OPERATION_RECV, slot), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe_mark(sqe, OPERATION_END, slot);
}

static void close_start(server *self, int slot)
{
    struct io_uring_sqe *sqe = ring_sqe(&self->ring);
    io_uring_prep_close_direct(sqe, (unsigned)slot);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe_mark(sqe, OPERATION_END, slot);
    self->has_room = true;
    if (!self->accepting)
        accept_start(self);
}

/* Connections. */

static void connection_close_when_done(server *self, int slot)
{
    const connection *it = &self->connections[slot];
    if (it->is_ending && !it->is_armed && !it->is_starving && it->first == NOTHING)
        close_start(self, slot);
}

/* There was no buffer: receive when this batch has given some back. Begun again at once, a thousand
 * receives for a few buffers fail over and over. */
static void connection_starve(server *self, int slot)
{
    self->starving_count++;
    self->connections[slot].is_starving = true;
    self->connections[slot].next_starving = NOTHING;
    if (self->first_starving == NOTHING)
        self->first_starving = slot;
    else
        self->connections[self->last_starving].next_starving = slot;
    self->last_starving = slot;
}

static void starving_feed(server *self)
{
    buffers_add_if_small(self);
    for (unsigned left = self->free_count; left > 0 && self->first_starving != NOTHING; left--) {
        int slot = self->first_starving;
        connection *it = &self->connections[slot];
        self->first_starving = it->next_starving;
        it->is_starving = false;
        self->starving_count--;
        if (it->is_ending)
            connection_close_when_done(self, slot);
        else
            recv_start(self, slot);
    }
}

static void piece_push(server *self, int slot, int id, uint32_t size)
{
    connection *it = &self->connections[slot];
    self->pieces[id] = (piece){.size = size, .next = NOTHING};
    if (it->first == NOTHING) {
        it->first = it->last = (int16_t)id;
        send_start(self, slot);
        return;
    }
    self->pieces[it->last].next = (int16_t)id;
    it->last = (int16_t)id;
}

static void piece_pop(server *self, int slot)
{
    connection *it = &self->connections[slot];
    int id = it->first;
    it->first = self->pieces[id].next;
    buffer_publish(self, id);
}

/* Completions. */

static void accept_done(server *self, int result, bool more)
{
    if (!more)
        self->accepting = false;
    if (result >= 0) {
        self->connections[result] = (connection){.first = NOTHING};
        recv_start(self, result);
    }
    bool exhausted =
        result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM;
    if (!more && (!exhausted || self->has_room))
        accept_start(self);
}

/* Bytes came, in a buffer. */
static void recv_take(server *self, int slot, int id, uint32_t size)
{
    self->free_count--;
    if (self->connections[slot].is_ending)
        buffer_publish(self, id);
    else
        piece_push(self, slot, id, size);
    self->latest_size = size;
}

static void recv_done(server *self, int slot, int result, unsigned flags)
{
    connection *it = &self->connections[slot];
    if ((flags & IORING_CQE_F_MORE) == 0)
        it->is_armed = false;
    if (result > 0)
        recv_take(self, slot, (int)(flags >> IORING_CQE_BUFFER_SHIFT), (uint32_t)result);
    else if (result != -ENOBUFS)
        it->is_ending = true;
    else
        connection_starve(self, slot);

    if (it->is_ending)
        connection_close_when_done(self, slot);
    else if (!it->is_armed && !it->is_starving)
        recv_start(self, slot);
}

static void send_fail(server *self, int slot)
{
    connection *it = &self->connections[slot];
    it->is_ending = true;
    while (it->first != NOTHING)
        piece_pop(self, slot);
    if (it->is_armed)
        cancel_start(self, slot);
}

static void send_done(server *self, int slot, int result)
{
    connection *it = &self->connections[slot];
    uint32_t size = self->pieces[it->first].size;
    piece_pop(self, slot);
    if (result < 0 || (uint32_t)result < size)
        send_fail(self, slot);
    else if (it->first != NOTHING)
        send_start(self, slot);
    if (it->is_ending)
        connection_close_when_done(self, slot);
}

static void completion_dispatch(server *self, const struct io_uring_cqe *cqe)
{
    int slot = (int)(cqe->user_data >> 3);
    switch ((operation)(cqe->user_data & 7)) {
    case OPERATION_RECV:
        recv_done(self, slot, cqe->res, cqe->flags);
        break;
    case OPERATION_SEND:
        send_done(self, slot, cqe->res);
        break;
    case OPERATION_ACCEPT:
        accept_done(self, cqe->res, (cqe->flags & IORING_CQE_F_MORE) != 0);
        break;
    case OPERATION_SIGNAL:
        self->running = false;
        break;
    case OPERATION_END:
        break;
    }
}

/* Whoever starves although there are buffers is fed before we wait: it may be all that happens. */
static void serve_enter(server *self)
{
    if (self->first_starving == NOTHING || self->free_count == 0) {
        ring_enter(&self->ring);
        return;
    }
    int ret = io_uring_submit_and_get_events(&self->ring);
    if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
        weir_peer_die("io_uring_enter", -ret);
}

static void serve(server *self)
{
    while (self->running) {
        unsigned head;
        unsigned count = 0;
        struct io_uring_cqe *cqe;
        serve_enter(self);
        io_uring_for_each_cqe(&self->ring, head, cqe)
        {
            completion_dispatch(self, cqe);
            count++;
        }
        io_uring_cq_advance(&self->ring, count);
        starving_feed(self);
    }
}

static void connections_open(server *self)
{
    unsigned limit = weir_peer_connections_limit();
    self->connections = calloc(limit, sizeof(connection));
    if (!self->connections)
        weir_peer_die("calloc", ENOMEM);
    int failure = io_uring_register_files_sparse(&self->ring, limit);
    if (failure < 0)
        weir_peer_die("io_uring_register_files_sparse", -failure);
}

int main(int argc, char **argv)
{
    peer_options options;
    weir_peer_options_parse(&options, argc, argv);
    server self = {.running = true, .first_starving = NOTHING};
    ring_open(&self.ring);
    buffers_open(&self);
    connections_open(&self);
    int signals = weir_peer_signals_open();
    self.listener = weir_peer_listen(&options, 0);
    signal_wait(&self, signals);
    accept_start(&self);
    serve(&self);
    io_uring_queue_exit(&self.ring);
    free(self.connections);
    return 0;
}
