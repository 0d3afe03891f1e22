/* SPDX-License-Identifier: MIT */
/* TCP sockets as streams: reading, writing, and waiting for either. */
#include "tcp.h"

#include "sys.h"

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

/* What every operation checks first. Returns 0 or why it must not start. */
static inline int check_start(const weir_task *task, const weir_tcp_socket *socket,
                              enum weir_direction direction)
{
    if (WEIR_UNLIKELY(socket->state != TCP_OPEN))
        return task->stop ? weir_task_stop_error(task) : WEIR_CLOSED;
    WEIR_ASSERT(!socket->pending[direction], "one read and one write may be in flight on a stream");
    WEIR_ASSERT(socket->handle.self == &socket->handle, "an open socket stays in place");
    weir_loop_assert_own(socket->handle.loop, task);
    return weir_task_stop_error(task);
}

/* What results mean. */

/* What has ended stays ended, and what is lost stays lost. The kernel tells of a lost connection once, to
 * whichever direction asks first, and shows an end from then on: what was cut off would look complete. */
static int lasting(weir_tcp_socket *socket, enum weir_direction direction, int result)
{
    bool is_loss = result < 0 && weir_sys_ends_connection(result);

    if (is_loss && !socket->failure)
        socket->failure = result;
    if (direction == WEIR_READING && socket->has_ended && (is_loss || result == 0))
        return 0;
    if (socket->failure && (is_loss || result == 0 || result == -EPIPE))
        return socket->failure;
    if (result == 0)
        socket->has_ended = true;
    return result;
}

