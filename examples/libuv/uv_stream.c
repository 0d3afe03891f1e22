/* SPDX-License-Identifier: MIT */
/* A stream of libuv's as a weir_stream: the whole of what it takes to bring one's own. */
#include "uv_stream.h"

#include <string.h>

/* How many buffers of a sequence go into one call. */
enum { GATHER_MAX = 16 };

static weir_uv_stream *reader_of(weir_read_stream *in)
{
    return WEIR_CONTAINER_OF(in, weir_uv_stream, stream.in);
}

static weir_uv_stream *writer_of(weir_write_stream *out)
{
    return WEIR_CONTAINER_OF(out, weir_uv_stream, stream.out);
}

/* What every operation checks first. Returns 0 or why it must not start. */
static int check_start(const weir_task *task, const weir_uv_stream *self, const weir_task *pending)
{
    if (!self->handle || uv_is_closing((uv_handle_t *)self->handle))
        return WEIR_CLOSED;
    WEIR_ASSERT(!pending, "one read and one write may be in flight on a stream");
    WEIR_ASSERT(weir_executor_context(task->environment->executor) == weir_uv_context(self->uv),
                "a stream of libuv's is awaited by tasks on its loop");
    return weir_task_stop_error(task);
}

/*
 * Reading. libuv reads into the buffer of whoever waits, and when nobody does it is refused memory:
 * then it is told to stop, and the bytes stay in the kernel. So nothing is read that nobody asked
 * for, and a task that reads again and again costs no change of what the loop watches.
 */

static void read_completed(weir_uv_stream *self, int error, size_t count)
{
    weir_task *task = self->reading.task;

    self->reading.task = NULL;
    if (task)
        weir_task_wake(task, error, count);
}

static void give_buffer(uv_handle_t *handle, size_t suggested_size, uv_buf_t *ret_memory)
{
    weir_uv_stream *self = handle->data;

    (void)suggested_size;
    ret_memory->base = self->reading.task ? self->reading.buffer.data : NULL;
    ret_memory->len = self->reading.task ? self->reading.buffer.size : 0;
}

static void bytes_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *memory)
{
    weir_uv_stream *self = handle->data;

    if (size == UV_ENOBUFS && memory->len == 0) { /* Nobody waits. */
        (void)uv_read_stop(handle);
    } else if (size < 0) { /* Also with nobody waiting: libuv sees some ends without reading. */
        self->reading.error = size == UV_EOF ? WEIR_EOF : (int)size;
        read_completed(self, self->reading.error, 0);
    } else if (size > 0) { /* 0: there was nothing, after all. */
        read_completed(self, 0, (size_t)size);
    }
}

/* libuv reads and reports in one go, so what was not reported was not read. */
static void stop_read(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_uv_stream *self = WEIR_CONTAINER_OF(wait, weir_uv_stream, reading.wait);

    (void)bits;
    read_completed(self, weir_task_stop_error(task), 0);
}

static int start_reading(weir_uv_stream *self)
{
    int error = self->reading.error;

    if (!error)
        error = uv_read_start(self->handle, give_buffer, bytes_read);
    return error == UV_EALREADY ? 0 : error;
}

static weir_task *stream_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_uv_stream *self = reader_of(in);
    int error = check_start(task, self, self->reading.task);

    if (!error)
        error = start_reading(self);
    if (error)
        return weir_task_complete(task, error, 0);
    self->reading.task = task;
    self->reading.buffer = buffer;
    return weir_task_suspend(task, &self->reading.wait);
}

/*
 * Writing. What there is room for is written at once. When there is none, a request brings the
 * first bytes, in memory of the stream's own, so that a stop need not wait for a peer that does not
 * read. An older request whose writer was stopped is waited for first.
 */

static void write_completed(weir_uv_stream *self, int error, size_t count)
{
    weir_task *task = self->writing.task;

    self->writing.task = NULL;
    weir_task_wake(task, error, count);
}

