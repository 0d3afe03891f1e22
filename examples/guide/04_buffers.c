/* SPDX-License-Identifier: MIT */
/* Lines out of bytes that come in pieces, and an answer that leaves in pieces. */
#include <stdio.h>
#include <string.h>
#include <weir/buffer.h>
#include <weir/dynamic_buffer.h>
#include <weir/matcher.h>

/* The answer to a line: three buffers, one of them the line itself. Sent by 16 bytes at most. */
static void answer(weir_const_buffer line)
{
    const weir_const_buffer parts[] = {
        weir_const_buffer_of("you said: ", 10),
        line,
        weir_const_buffer_of("!", 1),
    };
    weir_const_buffer_slice rest = weir_const_buffer_slice_of(parts, 3);

    while (!weir_const_buffer_slice_is_empty(rest)) {
        char wire[16]; /* Stands for a stream that takes as much as it likes. */
        weir_buffer room = weir_buffer_of(wire, sizeof wire);
        size_t taken = weir_buffer_slice_copy(weir_buffer_slice_of(&room, 1), rest);

        printf("%2zu of %2zu bytes: \"%.*s\"\n", taken, weir_const_buffer_slice_size(rest),
               (int)taken, wire);
        rest = weir_const_buffer_slice_after(rest, taken);
    }
}

/* What has come stands in the buffer: take each line that is complete. */
static int take_lines(weir_flat_buffer *in, weir_matcher *newline, size_t *offset)
{
    for (;;) {
        weir_result r = weir_dynamic_buffer_match(&in->dynamic, *offset, newline);

        *offset = r.count ? 0 : weir_dynamic_buffer_size(&in->dynamic);
        if (r.error || r.count == 0)
            return r.error;
        answer(weir_const_buffer_of(weir_flat_buffer_bytes(in).data, r.count - 2));
        weir_dynamic_buffer_consume(&in->dynamic, r.count);
    }
}

/* Bytes arrive, as a read would bring them: into prepared memory, then they are committed. */
static int receive(weir_flat_buffer *in, const char *bytes)
{
    weir_const_buffer from = weir_const_buffer_of(bytes, strlen(bytes));
    weir_buffer room;
    weir_result r = weir_dynamic_buffer_prepare(&in->dynamic, from.size, &room, 1);

    if (r.error)
        return r.error;
    weir_dynamic_buffer_commit(&in->dynamic, weir_buffers_copy(&room, 1, &from, 1, from.size));
    return 0;
}

int main(void)
{
    static const char *const pieces[] = {"good mor", "ning\r", "\nhow are you\r\nand", " now?\r\n"};
    weir_flat_buffer in;
    weir_delimiter newline;
    size_t offset = 0; /* Bytes of `in` that the matcher has seen. */
    int error = 0;

    weir_flat_buffer_init_growing(&in, NULL, 1024); /* Of the heap, at most so many bytes. */
    weir_delimiter_init(&newline, "\r\n", 2);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0] && !error; i++) {
        error = receive(&in, pieces[i]);
        if (!error)
            error = take_lines(&in, &newline.matcher, &offset);
    }
    weir_flat_buffer_fini(&in);
    return error ? 1 : 0;
}
