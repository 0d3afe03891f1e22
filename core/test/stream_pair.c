/* SPDX-License-Identifier: MIT */
/*
 * Stream pairs. Whoever moves bytes through a pipe serves the task that waits at its other end, so
 * at most one of the two waits, and it waits only while it must.
 */
#include <weir/test/stream_pair.h>

#include <errno.h>

/* The ring. */

static void advance(weir_pipe *pipe, size_t size)
{
    pipe->offset = (pipe->offset + size) % pipe->capacity;
    pipe->size -= size;
}

static size_t get(weir_pipe *pipe, weir_buffer_slice to)
{
    size_t straight = pipe->capacity - pipe->offset;
    size_t first = pipe->size < straight ? pipe->size : straight;
    weir_const_buffer data[2] = {
        weir_const_buffer_of(pipe->bytes + pipe->offset, first),
        weir_const_buffer_of(pipe->bytes, pipe->size - first),
    };
    size_t size = weir_buffer_slice_copy(to, weir_const_buffer_slice_of(data, 2));

    advance(pipe, size);
    return size;
}

static size_t put(weir_pipe *pipe, weir_const_buffer_slice from)
{
    size_t end = (pipe->offset + pipe->size) % pipe->capacity;
    size_t room = pipe->capacity - pipe->size;
    size_t straight = pipe->capacity - end;
    size_t first = room < straight ? room : straight;
    weir_buffer free[2] = {
        weir_buffer_of(pipe->bytes + end, first),
        weir_buffer_of(pipe->bytes, room - first),
    };
    size_t size = weir_buffer_slice_copy(weir_buffer_slice_of(free, 2), from);

    pipe->size += size;
    return size;
}

/* Waiting. */

static void complete(weir_pipe_wait *wait, int error, size_t count)
{
    weir_task *task = wait->task;

    wait->task = NULL;
    weir_task_wake(task, error, count);
}

static void pipe_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_pipe_wait *self = WEIR_CONTAINER_OF(wait, weir_pipe_wait, wait);

    (void)bits;
    if (self->task)
        complete(self, weir_task_stop_error(task), 0);
}

static const struct weir_wait_ops pipe_wait_ops = {
    .name = "the other end of a stream pair",
    .stop = pipe_stop,
    .dump = weir_wait_dump_nothing,
};

static weir_task *suspend(weir_task *task, weir_pipe_wait *wait)
{
    wait->wait.ops = &pipe_wait_ops;
    wait->task = task;
    return weir_task_suspend(task, &wait->wait);
}

static bool is_broken(const weir_pipe *pipe)
{
    return pipe->end != 0 && pipe->end != WEIR_EOF;
}

static void serve_reader(weir_pipe *pipe)
{
    if (!pipe->reader.task)
        return;
    if (pipe->size > 0)
        complete(&pipe->reader, 0, get(pipe, pipe->reader.slice.in));
    else if (pipe->end)
        complete(&pipe->reader, pipe->end, 0);
}

static void serve_writer(weir_pipe *pipe)
{
    if (!pipe->writer.task)
        return;
    if (is_broken(pipe))
        complete(&pipe->writer, pipe->end, 0);
    else if (pipe->size < pipe->capacity)
        complete(&pipe->writer, 0, put(pipe, pipe->writer.slice.out));
}

/* Operations. */

static weir_task *pipe_read(weir_task *task, weir_pipe *pipe)
{
    int error = weir_task_stop_error(task);
    size_t size;

    WEIR_ASSERT(!pipe->reader.task, "one read may be in flight on a stream");
    if (error)
        return weir_task_complete(task, error, 0);
    if (pipe->size == 0 && !pipe->end)
        return suspend(task, &pipe->reader);
    if (pipe->size == 0)
        return weir_task_complete(task, pipe->end, 0);
    size = get(pipe, pipe->reader.slice.in);
    serve_writer(pipe);
    return weir_task_complete(task, 0, size);
}

static weir_task *pipe_write(weir_task *task, weir_pipe *pipe)
{
    int error = weir_task_stop_error(task);
    size_t size;

    WEIR_ASSERT(!pipe->writer.task, "one write may be in flight on a stream");
    WEIR_ASSERT(pipe->end != WEIR_EOF, "nothing is written after the end of writing");
    if (error)
        return weir_task_complete(task, error, 0);
    if (is_broken(pipe))
        return weir_task_complete(task, pipe->end, 0);
    if (pipe->size == pipe->capacity)
        return suspend(task, &pipe->writer);
    size = put(pipe, pipe->writer.slice.out);
    serve_reader(pipe);
    return weir_task_complete(task, 0, size);
}

