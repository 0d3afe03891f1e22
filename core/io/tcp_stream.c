/* SPDX-License-Identifier: MIT */
/* TCP sockets as streams: reading, writing, and waiting for either. */
#include "tcp.h"

#include "sys.h"
#include "tcp_zero_copy.h"

/* The kernel takes at most this many buffers in one call (IOV_MAX). */
enum { BUFFERS_MAX = 1024 };

static weir_tcp_socket *reader_of(weir_read_stream *in)
{
    return WEIR_CONTAINER_OF(in, weir_tcp_socket, stream.in);
}

static weir_tcp_socket *writer_of(weir_write_stream *out)
{
    return WEIR_CONTAINER_OF(out, weir_tcp_socket, stream.out);
}

/* Why an operation must not start, or 0. */
static int why_not_start(const weir_task *task, const weir_tcp_socket *socket,
                         enum weir_direction direction)
{
    if (socket->state != TCP_OPEN)
        return task->stop ? weir_task_stop_error(task) : WEIR_CLOSED;
    WEIR_ASSERT(!socket->pending[direction], "one read and one write may be in flight on a stream");
    WEIR_ASSERT(direction == WEIR_WRITING || !socket->source,
                "a socket that has a source is read through it");
    WEIR_ASSERT(socket->handle.self == &socket->handle, "an open socket stays in place");
    weir_loop_assert_own(socket->handle.loop, task);
    return weir_task_stop_error(task);
}

/* What every operation checks first, in few instructions: mostly nothing is in its way. */
static inline bool may_start(const weir_task *task, const weir_tcp_socket *socket,
                             enum weir_direction direction)
{
    uintptr_t odd = (uintptr_t)socket->pending[direction] | task->stop;

    if (direction == WEIR_READING)
        odd |= (uintptr_t)socket->source;
    return WEIR_LIKELY(!odd && socket->state == TCP_OPEN &&
                       socket->handle.self == &socket->handle &&
                       socket->handle.loop == task->environment->loop);
}

/* End a starter that may not. */
WEIR_NOINLINE static weir_task *refuse(weir_task *task, const weir_tcp_socket *socket,
                                       enum weir_direction direction)
{
    return weir_task_complete(task, why_not_start(task, socket, direction), 0);
}

/* What results mean. */

/* What has ended stays ended, and what is lost stays lost. The kernel tells of a lost connection
 * once, to whichever direction asks first, and shows an end from then on: what was cut off would
 * look complete. */
int weir_tcp_lasting(weir_tcp_socket *socket, enum weir_direction direction, int result)
{
    bool is_loss = result < 0 && weir_sys_ends_connection(result);

    if (is_loss && !socket->failure)
        socket->failure = (int16_t)result;
    if (direction == WEIR_READING && socket->has_ended && (is_loss || result == 0))
        return 0;
    if (socket->failure && (is_loss || result == 0 || result == -EPIPE || result == -ENOTCONN))
        return socket->failure;
    if (result == 0)
        socket->has_ended = true;
    return result;
}

/* No bytes, and why. Our own close looks like an end or a broken pipe where its
 * cancel came late. */
static weir_result failure(const weir_task *task, weir_tcp_socket *socket,
                           enum weir_direction direction, int result)
{
    if (socket->state == TCP_CLOSING)
        result = -ECANCELED;
    else
        result = weir_tcp_lasting(socket, direction, result);
    return weir_result_of(result == 0 ? WEIR_EOF : tcp_error_of(task, result), 0);
}

static weir_result read_result(const weir_task *task, weir_tcp_socket *socket, int result)
{
    if (WEIR_LIKELY(result > 0))
        return weir_result_of(0, (size_t)result);
    return failure(task, socket, WEIR_READING, result);
}

static weir_result write_result(const weir_task *task, weir_tcp_socket *socket, int result)
{
    if (WEIR_LIKELY(result >= 0))
        return weir_result_of(0, (size_t)result);
    return failure(task, socket, WEIR_WRITING, result);
}

/* The number says which events came, not how many bytes. */
static weir_result ready_result(const weir_task *task, weir_tcp_socket *socket,
                                enum weir_direction direction, int result)
{
    if (result >= 0 && socket->state == TCP_OPEN)
        return weir_result_of(0, 0);
    return failure(task, socket, direction, result);
}

static weir_task *complete(weir_task *task, weir_result outcome)
{
    return weir_task_complete(task, outcome.error, outcome.count);
}

/* Completions. */

