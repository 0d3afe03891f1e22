/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EPOLL_H
#define WEIR_EPOLL_H

/*
 * The epoll backend: for kernels that lack or forbid io_uring.
 *
 * A descriptor is registered once, for both directions and edge-triggered, and never modified: an
 * operation costs its own system call and nothing else. The reactor attempts, parks and completes;
 * here are the calls themselves, and the waiting. Nothing fills up: registering fails as a result
 * of attach, starting never.
 *
 * Source: backend.c (table, life), wait.c, op.c, socket.c; ../reactor. Tests:
 * tests/backend/test_epoll.c, and every contract test.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "backend.h"
#include "reactor.h"

/* Events collected by one system call; what is beyond them comes with the next. */
enum { WEIR_EPOLL_EVENTS_MAX = 512 };

/* epoll_event.data of the eventfd. Any other: a descriptor, above it the generation. */
#define WEIR_EPOLL_WAKE UINT64_MAX

struct weir_epoll {
    weir_backend base;
    weir_reactor reactor;
    weir_loop_statistics *statistics;
    int descriptor;      /* The epoll instance. */
    int wake_descriptor; /* An eventfd. Never read: each write is an edge of its own. */
    bool is_precise;     /* epoll_pwait2 is there: deadlines to the nanosecond. */
    struct epoll_event events[WEIR_EPOLL_EVENTS_MAX];
};

static inline struct weir_epoll *weir_epoll_of(weir_backend *backend)
{
    return (struct weir_epoll *)(void *)backend;
}

/* op.c */

void weir_epoll_cancel(weir_backend *backend, weir_operation *operation);

/* socket.c */

int weir_epoll_attach(weir_backend *backend, weir_handle *handle);
void weir_epoll_detach(weir_backend *backend, weir_handle *handle);
int weir_epoll_accept(weir_backend *backend, weir_operation *operation, weir_handle *handle);
int weir_epoll_connect(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                       weir_message *message, const weir_endpoint *peer);
int weir_epoll_receive(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                       weir_buffer buffer);
int weir_epoll_send(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                    weir_const_buffer buffer);
int weir_epoll_register_memory(weir_backend *backend, weir_buffer region);
int weir_epoll_send_zero_copy(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                              weir_const_buffer buffer, bool is_registered);
int weir_epoll_receive_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                         weir_message *message, const weir_buffer *buffers, size_t count);
int weir_epoll_send_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                      weir_message *message, const weir_const_buffer *buffers, size_t count);
int weir_epoll_receive_lent(weir_backend *backend, weir_operation *operation, weir_handle *handle);
void weir_epoll_give_back(weir_backend *backend, weir_lent *lent);
int weir_epoll_poll(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                    enum weir_direction direction);
int weir_epoll_close_socket(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                            bool shut_down);

/* wait.c */

void weir_epoll_wait(weir_backend *backend, int64_t deadline_ns);
bool weir_epoll_peek(weir_backend *backend);
void weir_epoll_wake(weir_backend *backend, weir_backend *sender);

extern const struct weir_backend_ops weir_epoll_backend;

#endif
