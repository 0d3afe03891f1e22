/* SPDX-License-Identifier: MIT */

/*
 * The engine's operations, driven through the seam alone: cancelled while they wait, cancelled too
 * late, and what closing does to them. tests/backend/test_uring.c has the queues.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuse.h"
#include "seam.h"
#include "sys.h"
#include "test.h"

enum { DEPTH = 64 };

/* What the vectored ones name. In place until they complete. */
static weir_message message;
static weir_buffer parts[2];
static weir_const_buffer const_parts[2];

static void receive_v(struct seam_operation *self)
{
    parts[0] = weir_buffer_of(self->data, 1);
    parts[1] = weir_buffer_of(self->data + 1, sizeof self->data - 1);
    CHECK_EQ(SEAM_OPS->receive_v(&self->uring->base, &self->operation, &self->handle, &message,
                                 parts, 2),
             WEIR_IN_FLIGHT);
}

static void send_v(struct seam_operation *self)
{
    const_parts[0] = weir_const_buffer_of(self->data, 1);
    const_parts[1] = weir_const_buffer_of(self->data + 1, sizeof self->data - 1);
    CHECK_EQ(SEAM_OPS->send_v(&self->uring->base, &self->operation, &self->handle, &message,
                              const_parts, 2),
             WEIR_IN_FLIGHT);
}

static void poll_reading(struct seam_operation *self)
{
    CHECK_EQ(SEAM_OPS->poll(&self->uring->base, &self->operation, &self->handle, WEIR_READING),
             WEIR_IN_FLIGHT);
}

static void poll_writing(struct seam_operation *self)
{
    CHECK_EQ(SEAM_OPS->poll(&self->uring->base, &self->operation, &self->handle, WEIR_WRITING),
             WEIR_IN_FLIGHT);
}

static void accept_one(struct seam_operation *self)
{
    CHECK_EQ(SEAM_OPS->accept(&self->uring->base, &self->operation, &self->handle), WEIR_IN_FLIGHT);
}

static void connect_to(struct seam_operation *self, const weir_endpoint *peer)
{
    CHECK_EQ(SEAM_OPS->connect(&self->uring->base, &self->operation, &self->handle, &message, peer),
             WEIR_IN_FLIGHT);
}

/* An operation of every kind that waits for its peer: started on a connection, and what makes it go
 * on. */
static const struct {
    void (*start)(struct seam_operation *self);
    bool is_writing;
} kinds[] = {
    {seam_receive, false}, {receive_v, false}, {poll_reading, false},
    {seam_send, true},     {send_v, true},     {poll_writing, true},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void init_waiting(struct seam_operation *self, struct uring *uring, int kind)
{
    seam_init_pair(self, uring);
    if (kinds[kind].is_writing)
        seam_fill(self);
    kinds[kind].start(self);
}

/* Cancelling. */

WEIR_TEST(uring_cancel, finds_what_waits_in_the_kernel)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    int kind;

    for (kind = 0; kind < KINDS; kind++) {
        init_waiting(&self, uring, kind);
        seam_poll(uring);
        CHECK_EQ(self.last, 0);
        seam_cancel(&self);
        seam_cancel(&self); /* Harmless when repeated. */
        CHECK_EQ(seam_finish(&self), -ECANCELED);
        seam_fini_pair(&self);
    }
    seam_close(uring);
}

WEIR_TEST(uring_cancel, finds_what_is_only_queued)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    int kind;

    for (kind = 0; kind < KINDS; kind++) {
        init_waiting(&self, uring, kind);
        seam_cancel(&self);
        CHECK_EQ(seam_finish(&self), -ECANCELED);
        seam_fini_pair(&self);
    }
    seam_close(uring);
}