/* Apart, so that what is usual needs no frame. */
WEIR_NOINLINE static void read_failed(weir_operation *operation, int result)
{
    tcp_operation_completed(
        operation, WEIR_READING,
        failure(tcp_task_of(operation), operation->object, WEIR_READING, result));
}

static void read_completed(weir_operation *operation, int result, unsigned flags)
{
    (void)flags;
    if (WEIR_LIKELY(result > 0))
        tcp_operation_completed(operation, WEIR_READING, weir_result_of(0, (size_t)result));
    else
        read_failed(operation, result);
}

static void write_completed(weir_operation *operation, int result, unsigned flags)
{
    (void)flags;
    tcp_operation_completed(operation, WEIR_WRITING,
                            write_result(tcp_task_of(operation), operation->object, result));
}

/* Vectored operations have a message, which is given back. */

static void read_v_completed(weir_operation *operation, int result, unsigned flags)
{
    const weir_tcp_socket *socket = operation->object;

    tcp_message_free(tcp_task_of(operation), socket->rest[WEIR_READING].message);
    read_completed(operation, result, flags);
}

static void write_v_completed(weir_operation *operation, int result, unsigned flags)
{
    const weir_tcp_socket *socket = operation->object;

    tcp_message_free(tcp_task_of(operation), socket->rest[WEIR_WRITING].message);
    write_completed(operation, result, flags);
}

static void readable_completed(weir_operation *operation, int result, unsigned flags)
{
    (void)flags;
    tcp_operation_completed(
        operation, WEIR_READING,
        ready_result(tcp_task_of(operation), operation->object, WEIR_READING, result));
}

static void writable_completed(weir_operation *operation, int result, unsigned flags)
{
    (void)flags;
    tcp_operation_completed(
        operation, WEIR_WRITING,
        ready_result(tcp_task_of(operation), operation->object, WEIR_WRITING, result));
}

/*
 * Whole transfers: what is left is started again from the completion, so that the waiting task is
 * resumed once. The socket holds what is left, and the header of the task, which is its result when
 * all is done, the result so far: bytes, and the error of a weir_tcp_cancel.
 *
 * Parts that are there at once spend the loop's budget. When it is spent the task waits for its
 * turn on the ready queue, with no operation in flight: a stop or a cancel that comes then finds it
 * when its turn does.
 */

static int start_part(weir_operation *operation, enum weir_direction direction)
{
    weir_tcp_socket *socket = operation->object;
    weir_backend *backend = tcp_backend_of(socket);

    if (direction == WEIR_READING)
        return backend->ops->receive(backend, operation, &socket->handle,
                                     socket->rest[WEIR_READING].in);
    return backend->ops->send(backend, operation, &socket->handle, socket->rest[WEIR_WRITING].out);
}

static weir_result part_result(weir_operation *operation, enum weir_direction direction, int result)
{
    weir_task *task = tcp_task_of(operation);

    if (direction == WEIR_READING)
        return read_result(task, operation->object, result);
    return write_result(task, operation->object, result);
}

/* Why a transfer that has come to its next part must not start it, or 0. */
static int why_not_go_on(const weir_task *task, const weir_tcp_socket *socket)
{
    int error = weir_task_stop_error(task);

    if (!error)
        error = task->error;
    if (!error && socket->state != TCP_OPEN)
        error = WEIR_CANCELLED;
    return error;
}

/* Count a part. Returns whether the transfer has ended; then the part's error is why. */
static bool count_part(weir_operation *operation, enum weir_direction direction, weir_result *part)
{
    weir_tcp_socket *socket = operation->object;
    weir_task *task = tcp_task_of(operation);
    weir_buffer *rest =
        &socket->rest[direction].in; /* Of a write too, by the other member's name. */

    task->count += part->count;
    *rest = weir_buffer_after(*rest, part->count);
    if (rest->size > 0 && !part->error)
        part->error = why_not_go_on(task, socket);
    return rest->size == 0 || part->error;
}

static weir_task *read_turn_resume(weir_task *task);
static weir_task *write_turn_resume(weir_task *task);

/* For a task that waits: go on from a part's result until the transfer has ended, a part is in
 * flight or the budget is spent. Returns whether it has ended, and with which part. */
