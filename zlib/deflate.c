/* SPDX-License-Identifier: MIT */
/* Writing what is to be compressed. Compressing is synchronous; the coroutines only
 * wait for next. */
#include <errno.h>

#include "bridge.h"

static weir_const_buffer held(const weir_deflate *self)
{
    size_t size = self->window.size - self->zlib->avail_out - self->passed;

    return weir_const_buffer_of((const char *)self->window.data + self->passed, size);
}

/* Only when all has gone there is room again: until then each write finds out how next is. */
static void pass(weir_deflate *self, size_t size)
{
    self->passed += size;
    if (held(self).size > 0)
        return;
    self->passed = 0;
    self->zlib->next_out = self->window.data;
    self->zlib->avail_out = (uInt)self->window.size;
}

/* Take bytes while there is room. Returns how many. */
static size_t compress_some(weir_deflate *self, weir_const_buffer buffer)
{
    z_stream *zlib = self->zlib;
    uInt size = weir_zlib_size(buffer.size);

    zlib->next_in = (z_const Bytef *)buffer.data;
    zlib->avail_in = size;
    (void)deflate(zlib, Z_NO_FLUSH); /* Z_BUF_ERROR: there is no room. */
    size -= zlib->avail_in;
    zlib->avail_in = 0;
    return size;
}

/* Let zlib put down what it keeps to itself, while there is room. Returns what is held then. */
static weir_const_buffer squeeze(weir_deflate *self)
{
    (void)deflate(self->zlib, self->is_ending ? Z_FINISH : Z_SYNC_FLUSH);
    return held(self);
}

static weir_task *write_resume(weir_task *task)
{
    weir_deflate *self = WEIR_CONTAINER_OF(task, weir_deflate, task);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r, weir_write(task, self->next, held(self)));
        pass(self, r.count);
        if (r.error)
            WEIR_RETURN(task, weir_result_of(r.error, 0));
        r.count = compress_some(self, self->buffer);
    } while (r.count == 0);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *flush_resume(weir_task *task)
{
    weir_deflate *self = WEIR_CONTAINER_OF(task, weir_deflate, task);
    weir_result r;

    WEIR_BEGIN(task);
    while (squeeze(self).size > 0) {
        WEIR_AWAIT(task, r, weir_write(task, self->next, held(self)));
        pass(self, r.count);
        if (r.error)
            WEIR_RETURN(task, weir_result_of(r.error, 0));
    }
    if (!self->is_ending)
        WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_AWAIT(task, r, self->next->ops->finish(task, self->next));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *deflate_write_some(weir_task *task, weir_write_stream *out,
                                     weir_const_buffer buffer)
{
    weir_deflate *self = WEIR_CONTAINER_OF(out, weir_deflate, out);
    int error = weir_task_stop_error(task);
    size_t taken;

    WEIR_ASSERT(!self->is_ending, "nothing is written when the end of writing has begun");

    if (error)
        return weir_task_complete(task, error, 0);
    taken = compress_some(self, buffer);
    if (taken > 0)
        return weir_task_complete(task, 0, taken);
    weir_zlib_claim(&self->task, write_resume);
    self->buffer = buffer;
    return weir_call(task, &self->task);
}

static weir_task *flush(weir_task *task, weir_deflate *self, bool is_ending)
{
    int error = weir_task_stop_error(task);

    if (error)
        return weir_task_complete(task, error, 0);
    weir_zlib_claim(&self->task, flush_resume);
    self->is_ending = is_ending;
    return weir_call(task, &self->task);
}

static weir_task *deflate_finish(weir_task *task, weir_write_stream *out)
{
    return flush(task, WEIR_CONTAINER_OF(out, weir_deflate, out), true);
}

weir_task *weir_deflate_flush(weir_task *task, weir_deflate *deflate)
{
    WEIR_ASSERT(!deflate->is_ending, "nothing is flushed when the end of writing has begun");

    return flush(task, deflate, false);
}

static const struct weir_write_stream_ops deflate_ops = {
    .name = "deflate",
    .write_some = deflate_write_some,
    .write_some_v = weir_stream_write_first,
    .write = weir_stream_write_composed,
    .finish = deflate_finish,
};

int weir_deflate_init(weir_deflate *deflate, weir_write_stream *next, enum weir_zlib_format format,
                      int level, weir_buffer window, weir_memory *memory)
{
    z_stream *zlib = weir_zlib_open(memory);
    int code;

    WEIR_ASSERT(window.size >= WEIR_DEFLATE_WINDOW_MIN, "a writer has memory to write from");
    WEIR_ASSERT(level >= WEIR_DEFLATE_LEVEL_DEFAULT && level <= Z_BEST_COMPRESSION,
                "a level is the default, or 0..9");

    if (!zlib)
        return -ENOMEM;
    code = deflateInit2(zlib, level, Z_DEFLATED, weir_zlib_window_bits(format), MAX_MEM_LEVEL - 1,
                        Z_DEFAULT_STRATEGY);
    if (code != Z_OK) {
        weir_zlib_close(zlib);
        return weir_zlib_init_error(code);
    }
    weir_write_stream_init(&deflate->out, &deflate_ops);
    deflate->next = next;
    deflate->zlib = zlib;
    weir_task_init(&deflate->task, NULL);
    deflate->window = weir_buffer_of(window.data, weir_zlib_size(window.size));
    zlib->next_out = deflate->window.data;
    zlib->avail_out = (uInt)deflate->window.size;
    deflate->passed = 0;
    deflate->is_ending = false;
    return 0;
}

void weir_deflate_fini(weir_deflate *deflate)
{
    WEIR_ASSERT(deflate->task.state == WEIR_TASK_NEW || deflate->task.state == WEIR_TASK_DONE,
                "no operation is in flight");

    (void)deflateEnd(deflate->zlib); /* Z_DATA_ERROR: the end of writing has not come. */
    weir_zlib_close(deflate->zlib);
}
