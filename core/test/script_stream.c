/* SPDX-License-Identifier: MIT */
/*
 * Scripted streams. Each way is a state of its own; what an operation does to it is a function that
 * is called when the operation completes: in its starter, by a courier, or by the test.
 */
#include <weir/test/script_stream.h>

#include <weir/executor.h>
#include <weir/test/fail.h>

/* What operations do. Each returns their result. */

static size_t chunk_of(const weir_script_way *way, size_t size)
{
    size_t chunk_max = way->script.chunk_max;

    return chunk_max > 0 && chunk_max < size ? chunk_max : size;
}

/* After bytes have moved: behind them is nothing, or already the end. */
static weir_result moved(const weir_script_way *way, size_t size, size_t total, int end)
{
    bool tells_end = way->script.ends_early && way->position == total;

    return weir_result_of(tells_end ? end : 0, size);
}

static weir_result serve(weir_script_way *way)
{
    int end = way->script.end ? way->script.end : WEIR_EOF;
    weir_const_buffer rest = weir_const_buffer_after(way->script.bytes, way->position);
    size_t size = chunk_of(way, weir_buffer_slice_size(way->slice.in));

    if (rest.size == 0)
        return weir_result_of(end, 0);
    if (rest.size > size)
        rest.size = size;
    size = weir_buffer_slice_copy(way->slice.in, weir_const_buffer_slice_of(&rest, 1));
    way->position += size;
    return moved(way, size, way->script.bytes.size, end);
}

static void compare_byte(const weir_script_way *way, size_t position, unsigned char written)
{
    const unsigned char *expected = way->script.bytes.data;

    if (written != expected[position])
        weir_test_fail("byte %zu that was written is 0x%02x, where the script expects 0x%02x",
                       position, written, expected[position]);
}

static void compare(const weir_script_way *way, weir_const_buffer_slice written)
{
    size_t position = way->position;
    size_t i;

    while (!weir_const_buffer_slice_is_empty(written)) {
        weir_const_buffer front = weir_const_buffer_slice_front(written);

        for (i = 0; i < front.size; i++)
            compare_byte(way, position + i, ((const unsigned char *)front.data)[i]);
        position += front.size;
        written = weir_const_buffer_slice_after(written, front.size);
    }
}

static void take(weir_script_way *way, size_t size)
{
    weir_const_buffer_slice written = weir_const_buffer_slice_prefix(way->slice.out, size);

    if (way->script.capture.data) {
        weir_buffer rest = weir_buffer_after(way->script.capture, way->position);

        (void)weir_buffer_slice_copy(weir_buffer_slice_of(&rest, 1), written);
    } else {
        compare(way, written);
    }
    way->position += size;
}

/* Take what the script has room for. Wrong bytes are told before bytes too many. */
static weir_result expect(weir_script_way *way)
{
    const weir_script *script = &way->script;
    size_t total = script->capture.data ? script->capture.size : script->bytes.size;
    size_t room = total - way->position;
    size_t size = chunk_of(way, weir_const_buffer_slice_size(way->slice.out));

    if (size <= room) {
        take(way, size);
        return moved(way, size, total, script->end);
    }
    take(way, room);
    if (!script->end)
        weir_test_fail("byte %zu is written, behind the end of the script", total);
    return room > 0 ? moved(way, room, total, script->end) : weir_result_of(script->end, 0);
}

static weir_result end(weir_script_way *way)
{
    way->is_ended = true;
    return weir_result_of(0, 0);
}

static weir_result perform(weir_script_way *way)
{
    return way->failure ? weir_result_of(way->failure, 0) : way->move(way);
}

/* When they do it. */

static void complete(weir_script_way *way, weir_result result)
{
    weir_task *waiter = way->waiter;

    way->waiter = NULL;
    weir_task_wake(waiter, result.error, result.count);
}

static weir_task *courier_resume(weir_task *task)
{
    weir_script_way *way = WEIR_CONTAINER_OF(task, weir_script_way, courier);

    complete(way, way->stop_error ? weir_result_of(way->stop_error, 0) : perform(way));
    return NULL;
}

/* A stop of what is posted arrives with the courier, as the answer to a cancellation does. */
static void script_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_script_way *way = WEIR_CONTAINER_OF(wait, weir_script_way, wait);

    (void)bits;
    if (!way->waiter || way->script.stops_late)
        return;
    way->is_cut = true;
    way->stop_error = weir_task_stop_error(task);
    if (way->script.pace == WEIR_SCRIPT_HELD)
        complete(way, weir_result_of(way->stop_error, 0));
}

static const struct weir_wait_ops script_wait_ops = {
    .name = "a script",
    .stop = script_stop,
    .dump = weir_wait_dump_nothing,
};

