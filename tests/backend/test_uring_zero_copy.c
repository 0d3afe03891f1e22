/* SPDX-License-Identifier: MIT */

/*
 * Sends without a copy, driven through the seam alone: what completes when, what is registered, and
 * what kernels refuse.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse.h"
#include "seam.h"
#include "sys.h"
#include "test.h"

enum { DEPTH = 64, REGION = 256 << 10, BLOCK = 64 << 10, HUGE_BLOCK = 8 << 20 };

/* A TCP connection on the loopback. */
static void init_tcp(struct seam_operation *self, struct uring *uring)
{
    weir_endpoint endpoint;
    int listener = seam_listen(1, &endpoint);

    seam_init_on(self, uring, seam_connect(&endpoint));
    self->peer = accept(listener, NULL, NULL);
    CHECK(self->peer >= 0);
    CHECK_EQ(close(listener), 0);
}

/* Result and notification may come in one go. */
static int first_result;

static void keep_first(struct seam_operation *self, int result, unsigned flags)
{
    if (flags & WEIR_OPERATION_MORE || self->more == 0)
        first_result = result;
}

static int start(struct seam_operation *self, const void *data, size_t size, bool is_registered)
{
    return SEAM_OPS->send_zero_copy(&self->uring->base, &self->operation, &self->handle,
                                    weir_const_buffer_of(data, size), is_registered);
}

static void send_it(struct seam_operation *self, const void *data, size_t size, bool is_registered)
{
    self->then = keep_first;
    CHECK_EQ(start(self, data, size, is_registered), WEIR_IN_FLIGHT);
}

/* Returns the result. */
static int wait_for_result(struct seam_operation *self)
{
    while (self->more == 0 && self->last == 0)
        SEAM_OPS->wait(&self->uring->base, WEIR_WAIT_FOREVER);
    return first_result;
}

static void drain(int socket, size_t size)
{
    static uint8_t data[BLOCK];

    while (size > 0) {
        ssize_t got = recv(socket, data, size < sizeof data ? size : sizeof data, 0);

        CHECK(got > 0);
        size -= (size_t)got;
    }
}

static uint8_t *new_region(struct uring *uring, size_t size, int error)
{
    uint8_t *region = weir_sys_pages_new(size);

    CHECK(region);
    CHECK_EQ(SEAM_OPS->register_memory(&uring->base, weir_buffer_of(region, size)), error);
    return region;
}

/* What completes. */

WEIR_TEST(uring_zero_copy, a_result_comes_first_and_the_notification_later)
{
    static uint8_t data[BLOCK];
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;

    init_tcp(&self, uring);
    send_it(&self, data, sizeof data, false);
    CHECK_EQ(wait_for_result(&self), BLOCK);
    CHECK_EQ(self.more, 1);
    drain(self.peer, BLOCK);
    CHECK_EQ(seam_finish(&self), WEIR_SEND_COPIED); /* As always on the way to oneself. */
    CHECK_EQ(self.more, 1);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_zero_copy, memory_of_the_region_is_sent_from_anywhere_in_it)
{
    struct uring *uring = seam_start(DEPTH);
    uint8_t *region = new_region(uring, REGION, 0);
    struct seam_operation self;
    uint8_t got[3];

    init_tcp(&self, uring);
    memcpy(region + REGION - 3, "abc", 3);
    send_it(&self, region + REGION - 3, 3, true);
    CHECK_EQ(wait_for_result(&self), 3);
    CHECK_EQ(recv(self.peer, got, 3, MSG_WAITALL), 3);
    CHECK_EQ(memcmp(got, "abc", 3), 0);
    (void)seam_finish(&self);
    seam_fini_pair(&self);
    seam_close(uring);
    weir_sys_pages_free(region, REGION);
}

