/* SPDX-License-Identifier: MIT */

/*
 * A test outside the project, with the installed test kit. It is compiled as C and as C++.
 */

#include <weir/stream.h>
#include <weir/test/kit.h>

#include <stdio.h>
#include <string.h>

typedef struct line {
    weir_task task;
    weir_read_stream *in; /* In. */
    char text[32];        /* Out. */
} line;

static weir_task *line_resume(weir_task *task)
{
    line *self = WEIR_TASK_SELF(task, line);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_read(task, self->in, weir_buffer_of(self->text, sizeof self->text)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

int main(void)
{
    weir_script_stream stream;
    weir_script script;
    weir_result r;
    line line;

    memset(&script, 0, sizeof script);
    script.bytes = weir_const_buffer_of("[::1]:7777", 10);
    script.chunk_max = 3;
    weir_script_stream_init(&stream, &script, NULL);
    memset(&line, 0, sizeof line);
    weir_task_init(&line.task, line_resume);
    line.in = &stream.stream.in;
    r = weir_test_run(&line.task);
    weir_script_stream_fini(&stream);
    puts(line.text);
    return r.error == WEIR_EOF && r.count == 10 ? 0 : 1;
}