static weir_task *suspend(weir_task *task, weir_script_way *way)
{
    way->wait.ops = &script_wait_ops;
    way->waiter = task;
    way->stop_error = 0;
    (void)weir_task_suspend(task, &way->wait);
    if (way->script.pace == WEIR_SCRIPT_POSTED) {
        weir_task_init(&way->courier, courier_resume);
        weir_executor_post(task->environment->executor, &way->courier);
    }
    return NULL;
}

static weir_task *start(weir_task *task, weir_script_way *way,
                        weir_result (*move)(weir_script_way *way))
{
    int error = weir_task_stop_error(task);
    weir_result result;

    WEIR_ASSERT(!way->waiter, "one read and one write may be in flight on a stream");
    if (error) {
        way->is_cut = true;
        return weir_task_complete(task, error, 0);
    }
    error = weir_fuse_blow(way->script.fuse);
    if (error)
        way->failure = error;
    way->move = move;
    if (way->script.pace != WEIR_SCRIPT_AT_ONCE)
        return suspend(task, way);
    result = perform(way);
    return weir_task_complete(task, result.error, result.count);
}

bool weir_script_release(weir_script_way *way)
{
    WEIR_ASSERT(way->script.pace == WEIR_SCRIPT_HELD, "only what is held can be released");

    if (!way->waiter)
        return false;
    complete(way, perform(way));
    return true;
}

/* The tables. */

static weir_script_way *in_of(weir_read_stream *in)
{
    return &WEIR_CONTAINER_OF(in, weir_script_stream, stream.in)->in;
}

static weir_script_way *out_of(weir_write_stream *out)
{
    return &WEIR_CONTAINER_OF(out, weir_script_stream, stream.out)->out;
}

static weir_task *script_read_some_v(weir_task *task, weir_read_stream *in,
                                     const weir_buffer *buffers, size_t count)
{
    weir_script_way *way = in_of(in);

    way->slice.in = weir_buffer_slice_of(buffers, count);
    return start(task, way, serve);
}

static weir_task *script_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_script_way *way = in_of(in);

    way->one.in = buffer;
    return script_read_some_v(task, in, &way->one.in, 1);
}

static weir_task *start_write(weir_task *task, weir_script_way *way)
{
    if (way->is_ended)
        weir_test_fail("a write is started after the end of writing");
    return start(task, way, expect);
}

static weir_task *script_write_some_v(weir_task *task, weir_write_stream *out,
                                      const weir_const_buffer *buffers, size_t count)
{
    weir_script_way *way = out_of(out);

    way->slice.out = weir_const_buffer_slice_of(buffers, count);
    return start_write(task, way);
}

static weir_task *script_write_some(weir_task *task, weir_write_stream *out,
                                    weir_const_buffer buffer)
{
    weir_script_way *way = out_of(out);

    way->one.out = buffer;
    return script_write_some_v(task, out, &way->one.out, 1);
}

static weir_task *script_finish(weir_task *task, weir_write_stream *out)
{
    return start(task, out_of(out), end);
}

static const struct weir_read_stream_ops script_read_ops = {
    .name = "script",
    .read_some = script_read_some,
    .read_some_v = script_read_some_v,
    .read = weir_stream_read_composed,
};

static const struct weir_write_stream_ops script_write_ops = {
    .name = "script",
    .write_some = script_write_some,
    .write_some_v = script_write_some_v,
    .write = weir_stream_write_composed,
    .finish = script_finish,
};

/* Life. */

static void way_init(weir_script_way *way, const weir_script *script)
{
    static const weir_script_way blank;

    *way = blank;
    if (script)
        way->script = *script;
}

void weir_script_stream_init(weir_script_stream *stream, const weir_script *in,
                             const weir_script *out)
{
    weir_stream_init(&stream->stream, &script_read_ops, &script_write_ops);
    way_init(&stream->in, in);
    way_init(&stream->out, out);
}

void weir_script_stream_excuse(weir_script_stream *stream)
{
    stream->in.is_cut = true;
    stream->out.is_cut = true;
}

static bool is_excused(const weir_script_way *way)
{
    return way->is_cut || (way->script.fuse && weir_fuse_is_blown(way->script.fuse));
}

static void check_moved(const weir_script_way *way, const char *verb)
{
    size_t total = way->script.bytes.size;

    if (!way->script.capture.data && way->position < total)
        weir_test_fail("%zu of the script's %zu bytes were not %s", total - way->position, total,
                       verb);
}

void weir_script_stream_fini(weir_script_stream *stream)
{
    WEIR_ASSERT(!stream->in.waiter && !stream->out.waiter, "a stream ends after its operations");

    if (is_excused(&stream->in) || is_excused(&stream->out))
        return;
    check_moved(&stream->in, "read");
    check_moved(&stream->out, "written");
    if (stream->out.script.must_end && !stream->out.is_ended)
        weir_test_fail("the script expects an end of writing");
}