WEIR_TEST(uring_zero_copy, one_send_is_for_all_of_it_however_narrow_the_connection)
{
    struct uring *uring = seam_start(DEPTH);
    uint8_t *data = calloc(1, HUGE_BLOCK);
    struct seam_operation self;
    size_t left = HUGE_BLOCK;

    CHECK(data);
    init_tcp(&self, uring);
    send_it(&self, data, HUGE_BLOCK, false);
    while (self.more == 0 && self.last == 0) {
        ssize_t got = recv(self.peer, data, HUGE_BLOCK, MSG_DONTWAIT);

        left -= got > 0 ? (size_t)got : 0;
        seam_poll(uring);
    }
    CHECK_EQ(first_result, HUGE_BLOCK);
    drain(self.peer, left);
    (void)seam_finish(&self);
    seam_fini_pair(&self);
    seam_close(uring);
    free(data);
}

WEIR_TEST(uring_zero_copy, another_send_may_start_and_the_socket_go_before_the_notification)
{
    static uint8_t data[BLOCK];
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    struct seam_operation next;

    init_tcp(&self, uring);
    seam_fill(&self); /* The peer does not read: what is sent is not acknowledged. */
    CHECK_EQ(
        setsockopt((int)self.handle.native, SOL_SOCKET, SO_SNDBUF, &(int){16 << 20}, sizeof(int)),
        0);
    send_it(&self, data, sizeof data, false);
    (void)wait_for_result(&self);
    seam_init(&next, uring);
    next.handle = self.handle;
    seam_send(&next);
    CHECK_EQ(seam_finish(&next), SEAM_DATA_MAX);
    CHECK_EQ(self.last, 0);
    seam_close_handle(&self);
    CHECK_EQ(self.last, 0);
    CHECK_EQ(close(self.peer), 0); /* It has not read: the connection is reset. */
    (void)seam_finish(&self);
    seam_close(uring);
}

WEIR_TEST(uring_zero_copy, the_ring_may_end_before_the_notification)
{
    struct uring *uring = seam_start(DEPTH);
    uint8_t *region = new_region(uring, REGION, 0);
    struct seam_operation self;

    init_tcp(&self, uring);
    seam_fill(&self);
    CHECK_EQ(
        setsockopt((int)self.handle.native, SOL_SOCKET, SO_SNDBUF, &(int){16 << 20}, sizeof(int)),
        0);
    memset(region, 'a', BLOCK);
    send_it(&self, region, BLOCK, true);
    CHECK_EQ(wait_for_result(&self), BLOCK);
    CHECK_EQ(self.last, 0);
    seam_close(uring);
    weir_sys_pages_free(region, REGION);
    /* What was on its way arrives all the same. */
    CHECK_EQ(shutdown((int)self.handle.native, SHUT_WR), 0);
    {
        static uint8_t got[BLOCK];
        uint8_t last = 0;
        ssize_t count;

        while ((count = recv(self.peer, got, sizeof got, 0)) > 0)
            last = got[count - 1];
        CHECK_EQ(last, 'a');
    }
    CHECK_EQ(close((int)self.handle.native), 0);
    CHECK_EQ(close(self.peer), 0);
}

/* Cancelling. */

