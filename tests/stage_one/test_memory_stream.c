/* SPDX-License-Identifier: MIT */
/* Memory as a stream: what is there is read, what is written is data, up to the limit. */
#include <errno.h>

#include <weir/memory_stream.h>

#include "filter.h"

static const char hello[] = "hello world";

enum { HELLO = sizeof hello - 1 };

WEIR_TEST(memory_reader, every_sequence_is_read_to_its_end_without_suspending)
{
    weir_memory_reader reader;
    weir_grinder grinder;
    struct reading reading;
    char data[32];
    size_t chunk;

    for (chunk = 1; chunk <= HELLO + 1; chunk++) {
        weir_grinder_init_const(&grinder, hello, HELLO, 3, 1);
        while (weir_grinder_next(&grinder)) {
            weir_memory_reader_init_v(&reader, grinder.const_buffers, grinder.count);
            reading = reading_of(&reader.in, data, sizeof data, chunk);
            CHECK_RESULT(run_at_once(&reading.task), WEIR_EOF, HELLO);
            CHECK(!memcmp(data, hello, HELLO));
            CHECK_EQ(weir_const_buffer_slice_size(weir_memory_reader_rest(&reader)), 0);
        }
    }
}

struct operation {
    weir_task task;
    weir_read_stream *in;
    weir_write_stream *out;
    weir_buffer buffer;
};

static weir_task *operation_resume(weir_task *task)
{
    struct operation *self = WEIR_TASK_SELF(task, struct operation);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               self->in ? weir_read(task, self->in, self->buffer)
                        : weir_write(task, self->out, weir_buffer_as_const(self->buffer)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_result operate(weir_read_stream *in, weir_write_stream *out, void *data, size_t size)
{
    struct operation operation = {.in = in, .out = out, .buffer = weir_buffer_of(data, size)};

    weir_task_init(&operation.task, operation_resume);
    return weir_test_run(&operation.task);
}

WEIR_TEST(memory_reader, a_whole_read_that_is_full_is_a_success_and_the_end_waits)
{
    weir_memory_reader reader;
    char data[32];

    weir_memory_reader_init(&reader, weir_const_buffer_of(hello, HELLO));
    CHECK_RESULT(operate(&reader.in, NULL, data, 5), 0, 5);
    CHECK_RESULT(operate(&reader.in, NULL, data + 5, HELLO - 5), 0, HELLO - 5);
    CHECK_RESULT(operate(&reader.in, NULL, data, 0), 0, 0);
    CHECK_RESULT(operate(&reader.in, NULL, data + HELLO, 1), WEIR_EOF, 0);
    CHECK(!memcmp(data, hello, HELLO));
    weir_memory_reader_init(&reader, weir_const_buffer_of(hello, HELLO));
    CHECK_RESULT(operate(&reader.in, NULL, data, sizeof data), WEIR_EOF, HELLO);
}

WEIR_TEST(memory_reader, a_stop_reads_nothing)
{
    weir_memory_reader reader;
    struct reading reading;
    char data[32];
    weir_result r;

    weir_memory_reader_init(&reader, weir_const_buffer_of(hello, HELLO));
    reading = reading_of(&reader.in, data, sizeof data, 1);
    CHECK(weir_test_run_stopped(&reading.task, 0, WEIR_STOP_REQUESTED, &r));
    CHECK_RESULT(r, WEIR_CANCELLED, 0);
    CHECK_EQ(weir_const_buffer_slice_size(weir_memory_reader_rest(&reader)), HELLO);
}

WEIR_TEST(memory_writer, a_write_beyond_the_limit_counts_what_was_taken)
{
    weir_memory_writer writer;
    weir_flat_buffer buffer;
    char memory[8];
    char text[] = "hello world";

    weir_flat_buffer_init_fixed(&buffer, memory, sizeof memory);
    weir_memory_writer_init(&writer, &buffer.dynamic);
    CHECK_RESULT(operate(NULL, &writer.out, text, 5), 0, 5);
    CHECK_RESULT(operate(NULL, &writer.out, text + 5, 6), -ENOBUFS, 3);
    CHECK_RESULT(operate(NULL, &writer.out, text + 8, 3), -ENOBUFS, 0);
    weir_dynamic_buffer_consume(&buffer.dynamic, 8);
    CHECK_RESULT(operate(NULL, &writer.out, text + 8, 3), 0, 3);
    CHECK(!memcmp(weir_flat_buffer_bytes(&buffer).data, "rld", 3));
    weir_flat_buffer_fini(&buffer);
}

WEIR_TEST(memory_writer, when_memory_is_exhausted_the_data_is_what_was_counted)
{
    weir_fuse fuse;
    weir_fuse_memory memory;
    char data[300];

    memset(data, 'x', sizeof data);
    weir_fuse_init(&fuse, -ENOMEM);
    while (weir_fuse_next(&fuse)) {
        weir_memory_writer writer;
        weir_segmented_buffer buffer;
        weir_result r;

        weir_fuse_memory_init(&memory, &fuse, NULL);
        weir_segmented_buffer_init(&buffer, &memory.memory, 24, 1000);
        weir_memory_writer_init(&writer, &buffer.dynamic);
        r = operate(NULL, &writer.out, data, sizeof data);
        CHECK_EQ(weir_dynamic_buffer_size(&buffer.dynamic), r.count);
        CHECK(r.error == 0 ? r.count == sizeof data : r.error == -ENOMEM && r.count < sizeof data);
        weir_segmented_buffer_fini(&buffer);
    }
    CHECK(weir_fuse_points(&fuse) > 10);
}

WEIR_TEST(memory_writer, writing_suspends_nowhere)
{
    weir_memory_writer writer;
    weir_circular_buffer buffer;
    struct writing writing;

    weir_circular_buffer_init_growing(&buffer, NULL, 100);
    weir_memory_writer_init(&writer, &buffer.dynamic);
    writing = writing_of(&writer.out, hello, HELLO, 2);
    CHECK_RESULT(run_at_once(&writing.task), 0, 0);
    CHECK_EQ(weir_dynamic_buffer_size(&buffer.dynamic), HELLO);
    weir_circular_buffer_fini(&buffer);
}