static bool go_on(weir_operation *operation, enum weir_direction direction, int result,
                  weir_result *ret_last)
{
    weir_tcp_socket *socket = operation->object;
    weir_executor *executor = &socket->handle.loop->executor;

    while (result != WEIR_IN_FLIGHT) {
        weir_result part = part_result(operation, direction, result);

        if (count_part(operation, direction, &part)) {
            *ret_last = part;
            return true;
        }
        if (!weir_executor_spend(executor, part.count)) {
            tcp_wait_for_turn(tcp_task_of(operation),
                              direction == WEIR_READING ? read_turn_resume : write_turn_resume);
            return false;
        }
        result = start_part(operation, direction);
    }
    return false;
}

static void end_transfer(weir_operation *operation, enum weir_direction direction, int error)
{
    tcp_operation_completed(operation, direction,
                            weir_result_of(error, tcp_task_of(operation)->count));
}

/* Its turn has come: it waits again, and goes on. */
static weir_task *take_turn(weir_task *task, enum weir_direction direction)
{
    weir_tcp_socket *socket = tcp_take_turn(task);
    weir_operation *operation = tcp_operation_of(task);
    weir_task *suspended = tcp_in_flight(task, socket, direction);
    weir_result last = weir_result_of(why_not_go_on(task, socket), 0);

    if (last.error || go_on(operation, direction, start_part(operation, direction), &last))
        end_transfer(operation, direction, last.error);
    return suspended;
}

static weir_task *read_turn_resume(weir_task *task)
{
    return take_turn(task, WEIR_READING);
}

static weir_task *write_turn_resume(weir_task *task)
{
    return take_turn(task, WEIR_WRITING);
}

WEIR_NOINLINE static void part_completed(weir_operation *operation, enum weir_direction direction,
                                         int result)
{
    weir_result last;

    if (go_on(operation, direction, result, &last))
        end_transfer(operation, direction, last.error);
}

/* Mostly a part is all that was left. An error, below zero, is the size of nothing. */
static inline void whole_completed(weir_operation *operation, enum weir_direction direction,
                                   int result)
{
    const weir_tcp_socket *socket = operation->object;

    if (WEIR_LIKELY((size_t)result == socket->rest[direction].out.size))
        tcp_operation_completed(operation, direction,
                                weir_result_of(0, tcp_task_of(operation)->count + (size_t)result));
    else
        part_completed(operation, direction, result);
}

static void whole_read_completed(weir_operation *operation, int result, unsigned flags)
{
    (void)flags;
    whole_completed(operation, WEIR_READING, result);
}

static void whole_write_completed(weir_operation *operation, int result, unsigned flags)
{
    (void)flags;
    whole_completed(operation, WEIR_WRITING, result);
}

const struct weir_operation_ops weir_tcp_read_some_ops = {
    .wait = {.name = "receive", .stop = weir_tcp_operation_stop, .dump = weir_wait_dump_nothing},
    .completed = read_completed,
};

const struct weir_operation_ops weir_tcp_write_some_ops = {
    .wait = {.name = "send", .stop = weir_tcp_operation_stop, .dump = weir_wait_dump_nothing},
    .completed = write_completed,
};

static const struct weir_operation_ops read_v_ops = {
    .wait = {.name = "receive", .stop = weir_tcp_operation_stop, .dump = weir_wait_dump_nothing},
    .completed = read_v_completed,
};

static const struct weir_operation_ops write_v_ops = {
    .wait = {.name = "send", .stop = weir_tcp_operation_stop, .dump = weir_wait_dump_nothing},
    .completed = write_v_completed,
};

const struct weir_operation_ops weir_tcp_read_ops = {
    .wait = {.name = "receive of a whole buffer",
             .stop = weir_tcp_operation_stop,
             .dump = weir_wait_dump_nothing},
    .completed = whole_read_completed,
};

const struct weir_operation_ops weir_tcp_write_ops = {
    .wait = {.name = "send of a whole buffer",
             .stop = weir_tcp_operation_stop,
             .dump = weir_wait_dump_nothing},
    .completed = whole_write_completed,
};

/* By enum weir_direction. */
static const struct weir_operation_ops ready_ops[] = {
    {
        .wait = {.name = "readable",
                 .stop = weir_tcp_operation_stop,
                 .dump = weir_wait_dump_nothing},
        .completed = readable_completed,
    },
    {
        .wait = {.name = "writable",
                 .stop = weir_tcp_operation_stop,
                 .dump = weir_wait_dump_nothing},
        .completed = writable_completed,
    },
};

/* Starters. What they need after the backend's they find by the task, the only one that they keep
 * over it: a register that is kept costs two instructions. */

