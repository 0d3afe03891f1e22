/* SPDX-License-Identifier: MIT */
/*
 * The idle connections of the client: bare rings, whose tables hold them and nothing else.
 *
 * A connection is two linked entries, a socket into the table and a connect on it, and one
 * completion: that of the connect, or of the socket if there was none.
 */
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "scale.h"

enum {
    DEPTH = 512,
    WINDOW = 128,       /* Connects in flight. */
    BACKLOG_MAX = 2048, /* Connections that the server has not accepted yet. */
    LOOK_EVERY = 1000,  /* Connections, and before each table: how much memory is left? */
};

/* Values of user_data: whose completion it is. */
enum { SOCKET, CONNECT };

struct weir_scale_crowd {
    unsigned loop_count;
    struct io_uring rings[WEIR_SCALE_LOOPS_MAX]; /* By loop of the server. */
};

/* Filling one table. */
struct filling {
    struct io_uring *ring;
    const weir_scale_loop *server;
    struct sockaddr_in addresses[WEIR_SCALE_DOORS];
    uint64_t accepted_before; /* By this loop of the server. */
    unsigned wanted;
    unsigned started;
    unsigned finished;
    unsigned open;
    int error; /* The first. */
};

static int ring_open(struct io_uring *ring, unsigned per_loop)
{
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL};
    int error = io_uring_queue_init_params(DEPTH, ring, &parameters);

    if (error)
        return error;
    error = io_uring_register_files_sparse(ring, per_loop);
    if (error)
        io_uring_queue_exit(ring);
    return error;
}

weir_scale_crowd *weir_scale_crowd_new(unsigned loop_count, unsigned per_loop, const char **ret_why)
{
    weir_scale_crowd *crowd = calloc(1, sizeof *crowd);
    int error = crowd ? 0 : -ENOMEM;

    while (!error && crowd->loop_count < loop_count) {
        error = ring_open(&crowd->rings[crowd->loop_count], per_loop);
        if (!error)
            crowd->loop_count++;
    }
    if (!error)
        return crowd;
    *ret_why = strerror(-error);
    if (crowd)
        weir_scale_crowd_free(crowd);
    return NULL;
}

void weir_scale_crowd_free(weir_scale_crowd *crowd)
{
    while (crowd->loop_count > 0)
        io_uring_queue_exit(&crowd->rings[--crowd->loop_count]);
    free(crowd);
}

static void start_one(struct filling *self)
{
    const struct sockaddr_in *address = &self->addresses[self->started % WEIR_SCALE_DOORS];
    struct io_uring_sqe *entry = io_uring_get_sqe(self->ring);

    io_uring_prep_socket_direct(entry, AF_INET, SOCK_STREAM, IPPROTO_TCP, self->started, 0);
    entry->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(entry, SOCKET);
    entry = io_uring_get_sqe(self->ring);
    io_uring_prep_connect(entry, (int)self->started, (const struct sockaddr *)address,
                          sizeof *address);
    entry->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(entry, CONNECT);
    self->started++;
}

/* How many connections the server has before it. */
static unsigned backlog(const struct filling *self)
{
    uint64_t accepted = __atomic_load_n(&self->server->accepted, __ATOMIC_RELAXED);

    return (unsigned)(self->open - (accepted - self->accepted_before));
}

static void start_some(struct filling *self)
{
    while (!self->error && self->started < self->wanted &&
           self->started - self->finished < WINDOW && backlog(self) < BACKLOG_MAX)
        start_one(self);
}

/* A socket that failed cancels its connect, which completes, too. */
static void finish_some(struct filling *self)
{
    struct io_uring_cqe *completion;

    while (io_uring_peek_cqe(self->ring, &completion) == 0) {
        int result = completion->res;

        if (completion->user_data == CONNECT)
            self->finished++;
        io_uring_cqe_seen(self->ring, completion);
        if (result == 0)
            self->open++;
        else if (result != -ECANCELED && !self->error)
            self->error = result;
    }
}

static void take_breath(void)
{
    struct timespec pause = {.tv_nsec = 200 * 1000};

    (void)nanosleep(&pause, NULL);
}

static bool is_short_of_memory(const weir_scale_options *options)
{
    return (double)weir_scale_memory_available() < options->floor_gib * 1073741824.0;
}

/* Returns false when memory runs out. */
static bool fill(struct filling *self, const weir_scale_options *options)
{
    unsigned looked = 0;

    if (is_short_of_memory(options))
        return false;
    while (self->finished < self->wanted && !(self->error && self->finished == self->started)) {
        start_some(self);
        if (self->started == self->finished)
            take_breath();
        else
            (void)io_uring_submit_and_wait(self->ring, 1);
        finish_some(self);
        if (self->open - looked < LOOK_EVERY)
            continue;
        looked = self->open;
        if (is_short_of_memory(options))
            return false;
    }
    return true;
}

static void show_progress(unsigned open, unsigned wanted)
{
    fprintf(stderr, "\r\033[K%9u of %u", open, wanted);
    if (open >= wanted)
        fputs("\r\033[K", stderr);
    fflush(stderr);
}

static void find_doors(struct filling *self, unsigned loop)
{
    unsigned i;

    for (i = 0; i < WEIR_SCALE_DOORS; i++)
        self->addresses[i] =
            (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_addr.s_addr = weir_scale_address(loop, i),
                                 .sin_port = htons((uint16_t)self->server->ports[i])};
}

unsigned weir_scale_crowd_open(weir_scale_crowd *crowd, const weir_scale_shared *shared,
                               const weir_scale_options *options, char *why_stopped, size_t size)
{
    unsigned open = 0;
    unsigned i;

    *why_stopped = '\0';
    for (i = 0; i < crowd->loop_count && open < options->connections && !*why_stopped; i++) {
        struct filling filling = {.ring = &crowd->rings[i], .server = &shared->loops[i]};
        unsigned left = options->connections - open;

        find_doors(&filling, i);
        filling.accepted_before = __atomic_load_n(&filling.server->accepted, __ATOMIC_RELAXED);
        filling.wanted = left < options->per_loop ? left : options->per_loop;
        if (!fill(&filling, options))
            snprintf(why_stopped, size, "less than %.1f GiB of memory are available",
                     options->floor_gib);
        else if (filling.error)
            snprintf(why_stopped, size, "a connect: %s", strerror(-filling.error));
        open += filling.open;
        show_progress(open, options->connections);
    }
    if (!*why_stopped && open < options->connections)
        snprintf(why_stopped, size, "the tables, of which there are no more");
    return open;
}
