/* SPDX-License-Identifier: MIT */
/*
 * TCP sockets: life, connecting, closing, options. Reading and writing are in tcp_stream.c.
 *
 * The operation of a read or a write lives in the header of the task that awaits it; the socket knows
 * that task, so that closing finds what is in flight. A close waits for three things, in any order:
 * the read's completion, the write's, and the descriptor's release; and then for the records of the
 * stream, which are tasks that may still stand on the ready queue.
 */
#include "tcp.h"

#include <weir/stop.h>

#include "sys.h"

static const struct weir_sys_sockets *sockets_of(const weir_tcp_socket *socket)
{
    return weir_loop_sockets(socket->handle.loop);
}

/* Life. */

void weir_tcp_socket_init(weir_tcp_socket *socket)
{
    weir_stream_init(&socket->stream, &weir_tcp_in_ops, &weir_tcp_out_ops);
    socket->handle.loop = NULL;
    socket->pending[WEIR_READING] = NULL;
    socket->pending[WEIR_WRITING] = NULL;
    socket->closer = NULL;
    socket->state = TCP_CLOSED;
    socket->releasing = false;
    socket->resets = false;
    socket->failure = 0;
    socket->has_ended = false;
}

bool weir_tcp_is_open(const weir_tcp_socket *socket)
{
    return socket->state == TCP_OPEN;
}

int weir_tcp_socket_adopt(weir_tcp_socket *socket, weir_loop *loop, intptr_t descriptor)
{
    int error;

    WEIR_ASSERT(socket->state == TCP_CLOSED, "a connection is accepted into a closed socket");
    error = weir_handle_open(&socket->handle, loop, descriptor);
    if (error)
        return error;
    socket->state = TCP_OPEN;
    socket->resets = false;
    socket->failure = 0;
    socket->has_ended = false;
    return 0;
}

/* Closing. */

static void closing_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    /* Closing is shielded: it always ends, and soon. */
    (void)wait;
    (void)task;
    (void)bits;
}

static const struct weir_wait_ops closing_ops = {
    .name = "close",
    .stop = closing_stop,
    .dump = weir_wait_dump_nothing,
};

static weir_task *closing_turn_resume(weir_task *task)
{
    weir_tcp_socket *socket = WEIR_CONTAINER_OF(task, weir_tcp_socket, spare.turn);

    task->state = WEIR_TASK_DONE;
    weir_tcp_socket_advance_closing(socket);
    return NULL;
}

/* Nothing is in flight, but a record stands on the ready queue: look again behind it. */
static void wait_for_records(weir_tcp_socket *socket)
{
    weir_task_init(&socket->spare.turn, closing_turn_resume);
    weir_loop_push_ready(socket->handle.loop, &socket->spare.turn);
}

/* Whether nothing of the socket is in flight any more; then it is closed. */
static bool closing_is_done(weir_tcp_socket *socket)
{
    if (socket->state != TCP_CLOSING || socket->releasing)
        return false;
    if (socket->pending[WEIR_READING] || socket->pending[WEIR_WRITING])
        return false;
    if (tcp_is_composed(socket, WEIR_READING) || tcp_is_composed(socket, WEIR_WRITING)) {
        wait_for_records(socket);
        return false;
    }
    socket->state = TCP_CLOSED;
    weir_handle_closed(&socket->handle);
    return true;
}

void weir_tcp_socket_advance_closing(weir_tcp_socket *socket)
{
    weir_task *closer = socket->closer;
    weir_loop *loop = socket->handle.loop;

    if (WEIR_LIKELY(!closer) || !closing_is_done(socket))
        return;
    socket->closer = NULL;
    /* The last touch of the socket: its closer may free it. */
    weir_loop_wake_task(loop, closer, 0, 0);
}

static void release_completed(weir_operation *operation, int result, unsigned flags)
{
    weir_tcp_socket *socket = operation->object;

    /* The kernel releases the descriptor whatever close reports. */
    (void)result;
    (void)flags;
    socket->releasing = false;
    weir_tcp_socket_advance_closing(socket);
}