static inline weir_task *in_flight(weir_task *task, enum weir_direction direction)
{
    weir_tcp_socket *socket = (weir_tcp_socket *)tcp_operation_of(task)->object;

    socket->pending[direction] = task;
    task->state = WEIR_TASK_WAITING;
    return NULL;
}

static weir_task *tcp_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_tcp_socket *socket = reader_of(in);
    weir_backend *backend;
    int result;

    if (!may_start(task, socket, WEIR_READING))
        return refuse(task, socket, WEIR_READING);
    backend = tcp_backend_of(socket);
    result = backend->ops->receive(backend, tcp_prepare(task, socket, &weir_tcp_read_some_ops),
                                   &socket->handle, buffer);
    if (result == WEIR_IN_FLIGHT)
        return in_flight(task, WEIR_READING);
    return complete(task, read_result(task, tcp_operation_of(task)->object, result));
}

static weir_task *tcp_write_some(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    weir_tcp_socket *socket = writer_of(out);
    weir_backend *backend;
    int result;

    if (!may_start(task, socket, WEIR_WRITING))
        return refuse(task, socket, WEIR_WRITING);
    backend = tcp_backend_of(socket);
    result = backend->ops->send(backend, tcp_prepare(task, socket, &weir_tcp_write_some_ops),
                                &socket->handle, buffer);
    if (result == WEIR_IN_FLIGHT)
        return in_flight(task, WEIR_WRITING);
    return complete(task, write_result(task, tcp_operation_of(task)->object, result));
}

/* One buffer needs no message, and without memory for one it is the first that is used. */

static weir_task *tcp_read_some_v(weir_task *task, weir_read_stream *in, const weir_buffer *buffers,
                                  size_t count)
{
    weir_tcp_socket *socket = reader_of(in);
    weir_backend *backend;
    weir_message *message;
    int result;

    if (!may_start(task, socket, WEIR_READING))
        return refuse(task, socket, WEIR_READING);
    message = count > 1 ? tcp_message_new(task) : NULL;
    if (!message)
        return tcp_read_some(task, in, buffers[0]);
    backend = tcp_backend_of(socket);
    socket->rest[WEIR_READING].message = message;
    result =
        backend->ops->receive_v(backend, tcp_prepare(task, socket, &read_v_ops), &socket->handle,
                                message, buffers, count < BUFFERS_MAX ? count : BUFFERS_MAX);
    if (result == WEIR_IN_FLIGHT)
        return tcp_in_flight(task, socket, WEIR_READING);
    tcp_message_free(task, message);
    return complete(task, read_result(task, socket, result));
}

static weir_task *tcp_write_some_v(weir_task *task, weir_write_stream *out,
                                   const weir_const_buffer *buffers, size_t count)
{
    weir_tcp_socket *socket = writer_of(out);
    weir_backend *backend;
    weir_message *message;
    int result;

    if (!may_start(task, socket, WEIR_WRITING))
        return refuse(task, socket, WEIR_WRITING);
    message = count > 1 ? tcp_message_new(task) : NULL;
    if (!message)
        return tcp_write_some(task, out, buffers[0]);
    backend = tcp_backend_of(socket);
    socket->rest[WEIR_WRITING].message = message;
    result = backend->ops->send_v(backend, tcp_prepare(task, socket, &write_v_ops), &socket->handle,
                                  message, buffers, count < BUFFERS_MAX ? count : BUFFERS_MAX);
    if (result == WEIR_IN_FLIGHT)
        return tcp_in_flight(task, socket, WEIR_WRITING);
    tcp_message_free(task, message);
    return complete(task, write_result(task, socket, result));
}

/* All is left to do. Reading: the same memory, by the other member's name. */
static inline void begin_transfer(weir_task *task, weir_tcp_socket *socket,
                                  enum weir_direction direction, weir_const_buffer whole)
{
    socket->rest[direction].out = whole;
    task->count = 0;
    task->error = 0;
}

/* The transfer has ended at once. Its parts have spent the budget, but for the last. */
static weir_task *transfer_done(weir_task *task, weir_result last)
{
    size_t total = task->count;
    weir_task *next = weir_task_complete(task, last.error, last.count);

    task->count = total; /* Also of one that was posted: it runs on this thread, and later. */
    return next;
}

/* A first part was there at once and is not the whole: go on, as a completion would. */
WEIR_NOINLINE static weir_task *first_part_done(weir_task *task, enum weir_direction direction,
                                                int result)
{
    weir_tcp_socket *socket = tcp_operation_of(task)->object;
    weir_task *suspended = tcp_in_flight(task, socket, direction);
    weir_result last;

    if (!go_on(tcp_operation_of(task), direction, result, &last))
        return suspended;
    socket->pending[direction] = NULL;
    task->state = WEIR_TASK_RUNNING;
    return transfer_done(task, last);
}