WEIR_TEST(uring_zero_copy, a_cancel_ends_what_waits_and_its_memory_comes_back)
{
    static uint8_t data[BLOCK];
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;

    init_tcp(&self, uring);
    seam_fill(&self);
    send_it(&self, data, sizeof data, false);
    seam_poll(uring);
    CHECK_EQ(self.more + self.last, 0);
    seam_cancel(&self);
    CHECK_EQ(wait_for_result(&self), -ECANCELED);
    (void)seam_finish(&self);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_zero_copy, a_cancel_that_waits_for_room_finds_it)
{
    static uint8_t data[BLOCK];
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;

    init_tcp(&self, uring);
    fuse_light(FUSE_RING_SUBMIT, EAGAIN, 1, FUSE_FOREVER);
    while (io_uring_sq_space_left(&uring->ring) > 0)
        io_uring_prep_nop(io_uring_get_sqe(&uring->ring));
    send_it(&self, data, sizeof data, false);
    seam_cancel(&self);
    (void)fuse_put_out();
    CHECK_EQ(uring->deferred_first == &self.operation, 1);
    while (io_uring_sq_ready(&uring->ring) > 0)
        (void)io_uring_submit(&uring->ring);
    io_uring_cq_advance(&uring->ring, io_uring_cq_ready(&uring->ring));
    CHECK_EQ(seam_finish(&self), -ECANCELED);
    CHECK_EQ(self.more, 0);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_zero_copy, a_cancel_between_result_and_notification_changes_nothing)
{
    static uint8_t data[BLOCK];
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;

    init_tcp(&self, uring);
    send_it(&self, data, sizeof data, false);
    (void)wait_for_result(&self);
    seam_cancel(&self);
    seam_cancel(&self);
    drain(self.peer, BLOCK);
    CHECK_EQ(seam_finish(&self), WEIR_SEND_COPIED);
    /* Nor does it hit the next use of the record. */
    self.more = 0;
    send_it(&self, data, sizeof data, false);
    CHECK_EQ(wait_for_result(&self), BLOCK);
    drain(self.peer, BLOCK);
    (void)seam_finish(&self);
    seam_fini_pair(&self);
    seam_close(uring);
}

/* What fails. */

/* The result is an error; if it has MORE the notification follows, and says nothing: this kernel
 * claims to have copied. */
static void check_fails(struct seam_operation *self, int error)
{
    CHECK_EQ(wait_for_result(self), error);
    (void)seam_finish(self);
    self->more = 0;
}

WEIR_TEST(uring_zero_copy, errors_complete_too_with_or_without_a_notification)
{
    static uint8_t data[BLOCK];
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;

    seam_init_on(&self, uring, -1);
    send_it(&self, data, sizeof data, false);
    check_fails(&self, -EBADF);

    init_tcp(&self, uring);
    send_it(&self, (const void *)4096, BLOCK, false);
    check_fails(&self, -EFAULT);
    send_it(&self, data, sizeof data, true); /* Nothing is registered. */
    check_fails(&self, -EFAULT);
    CHECK_EQ(shutdown((int)self.handle.native, SHUT_WR), 0);
    send_it(&self, data, sizeof data, false);
    check_fails(&self, -EPIPE);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_zero_copy, sockets_that_cannot_say_so)
{
    static uint8_t data[BLOCK];
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;

    seam_init_pair(&self, uring); /* Not TCP. */
    send_it(&self, data, sizeof data, false);
    check_fails(&self, -EOPNOTSUPP);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_zero_copy, a_kernel_without_it_says_so_at_once)
{
    static uint8_t data[BLOCK];
    struct uring *uring;
    struct seam_operation self;
    uint8_t *region;

    seam_require();
    uring = seam_start(DEPTH);
    fuse_hide_operation(IORING_OP_SEND_ZC);
    region = new_region(uring, REGION, -EOPNOTSUPP);
    init_tcp(&self, uring);
    CHECK_EQ(start(&self, data, sizeof data, false), -EOPNOTSUPP);
    seam_fini_pair(&self);
    seam_close(uring);
    weir_sys_pages_free(region, REGION);
}

/* Without the privilege to lock what it likes. */
static void drop_lock_privilege(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    CHECK_EQ(syscall(SYS_capget, &header, data), 0);
    data[0].effective &= ~(1u << CAP_IPC_LOCK);
    data[0].permitted &= ~(1u << CAP_IPC_LOCK);
    CHECK_EQ(syscall(SYS_capset, &header, data), 0);
}

WEIR_TEST(uring_zero_copy, a_process_that_may_not_lock_so_much_is_refused)
{
    enum { LARGE_REGION = 64 << 20, LIMIT = 1 << 20 };
    struct uring *uring;
    uint8_t *region;

    seam_require();
    drop_lock_privilege();
    CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){LIMIT, LIMIT}), 0);
    uring = seam_start(DEPTH);
    region = new_region(uring, LARGE_REGION, -ENOMEM);
    seam_close(uring);
    weir_sys_pages_free(region, LARGE_REGION);
}
