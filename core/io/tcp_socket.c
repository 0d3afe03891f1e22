/* SPDX-License-Identifier: MIT */
/*
 * TCP sockets: life, connecting, closing, options. Reading and writing are in tcp_stream.c.
 *
 * The operation of a read or a write lives in the header of the task that awaits it; the socket
 * knows that task, so that closing finds what is in flight. A close waits for three things, in any
 * order: the read's completion, the write's, and the descriptor's release, which is the operation
 * of the closer; and then for what may still stand on the ready queue: tasks of what is composed of
 * parts, and one that has pulled and is to find its bytes. With a source, its receive is the read.
 */
#include "tcp.h"

#include <weir/stop.h>

#include "sys.h"
#include "tcp_zero_copy.h"

static const struct weir_sys_sockets *sockets_of(const weir_tcp_socket *socket)
{
    return weir_loop_sockets(socket->handle.loop);
}

/* What an idle connection costs is a promise: see docs/adr/0030-idle-connections.md. */
_Static_assert(sizeof(void *) != 8 || sizeof(weir_tcp_socket) == 160, "two cache lines and a half");

/* Life. */

void weir_tcp_socket_init(weir_tcp_socket *socket)
{
    weir_stream_init(&socket->stream, &weir_tcp_in_ops, &weir_tcp_out_ops);
    socket->handle.loop = NULL;
    socket->pending[WEIR_READING] = NULL;
    socket->pending[WEIR_WRITING] = NULL;
    socket->source = NULL;
    socket->closer = NULL;
    socket->state = TCP_CLOSED;
    socket->peer_class = WEIR_PEER_NOT_ASKED;
    socket->late = 0;
    socket->releasing = false;
    socket->resets = false;
    socket->failure = 0;
    socket->opening = 0;
    socket->has_ended = false;
}

bool weir_tcp_is_open(const weir_tcp_socket *socket)
{
    return socket->state == TCP_OPEN;
}

/* A new connection knows nothing of the last. */
static void opened(weir_tcp_socket *socket)
{
    socket->resets = false;
    socket->failure = 0;
    socket->has_ended = false;
    socket->opening = ++socket->handle.loop->opening_count;
    if (socket->source)
        weir_tcp_source_open(socket->source);
}

int weir_tcp_socket_adopt(weir_tcp_socket *socket, weir_loop *loop, intptr_t descriptor)
{
    int error;

    WEIR_ASSERT(socket->state == TCP_CLOSED, "a connection is accepted into a closed socket");
    error = weir_handle_open(&socket->handle, loop, descriptor);
    if (error)
        return error;
    socket->state = TCP_OPEN;
    opened(socket);
    return 0;
}

/* Closing. */

static void closing_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    /* Closing is shielded: it ends by itself, mostly at once; a write that is sent without a copy
     * has its grace before. */
    (void)wait;
    (void)task;
    (void)bits;
}

static bool is_pending(const weir_tcp_socket *socket)
{
    return socket->pending[WEIR_READING] || socket->pending[WEIR_WRITING];
}

static bool is_in_flight(const weir_tcp_socket *socket)
{
    return socket->releasing || is_pending(socket) ||
           (socket->source && weir_tcp_source_is_receiving(socket->source));
}

static bool is_composing(const weir_tcp_socket *socket)
{
    return tcp_composed_of(socket, WEIR_READING) || tcp_composed_of(socket, WEIR_WRITING);
}

static bool is_holding(const weir_tcp_socket *socket)
{
    return socket->source && weir_tcp_source_is_holding(socket->source);
}

/* Whether nothing uses the socket any more; then it is closed.
 * had_turn: what stood on the ready queue when the last completion came has run. */
static bool closing_is_done(weir_tcp_socket *socket, bool had_turn)
{
    if (is_in_flight(socket) || is_composing(socket) || (is_holding(socket) && !had_turn))
        return false;
    if (socket->source)
        weir_tcp_source_give_back(socket->source);
    socket->closer = NULL;
    socket->state = TCP_CLOSED;
    socket->peer_class = WEIR_PEER_NOT_ASKED;
    socket->late = 0;
    weir_handle_closed(&socket->handle);
    return true;
}