/* The backend has answered. */
static inline weir_task *transfer_begun(weir_task *task, enum weir_direction direction, int result)
{
    const weir_tcp_socket *socket = tcp_operation_of(task)->object;

    if (result == WEIR_IN_FLIGHT)
        return in_flight(task, direction);
    if (WEIR_LIKELY((size_t)result == socket->rest[direction].out.size))
        return weir_task_complete(task, 0, (size_t)result);
    return first_part_done(task, direction, result);
}

static weir_task *tcp_read(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_tcp_socket *socket = reader_of(in);
    weir_backend *backend;
    int result;

    if (!may_start(task, socket, WEIR_READING))
        return refuse(task, socket, WEIR_READING);
    backend = tcp_backend_of(socket);
    begin_transfer(task, socket, WEIR_READING, weir_buffer_as_const(buffer));
    result = backend->ops->receive(backend, tcp_prepare(task, socket, &weir_tcp_read_ops),
                                   &socket->handle, buffer);
    return transfer_begun(task, WEIR_READING, result);
}

/* The checks of a write have passed. */
static inline weir_task *write_whole(weir_task *task, weir_tcp_socket *socket,
                                     weir_const_buffer buffer)
{
    weir_backend *backend;
    int result;

    backend = tcp_backend_of(socket);
    begin_transfer(task, socket, WEIR_WRITING, buffer);
    result = backend->ops->send(backend, tcp_prepare(task, socket, &weir_tcp_write_ops),
                                &socket->handle, buffer);
    return transfer_begun(task, WEIR_WRITING, result);
}

static weir_task *tcp_write(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    weir_tcp_socket *socket = writer_of(out);

    if (!may_start(task, socket, WEIR_WRITING))
        return refuse(task, socket, WEIR_WRITING);
    if (WEIR_UNLIKELY(buffer.size >= socket->handle.loop->zero_copy_bytes))
        return weir_tcp_write_zero_copy(task, out, buffer);
    return write_whole(task, socket, buffer);
}

weir_task *weir_tcp_write_copied(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    weir_tcp_socket *socket = writer_of(out);

    if (!may_start(task, socket, WEIR_WRITING))
        return refuse(task, socket, WEIR_WRITING);
    return write_whole(task, socket, buffer);
}

int weir_tcp_check_write(const weir_task *task, const weir_tcp_socket *socket)
{
    return why_not_start(task, socket, WEIR_WRITING);
}

weir_result weir_tcp_write_result(const weir_task *task, weir_tcp_socket *socket, int result)
{
    return write_result(task, socket, result);
}

/* A shutdown is a message to the kernel that does not wait. */
static weir_task *tcp_finish(weir_task *task, weir_write_stream *out)
{
    weir_tcp_socket *socket = writer_of(out);
    int error = why_not_start(task, socket, WEIR_WRITING);

    if (!error)
        error = weir_tcp_shutdown(socket, WEIR_TCP_WRITES);
    if (WEIR_UNLIKELY(error == -ENOTCONN && socket->failure))
        error = socket->failure;
    return weir_task_complete(task, error, 0);
}

weir_task *weir_tcp_wait(weir_task *task, weir_tcp_socket *socket, enum weir_direction direction)
{
    weir_backend *backend;
    int result;

    WEIR_ASSERT(direction == WEIR_READING || direction == WEIR_WRITING,
                "a wait is for reading or for writing");
    if (!may_start(task, socket, direction))
        return refuse(task, socket, direction);
    backend = tcp_backend_of(socket);
    result = backend->ops->poll(backend, tcp_prepare(task, socket, &ready_ops[direction]),
                                &socket->handle, direction);
    if (result == WEIR_IN_FLIGHT)
        return tcp_in_flight(task, socket, direction);
    return complete(task, ready_result(task, socket, direction, result));
}

const struct weir_read_stream_ops weir_tcp_in_ops = {
    .name = "tcp",
    .read_some = tcp_read_some,
    .read_some_v = tcp_read_some_v,
    .read = tcp_read,
};

const struct weir_write_stream_ops weir_tcp_out_ops = {
    .name = "tcp",
    .write_some = tcp_write_some,
    .write_some_v = tcp_write_some_v,
    .write = tcp_write,
    .finish = tcp_finish,
};
