/* SPDX-License-Identifier: MIT */
/* The session: reads aloud as the protocol. */
#include "session.h"

#include <stdio.h>
#include <string.h>

/* The answer to the line that ends the buffer's first bytes. */
static weir_const_buffer answer(struct session *self)
{
    const char *line = weir_flat_buffer_bytes(&self->input).data;
    int size = snprintf(self->answer, sizeof self->answer, "%zu %.*s\n", ++self->lines,
                        (int)self->end - 1, line);

    return weir_const_buffer_of(self->answer, (size_t)size);
}

static weir_const_buffer farewell(struct session *self)
{
    int size = snprintf(self->answer, sizeof self->answer, "bye after %zu lines\n", self->lines);

    return weir_const_buffer_of(self->answer, (size_t)size);
}

static bool is_quit(const struct session *self)
{
    return self->end == 5 && !memcmp(weir_flat_buffer_bytes(&self->input).data, "QUIT\n", 5);
}

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(
            task, r,
            weir_read_until(task, &self->stream->in, &self->input.dynamic, &self->newline.matcher));
        if (r.error)
            break;
        self->end = r.count;
        if (is_quit(self))
            break;
        WEIR_AWAIT(task, r, weir_write(task, &self->stream->out, answer(self)));
        if (r.error)
            break;
        weir_dynamic_buffer_consume(&self->input.dynamic, self->end);
    }
    if (!r.error)
        WEIR_AWAIT(task, r, weir_write_eof(task, &self->stream->out, farewell(self)));
    weir_flat_buffer_fini(&self->input);
    WEIR_RETURN(task, weir_result_of(r.error, self->lines));
    WEIR_END(task);
}

void session_init(struct session *session, weir_stream *stream)
{
    weir_task_init(&session->task, session_resume);
    session->stream = stream;
    session->lines = 0;
    weir_delimiter_init(&session->newline, "\n", 1);
    weir_flat_buffer_init_fixed(&session->input, session->memory, sizeof session->memory);
}