static const struct weir_operation_ops release_ops = {
    .wait = {.name = "close", .stop = closing_stop, .dump = weir_wait_dump_nothing},
    .completed = release_completed,
};

weir_task *weir_tcp_close(weir_task *task, weir_tcp_socket *socket)
{
    weir_backend *backend;
    bool in_flight;
    int result;

    if (socket->state == TCP_CLOSED)
        return weir_task_complete(task, 0, 0);
    WEIR_ASSERT(socket->state != TCP_CLOSING, "a socket is closed by one task at a time");
    WEIR_ASSERT(socket->handle.self == &socket->handle, "an open socket stays in place");
    weir_loop_assert_own(socket->handle.loop, task);

    weir_tcp_cancel(socket);
    in_flight = socket->pending[WEIR_READING] || socket->pending[WEIR_WRITING];
    if (WEIR_UNLIKELY(in_flight && socket->resets)) /* The shutdown would tell of an end. */
        sockets_of(socket)->reset(socket->handle.native);
    backend = tcp_backend_of(socket);
    socket->state = TCP_CLOSING;
    socket->close_operation.ops = &release_ops;
    socket->close_operation.object = socket;
    result =
        backend->ops->close_socket(backend, &socket->close_operation, &socket->handle, in_flight);
    socket->releasing = result == WEIR_IN_FLIGHT;
    if (closing_is_done(socket))
        return weir_task_complete(task, 0, 0);
    socket->closer = task;
    socket->closing.ops = &closing_ops;
    return weir_task_suspend(task, &socket->closing);
}

/* Ask the operation in flight to end; between two parts of a whole transfer there is none, and what
 * asked for the end is found before the next part. */
static void cancel_in_flight(weir_tcp_socket *socket, enum weir_direction direction)
{
    weir_backend *backend = tcp_backend_of(socket);

    if (!tcp_is_between_parts(socket, direction))
        backend->ops->cancel(backend, tcp_operation_of(socket->pending[direction]));
}

void weir_tcp_cancel(weir_tcp_socket *socket)
{
    int i;

    for (i = WEIR_READING; i <= WEIR_WRITING; i++) {
        enum weir_direction direction = (enum weir_direction)i;

        if (tcp_is_composed(socket, direction)) {
            weir_task_stop(&tcp_transfer_of(socket, direction)->task, WEIR_STOP_REQUESTED);
        } else if (socket->pending[direction]) {
            tcp_transfer_of(socket, direction)->cancelled = true;
            cancel_in_flight(socket, direction);
        }
    }
}

void weir_tcp_operation_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_tcp_socket *socket = ((weir_operation *)(void *)wait)->object;

    (void)bits;
    cancel_in_flight(socket, socket->pending[WEIR_READING] == task ? WEIR_READING : WEIR_WRITING);
}

/* Connecting. */

/* A connect that failed leaves the socket closed, unless a close is under way that will do it. */
static void connect_failed(weir_tcp_socket *socket)
{
    weir_backend *backend = tcp_backend_of(socket);
    intptr_t descriptor = socket->handle.native;

    if (socket->state != TCP_CONNECTING)
        return;
    backend->ops->detach(backend, &socket->handle);
    socket->state = TCP_CLOSED;
    sockets_of(socket)->close(descriptor);
    weir_handle_closed(&socket->handle);
}

/* What the connect gives, with the socket in the state that goes with it. */
static weir_result connect_result(const weir_task *task, weir_tcp_socket *socket, int result)
{
    if (socket->state == TCP_CLOSING)
        return weir_result_of(WEIR_CANCELLED, 0);
    if (result < 0) {
        connect_failed(socket);
        return weir_result_of(tcp_error_of(task, result), 0);
    }
    socket->state = TCP_OPEN;
    return weir_result_of(0, 0);
}

