/* SPDX-License-Identifier: MIT */
/* Memory as a stream. All operations end in weir_task_complete; they differ in what is an error. */
#include <weir/memory_stream.h>

/* Reading. */

static size_t give(weir_memory_reader *reader, weir_buffer_slice to)
{
    size_t size = weir_buffer_slice_copy(to, reader->rest);

    reader->rest = weir_const_buffer_slice_after(reader->rest, size);
    return size;
}

static weir_task *reader_read_some_v(weir_task *task, weir_read_stream *in,
                                     const weir_buffer *buffers, size_t count)
{
    weir_memory_reader *reader = WEIR_CONTAINER_OF(in, weir_memory_reader, in);
    int error = weir_task_stop_error(task);

    if (!error && weir_const_buffer_slice_is_empty(reader->rest))
        error = WEIR_EOF;
    if (error)
        return weir_task_complete(task, error, 0);
    return weir_task_complete(task, 0, give(reader, weir_buffer_slice_of(buffers, count)));
}

static weir_task *reader_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    return reader_read_some_v(task, in, &buffer, 1);
}

static weir_task *reader_read(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_memory_reader *reader = WEIR_CONTAINER_OF(in, weir_memory_reader, in);
    int error = weir_task_stop_error(task);
    size_t size;

    if (error)
        return weir_task_complete(task, error, 0);
    size = give(reader, weir_buffer_slice_of(&buffer, 1));
    return weir_task_complete(task, size < buffer.size ? WEIR_EOF : 0, size);
}

static weir_task *reader_pull(weir_task *task, weir_buffer_source *source,
                              weir_const_buffer *ret_buffers, size_t max)
{
    weir_memory_reader *reader = WEIR_CONTAINER_OF(source, weir_memory_reader, source);
    int error = weir_task_stop_error(task);
    size_t count;

    if (error)
        return weir_task_complete(task, error, 0);
    count = weir_const_buffer_slice_window(reader->rest, ret_buffers, max);
    return weir_task_complete(task, count > 0 ? 0 : WEIR_EOF, count);
}

static void reader_consume(weir_buffer_source *source, size_t size)
{
    weir_memory_reader *reader = WEIR_CONTAINER_OF(source, weir_memory_reader, source);

    reader->rest = weir_const_buffer_slice_after(reader->rest, size);
}

static const struct weir_read_stream_ops reader_ops = {
    .name = "memory",
    .read_some = reader_read_some,
    .read_some_v = reader_read_some_v,
    .read = reader_read,
};

static const struct weir_buffer_source_ops reader_source_ops = {
    .name = "memory",
    .pull = reader_pull,
    .consume = reader_consume,
};

void weir_memory_reader_init_v(weir_memory_reader *reader, const weir_const_buffer *buffers,
                               size_t count)
{
    weir_read_stream_init(&reader->in, &reader_ops);
    reader->source.ops = &reader_source_ops;
    reader->rest = weir_const_buffer_slice_of(buffers, count);
}

void weir_memory_reader_init(weir_memory_reader *reader, weir_const_buffer buffer)
{
    reader->whole = buffer;
    weir_memory_reader_init_v(reader, &reader->whole, 1);
}

/* Writing. */

enum {
    PIECES = 8,            /* Of the dynamic buffer, in one go. */
    PREPARED_BYTES = 4096, /* What a sink lends, if there is room. */
};

/* Until all is taken or the buffer takes no more. Result: bytes taken, and why not all. */
static weir_result take(weir_memory_writer *writer, weir_const_buffer_slice from)
{
    weir_buffer pieces[PIECES];
    size_t total = 0;
    size_t size;
    weir_result r;

    while (!weir_const_buffer_slice_is_empty(from)) {
        r = weir_dynamic_buffer_prepare(writer->buffer, weir_const_buffer_slice_size(from), pieces,
                                        PIECES);
        if (r.error)
            return weir_result_of(r.error, total);
        size = weir_buffer_slice_copy(weir_buffer_slice_of(pieces, r.count), from);
        weir_dynamic_buffer_commit(writer->buffer, size);
        from = weir_const_buffer_slice_after(from, size);
        total += size;
    }
    return weir_result_of(0, total);
}

static weir_task *writer_write_some_v(weir_task *task, weir_write_stream *out,
                                      const weir_const_buffer *buffers, size_t count)
{
    weir_memory_writer *writer = WEIR_CONTAINER_OF(out, weir_memory_writer, out);
    int error = weir_task_stop_error(task);
    weir_result r;

    if (error)
        return weir_task_complete(task, error, 0);
    r = take(writer, weir_const_buffer_slice_of(buffers, count));
    return weir_task_complete(task, r.count > 0 ? 0 : r.error, r.count);
}

static weir_task *writer_write_some(weir_task *task, weir_write_stream *out,
                                    weir_const_buffer buffer)
{
    return writer_write_some_v(task, out, &buffer, 1);
}

static weir_task *writer_write(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    weir_memory_writer *writer = WEIR_CONTAINER_OF(out, weir_memory_writer, out);
    int error = weir_task_stop_error(task);
    weir_result r;

    if (error)
        return weir_task_complete(task, error, 0);
    r = take(writer, weir_const_buffer_slice_of(&buffer, 1));
    return weir_task_complete(task, r.error, r.count);
}

static size_t writer_prepare(weir_buffer_sink *sink, weir_buffer *ret_buffers, size_t max)
{
    weir_memory_writer *writer = WEIR_CONTAINER_OF(sink, weir_memory_writer, sink);
    weir_result r = weir_dynamic_buffer_prepare(writer->buffer, PREPARED_BYTES, ret_buffers, max);

    writer->error = r.error;
    return r.error ? 0 : r.count;
}

/* What is committed is data at once, also after a stop. Of 0 bytes: try again whether
 * there is room. */
static weir_task *writer_commit(weir_task *task, weir_buffer_sink *sink, size_t size)
{
    weir_memory_writer *writer = WEIR_CONTAINER_OF(sink, weir_memory_writer, sink);
    int error = weir_task_stop_error(task);
    weir_buffer piece;

    weir_dynamic_buffer_commit(writer->buffer, size);
    if (!error && size == 0 && writer_prepare(sink, &piece, 1) == 0)
        error = writer->error;
    return weir_task_complete(task, error, size);
}

static weir_task *writer_commit_eof(weir_task *task, weir_buffer_sink *sink, size_t size)
{
    weir_memory_writer *writer = WEIR_CONTAINER_OF(sink, weir_memory_writer, sink);

    weir_dynamic_buffer_commit(writer->buffer, size);
    return weir_task_complete(task, weir_task_stop_error(task), size);
}

static const struct weir_write_stream_ops writer_ops = {
    .name = "memory",
    .write_some = writer_write_some,
    .write_some_v = writer_write_some_v,
    .write = writer_write,
    .finish = weir_stream_finish_nothing,
};

static const struct weir_buffer_sink_ops writer_sink_ops = {
    .name = "memory",
    .prepare = writer_prepare,
    .commit = writer_commit,
    .commit_eof = writer_commit_eof,
};

void weir_memory_writer_init(weir_memory_writer *writer, weir_dynamic_buffer *buffer)
{
    weir_write_stream_init(&writer->out, &writer_ops);
    writer->sink.ops = &writer_sink_ops;
    writer->buffer = buffer;
    writer->error = 0;
}
