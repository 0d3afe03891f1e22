/* SPDX-License-Identifier: MIT */
/* The backend's life, and its table. */
#define _GNU_SOURCE

#include "epoll.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sys.h"

/* Whether epoll_pwait2 (Linux 5.11) works here; containers may forbid it though the
 * kernel has it. */
static bool has_nanoseconds(int descriptor)
{
    static const struct timespec none;
    struct epoll_event event;

    return epoll_pwait2(descriptor, &event, 1, &none, NULL) >= 0;
}

/* Create the instance and the eventfd in it. On failure what was made is left to the caller. */
static int open_descriptors(struct weir_epoll *epoll)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = WEIR_EPOLL_WAKE};

    epoll->descriptor = epoll_create1(EPOLL_CLOEXEC);
    if (epoll->descriptor < 0)
        return -errno;
    epoll->wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (epoll->wake_descriptor < 0)
        return -errno;
    if (epoll_ctl(epoll->descriptor, EPOLL_CTL_ADD, epoll->wake_descriptor, &event) < 0)
        return -errno;
    return 0;
}

static void free_epoll(struct weir_epoll *epoll)
{
    if (epoll->wake_descriptor >= 0)
        (void)close(epoll->wake_descriptor);
    if (epoll->descriptor >= 0)
        (void)close(epoll->descriptor);
    free(epoll);
}

static int epoll_open(const weir_backend_options *options, weir_backend **ret_backend)
{
    struct weir_epoll *epoll = malloc(sizeof *epoll);
    int error;

    if (!epoll)
        return -ENOMEM;
    epoll->base.ops = &weir_epoll_backend;
    epoll->base.lending = &epoll->reactor.lending.buffers;
    epoll->statistics = options->statistics;
    epoll->descriptor = -1;
    epoll->wake_descriptor = -1;
    error = open_descriptors(epoll);
    if (error) {
        free_epoll(epoll);
        return error;
    }
    epoll->is_precise = has_nanoseconds(epoll->descriptor);
    weir_reactor_init(&epoll->reactor, options);
    *ret_backend = &epoll->base;
    return 0;
}

static void epoll_close(weir_backend *backend)
{
    struct weir_epoll *epoll = weir_epoll_of(backend);

    weir_reactor_fini(&epoll->reactor);
    free_epoll(epoll);
}

/* An epoll instance belongs to no thread. */
static int epoll_start(weir_backend *backend)
{
    (void)backend;
    return 0;
}

const struct weir_backend_ops weir_epoll_backend = {
    .name = "epoll",
    .sockets = &weir_sys_sockets,
    .open = epoll_open,
    .close = epoll_close,
    .start = epoll_start,
    .attach = weir_epoll_attach,
    .detach = weir_epoll_detach,
    .accept = weir_epoll_accept,
    .connect = weir_epoll_connect,
    .receive = weir_epoll_receive,
    .send = weir_epoll_send,
    .register_memory = weir_epoll_register_memory,
    .send_zero_copy = weir_epoll_send_zero_copy,
    .receive_v = weir_epoll_receive_v,
    .send_v = weir_epoll_send_v,
    .receive_lent = weir_epoll_receive_lent,
    .give_back = weir_epoll_give_back,
    .poll = weir_epoll_poll,
    .close_socket = weir_epoll_close_socket,
    .cancel = weir_epoll_cancel,
    .wait = weir_epoll_wait,
    .peek = weir_epoll_peek,
    .wake = weir_epoll_wake,
};