WEIR_TEST(uring_cancel, comes_too_late_for_what_has_completed_and_bytes_are_reported)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;

    seam_init_pair(&self, uring);
    seam_receive(&self);
    seam_poll(uring);
    seam_feed(&self, 7);
    while (io_uring_cq_ready(&uring->ring) == 0)
        CHECK_EQ(io_uring_get_events(&uring->ring), 0);
    seam_cancel(&self); /* It has completed, and nobody has reaped it. */
    CHECK_EQ(seam_finish(&self), 1);
    CHECK_EQ(self.data[0], 7);

    /* The cancel goes out with the next submission: it must not hit that. */
    seam_receive(&self);
    seam_poll(uring);
    seam_poll(uring);
    CHECK_EQ(self.last, 0);
    seam_feed(&self, 8);
    CHECK_EQ(seam_finish(&self), 1);
    CHECK_EQ(self.data[0], 8);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_cancel, never_hits_the_next_use_of_a_record)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    int i;

    seam_init_pair(&self, uring);
    for (i = 0; i < 20000; i++) {
        seam_feed(&self, (uint8_t)i);
        seam_receive(&self);
        seam_cancel(&self); /* Behind it in the queue: it has the byte already. */
        CHECK_EQ(seam_finish(&self), 1);
        CHECK_EQ(self.data[0], (uint8_t)i);
    }
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_cancel, ends_an_accept_and_loses_no_connection)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    weir_endpoint endpoint;
    int client;

    seam_init_on(&self, uring, seam_listen(8, &endpoint));
    accept_one(&self);
    seam_poll(uring);
    seam_cancel(&self);
    CHECK_EQ(seam_finish(&self), -ECANCELED);
    CHECK_EQ(self.more, 0);

    client = seam_connect(&endpoint);
    accept_one(&self);
    while (self.more == 0)
        SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER);
    CHECK_EQ(close(self.result), 0);
    CHECK_EQ(close(client), 0);
    seam_cancel(&self);
    CHECK_EQ(seam_finish(&self), -ECANCELED);
    seam_close_handle(&self);
    seam_close(uring);
}

/* A listener whose backlog is full does not answer. */
WEIR_TEST(uring_cancel, ends_a_connect_that_nobody_answers)
{
    enum { FILLERS = 4 };
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation fillers[FILLERS];
    struct seam_operation self;
    weir_endpoint endpoint;
    intptr_t descriptor;
    int listener = seam_listen(1, &endpoint);
    int i;

    for (i = 0; i < FILLERS; i++) {
        CHECK_EQ(weir_sys_sockets.open(&endpoint, &descriptor), 0);
        seam_init_on(&fillers[i], uring, (int)descriptor);
        connect_to(&fillers[i], &endpoint);
        seam_poll(uring);
    }
    CHECK_EQ(weir_sys_sockets.open(&endpoint, &descriptor), 0);
    seam_init_on(&self, uring, (int)descriptor);
    connect_to(&self, &endpoint);
    seam_poll(uring);
    CHECK_EQ(self.last, 0);
    seam_cancel(&self);
    CHECK_EQ(seam_finish(&self), -ECANCELED);
    seam_close_handle(&self);
    for (i = 0; i < FILLERS; i++) {
        if (fillers[i].last == 0) {
            seam_cancel(&fillers[i]);
            (void)seam_finish(&fillers[i]);
        }
        seam_close_handle(&fillers[i]);
    }
    CHECK_EQ(close(listener), 0);
    seam_close(uring);
}

WEIR_TEST(uring_cancel, lets_a_close_go_on)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation closing;
    struct seam_operation self;
    uint8_t byte;

    seam_init_pair(&self, uring);
    seam_init(&closing, uring);
    CHECK_EQ(SEAM_OPS->close_socket(&uring->base, &closing.operation, &self.handle, true),
             WEIR_IN_FLIGHT);
    seam_cancel(&closing);
    (void)seam_finish(&closing);
    CHECK_EQ(recv(self.peer, &byte, 1, MSG_DONTWAIT), 0);
    CHECK(fcntl((int)self.handle.native, F_GETFD) < 0);
    CHECK_EQ(close(self.peer), 0);
    seam_close(uring);
}

/* Closing. */

WEIR_TEST(uring_close, ends_what_is_in_flight_on_the_socket)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    int kind;

    for (kind = 0; kind < KINDS; kind++) {
        init_waiting(&self, uring, kind);
        seam_poll(uring);
        CHECK_EQ(self.last, 0);
        seam_close_handle(&self);
        (void)seam_finish(&self);
        CHECK(self.result <= 0 || self.result >= 1);
        CHECK_EQ(close(self.peer), 0);
    }
    seam_close(uring);
}

