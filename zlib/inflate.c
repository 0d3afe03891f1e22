/* SPDX-License-Identifier: MIT */
/* Reading what was compressed. Decompressing is synchronous; the coroutine only waits for next. */
#include <errno.h>

#include "bridge.h"

/* How reading ends with what zlib says; 0: it goes on. */
static int end_of(int code)
{
    switch (code) {
    case Z_OK:
    case Z_BUF_ERROR: /* Neither input nor room is left, which is no error. */
        return 0;
    case Z_STREAM_END:
        return WEIR_EOF;
    case Z_MEM_ERROR:
        return -ENOMEM;
    default:
        return -EBADMSG;
    }
}

/* What a read can be given at once: bytes, or an error; neither: next has to be asked. */
static weir_result answer(weir_inflate *self, weir_buffer buffer)
{
    z_stream *zlib = self->zlib;
    uInt size = weir_zlib_size(buffer.size);

    if (self->error)
        return weir_result_of(self->error, 0);
    zlib->next_out = buffer.data;
    zlib->avail_out = size;
    self->error = end_of(inflate(zlib, Z_NO_FLUSH));
    size -= zlib->avail_out;
    return weir_result_of(size > 0 ? 0 : self->error, size);
}

/* The same with what next has given. Its error waits while there are bytes; it comes again. */
static weir_result receive(weir_inflate *self, weir_result r)
{
    weir_result answered;

    self->zlib->next_in = self->window.data;
    self->zlib->avail_in = (uInt)r.count;
    answered = answer(self, self->buffer);
    if (answered.error || answered.count > 0)
        return answered;
    return weir_result_of(r.error == WEIR_EOF ? WEIR_TRUNCATED : r.error, 0);
}

static weir_task *read_resume(weir_task *task)
{
    weir_inflate *self = WEIR_CONTAINER_OF(task, weir_inflate, task);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r, weir_read_some(task, self->next, self->window));
        r = receive(self, r);
    } while (!r.error && r.count == 0);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *inflate_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_inflate *self = WEIR_CONTAINER_OF(in, weir_inflate, in);
    weir_result r = weir_result_of(weir_task_stop_error(task), 0);

    if (!r.error)
        r = answer(self, buffer);
    if (r.error || r.count > 0)
        return weir_task_complete(task, r.error, r.count);
    weir_zlib_claim(&self->task, read_resume);
    self->buffer = buffer;
    return weir_call(task, &self->task);
}

static const struct weir_read_stream_ops inflate_ops = {
    .name = "inflate",
    .read_some = inflate_read_some,
    .read_some_v = weir_stream_read_first,
    .read = weir_stream_read_composed,
};

/* zlib leaves the memory of its history to the first read. An empty dictionary, which only the raw
 * format takes at any time, makes it allocate that now; then it changes over to the format. */
static int reserve(z_stream *zlib, int window_bits)
{
    int code = inflateInit2(zlib, -MAX_WBITS);

    if (code != Z_OK)
        return code;
    code = inflateSetDictionary(zlib, (const Bytef *)"", 0);
    if (code == Z_OK)
        code = inflateReset2(zlib, window_bits);
    if (code != Z_OK)
        (void)inflateEnd(zlib);
    return code;
}

int weir_inflate_init(weir_inflate *inflate, weir_read_stream *next, enum weir_zlib_format format,
                      weir_buffer window, weir_memory *memory)
{
    z_stream *zlib = weir_zlib_open(memory);
    int code;

    WEIR_ASSERT(window.size > 0, "a reader has memory to read into");

    if (!zlib)
        return -ENOMEM;
    code = reserve(zlib, weir_zlib_window_bits(format));
    if (code != Z_OK) {
        weir_zlib_close(zlib);
        return weir_zlib_init_error(code);
    }
    weir_read_stream_init(&inflate->in, &inflate_ops);
    inflate->next = next;
    inflate->zlib = zlib;
    weir_task_init(&inflate->task, NULL);
    inflate->window = weir_buffer_of(window.data, weir_zlib_size(window.size));
    inflate->error = 0;
    return 0;
}

static void check_idle(const weir_inflate *inflate)
{
    WEIR_ASSERT(inflate->task.state == WEIR_TASK_NEW || inflate->task.state == WEIR_TASK_DONE,
                "no read is in flight");
}

void weir_inflate_fini(weir_inflate *inflate)
{
    check_idle(inflate);

    (void)inflateEnd(inflate->zlib);
    weir_zlib_close(inflate->zlib);
}

weir_const_buffer weir_inflate_ahead(const weir_inflate *inflate)
{
    return weir_const_buffer_of(inflate->zlib->next_in, inflate->zlib->avail_in);
}

void weir_inflate_restart(weir_inflate *inflate)
{
    check_idle(inflate);

    (void)inflateReset(inflate->zlib);
    inflate->error = 0;
}