/* Nothing is in flight, but something may stand on the ready queue: look again behind it. */
static weir_task *closing_turn_resume(weir_task *task)
{
    weir_tcp_socket *socket = tcp_take_turn(task);

    if (!closing_is_done(socket, true)) {
        tcp_wait_for_turn(task, closing_turn_resume);
        return NULL;
    }
    task->error = 0;
    task->count = 0;
    return task;
}

void weir_tcp_socket_advance_closing(weir_tcp_socket *socket)
{
    weir_task *closer = socket->closer;
    weir_loop *loop = socket->handle.loop;

    if (WEIR_LIKELY(!closer) || is_in_flight(socket))
        return;
    /* The last touch of the socket: its closer may free it. */
    if (closing_is_done(socket, false))
        weir_loop_wake_task(loop, closer, 0, 0);
    else
        tcp_wait_for_turn(closer, closing_turn_resume);
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

void weir_tcp_socket_release(weir_tcp_socket *socket, bool shut_down)
{
    weir_backend *backend = tcp_backend_of(socket);
    int result;

    result = backend->ops->close_socket(backend, tcp_operation_of(socket->closer), &socket->handle,
                                        shut_down);
    socket->releasing = result == WEIR_IN_FLIGHT;
}

/* The kernel resets who is closed with bytes unread, but knows nothing of those that a source
 * holds; and where a connection is to be reset, the shutdown would tell of an end. */
static bool is_to_reset(const weir_tcp_socket *socket, bool shut_down)
{
    return (shut_down && socket->resets) ||
           (socket->source && weir_tcp_source_has_unread(socket->source));
}

weir_task *weir_tcp_close(weir_task *task, weir_tcp_socket *socket)
{
    bool shut_down;

    if (socket->state == TCP_CLOSED)
        return weir_task_complete(task, 0, 0);
    WEIR_ASSERT(socket->state != TCP_CLOSING, "a socket is closed by one task at a time");
    WEIR_ASSERT(socket->handle.self == &socket->handle, "an open socket stays in place");
    weir_loop_assert_own(socket->handle.loop, task);

    weir_tcp_cancel(socket);
    shut_down = is_pending(socket);
    if (WEIR_UNLIKELY(is_to_reset(socket, shut_down)))
        sockets_of(socket)->reset(tcp_backend_of(socket), socket->handle.native);
    socket->state = TCP_CLOSING;
    if (socket->source)
        weir_tcp_source_end(socket->source);
    socket->closer = task;
    (void)tcp_prepare(task, socket, &release_ops);
    if (WEIR_UNLIKELY(weir_tcp_is_lending(socket)))
        socket->releasing = true; /* The write does it when it ends: until then it may reset. */
    else
        weir_tcp_socket_release(socket, shut_down);
    if (closing_is_done(socket, false))
        return weir_task_complete(task, 0, 0);
    if (is_in_flight(socket))
        return weir_task_suspend(task, (weir_wait *)(void *)tcp_operation_of(task));
    tcp_wait_for_turn(task, closing_turn_resume);
    return NULL;
}

/* Ask the operation in flight to end; between two parts of a whole transfer there is none, and what
 * asked for the end (the stop of its task, or the error in its header) is found before
 * the next part. */
static void cancel_in_flight(weir_tcp_socket *socket, enum weir_direction direction)
{
    weir_task *task = socket->pending[direction];

    if (!tcp_is_between_parts(socket, direction))
        task->down.wait->ops->stop(task->down.wait, task, 0);
}

void weir_tcp_cancel(weir_tcp_socket *socket)
{
    int i;

    if (socket->source)
        weir_tcp_source_cancel(socket->source);
    for (i = WEIR_READING; i <= WEIR_WRITING; i++) {
        enum weir_direction direction = (enum weir_direction)i;
        weir_task *composed = tcp_composed_of(socket, direction);

        if (composed) {
            weir_task_stop(composed, WEIR_STOP_REQUESTED);
        } else if (socket->pending[direction]) {
            socket->pending[direction]->error = WEIR_CANCELLED;
            cancel_in_flight(socket, direction);
        }
    }
}

void weir_tcp_operation_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_operation *operation = (weir_operation *)(void *)wait;
    weir_tcp_socket *socket = operation->object;
    weir_backend *backend = tcp_backend_of(socket);

    (void)task;
    (void)bits;
    backend->ops->cancel(backend, operation);
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
    sockets_of(socket)->close(backend, descriptor);
    weir_handle_closed(&socket->handle);
}