static void connect_completed(weir_operation *operation, int result, unsigned flags)
{
    weir_task *task = tcp_task_of(operation);
    weir_tcp_socket *socket = operation->object;
    weir_loop *loop = socket->handle.loop;
    weir_result outcome = connect_result(task, socket, result);

    (void)flags;
    socket->pending[WEIR_WRITING] = NULL;
    weir_loop_wake_task(loop, task, outcome.error, 0);
    weir_tcp_socket_advance_closing(socket);
}

static const struct weir_operation_ops connect_ops = {
    .wait = {.name = "connect", .stop = weir_tcp_operation_stop, .dump = weir_wait_dump_nothing},
    .completed = connect_completed,
};

/* A descriptor for the connection, on the loop. */
static int open_for(weir_tcp_socket *socket, weir_loop *loop, const weir_endpoint *peer)
{
    const struct weir_sys_sockets *sockets = weir_loop_sockets(loop);
    intptr_t descriptor;
    int error = sockets->open(peer, &descriptor);

    if (error)
        return error;
    error = sockets->option_set(descriptor, WEIR_TCP_NO_DELAY, 1);
    if (!error)
        error = weir_handle_open(&socket->handle, loop, descriptor);
    if (error) {
        sockets->close(descriptor);
        return error;
    }
    socket->state = TCP_CONNECTING;
    socket->resets = false;
    socket->failure = 0;
    socket->has_ended = false;
    return 0;
}

weir_task *weir_tcp_connect(weir_task *task, weir_tcp_socket *socket, const weir_endpoint *peer)
{
    weir_loop *loop = weir_task_loop(task);
    int error = weir_task_stop_error(task);
    int result;

    WEIR_ASSERT(socket->state == TCP_CLOSED, "only a closed socket can be connected");
    if (!error)
        error = open_for(socket, loop, peer);
    if (error)
        return weir_task_complete(task, error, 0);

    result =
        loop->backend->ops->connect(loop->backend, tcp_prepare(task, socket, &connect_ops),
                                    &socket->handle, &socket->spare.messages[WEIR_WRITING], peer);
    if (result == WEIR_IN_FLIGHT)
        return tcp_in_flight(task, socket, WEIR_WRITING);
    return weir_task_complete(task, connect_result(task, socket, result).error, 0);
}

/* Asking and setting. */

int weir_tcp_shutdown(weir_tcp_socket *socket, enum weir_tcp_direction direction)
{
    WEIR_ASSERT(direction <= WEIR_TCP_BOTH, "a shutdown is of reads, of writes or of both");
    if (socket->state != TCP_OPEN)
        return WEIR_CLOSED;
    return sockets_of(socket)->shutdown(socket->handle.native, (int)direction);
}

int weir_tcp_local(const weir_tcp_socket *socket, weir_endpoint *ret_endpoint)
{
    if (socket->state != TCP_OPEN)
        return WEIR_CLOSED;
    return sockets_of(socket)->local(socket->handle.native, ret_endpoint);
}

int weir_tcp_peer(const weir_tcp_socket *socket, weir_endpoint *ret_endpoint)
{
    if (socket->state != TCP_OPEN)
        return WEIR_CLOSED;
    return sockets_of(socket)->peer(socket->handle.native, ret_endpoint);
}

int weir_tcp_option_set(weir_tcp_socket *socket, enum weir_tcp_option option, int value)
{
    int error;

    if (socket->state != TCP_OPEN)
        return WEIR_CLOSED;
    error = sockets_of(socket)->option_set(socket->handle.native, (int)option, value);
    if (!error && option == WEIR_TCP_LINGER_SECONDS)
        socket->resets = value == 0;
    return error;
}

int weir_tcp_option_get(const weir_tcp_socket *socket, enum weir_tcp_option option, int *ret_value)
{
    if (socket->state != TCP_OPEN)
        return WEIR_CLOSED;
    return sockets_of(socket)->option_get(socket->handle.native, (int)option, ret_value);
}
