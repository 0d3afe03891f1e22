/* SPDX-License-Identifier: MIT */

/* Rings, operations and sockets for tests over the seam. */
#define _GNU_SOURCE

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/tcp.h>

#include "seam.h"
#include "sys.h"
#include "test.h"

weir_loop_statistics seam_statistics;

static unsigned turns;

/* Asks once: a test may have made the next attempt fail. */
void seam_require(void)
{
    static bool has_asked;

    if (!has_asked)
        test_require_backend("uring");
    has_asked = true;
}

static struct uring *open_with(const weir_backend_options *options)
{
    weir_backend *backend;
    int error;

    seam_require();
    error = SEAM_OPS->open(options, &backend);
    CHECK_EQ(error, 0);
    return uring_of(backend);
}

struct uring *seam_open(unsigned queue_depth)
{
    weir_backend_options options = {.queue_depth = queue_depth, .statistics = &seam_statistics};

    return open_with(&options);
}

struct uring *seam_start_lending(unsigned queue_depth, size_t buffer_bytes, size_t bytes_max)
{
    weir_backend_options options = {.queue_depth = queue_depth,
                                    .statistics = &seam_statistics,
                                    .lent_buffer_bytes = buffer_bytes,
                                    .lent_bytes_max = bytes_max};
    struct uring *uring = open_with(&options);

    CHECK_EQ(SEAM_OPS->start(&uring->base), 0);
    return uring;
}

struct uring *seam_start(unsigned queue_depth)
{
    struct uring *uring = seam_open(queue_depth);

    CHECK_EQ(SEAM_OPS->start(&uring->base), 0);
    return uring;
}

void seam_close(struct uring *uring)
{
    SEAM_OPS->close(&uring->base);
}

static void completed(weir_operation *operation, int result, unsigned flags)
{
    struct seam_operation *self = WEIR_CONTAINER_OF(operation, struct seam_operation, operation);

    self->result = result;
    self->turn = ++turns;
    if (flags & WEIR_OPERATION_MORE)
        self->more++;
    else
        self->last++;
    if (self->then)
        self->then(self, result, flags);
}

static void stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)wait;
    (void)task;
    (void)bits;
}

static const struct weir_operation_ops operation_ops = {
    .wait = {.name = "seam", .stop = stop, .dump = weir_wait_dump_nothing},
    .completed = completed,
};

void seam_init(struct seam_operation *self, struct uring *uring)
{
    memset(self, 0, sizeof *self);
    /* The seam promises no more of these words than that they are there. */
    memset(self->operation.scratch, 0xa5, sizeof self->operation.scratch);
    self->operation.ops = &operation_ops;
    self->uring = uring;
    self->peer = -1;
}

void seam_init_on(struct seam_operation *self, struct uring *uring, int descriptor)
{
    seam_init(self, uring);
    memset(&self->handle, 0xa5, sizeof self->handle);
    self->handle.native = descriptor;
    CHECK_EQ(SEAM_OPS->attach(&uring->base, &self->handle), 0);
}

void seam_init_pair(struct seam_operation *self, struct uring *uring)
{
    int ends[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    seam_init_on(self, uring, ends[0]);
    self->peer = ends[1];
}

void seam_fini_pair(struct seam_operation *self)
{
    SEAM_OPS->detach(&self->uring->base, &self->handle);
    CHECK_EQ(close((int)self->handle.native), 0);
    CHECK_EQ(close(self->peer), 0);
}

void seam_receive(struct seam_operation *self)
{
    CHECK_EQ(SEAM_OPS->receive(&self->uring->base, &self->operation, &self->handle,
                               weir_buffer_of(self->data, sizeof self->data)),
             WEIR_IN_FLIGHT);
}

void seam_send(struct seam_operation *self)
{
    self->uring->at_once = 0;
    CHECK_EQ(SEAM_OPS->send(&self->uring->base, &self->operation, &self->handle,
                            weir_const_buffer_of(self->data, sizeof self->data)),
             WEIR_IN_FLIGHT);
}

void seam_cancel(struct seam_operation *self)
{
    SEAM_OPS->cancel(&self->uring->base, &self->operation);
}

void seam_feed(const struct seam_operation *self, uint8_t byte)
{
    CHECK_EQ(send(self->peer, &byte, 1, MSG_NOSIGNAL), 1);
}

void seam_fill(const struct seam_operation *self)
{
    static const uint8_t zeros[65536];
    ssize_t sent;

    do {
        sent = send((int)self->handle.native, zeros, sizeof zeros, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent >= 0);
    CHECK_EQ(errno, EAGAIN);
    do {
        sent = send((int)self->handle.native, zeros, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent >= 0);
    CHECK_EQ(errno, EAGAIN);
}

void seam_poll(struct uring *uring)
{
    SEAM_OPS->wait(&uring->base, WEIR_WAIT_POLL);
}

int seam_finish(struct seam_operation *self)
{
    while (self->last == 0)
        SEAM_OPS->wait(&self->uring->base, WEIR_WAIT_FOREVER);
    CHECK_EQ(self->last, 1);
    self->last = 0;
    return self->result;
}

void seam_close_handle(struct seam_operation *self)
{
    struct seam_operation closing;

    seam_init(&closing, self->uring);
    CHECK_EQ(SEAM_OPS->close_socket(&self->uring->base, &closing.operation, &self->handle, true),
             WEIR_IN_FLIGHT);
    CHECK_EQ(seam_finish(&closing), 0);
}

int seam_listen(int backlog, weir_endpoint *ret_endpoint)
{
    weir_endpoint any = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    weir_tcp_listen_options options = {.backlog = backlog};
    intptr_t listener;

    CHECK_EQ(weir_sys_sockets.listen(&any, &options, &listener), 0);
    CHECK_EQ(weir_sys_sockets.local(NULL, listener, ret_endpoint), 0);
    return (int)listener;
}

int seam_connect(const weir_endpoint *endpoint)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    weir_sys_address address;

    CHECK(client >= 0);
    weir_sys_address_of(endpoint, &address);
    CHECK_EQ(connect(client, (const struct sockaddr *)address.words, address.length), 0);
    return client;
}
