/* SPDX-License-Identifier: MIT */
/* Scripted buffer sources and sinks. */
#include <weir/test/script_buffers.h>

#include <weir/test/fail.h>

#include "script_way.h"

/* Sources. */

static weir_script_source *source_of(weir_buffer_source *source)
{
    return WEIR_CONTAINER_OF(source, weir_script_source, source);
}

static weir_result show(weir_script_way *way)
{
    weir_script_source *self = WEIR_CONTAINER_OF(way, weir_script_source, way);
    weir_const_buffer rest = weir_const_buffer_after(way->script.bytes, way->position);
    size_t count = 0;

    if (rest.size == 0)
        return weir_result_of(way->script.end ? way->script.end : WEIR_EOF, 0);
    while (rest.size > 0 && count < self->max) {
        size_t size = weir_script_way_chunk(way, rest.size);

        self->ret_buffers[count++] = weir_const_buffer_of(rest.data, size);
        self->pulled += size;
        rest = weir_const_buffer_after(rest, size);
    }
    return weir_result_of(0, count);
}

static weir_task *script_pull(weir_task *task, weir_buffer_source *source,
                              weir_const_buffer *ret_buffers, size_t max)
{
    weir_script_source *self = source_of(source);

    self->ret_buffers = ret_buffers;
    self->max = max;
    self->pulled = 0;
    return weir_script_way_start(task, &self->way, show);
}

static void script_consume(weir_buffer_source *source, size_t size)
{
    weir_script_source *self = source_of(source);

    WEIR_ASSERT(!self->way.waiter, "nothing is consumed while a pull is in flight");
    WEIR_ASSERT(size <= self->pulled, "what is consumed has been pulled");

    self->pulled -= size;
    self->way.position += size;
}

static const struct weir_buffer_source_ops script_source_ops = {
    .name = "script",
    .pull = script_pull,
    .consume = script_consume,
};

void weir_script_source_init(weir_script_source *source, const weir_script *script)
{
    source->source.ops = &script_source_ops;
    weir_script_way_init(&source->way, script);
    source->pulled = 0;
}

void weir_script_source_fini(weir_script_source *source)
{
    WEIR_ASSERT(!source->way.waiter, "a source ends after its operations");

    if (!weir_script_way_is_excused(&source->way))
        weir_script_way_check_moved(&source->way, "consumed");
}

/* Sinks. */

static weir_script_sink *sink_of(weir_buffer_sink *sink)
{
    return WEIR_CONTAINER_OF(sink, weir_script_sink, sink);
}

static size_t script_prepare(weir_buffer_sink *sink, weir_buffer *ret_buffers, size_t max)
{
    weir_script_sink *self = sink_of(sink);
    weir_buffer rest = weir_buffer_after(self->memory, self->held);
    size_t count = 0;

    WEIR_ASSERT(!self->way.waiter, "nothing is prepared while a commit is in flight");
    if (self->way.is_ended)
        weir_test_fail("a buffer is prepared after the end of writing");

    self->prepared = 0;
    while (rest.size > 0 && count < max) {
        size_t size = weir_script_way_chunk(&self->way, rest.size);

        ret_buffers[count++] = weir_buffer_of(rest.data, size);
        self->prepared += size;
        rest = weir_buffer_after(rest, size);
    }
    return count;
}

/* Pass on what the script has room for. Wrong bytes are told before bytes too many, which are
 * held from then on. */
static weir_result pass_on(weir_script_way *way)
{
    weir_script_sink *self = WEIR_CONTAINER_OF(way, weir_script_sink, way);
    const weir_script *script = &way->script;
    size_t total = script->capture.data ? script->capture.size : script->bytes.size;
    size_t room = total - way->position;

    way->one.out = weir_const_buffer_of(self->memory.data, self->held);
    way->slice.out = weir_const_buffer_slice_of(&way->one.out, 1);
    if (self->held > room) {
        weir_script_way_take(way, room);
        if (!script->end)
            weir_test_fail("byte %zu is committed, behind the end of the script", total);
        return weir_result_of(script->end, way->taken);
    }
    weir_script_way_take(way, self->held);
    self->held = 0;
    return weir_result_of(0, way->taken);
}

static weir_result pass_on_and_end(weir_script_way *way)
{
    weir_result result = pass_on(way);

    way->is_ended = !result.error;
    return result;
}

static weir_task *commit(weir_task *task, weir_buffer_sink *sink, size_t size,
                         weir_result (*move)(weir_script_way *way))
{
    weir_script_sink *self = sink_of(sink);

    WEIR_ASSERT(!self->way.waiter, "one commit is in flight on a sink");
    WEIR_ASSERT(size <= self->prepared, "what is committed has been prepared");
    if (self->way.is_ended)
        weir_test_fail("a commit is started after the end of writing");

    self->prepared = 0;
    self->held += size;
    self->way.taken = size;
    return weir_script_way_start(task, &self->way, move);
}

static weir_task *script_commit(weir_task *task, weir_buffer_sink *sink, size_t size)
{
    return commit(task, sink, size, pass_on);
}

static weir_task *script_commit_eof(weir_task *task, weir_buffer_sink *sink, size_t size)
{
    return commit(task, sink, size, pass_on_and_end);
}

static const struct weir_buffer_sink_ops script_sink_ops = {
    .name = "script",
    .prepare = script_prepare,
    .commit = script_commit,
    .commit_eof = script_commit_eof,
};

void weir_script_sink_init(weir_script_sink *sink, const weir_script *script, weir_buffer memory)
{
    WEIR_ASSERT(memory.size > 0, "a sink has memory to prepare buffers in");

    sink->sink.ops = &script_sink_ops;
    weir_script_way_init(&sink->way, script);
    sink->memory = memory;
    sink->held = 0;
    sink->prepared = 0;
}

void weir_script_sink_fini(weir_script_sink *sink)
{
    WEIR_ASSERT(!sink->way.waiter, "a sink ends after its operations");

    if (weir_script_way_is_excused(&sink->way))
        return;
    weir_script_way_check_moved(&sink->way, "passed on");
    if (sink->way.script.must_end && !sink->way.is_ended)
        weir_test_fail("the script expects an end of writing");
}