static int in_flight(weir_uv_stream *self, int error, size_t staged)
{
    if (error)
        return error;
    self->writing.staged = staged;
    self->writing.is_carried = true;
    self->writing.is_in_flight = true;
    return UV_EAGAIN;
}

static void request_done(weir_uv_stream *self, int status);

static void stage_written(uv_write_t *request, int status)
{
    request_done(WEIR_CONTAINER_OF(request, weir_uv_stream, write), status);
}

static int send_stage(weir_uv_stream *self)
{
    weir_const_buffer buffer = self->writing.buffer;
    uv_buf_t memory = {
        .base = self->stage,
        .len = buffer.size < WEIR_UV_STAGE_SIZE ? buffer.size : WEIR_UV_STAGE_SIZE,
    };

    memcpy(self->stage, buffer.data, memory.len);
    return in_flight(self, uv_write(&self->write, self->handle, &memory, 1, stage_written),
                     memory.len);
}

static void shut_down(uv_shutdown_t *request, int status)
{
    request_done(WEIR_CONTAINER_OF(request, weir_uv_stream, shutdown), status);
}

static int send_end(weir_uv_stream *self)
{
    return in_flight(self, uv_shutdown(&self->shutdown, self->handle, shut_down), 0);
}

/* Go on without room, or to the end. Returns an error, or UV_EAGAIN: wait for the request. */
static int send_request(weir_uv_stream *self)
{
    if (self->writing.is_in_flight)
        return UV_EAGAIN;
    return self->writing.buffer.size > 0 ? send_stage(self) : send_end(self);
}

static int try_write(weir_uv_stream *self, const weir_const_buffer *buffers, size_t count)
{
    uv_buf_t memory[GATHER_MAX];
    unsigned n = 0;

    for (; n < count && n < GATHER_MAX; n++) {
        memory[n].base = (char *)buffers[n].data; /* libuv writes from it, not to it. */
        memory[n].len = buffers[n].size;
    }
    return uv_try_write(self->handle, memory, n);
}

/* An older request has made way: do what the writer came for. */
static void write_goes_on(weir_uv_stream *self)
{
    int result = UV_EAGAIN;

    if (self->writing.buffer.size > 0)
        result = try_write(self, &self->writing.buffer, 1);
    if (result == UV_EAGAIN)
        result = send_request(self);
    if (result > 0)
        write_completed(self, 0, (size_t)result);
    else if (result != UV_EAGAIN)
        write_completed(self, result, 0);
}

static void request_done(weir_uv_stream *self, int status)
{
    self->writing.is_in_flight = false;
    if (status < 0) /* UV_ECANCELED: by a close. */
        self->writing.error = status == UV_ECANCELED ? WEIR_CANCELLED : status;
    if (!self->writing.task)
        return;
    if (self->writing.error)
        write_completed(self, self->writing.error, 0);
    else if (self->writing.is_carried)
        write_completed(self, 0, self->writing.staged);
    else
        write_goes_on(self);
}

/* A shutdown with nothing in front of it needs no peer, and a closing handle ends its requests:
 * neither is worth a stop. */
static void stop_write(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_uv_stream *self = WEIR_CONTAINER_OF(wait, weir_uv_stream, writing.wait);

    (void)bits;
    if (uv_is_closing((uv_handle_t *)self->handle))
        return;
    if (!self->writing.is_carried)
        write_completed(self, weir_task_stop_error(task), 0);
    else if (self->writing.staged > 0)
        write_completed(self, 0, self->writing.staged);
}

/* The starter's end: result is what was written at once, an error, or UV_EAGAIN. */
static weir_task *write_started(weir_task *task, weir_uv_stream *self, weir_const_buffer buffer,
                                int result)
{
    if (result == UV_EAGAIN) {
        self->writing.buffer = buffer;
        self->writing.is_carried = false;
        result = send_request(self);
    }
    if (result > 0)
        return weir_task_complete(task, 0, (size_t)result);
    if (result != UV_EAGAIN)
        return weir_task_complete(task, result, 0);
    self->writing.task = task;
    return weir_task_suspend(task, &self->writing.wait);
}