WEIR_TEST(uring_close, with_a_receive_in_flight_gives_it_the_end_of_the_stream)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    uint8_t byte;

    seam_init_pair(&self, uring);
    seam_receive(&self);
    seam_close_handle(&self);
    CHECK_EQ(seam_finish(&self), 0);
    CHECK_EQ(recv(self.peer, &byte, 1, MSG_DONTWAIT), 0);
    CHECK_EQ(close(self.peer), 0);
    seam_close(uring);
}

static bool is_open(const struct seam_operation *self)
{
    return fcntl((int)self->handle.native, F_GETFD) >= 0;
}

WEIR_TEST(uring_close, of_a_connected_socket_shuts_down_and_releases)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    uint8_t byte;

    seam_init_pair(&self, uring);
    seam_close_handle(&self);
    CHECK(!is_open(&self));
    CHECK_EQ(recv(self.peer, &byte, 1, MSG_DONTWAIT), 0);
    CHECK_EQ(close(self.peer), 0);
    seam_close(uring);
}

WEIR_TEST(uring_close, of_a_socket_that_another_process_shares_still_tells_the_peer)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    uint8_t byte;
    int shared;

    seam_init_pair(&self, uring);
    shared = fcntl((int)self.handle.native, F_DUPFD_CLOEXEC, 0);
    seam_close_handle(&self);
    CHECK_EQ(recv(self.peer, &byte, 1, MSG_DONTWAIT), 0);
    CHECK_EQ(close(shared), 0);
    CHECK_EQ(close(self.peer), 0);
    seam_close(uring);
}

/* The shutdown fails, and the close, linked to it, happens all the same. */
WEIR_TEST(uring_close, of_an_unconnected_socket_releases_it)
{
    weir_endpoint any = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    intptr_t descriptor;

    CHECK_EQ(weir_sys_sockets.open(&any, &descriptor), 0);
    seam_init_on(&self, uring, (int)descriptor);
    seam_close_handle(&self);
    CHECK(!is_open(&self));
    seam_close(uring);
}

WEIR_TEST(uring_close, of_a_listening_socket_ends_its_accept_and_releases_it)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    weir_endpoint endpoint;
    int again;

    seam_init_on(&self, uring, seam_listen(8, &endpoint));
    accept_one(&self);
    seam_poll(uring);
    seam_close_handle(&self);
    CHECK(seam_finish(&self) < 0);
    CHECK(!is_open(&self));
    again = seam_listen(8, &endpoint);
    CHECK_EQ(close(again), 0);
    seam_close(uring);
}

WEIR_TEST(uring_close, whatever_the_kernel_reports_happens_once)
{
    static const int errors[] = {EINTR, EIO, EDQUOT};
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation closing;
    struct seam_operation self;
    size_t i;

    for (i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        seam_init_pair(&self, uring);
        seam_init(&closing, uring);
        fuse_light(FUSE_ENTRY_CLOSE, errors[i], 1, 1);
        CHECK_EQ(SEAM_OPS->close_socket(&uring->base, &closing.operation, &self.handle, true),
                 WEIR_IN_FLIGHT);
        CHECK_EQ(seam_finish(&closing), -errors[i]);
        CHECK_EQ(fuse_put_out(), 1);
        CHECK(!is_open(&self));
        CHECK_EQ(close(self.peer), 0);
    }
    seam_close(uring);
}

/* Results. */

/* A completion, alone. */
static void complete_one(struct uring *uring)
{
    struct seam_operation self;

    seam_init_pair(&self, uring);
    seam_feed(&self, 7);
    seam_receive(&self);
    CHECK_EQ(seam_finish(&self), 1);
    seam_fini_pair(&self);
}

static int send_any(struct seam_operation *self, size_t size)
{
    static const uint8_t data[16385];

    return SEAM_OPS->send(&self->uring->base, &self->operation, &self->handle,
                          weir_const_buffer_of(data, size));
}

