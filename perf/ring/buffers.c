/* SPDX-License-Identifier: MIT */
/*
 * Echo servers that differ in where they receive and how they send.
 *
 * The clients send a message each, the server sends back all of it, the clients receive. What a
 * message holds does not matter, so the pieces of one may overtake each other.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "choices.h"
#include "ring.h"

enum {
    MESSAGE_MAX = 32 * 1024,
    BUFFER_STRIDE = MESSAGE_MAX + 64, /* Not all in the same few cache sets. */
    ENTRIES = 4096,                   /* Of the ring of buffers. */
    GROUP = 0,
    SENDS_BY_ENTRIES = 0, /* choice.number: so many buffers that none is waited for, */
    SENDS_BY_CALLS = 1,   /* and a send is an entry, or a call of its own; else, how many. */
};

struct engine {
    struct io_uring ring;
    const struct pair *pairs;
    const struct experiment *load; /* connections and size */
    char *memory;                  /* Buffers, BUFFER_STRIDE apart. */
    size_t memory_bytes;
    size_t left;    /* Bytes of this round that were not sent back. */
    unsigned armed; /* Receives and polls in the kernel. */

    /* Of a ring of buffers. */
    struct io_uring_buf_ring *buffers;
    unsigned published;
    bool calls; /* A send is one. */
    uint16_t tail;
    unsigned *starving; /* Connections whose receive found no buffer. */
    unsigned starving_count;

    int epoll;
};

static struct engine engine_of(const struct experiment *load)
{
    return (struct engine){.load = load, .pairs = ring_pairs(load->connections)};
}

static void memory_open(struct engine *self, unsigned buffers)
{
    self->memory_bytes = (size_t)buffers * BUFFER_STRIDE;
    self->memory = ring_memory(self->memory_bytes);
}

static char *buffer_at(const struct engine *self, unsigned index)
{
    return self->memory + (size_t)index * BUFFER_STRIDE;
}

/* Rounds until it was measured long enough; the first few only warm the caches. */
static double measure(struct engine *self, void (*serve)(struct engine *))
{
    enum { WARM = 3 };
    const struct experiment *load = self->load;
    int64_t cpu_ns = 0;
    int64_t rounds;

    for (rounds = -WARM; rounds <= 0 || !ring_is_enough(cpu_ns); rounds++) {
        int64_t begin_ns;

        if (rounds == 0)
            cpu_ns = 0;
        ring_clients_send(self->pairs, load->connections, load->size);
        self->left = load->connections * load->size;
        begin_ns = ring_cpu_ns();
        while (self->left > 0)
            serve(self);
        cpu_ns += ring_cpu_ns() - begin_ns;
        ring_clients_receive(self->pairs, load->connections, load->size);
    }
    return (double)cpu_ns / (double)((uint64_t)rounds * load->connections);
}

/* What it has sent back. There is room: the clients' buffers hold a round. */
static void sent(struct engine *self, int result, size_t size)
{
    if (result != (int)size)
        weir_peer_die("send", result < 0 ? -result : EMSGSIZE);
    self->left -= size;
}

static void send_now(struct engine *self, int descriptor, const char *data, size_t size)
{
    ssize_t result = send(descriptor, data, size, MSG_NOSIGNAL);

    sent(self, result < 0 ? -errno : (int)result, size);
}

/* Receive and send back what is there, into the one buffer that is always hot. */
static void echo_now(struct engine *self, int descriptor)
{
    ssize_t size = recv(descriptor, self->memory, MESSAGE_MAX, 0);

    if (size > 0)
        send_now(self, descriptor, self->memory, (size_t)size);
    else if (size == 0 || errno != EAGAIN)
        weir_peer_die("recv", size ? errno : EPIPE);
}

/* epoll, and system calls. */

static void epoll_serve(struct engine *self)
{
    struct epoll_event events[256];
    int count = epoll_wait(self->epoll, events, 256, -1);
    int i;

    for (i = 0; i < count; i++)
        echo_now(self, events[i].data.fd);
}

