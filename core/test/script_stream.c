/* SPDX-License-Identifier: MIT */
/* Scripted streams: what their operations do when they complete. */
#include <weir/test/script_stream.h>

#include <weir/test/fail.h>

#include "script_way.h"

/* What operations do. Each returns their result. */

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
    size_t size = weir_script_way_chunk(way, weir_buffer_slice_size(way->slice.in));

    if (rest.size == 0)
        return weir_result_of(end, 0);
    if (rest.size > size)
        rest.size = size;
    size = weir_buffer_slice_copy(way->slice.in, weir_const_buffer_slice_of(&rest, 1));
    way->position += size;
    return moved(way, size, way->script.bytes.size, end);
}

/* Take what the script has room for. Wrong bytes are told before bytes too many. */
static weir_result expect(weir_script_way *way)
{
    const weir_script *script = &way->script;
    size_t total = script->capture.data ? script->capture.size : script->bytes.size;
    size_t room = total - way->position;
    size_t size = weir_script_way_chunk(way, weir_const_buffer_slice_size(way->slice.out));

    if (size <= room) {
        weir_script_way_take(way, size);
        return moved(way, size, total, script->end);
    }
    weir_script_way_take(way, room);
    if (!script->end)
        weir_test_fail("byte %zu is written, behind the end of the script", total);
    return room > 0 ? moved(way, room, total, script->end) : weir_result_of(script->end, 0);
}

static weir_result end(weir_script_way *way)
{
    way->is_ended = true;
    return weir_result_of(0, 0);
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
    return weir_script_way_start(task, way, serve);
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
    return weir_script_way_start(task, way, expect);
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
    return weir_script_way_start(task, out_of(out), end);
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

void weir_script_stream_init(weir_script_stream *stream, const weir_script *in,
                             const weir_script *out)
{
    weir_stream_init(&stream->stream, &script_read_ops, &script_write_ops);
    weir_script_way_init(&stream->in, in);
    weir_script_way_init(&stream->out, out);
}

void weir_script_stream_excuse(weir_script_stream *stream)
{
    stream->in.is_cut = true;
    stream->out.is_cut = true;
}

void weir_script_stream_fini(weir_script_stream *stream)
{
    WEIR_ASSERT(!stream->in.waiter && !stream->out.waiter, "a stream ends after its operations");

    if (weir_script_way_is_excused(&stream->in) || weir_script_way_is_excused(&stream->out))
        return;
    weir_script_way_check_moved(&stream->in, "read");
    weir_script_way_check_moved(&stream->out, "written");
    if (stream->out.script.must_end && !stream->out.is_ended)
        weir_test_fail("the script expects an end of writing");
}
