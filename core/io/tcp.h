/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_PRIVATE_H
#define WEIR_TCP_PRIVATE_H

/* What sockets and acceptors share. */

#include <errno.h>

#include <weir/tcp.h>
#include <weir/tcp_source.h>

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

/* Of the operations in a task's header; for starters that stand elsewhere. */
extern const struct weir_operation_ops weir_tcp_read_some_ops;
extern const struct weir_operation_ops weir_tcp_read_ops;
extern const struct weir_operation_ops weir_tcp_write_some_ops;
extern const struct weir_operation_ops weir_tcp_write_ops;

/** Whether what is pending has no operation in flight: a whole transfer that waits for its turn. */
static inline bool tcp_is_between_parts(const weir_tcp_socket *socket,
                                        enum weir_direction direction)
{
    return socket->pending[direction]->state == WEIR_TASK_READY;
}

/**
 * What is under way and composed of parts (weir_read_until, a sink's commit), or NULL: the child
 * task that awaits them, here or, between two parts, on the ready queue.
 */
static inline weir_task *tcp_composed_of(const weir_tcp_socket *socket,
                                         enum weir_direction direction)
{
    const weir_stream *stream = &socket->stream;
    weir_task *child = direction == WEIR_READING ? stream->in.composed : stream->out.composed;
    const weir_task *pending = socket->pending[direction];

    if (!child)
        return NULL;
    return pending == child || (!pending && child->state == WEIR_TASK_READY) ? child : NULL;
}

static inline weir_backend *tcp_backend_of(const weir_tcp_socket *socket)
{
    return socket->handle.loop->backend;
}

/** What a write of the socket checks first. Returns 0 or why it must not start. */
int weir_tcp_check_write(const weir_task *task, const weir_tcp_socket *socket);

/** What the result of a send means to the task that awaits it. */
weir_result weir_tcp_write_result(const weir_task *task, weir_tcp_socket *socket, int result);

/** weir_write, however large it is, by plain sends. */
weir_task *weir_tcp_write_copied(weir_task *task, weir_write_stream *out, weir_const_buffer buffer);

/** The stop hook of an operation in a task's header. */
void weir_tcp_operation_stop(weir_wait *wait, weir_task *task, unsigned bits);

/** Prepare the operation in the task's header, as what the task will wait for. */
static inline weir_operation *tcp_prepare(weir_task *task, weir_tcp_socket *socket,
                                          const struct weir_operation_ops *ops)
{
    weir_operation *operation = tcp_operation_of(task);

    operation->ops = ops;
    operation->object = socket;
    task->down.wait = (weir_wait *)(void *)operation;
    return operation;
}

/** Memory for the message of an operation, from where the task's frames come from; NULL: none. */
static inline weir_message *tcp_message_new(const weir_task *task)
{
    return (weir_message *)weir_frame_allocate(task->environment->frames,
                                               weir_frame_units(sizeof(weir_message)));
}

/** The operation has completed. */
static inline void tcp_message_free(const weir_task *task, weir_message *message)
{
    size_t units = weir_frame_units(sizeof *message);

    if (!weir_frame_recycle(task->environment->frames, message, units))
        weir_frame_release_here(task->environment->frames, message, units);
}

/** Suspend the task until its operation completes. */
static inline weir_task *tcp_in_flight(weir_task *task, weir_tcp_socket *socket,
                                       enum weir_direction direction)
{
    socket->pending[direction] = task;
    return weir_task_suspend(task, (weir_wait *)(void *)task->scratch);
}

/**
 * The result of an operation, 0 or below, as it stays: what has ended stays ended, and what is lost
 * stays lost.
 */
int weir_tcp_lasting(weir_tcp_socket *socket, enum weir_direction direction, int result);

/* A socket's source. */

/** The record of a pull, in the scratch of its task. */
struct tcp_pull {
    weir_wait wait;
    weir_tcp_source *source;
    weir_const_buffer *ret_buffers;
    size_t max;
};

extern const struct weir_wait_ops weir_tcp_pull_ops;

/** Its socket has been opened. */
void weir_tcp_source_open(weir_tcp_source *self);

/** Wake the pull in flight as cancelled. */
void weir_tcp_source_cancel(weir_tcp_source *self);

/** Whether it holds bytes that nobody has pulled: the socket's own unread ones. */
bool weir_tcp_source_has_unread(const weir_tcp_source *self);

/** Its socket is being closed: receive no more. */
void weir_tcp_source_end(weir_tcp_source *self);

/** Whether its receive is in flight. */
bool weir_tcp_source_is_receiving(const weir_tcp_source *self);

/** Whether it holds bytes that came. */
bool weir_tcp_source_is_holding(const weir_tcp_source *self);

/** Its socket is closed: give back what it holds. */
void weir_tcp_source_give_back(weir_tcp_source *self);

/* Closing. */

/** Release the descriptor of a socket that is being closed, by the closer's operation, which is
 * prepared. shut_down: as of close_socket. */
void weir_tcp_socket_release(weir_tcp_socket *socket, bool shut_down);

/** Something of a socket that is being closed has completed: if all has, the close is done. */
void weir_tcp_socket_advance_closing(weir_tcp_socket *socket);

/**
 * Queue a task whose wait has no operation in flight: when its turn comes, turn runs in its place.
 * Until then the idle operation keeps the task's own function.
 */
static inline void tcp_wait_for_turn(weir_task *task, weir_resume_fn *turn)
{
    weir_operation *operation = tcp_operation_of(task);
    weir_tcp_socket *socket = (weir_tcp_socket *)operation->object;

    operation->scratch[0] = (uintptr_t)task->resume;
    task->resume = turn;
    weir_loop_push_ready(socket->handle.loop, task);
}

/** Its turn has come: the task is itself again. Returns the socket that it waits for. */
static inline weir_tcp_socket *tcp_take_turn(weir_task *task)
{
    weir_operation *operation = tcp_operation_of(task);

    task->resume = (weir_resume_fn *)operation->scratch[0];
    return (weir_tcp_socket *)operation->object;
}

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
