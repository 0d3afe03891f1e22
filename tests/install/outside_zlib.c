/* SPDX-License-Identifier: MIT */

/*
 * A program outside the project that compresses and decompresses, with the installed weir_zlib. It
 * is compiled as C and as C++.
 */

#include <weir/dynamic_buffer.h>
#include <weir/manual.h>
#include <weir/memory_stream.h>
#include <weir/zlib.h>

#include <stdio.h>

/* There and back, through memory. */
typedef struct trip {
    weir_task task;
    weir_write_stream *out; /* In. */
    weir_read_stream *in;   /* In. */
    char text[32];          /* Out. */
} trip;

static weir_task *trip_resume(weir_task *task)
{
    trip *self = WEIR_TASK_SELF(task, trip);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_write_eof(task, self->out, weir_const_buffer_of("[::1]:7777", 10)));
    WEIR_AWAIT(task, r, weir_read(task, self->in, weir_buffer_of(self->text, sizeof self->text)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

int main(void)
{
    static char packed[256]; /* What follows the compressed bytes is not looked at. */
    static char windows[2][64];
    weir_flat_buffer buffer;
    weir_memory_writer writer;
    weir_memory_reader reader;
    weir_deflate deflate;
    weir_inflate inflate;
    weir_manual manual;
    weir_result r;
    static trip trip;

    weir_flat_buffer_init_fixed(&buffer, packed, sizeof packed);
    weir_memory_writer_init(&writer, &buffer.dynamic);
    weir_memory_reader_init(&reader, weir_const_buffer_of(packed, sizeof packed));
    if (weir_deflate_init(&deflate, &writer.out, WEIR_ZLIB_GZIP, WEIR_DEFLATE_LEVEL_DEFAULT,
                          weir_buffer_of(windows[0], sizeof windows[0]), NULL) ||
        weir_inflate_init(&inflate, &reader.in, WEIR_ZLIB_GZIP,
                          weir_buffer_of(windows[1], sizeof windows[1]), NULL))
        return 1;

    weir_manual_init(&manual, NULL);
    weir_task_init(&trip.task, trip_resume);
    trip.out = &deflate.out;
    trip.in = &inflate.in;
    r = weir_manual_run(&manual, &trip.task);
    weir_manual_fini(&manual);
    weir_inflate_fini(&inflate);
    weir_deflate_fini(&deflate);
    puts(trip.text);
    return r.error == WEIR_EOF && r.count == 10 ? 0 : 1;
}