static double measure_epoll(const struct experiment *load, unsigned number)
{
    struct engine self = engine_of(load);
    double result;
    unsigned i;

    (void)number;
    memory_open(&self, 1);
    self.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (i = 0; i < load->connections; i++) {
        struct epoll_event event = {
            .events = EPOLLIN | EPOLLET,
            .data.fd = self.pairs[i].server,
        };

        if (epoll_ctl(self.epoll, EPOLL_CTL_ADD, self.pairs[i].server, &event))
            weir_peer_die("epoll_ctl", errno);
    }
    result = measure(&self, epoll_serve);
    (void)close(self.epoll);
    ring_memory_free(self.memory, self.memory_bytes);
    return result;
}

/* Rings. */

/* What a completion is about: low bits of its user data, then a connection, then a buffer. */
enum about { RECEIVED, SENT, READABLE, NOTHING, ABOUT_BITS = 2, CONNECTION_BITS = 30 };

static uint64_t user_data_of(enum about about, unsigned connection, unsigned buffer)
{
    return (uint64_t)about | (uint64_t)connection << ABOUT_BITS | (uint64_t)buffer << 32;
}

static unsigned connection_of(uint64_t user_data)
{
    return (user_data >> ABOUT_BITS) & ((1U << CONNECTION_BITS) - 1);
}