WEIR_TEST(uring_at_once, a_small_send_behind_few_completions_is_answered_at_once)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    int i;

    complete_one(uring);
    seam_init_pair(&self, uring);
    for (i = 0; i < 16; i++)
        CHECK_EQ(send_any(&self, 100), 100);
    CHECK_EQ(send_any(&self, 100), WEIR_IN_FLIGHT); /* So that others get their turn. */
    CHECK_EQ(seam_finish(&self), 100);
    CHECK_EQ(send_any(&self, 100), 100); /* That was one completion. */
    CHECK_EQ(shutdown(self.peer, SHUT_RDWR), 0);
    CHECK_EQ(send_any(&self, 100), -EPIPE);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_at_once, a_send_that_finds_no_room_waits_in_the_kernel)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    uint8_t drained[65536];

    complete_one(uring);
    seam_init_pair(&self, uring);
    seam_fill(&self);
    CHECK_EQ(send_any(&self, 100), WEIR_IN_FLIGHT);
    seam_poll(uring);
    CHECK_EQ(self.last, 0);
    while (recv(self.peer, drained, sizeof drained, MSG_DONTWAIT) > 0) {
    }
    CHECK(seam_finish(&self) > 0);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_at_once, large_sends_and_those_behind_many_completions_share_a_call)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation many[3];
    struct seam_operation self;
    size_t i;

    complete_one(uring);
    seam_init_pair(&self, uring);
    CHECK_EQ(send_any(&self, 16384), 16384);
    CHECK_EQ(send_any(&self, 16385), WEIR_IN_FLIGHT);
    CHECK_EQ(seam_finish(&self), 16385);
    for (i = 0; i < 3; i++) {
        seam_init_pair(&many[i], uring);
        seam_feed(&many[i], 7);
        seam_receive(&many[i]);
    }
    seam_poll(uring);
    for (i = 0; i < 3; i++) {
        CHECK_EQ(many[i].last, 1);
        seam_fini_pair(&many[i]);
    }
    CHECK_EQ(send_any(&self, 100), WEIR_IN_FLIGHT);
    CHECK_EQ(seam_finish(&self), 100);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_result, is_that_of_the_system_call)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    weir_endpoint endpoint;
    intptr_t descriptor;
    uint8_t data[SEAM_DATA_MAX];

    seam_init_pair(&self, uring);
    seam_send(&self);
    CHECK_EQ(seam_finish(&self), SEAM_DATA_MAX);
    send_v(&self);
    CHECK_EQ(seam_finish(&self), SEAM_DATA_MAX);
    CHECK_EQ(recv(self.peer, data, sizeof data, MSG_WAITALL), SEAM_DATA_MAX);
    CHECK_EQ(recv(self.peer, data, sizeof data, MSG_WAITALL), SEAM_DATA_MAX);
    poll_writing(&self);
    CHECK(seam_finish(&self) >= 0);
    seam_feed(&self, 1);
    poll_reading(&self);
    CHECK(seam_finish(&self) >= 0);
    seam_feed(&self, 2);
    receive_v(&self);
    CHECK_EQ(seam_finish(&self), 2);
    CHECK_EQ(self.data[1], 2);
    CHECK_EQ(shutdown(self.peer, SHUT_RDWR), 0);
    seam_receive(&self);
    CHECK_EQ(seam_finish(&self), 0);
    seam_send(&self);
    CHECK_EQ(seam_finish(&self), -EPIPE);
    seam_fini_pair(&self);

    CHECK_EQ(close(seam_listen(1, &endpoint)), 0); /* Nobody listens there any more. */
    CHECK_EQ(weir_sys_sockets.open(&endpoint, &descriptor), 0);
    seam_init_on(&self, uring, (int)descriptor);
    connect_to(&self, &endpoint);
    CHECK_EQ(seam_finish(&self), -ECONNREFUSED);
    seam_close_handle(&self);
    seam_close(uring);
}

WEIR_TEST(uring_result, of_an_accept_are_descriptors_that_do_not_block_nor_survive_exec)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    weir_endpoint endpoint;
    int clients[3];
    int i;

    seam_init_on(&self, uring, seam_listen(8, &endpoint));
    accept_one(&self);
    for (i = 0; i < 3; i++) {
        clients[i] = seam_connect(&endpoint);
        while (self.more == i)
            SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER);
        CHECK(fcntl(self.result, F_GETFD) & FD_CLOEXEC);
        CHECK(fcntl(self.result, F_GETFL) & O_NONBLOCK);
        CHECK_EQ(close(self.result), 0);
        CHECK_EQ(close(clients[i]), 0);
    }
    CHECK_EQ(self.last, 0);
    seam_cancel(&self);
    CHECK_EQ(seam_finish(&self), -ECANCELED);
    seam_close_handle(&self);
    seam_close(uring);
}