/* No bytes, and why. Our own close looks like an end or a broken pipe where its cancel came late. */
static weir_result failure(const weir_task *task, weir_tcp_socket *socket,
                           enum weir_direction direction, int result)
{
    if (socket->state == TCP_CLOSING)
        result = -ECANCELED;
    else
        result = lasting(socket, direction, result);
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
 * resumed once. The direction's record in the stream holds what is left.
 *
 * Parts that are there at once spend the loop's budget. At zero the transfer waits for its turn on
 * the ready queue, by the record's own task, with no operation in flight: a stop or a cancel that
 * comes then finds it when its turn does.
 */

static int start_part(weir_operation *operation, enum weir_direction direction)
{
    weir_tcp_socket *socket = operation->object;
    weir_backend *backend = tcp_backend_of(socket);
    weir_transfer *transfer = tcp_transfer_of(socket, direction);

    if (direction == WEIR_READING)
        return backend->ops->receive(backend, operation, &socket->handle, transfer->rest.in);
    return backend->ops->send(backend, operation, &socket->handle, transfer->rest.out);
}

static weir_result part_result(weir_operation *operation, enum weir_direction direction, int result)
{
    weir_task *task = tcp_task_of(operation);

    if (direction == WEIR_READING)
        return read_result(task, operation->object, result);
    return write_result(task, operation->object, result);
}

/* Why a transfer that has come to its next part must not start it, or 0. */
static int why_not_go_on(const weir_task *task, const weir_tcp_socket *socket,
                         const weir_transfer *transfer)
{
    int error = weir_task_stop_error(task);

    if (!error && (transfer->cancelled || socket->state != TCP_OPEN))
        error = WEIR_CANCELLED;
    return error;
}

/* Count a part. Returns whether the transfer has ended, and with what. */
static bool count_part(weir_operation *operation, weir_transfer *transfer, weir_result part,
                       int *ret_error)
{
    transfer->total += part.count;
    transfer->rest.in = weir_buffer_after(transfer->rest.in, part.count);
    *ret_error = part.error;
    if (transfer->rest.in.size > 0 && !part.error)
        *ret_error = why_not_go_on(tcp_task_of(operation), operation->object, transfer);
    return transfer->rest.in.size == 0 || *ret_error;
}

static weir_task *read_turn_resume(weir_task *task);
static weir_task *write_turn_resume(weir_task *task);

static void wait_for_turn(weir_tcp_socket *socket, enum weir_direction direction)
{
    weir_transfer *transfer = tcp_transfer_of(socket, direction);

    weir_task_init(&transfer->task,
                   direction == WEIR_READING ? read_turn_resume : write_turn_resume);
    weir_loop_push_ready(socket->handle.loop, &transfer->task);
}

/* Go on from a part's result until the transfer has ended, a part is in flight or the budget is
 * spent. Returns whether it has ended, and with what. */
static bool go_on(weir_operation *operation, enum weir_direction direction, int result,
                  int *ret_error)
{
    weir_tcp_socket *socket = operation->object;
    weir_transfer *transfer = tcp_transfer_of(socket, direction);
    weir_executor *executor = &socket->handle.loop->executor;

    while (result != WEIR_IN_FLIGHT) {
        if (count_part(operation, transfer, part_result(operation, direction, result), ret_error))
            return true;
        if (executor->budget <= 0) {
            wait_for_turn(socket, direction);
            return false;
        }
        executor->budget--;
        result = start_part(operation, direction);
    }
    return false;
}

static void end_transfer(weir_operation *operation, enum weir_direction direction, int error)
{
    weir_transfer *transfer = tcp_transfer_of(operation->object, direction);

    tcp_operation_completed(operation, direction, weir_result_of(error, transfer->total));
}

/* Its turn has come. */
static void take_turn(weir_tcp_socket *socket, enum weir_direction direction)
{
    weir_task *task = socket->pending[direction];
    weir_transfer *transfer = tcp_transfer_of(socket, direction);
    weir_operation *operation = tcp_operation_of(task);
    int error = why_not_go_on(task, socket, transfer);

    transfer->task.state = WEIR_TASK_DONE;
    if (error || go_on(operation, direction, start_part(operation, direction), &error))
        end_transfer(operation, direction, error);
}

static weir_task *read_turn_resume(weir_task *task)
{
    take_turn(WEIR_CONTAINER_OF(task, weir_tcp_socket, stream.in.transfer.task), WEIR_READING);
    return NULL;
}

static weir_task *write_turn_resume(weir_task *task)
{
    take_turn(WEIR_CONTAINER_OF(task, weir_tcp_socket, stream.out.transfer.task), WEIR_WRITING);
    return NULL;
}

static void whole_read_completed(weir_operation *operation, int result, unsigned flags)
{
    weir_tcp_socket *socket = operation->object;
    weir_transfer *transfer = &socket->stream.in.transfer;
    int error = 0;

    (void)flags;
    /* Mostly the first part is the whole. */
    if (WEIR_LIKELY(result > 0 && (size_t)result == transfer->rest.in.size))
        transfer->total += (size_t)result;
    else if (!go_on(operation, WEIR_READING, result, &error))
        return;
    tcp_operation_completed(operation, WEIR_READING, weir_result_of(error, transfer->total));
}

static void whole_write_completed(weir_operation *operation, int result, unsigned flags)
{
    weir_tcp_socket *socket = operation->object;
    weir_transfer *transfer = &socket->stream.out.transfer;
    int error = 0;

    (void)flags;
    /* Mostly the first part is the whole. */
    if (WEIR_LIKELY(result > 0 && (size_t)result == transfer->rest.out.size))
        transfer->total += (size_t)result;
    else if (!go_on(operation, WEIR_WRITING, result, &error))
        return;
    tcp_operation_completed(operation, WEIR_WRITING, weir_result_of(error, transfer->total));
}

static const struct weir_operation_ops read_ops = {
    .wait = {.name = "receive", .stop = weir_tcp_operation_stop, .dump = weir_wait_dump_nothing},
    .completed = read_completed,
};

static const struct weir_operation_ops write_ops = {
    .wait = {.name = "send", .stop = weir_tcp_operation_stop, .dump = weir_wait_dump_nothing},
    .completed = write_completed,
};

static const struct weir_operation_ops whole_read_ops = {
    .wait = {.name = "receive of a whole buffer",
             .stop = weir_tcp_operation_stop,
             .dump = weir_wait_dump_nothing},
    .completed = whole_read_completed,
};

static const struct weir_operation_ops whole_write_ops = {
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

/* Starters. */

static weir_task *tcp_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_tcp_socket *socket = reader_of(in);
    int error = check_start(task, socket, WEIR_READING);
    weir_backend *backend;
    int result;

    if (WEIR_UNLIKELY(error))
        return weir_task_complete(task, error, 0);
    backend = tcp_backend_of(socket);
    result = backend->ops->receive(backend, tcp_prepare(task, socket, &read_ops), &socket->handle,
                                   buffer);
    if (result == WEIR_IN_FLIGHT)
        return tcp_in_flight(task, socket, WEIR_READING);
    return complete(task, read_result(task, socket, result));
}

static weir_task *tcp_write_some(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    weir_tcp_socket *socket = writer_of(out);
    int error = check_start(task, socket, WEIR_WRITING);
    weir_backend *backend;
    int result;

    if (WEIR_UNLIKELY(error))
        return weir_task_complete(task, error, 0);
    backend = tcp_backend_of(socket);
    result =
        backend->ops->send(backend, tcp_prepare(task, socket, &write_ops), &socket->handle, buffer);
    if (result == WEIR_IN_FLIGHT)
        return tcp_in_flight(task, socket, WEIR_WRITING);
    return complete(task, write_result(task, socket, result));
}

static weir_task *tcp_read_some_v(weir_task *task, weir_read_stream *in, const weir_buffer *buffers,
                                  size_t count)
{
    weir_tcp_socket *socket = reader_of(in);
    int error = check_start(task, socket, WEIR_READING);
    weir_backend *backend;
    int result;

    if (error)
        return weir_task_complete(task, error, 0);
    backend = tcp_backend_of(socket);
    result = backend->ops->receive_v(backend, tcp_prepare(task, socket, &read_ops), &socket->handle,
                                     &socket->spare.messages[WEIR_READING], buffers,
                                     count < BUFFERS_MAX ? count : BUFFERS_MAX);
    if (result == WEIR_IN_FLIGHT)
        return tcp_in_flight(task, socket, WEIR_READING);
    return complete(task, read_result(task, socket, result));
}

static weir_task *tcp_write_some_v(weir_task *task, weir_write_stream *out,
                                   const weir_const_buffer *buffers, size_t count)
{
    weir_tcp_socket *socket = writer_of(out);
    int error = check_start(task, socket, WEIR_WRITING);
    weir_backend *backend;
    int result;

    if (error)
        return weir_task_complete(task, error, 0);
    backend = tcp_backend_of(socket);
    result = backend->ops->send_v(backend, tcp_prepare(task, socket, &write_ops), &socket->handle,
                                  &socket->spare.messages[WEIR_WRITING], buffers,
                                  count < BUFFERS_MAX ? count : BUFFERS_MAX);
    if (result == WEIR_IN_FLIGHT)
        return tcp_in_flight(task, socket, WEIR_WRITING);
    return complete(task, write_result(task, socket, result));
}

/* A first part was there at once and is not the whole: go on, as a completion would. */
WEIR_NOINLINE static weir_task *first_part_done(weir_task *task, weir_tcp_socket *socket,
                                                enum weir_direction direction, int result)
{
    int error = 0;