static weir_task *pipe_finish(weir_task *task, weir_pipe *pipe)
{
    int error = weir_task_stop_error(task);

    WEIR_ASSERT(!pipe->writer.task, "one write may be in flight on a stream");
    WEIR_ASSERT(pipe->end != WEIR_EOF, "writing ends once");
    if (error)
        return weir_task_complete(task, error, 0);
    if (is_broken(pipe))
        return weir_task_complete(task, pipe->end, 0);
    pipe->end = WEIR_EOF;
    serve_reader(pipe);
    return weir_task_complete(task, 0, 0);
}

/* The tables. */

static weir_pipe *in_of(weir_read_stream *in)
{
    return WEIR_CONTAINER_OF(in, weir_pair_end, stream.in)->in;
}

static weir_pipe *out_of(weir_write_stream *out)
{
    return WEIR_CONTAINER_OF(out, weir_pair_end, stream.out)->out;
}

static weir_task *pair_read_some_v(weir_task *task, weir_read_stream *in,
                                   const weir_buffer *buffers, size_t count)
{
    weir_pipe *pipe = in_of(in);

    pipe->reader.slice.in = weir_buffer_slice_of(buffers, count);
    return pipe_read(task, pipe);
}

static weir_task *pair_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_pipe *pipe = in_of(in);

    pipe->reader.one.in = buffer;
    return pair_read_some_v(task, in, &pipe->reader.one.in, 1);
}

static weir_task *pair_write_some_v(weir_task *task, weir_write_stream *out,
                                    const weir_const_buffer *buffers, size_t count)
{
    weir_pipe *pipe = out_of(out);

    pipe->writer.slice.out = weir_const_buffer_slice_of(buffers, count);
    return pipe_write(task, pipe);
}

static weir_task *pair_write_some(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    weir_pipe *pipe = out_of(out);

    pipe->writer.one.out = buffer;
    return pair_write_some_v(task, out, &pipe->writer.one.out, 1);
}

static weir_task *pair_finish(weir_task *task, weir_write_stream *out)
{
    return pipe_finish(task, out_of(out));
}

static const struct weir_read_stream_ops pair_read_ops = {
    .name = "pair",
    .read_some = pair_read_some,
    .read_some_v = pair_read_some_v,
    .read = weir_stream_read_composed,
};

static const struct weir_write_stream_ops pair_write_ops = {
    .name = "pair",
    .write_some = pair_write_some,
    .write_some_v = pair_write_some_v,
    .write = weir_stream_write_composed,
    .finish = pair_finish,
};

/* Life. */

static void pipe_init(weir_pipe *pipe, weir_buffer memory)
{
    WEIR_ASSERT(memory.size > 0, "a way has room for a byte");

    pipe->bytes = memory.data;
    pipe->capacity = memory.size;
    pipe->offset = 0;
    pipe->size = 0;
    pipe->end = 0;
    pipe->reader.task = NULL;
    pipe->writer.task = NULL;
}

static void end_init(weir_pair_end *end, weir_pipe *in, weir_pipe *out)
{
    weir_stream_init(&end->stream, &pair_read_ops, &pair_write_ops);
    end->in = in;
    end->out = out;
}

void weir_stream_pair_init(weir_stream_pair *pair, weir_buffer there, weir_buffer back)
{
    pipe_init(&pair->there, there);
    pipe_init(&pair->back, back);
    end_init(&pair->first, &pair->back, &pair->there);
    end_init(&pair->second, &pair->there, &pair->back);
}

static void pipe_fini(const weir_pipe *pipe)
{
    WEIR_ASSERT(!pipe->reader.task && !pipe->writer.task, "a stream ends after its operations");
}

void weir_stream_pair_fini(weir_stream_pair *pair)
{
    pipe_fini(&pair->there);
    pipe_fini(&pair->back);
}

static void pipe_break(weir_pipe *pipe)
{
    pipe->size = 0;
    pipe->end = -ECONNRESET;
    serve_reader(pipe);
    serve_writer(pipe);
}

void weir_stream_pair_reset(weir_stream_pair *pair)
{
    pipe_break(&pair->there);
    pipe_break(&pair->back);
}