static int check_write(const weir_task *task, const weir_uv_stream *self)
{
    int error = check_start(task, self, self->writing.task);

    return error ? error : self->writing.error;
}

static weir_task *stream_write_some_v(weir_task *task, weir_write_stream *out,
                                      const weir_const_buffer *buffers, size_t count)
{
    weir_uv_stream *self = writer_of(out);
    int error = check_write(task, self);

    return write_started(task, self, buffers[0], error ? error : try_write(self, buffers, count));
}

static weir_task *stream_write_some(weir_task *task, weir_write_stream *out,
                                    weir_const_buffer buffer)
{
    return stream_write_some_v(task, out, &buffer, 1);
}

static weir_task *stream_finish(weir_task *task, weir_write_stream *out)
{
    weir_uv_stream *self = writer_of(out);
    int error = check_write(task, self);

    return write_started(task, self, weir_const_buffer_of(NULL, 0), error ? error : UV_EAGAIN);
}

/* Closing. */

static void closed(uv_handle_t *handle)
{
    weir_uv_stream *self = handle->data;
    weir_task *task = self->closing.task;

    self->handle = NULL;
    /* The last touch of the stream: its closer may free it. */
    weir_task_wake(task, 0, 0);
}

/* It always ends, with the present turn of the loop. */
static void stop_close(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)wait;
    (void)task;
    (void)bits;
}

weir_task *weir_uv_stream_close(weir_task *task, weir_uv_stream *self)
{
    if (!self->handle)
        return weir_task_complete(task, 0, 0);
    WEIR_ASSERT(!uv_is_closing((uv_handle_t *)self->handle),
                "a stream is closed by one task at a time");

    /* libuv completes what is being written, and then the close; of a reader it says nothing. */
    read_completed(self, WEIR_CANCELLED, 0);
    self->closing.task = task;
    uv_close((uv_handle_t *)self->handle, closed);
    return weir_task_suspend(task, &self->closing.wait);
}

static const struct weir_wait_ops read_wait_ops = {
    .name = "read of a libuv stream",
    .stop = stop_read,
    .dump = weir_wait_dump_nothing,
};

static const struct weir_wait_ops write_wait_ops = {
    .name = "write of a libuv stream",
    .stop = stop_write,
    .dump = weir_wait_dump_nothing,
};

static const struct weir_wait_ops close_wait_ops = {
    .name = "close of a libuv stream",
    .stop = stop_close,
    .dump = weir_wait_dump_nothing,
};

static const struct weir_read_stream_ops in_ops = {
    .name = "libuv",
    .read_some = stream_read_some,
    .read_some_v = weir_stream_read_first,
    .read = weir_stream_read_composed,
};

static const struct weir_write_stream_ops out_ops = {
    .name = "libuv",
    .write_some = stream_write_some,
    .write_some_v = stream_write_some_v,
    .write = weir_stream_write_composed,
    .finish = stream_finish,
};

void weir_uv_stream_open(weir_uv_stream *self, weir_uv *uv, uv_stream_t *handle)
{
    WEIR_ASSERT(handle->loop == uv->loop, "a stream and its tasks are on one loop");

    weir_stream_init(&self->stream, &in_ops, &out_ops);
    self->handle = handle;
    self->uv = uv;
    self->reading.wait.ops = &read_wait_ops;
    self->reading.task = NULL;
    self->reading.error = 0;
    self->writing.wait.ops = &write_wait_ops;
    self->writing.task = NULL;
    self->writing.is_in_flight = false;
    self->writing.error = 0;
    self->closing.wait.ops = &close_wait_ops;
    handle->data = self;
}
