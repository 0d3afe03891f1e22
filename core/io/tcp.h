/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_PRIVATE_H
#define WEIR_TCP_PRIVATE_H

/* What sockets and acceptors share. */

#include <errno.h>

#include <weir/tcp.h>

#include "handle.h"
#include "loop.h"

/** Where a socket is in its life. One writer: tcp_socket.c. */
enum tcp_state {
    TCP_CLOSED,
    TCP_CONNECTING, /* A connect is in flight, as the write. */
    TCP_OPEN,
    TCP_CLOSING, /* weir_tcp_close waits: closer. */
};

/** The operation in a task's header. */
static inline weir_operation *tcp_operation_of(weir_task *task)
{
    return (weir_operation *)(void *)task->scratch;
}

static inline weir_task *tcp_task_of(weir_operation *operation)
{
    return WEIR_CONTAINER_OF(operation, weir_task, scratch);
}

/** Make a closed socket the owner of an accepted descriptor. 0 or a negative errno. */
int weir_tcp_socket_adopt(weir_tcp_socket *socket, weir_loop *loop, intptr_t descriptor);

extern const struct weir_read_stream_ops weir_tcp_in_ops;
extern const struct weir_write_stream_ops weir_tcp_out_ops;

/** The record of a whole read or write. */
static inline weir_transfer *tcp_transfer_of(weir_tcp_socket *socket, enum weir_direction direction)
{
    return direction == WEIR_READING ? &socket->stream.in.transfer : &socket->stream.out.transfer;
}

/** Whether what is pending has no operation in flight: a whole transfer that waits for its turn. */
static inline bool tcp_is_between_parts(weir_tcp_socket *socket, enum weir_direction direction)
{
    return tcp_transfer_of(socket, direction)->task.state == WEIR_TASK_READY;
}

/**
 * Whether what is under way is composed of parts (weir_read_until): the record is the child task that
 * awaits them, here or, between two parts, on the ready queue.
 */
static inline bool tcp_is_composed(weir_tcp_socket *socket, enum weir_direction direction)
{
    const weir_task *child = &tcp_transfer_of(socket, direction)->task;
    const weir_task *pending = socket->pending[direction];

    return pending ? pending == child : child->state == WEIR_TASK_READY;
}

static inline weir_backend *tcp_backend_of(const weir_tcp_socket *socket)
{
    return socket->handle.loop->backend;
}

/** The stop hook of an operation in a task's header. */
void weir_tcp_operation_stop(weir_wait *wait, weir_task *task, unsigned bits);

/** Prepare the operation in the task's header. */
static inline weir_operation *tcp_prepare(weir_task *task, weir_tcp_socket *socket,
                                          const struct weir_operation_ops *ops)
{
    weir_operation *operation = tcp_operation_of(task);

    operation->ops = ops;
    operation->object = socket;
    return operation;
}

/** Suspend the task until its operation completes. */
static inline weir_task *tcp_in_flight(weir_task *task, weir_tcp_socket *socket,
                                       enum weir_direction direction)
{
    socket->pending[direction] = task;
    return weir_task_suspend(task, (weir_wait *)(void *)task->scratch);
}

/** Something of a socket that is being closed has completed: if all has, the close is done. */
void weir_tcp_socket_advance_closing(weir_tcp_socket *socket);

/** The operation in flight has completed: wake its task, and a close that waits for it. */
static inline void tcp_operation_completed(weir_operation *operation, enum weir_direction direction,
                                           weir_result outcome)
{
    weir_tcp_socket *socket = (weir_tcp_socket *)operation->object;

    socket->pending[direction] = NULL;
    weir_loop_wake_task(socket->handle.loop, tcp_task_of(operation), outcome.error, outcome.count);
    if (WEIR_UNLIKELY(socket->closer != NULL))
        weir_tcp_socket_advance_closing(socket);
}

/** The error an await reports when the kernel says result, below zero. */
static inline int tcp_error_of(const weir_task *task, int result)
{
    int error;

    if (WEIR_LIKELY(result != -ECANCELED))
        return result;
    error = weir_task_stop_error(task);
    return error ? error : WEIR_CANCELLED;
}

#endif