    if (!go_on(tcp_operation_of(task), direction, result, &error))
        return tcp_in_flight(task, socket, direction);
    return weir_task_complete(task, error, tcp_transfer_of(socket, direction)->total);
}

/* The first part is not the whole. The socket stands in the operation: the caller need not keep it. */
static inline weir_task *begin_transfer(weir_task *task, enum weir_direction direction,
                                        weir_const_buffer whole, int result)
{
    weir_tcp_socket *socket = tcp_operation_of(task)->object;
    weir_transfer *transfer = tcp_transfer_of(socket, direction);

    transfer->rest.out = whole; /* Reading: the same memory, by the other member's name. */
    transfer->total = 0;
    transfer->cancelled = false;
    if (result == WEIR_IN_FLIGHT)
        return tcp_in_flight(task, socket, direction);
    return first_part_done(task, socket, direction, result);
}

static weir_task *tcp_read(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_tcp_socket *socket = reader_of(in);
    int error = check_start(task, socket, WEIR_READING);
    weir_backend *backend;
    int result;

    if (WEIR_UNLIKELY(error))
        return weir_task_complete(task, error, 0);
    backend = tcp_backend_of(socket);
    result = backend->ops->receive(backend, tcp_prepare(task, socket, &whole_read_ops),
                                   &socket->handle, buffer);
    if (WEIR_LIKELY(result > 0 && (size_t)result == buffer.size))
        return weir_task_complete(task, 0, buffer.size);
    return begin_transfer(task, WEIR_READING, weir_buffer_as_const(buffer), result);
}

static weir_task *tcp_write(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    weir_tcp_socket *socket = writer_of(out);
    int error = check_start(task, socket, WEIR_WRITING);
    weir_backend *backend;
    int result;

    if (WEIR_UNLIKELY(error))
        return weir_task_complete(task, error, 0);
    backend = tcp_backend_of(socket);
    result = backend->ops->send(backend, tcp_prepare(task, socket, &whole_write_ops),
                                &socket->handle, buffer);
    if (WEIR_LIKELY(result > 0 && (size_t)result == buffer.size))
        return weir_task_complete(task, 0, buffer.size);
    return begin_transfer(task, WEIR_WRITING, buffer, result);
}

/* A shutdown is a message to the kernel that does not wait. */
static weir_task *tcp_finish(weir_task *task, weir_write_stream *out)
{
    weir_tcp_socket *socket = writer_of(out);
    int error = check_start(task, socket, WEIR_WRITING);

    if (!error)
        error = weir_tcp_shutdown(socket, WEIR_TCP_WRITES);
    return weir_task_complete(task, error, 0);
}

weir_task *weir_tcp_wait(weir_task *task, weir_tcp_socket *socket, enum weir_direction direction)
{
    weir_backend *backend;
    int error;
    int result;

    WEIR_ASSERT(direction == WEIR_READING || direction == WEIR_WRITING,
                "a wait is for reading or for writing");
    error = check_start(task, socket, direction);

    if (error)
        return weir_task_complete(task, error, 0);
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
