/* SPDX-License-Identifier: MIT */
/* A session that is written for a stream, and does not know for which: here are two. */
#include <stdio.h>
#include <string.h>
#include <weir/stage_one.h>

struct session { /* Answers each line that it reads. */
    weir_task task;
    weir_read_stream *in;
    weir_write_stream *out;
    weir_flat_buffer line; /* And what was read behind it. */
    weir_delimiter newline;
    weir_const_buffer parts[2]; /* Of the answer. */
    weir_result outcome;
};

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    weir_flat_buffer_init_growing(&self->line, NULL, 1024);
    weir_delimiter_init(&self->newline, "\n", 1);
    for (;;) {
        WEIR_AWAIT(task, r,
                   weir_read_until(task, self->in, &self->line.dynamic, &self->newline.matcher));
        if (r.error) /* WEIR_EOF, most of the time. */
            break;
        self->parts[0] = weir_const_buffer_of("you said: ", 10);
        self->parts[1] = weir_const_buffer_of(weir_flat_buffer_bytes(&self->line).data, r.count);
        WEIR_AWAIT(task, r, weir_write_v(task, self->out, self->parts, 2));
        if (r.error)
            break;
        weir_dynamic_buffer_consume(&self->line.dynamic, self->parts[1].size);
    }
    self->outcome = r;
    if (r.error == WEIR_EOF)
        WEIR_AWAIT(task, self->outcome,
                   weir_write_eof(task, self->out, weir_flat_buffer_bytes(&self->line)));
    weir_flat_buffer_fini(&self->line);
    WEIR_RETURN(task, self->outcome);
    WEIR_END(task);
}

static void serve(const char *name, weir_read_stream *in, weir_write_stream *out)
{
    struct session session = {.in = in, .out = out};
    weir_manual manual;
    weir_result r;

    weir_manual_init(&manual, NULL);
    weir_task_init(&session.task, session_resume);
    r = weir_manual_run(&manual, &session.task);
    weir_manual_fini(&manual);
    printf("%s: %s\n", name, weir_error_name(r.error));
}

static void show(weir_flat_buffer *buffer)
{
    weir_const_buffer bytes = weir_flat_buffer_bytes(buffer);

    printf("%.*s\n", (int)bytes.size, (const char *)bytes.data);
    weir_dynamic_buffer_consume(&buffer->dynamic, bytes.size);
}

int main(void)
{
    static const char text[] = "hello\nhow are you?\nbye";
    static const char coded[] = "aGVsbG8KaG93IGFyZSB5b3U/CmJ5ZQ=="; /* The same in base64. */
    weir_memory_reader reader;
    weir_base64_decoder decoder;
    weir_flat_buffer answer;
    weir_memory_writer writer;
    weir_base64_encoder encoder;

    weir_flat_buffer_init_growing(&answer, NULL, 4096);
    weir_memory_writer_init(&writer, &answer.dynamic);

    weir_memory_reader_init(&reader, weir_const_buffer_of(text, strlen(text)));
    serve("memory", &reader.in, &writer.out);
    show(&answer);

    weir_memory_reader_init(&reader, weir_const_buffer_of(coded, strlen(coded)));
    weir_base64_decoder_init(&decoder, &reader.in);
    weir_base64_encoder_init(&encoder, &writer.out);
    serve("base64 over memory", &decoder.in, &encoder.out);
    show(&answer);
    weir_flat_buffer_fini(&answer);
    return 0;
}