static void send_entry(struct engine *self, unsigned connection, unsigned buffer, size_t size)
{
    struct io_uring_sqe *entry = ring_sqe(&self->ring);

    io_uring_prep_send(entry, self->pairs[connection].server, buffer_at(self, buffer), size,
                       MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(entry, user_data_of(SENT, connection, buffer));
}

/* Submit, wait, and tell of all completions. */
static void ring_turn(struct engine *self,
                      void (*complete)(struct engine *, const struct io_uring_cqe *))
{
    struct io_uring_cqe *completion;
    unsigned head;
    unsigned count = 0;

    ring_enter(&self->ring);
    io_uring_for_each_cqe(&self->ring, head, completion)
    {
        complete(self, completion);
        count++;
    }
    io_uring_cq_advance(&self->ring, count);
}

static void forget(struct engine *self, const struct io_uring_cqe *completion)
{
    if (completion->user_data != NOTHING && !(completion->flags & IORING_CQE_F_MORE))
        self->armed--;
}

/* The connections stay, so nothing of this ring may wait for their bytes. */
static void ring_close(struct engine *self)
{
    struct io_uring_sqe *entry = ring_sqe(&self->ring);

    io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(entry, NOTHING);
    while (self->armed > 0)
        ring_turn(self, forget);
    io_uring_queue_exit(&self->ring);
}

/* A receive for each connection, into a buffer of its own. */

static void receive_own(struct engine *self, unsigned connection)
{
    struct io_uring_sqe *entry = ring_sqe(&self->ring);

    io_uring_prep_recv(entry, self->pairs[connection].server, buffer_at(self, connection),
                       MESSAGE_MAX, 0);
    io_uring_sqe_set_data64(entry, user_data_of(RECEIVED, connection, 0));
    self->armed++;
}

static void own_completed(struct engine *self, const struct io_uring_cqe *completion)
{
    unsigned connection = connection_of(completion->user_data);

    if (completion->res <= 0)
        weir_peer_die("io_uring", completion->res ? -completion->res : EPIPE);
    if ((completion->user_data & 3) == SENT) {
        sent(self, completion->res, (size_t)completion->res);
        receive_own(self, connection);
        return;
    }
    self->armed--;
    send_entry(self, connection, connection, (size_t)completion->res);
}

static void own_serve(struct engine *self)
{
    ring_turn(self, own_completed);
}

static double measure_own(const struct experiment *load, unsigned number)
{
    struct engine self = engine_of(load);
    double result;
    unsigned i;

    (void)number;
    memory_open(&self, load->connections);
    ring_open(&self.ring);
    for (i = 0; i < load->connections; i++)
        receive_own(&self, i);
    result = measure(&self, own_serve);
    ring_close(&self);
    ring_memory_free(self.memory, self.memory_bytes);
    return result;
}

/* A poll that stays armed for each connection, and system calls into the one hot buffer. */

static void poll_arm(struct engine *self, unsigned connection)
{
    struct io_uring_sqe *entry = ring_sqe(&self->ring);

    io_uring_prep_poll_multishot(entry, self->pairs[connection].server, POLLIN);
    io_uring_sqe_set_data64(entry, user_data_of(READABLE, connection, 0));
    self->armed++;
}

static void poll_completed(struct engine *self, const struct io_uring_cqe *completion)
{
    unsigned connection = connection_of(completion->user_data);

    if (completion->res < 0)
        weir_peer_die("io_uring", -completion->res);
    if (!(completion->flags & IORING_CQE_F_MORE)) {
        self->armed--;
        poll_arm(self, connection);
    }
    echo_now(self, self->pairs[connection].server);
}

static void poll_serve(struct engine *self)
{
    ring_turn(self, poll_completed);
}

static double measure_poll(const struct experiment *load, unsigned number)
{
    struct engine self = engine_of(load);
    double result;
    unsigned i;

    (void)number;
    memory_open(&self, 1);
    ring_open(&self.ring);
    for (i = 0; i < load->connections; i++)
        poll_arm(&self, i);
    result = measure(&self, poll_serve);
    ring_close(&self);
    ring_memory_free(self.memory, self.memory_bytes);
    return result;
}

/* A receive that stays armed for each connection, into a ring of buffers. */

static void publish(struct engine *self, unsigned buffer)
{
    struct io_uring_buf *entry = &self->buffers->bufs[self->tail & (ENTRIES - 1)];

    entry->addr = (uintptr_t)buffer_at(self, buffer);
    entry->len = MESSAGE_MAX;
    entry->bid = (uint16_t)buffer;
    self->tail++;
    self->published++;
}

static void lent_arm(struct engine *self, unsigned connection)
{
    struct io_uring_sqe *entry = ring_sqe(&self->ring);

    io_uring_prep_recv_multishot(entry, self->pairs[connection].server, NULL, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = GROUP;
    io_uring_sqe_set_data64(entry, user_data_of(RECEIVED, connection, 0));
    self->armed++;
}

static void lent_received(struct engine *self, const struct io_uring_cqe *completion)
{
    unsigned connection = connection_of(completion->user_data);
    unsigned buffer = completion->flags >> IORING_CQE_BUFFER_SHIFT;

    if (completion->res == -ENOBUFS) {
        self->starving[self->starving_count++] = connection;
    } else if (completion->res <= 0) {
        weir_peer_die("io_uring", completion->res ? -completion->res : EPIPE);
    } else {
        self->published--;
        if (self->calls) {
            send_now(self, self->pairs[connection].server, buffer_at(self, buffer),
                     (size_t)completion->res);
            publish(self, buffer);
        } else {
            send_entry(self, connection, buffer, (size_t)completion->res);
        }
    }
    if (completion->flags & IORING_CQE_F_MORE)
        return;
    self->armed--;
    if (completion->res > 0)
        lent_arm(self, connection);
}

static void lent_completed(struct engine *self, const struct io_uring_cqe *completion)
{
    if ((completion->user_data & 3) != SENT) {
        lent_received(self, completion);
        return;
    }
    sent(self, completion->res, (size_t)completion->res);
    publish(self, (unsigned)(completion->user_data >> 32));
}

static void lent_serve(struct engine *self)
{
    unsigned fed;

    __atomic_store_n(&self->buffers->tail, self->tail, __ATOMIC_RELEASE);
    for (fed = 0; self->starving_count > 0 && fed < self->published; fed++)
        lent_arm(self, self->starving[--self->starving_count]);
    ring_turn(self, lent_completed);
}

static void buffers_open(struct engine *self, unsigned count)
{
    struct io_uring_buf_reg registration = {.ring_entries = ENTRIES, .bgid = GROUP};
    unsigned i;
    int error;

    memory_open(self, count);
    self->buffers = ring_memory(ENTRIES * sizeof(struct io_uring_buf));
    registration.ring_addr = (uintptr_t)self->buffers;
    error = io_uring_register_buf_ring(&self->ring, &registration, 0);
    if (error)
        weir_peer_die("io_uring_register_buf_ring", -error);
    for (i = 0; i < count; i++)
        publish(self, i);
}

static double measure_lent(const struct experiment *load, unsigned number)
{
    struct engine self = engine_of(load);
    double result;
    unsigned i;

    ring_open(&self.ring);
    buffers_open(&self, number > SENDS_BY_CALLS ? number : 2 * load->connections);
    self.calls = number == SENDS_BY_CALLS;
    self.starving = calloc(load->connections, sizeof *self.starving);
    if (!self.starving)
        weir_peer_die("calloc", ENOMEM);
    for (i = 0; i < load->connections; i++)
        lent_arm(&self, i);
    result = measure(&self, lent_serve);
    ring_close(&self);
    free(self.starving);
    ring_memory_free(self.buffers, ENTRIES * sizeof(struct io_uring_buf));
    ring_memory_free(self.memory, self.memory_bytes);
    return result;
}

static const struct choice published[] = {
    {"32 buffers", measure_lent, 32},     {"8 buffers", measure_lent, 8},
    {"16 buffers", measure_lent, 16},     {"64 buffers", measure_lent, 64},
    {"128 buffers", measure_lent, 128},   {"512 buffers", measure_lent, 512},
    {"2048 buffers", measure_lent, 2048},
};

static const struct choice receives[] = {
    {"epoll, calls into one buffer", measure_epoll, 0},
    {"io_uring, poll that stays, calls into one buffer", measure_poll, 0},
    {"io_uring, a receive each, a buffer of one's own", measure_own, 0},
    {"io_uring, receives that stay, 32 lent buffers", measure_lent, 32},
};

static const struct choice sends[] = {
    {"an entry", measure_lent, SENDS_BY_ENTRIES},
    {"a call", measure_lent, SENDS_BY_CALLS},
};

#define PUBLISHED "buffers published, an echo"
#define RECEIVES  "where to receive, an echo"
#define SENDS     "how to send, an echo"

const struct experiment ring_buffers[] = {
    {"published-64", PUBLISHED, 32, 64, RING_CHOICES(published)},
    {"published-4096", PUBLISHED, 32, 4096, RING_CHOICES(published)},
    {"published-16384", PUBLISHED, 32, 16384, RING_CHOICES(published)},
    {"published-32768", PUBLISHED, 32, 32768, RING_CHOICES(published)},
    {"receive-64", RECEIVES, 32, 64, RING_CHOICES(receives)},
    {"receive-1024", RECEIVES, 32, 1024, RING_CHOICES(receives)},
    {"receive-16384", RECEIVES, 32, 16384, RING_CHOICES(receives)},
    {"receive-32768", RECEIVES, 32, 32768, RING_CHOICES(receives)},
    {"send-1", SENDS, 1, 64, RING_CHOICES(sends)},
    {"send-2", SENDS, 2, 64, RING_CHOICES(sends)},
    {"send-4", SENDS, 4, 64, RING_CHOICES(sends)},
    {"send-8", SENDS, 8, 64, RING_CHOICES(sends)},
    {"send-32", SENDS, 32, 64, RING_CHOICES(sends)},
    {"send-1-16384", SENDS, 1, 16384, RING_CHOICES(sends)},
    {"send-32-16384", SENDS, 32, 16384, RING_CHOICES(sends)},
};
const size_t ring_buffers_count = sizeof ring_buffers / sizeof ring_buffers[0];