/* What the connect gives, with the socket in the state that goes with it. */
static weir_result connect_result(const weir_task *task, weir_tcp_socket *socket, int result)
{
    tcp_message_free(task, socket->rest[WEIR_WRITING].message);
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
    error = sockets->option_set(loop->backend, descriptor, WEIR_TCP_NO_DELAY, 1);
    if (!error)
        error = weir_handle_open(&socket->handle, loop, descriptor);
    if (error) {
        sockets->close(loop->backend, descriptor);
        return error;
    }
    socket->state = TCP_CONNECTING;
    opened(socket);
    return 0;
}

weir_task *weir_tcp_connect(weir_task *task, weir_tcp_socket *socket, const weir_endpoint *peer)
{
    weir_loop *loop = weir_task_loop(task);
    int error = weir_task_stop_error(task);
    weir_message *message;
    int result;

    WEIR_ASSERT(socket->state == TCP_CLOSED, "only a closed socket can be connected");
    if (error)
        return weir_task_complete(task, error, 0);
    message = tcp_message_new(task);
    if (!message)
        return weir_task_complete(task, -ENOMEM, 0);
    error = open_for(socket, loop, peer);
    if (error) {
        tcp_message_free(task, message);
        return weir_task_complete(task, error, 0);
    }
    socket->rest[WEIR_WRITING].message = message;
    result = loop->backend->ops->connect(loop->backend, tcp_prepare(task, socket, &connect_ops),
                                         &socket->handle, message, peer);
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
    return sockets_of(socket)->shutdown(tcp_backend_of(socket), socket->handle.native,
                                        (int)direction);
}

int weir_tcp_local(const weir_tcp_socket *socket, weir_endpoint *ret_endpoint)
{
    if (socket->state != TCP_OPEN)
        return WEIR_CLOSED;
    return sockets_of(socket)->local(tcp_backend_of(socket), socket->handle.native, ret_endpoint);
}

int weir_tcp_peer(const weir_tcp_socket *socket, weir_endpoint *ret_endpoint)
{
    if (socket->state != TCP_OPEN)
        return WEIR_CLOSED;
    return sockets_of(socket)->peer(tcp_backend_of(socket), socket->handle.native, ret_endpoint);
}

static void check_option(enum weir_tcp_option option)
{
    WEIR_ASSERT(option <= WEIR_TCP_LINGER_SECONDS, "an option is one that sockets have");
}

/* A close that lingers keeps its thread, and so the loop, for all these seconds if the peer does
 * not read, also of a socket that does not block. Linux does nothing else by it. */
static bool would_block_the_loop(enum weir_tcp_option option, int value)
{
    return option == WEIR_TCP_LINGER_SECONDS && value > 0;
}

int weir_tcp_option_set(weir_tcp_socket *socket, enum weir_tcp_option option, int value)
{
    int error;

    check_option(option);
    if (socket->state != TCP_OPEN)
        return WEIR_CLOSED;
    if (would_block_the_loop(option, value))
        return -EINVAL;
    error = sockets_of(socket)->option_set(tcp_backend_of(socket), socket->handle.native,
                                           (int)option, value);
    if (!error && option == WEIR_TCP_LINGER_SECONDS)
        socket->resets = value == 0;
    return error;
}

int weir_tcp_option_get(const weir_tcp_socket *socket, enum weir_tcp_option option, int *ret_value)
{
    check_option(option);
    if (socket->state != TCP_OPEN)
        return WEIR_CLOSED;
    return sockets_of(socket)->option_get(tcp_backend_of(socket), socket->handle.native,
                                          (int)option, ret_value);
}
