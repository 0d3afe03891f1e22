/* SPDX-License-Identifier: MIT */
/* Sending and receiving by what is composed of several operations. */
#include "transfer.h"

#include <errno.h>

/* Writers. */

static void writer_prepare(struct transfer_writer *self)
{
    uint64_t left = self->size - self->total;

    self->part = (size_t)kit_small(1, left < TRANSFER_BUFFER_BYTES ? left : TRANSFER_BUFFER_BYTES);
    kit_flow_fill(self->flow, self->data, self->part);
    weir_memory_reader_init(&self->reader, weir_const_buffer_of(self->data, self->part));
}

static weir_task *writer_write(weir_task *task, struct transfer_writer *self)
{
    size_t size = (size_t)kit_small(1, TRANSFER_PART_BYTES);

    switch (self->writing) {
    case TRANSFER_COPY:
        return weir_copy(task, &self->frame.copy, &self->reader.in, self->out,
                         weir_buffer_of(self->memory, size));
    case TRANSFER_PUSH:
        return weir_push_to(task, &self->frame.push, &self->reader.source, self->out);
    default:
        return weir_write_some(task, self->out, weir_const_buffer_of(self->data, self->part));
    }
}

/* What was read and what was written agree. */
static void check_rest(const struct transfer_writer *self, weir_result r)
{
    size_t rest = weir_const_buffer_slice_size(weir_memory_reader_rest(&self->reader));

    if (self->writing == TRANSFER_COPY && r.error)
        rest += weir_copy_rest(&self->frame.copy).size;
    if (self->writing == TRANSFER_COPY || self->writing == TRANSFER_PUSH)
        KIT_CHECK(r.count + rest == self->part, "of %zu bytes %zu are written and %zu are left",
                  self->part, r.count, rest);
    KIT_CHECK(r.error || r.count == self->part || self->writing == TRANSFER_WHEN_WRITABLE,
              "a copy of %zu bytes succeeds with %zu", self->part, r.count);
}

static void writer_account(const weir_task *task, struct transfer_writer *self, weir_result r,
                           bool late)
{
    check_rest(self, r);
    kit_flow_wrote(self->flow, r.count);
    self->total += r.count;
    self->error = kit_error_left(task, &self->manners, "a transfer", r.error, late);
}

static weir_task *writer_wait(weir_task *task, struct transfer_writer *self)
{
    if (self->writing == TRANSFER_WHEN_WRITABLE)
        return weir_tcp_wait(task, self->socket, WEIR_WRITING);
    return weir_task_yield(task);
}

static weir_task *writer_resume(weir_task *task)
{
    struct transfer_writer *self = WEIR_TASK_SELF(task, struct transfer_writer);
    weir_result r;

    WEIR_BEGIN(task);
    while (!self->error && self->total < self->size) {
        self->due_ns = kit_be_impatient(task, &self->manners, &self->deadline);
        WEIR_AWAIT(task, r, writer_wait(task, self));
        if (!r.error) {
            writer_prepare(self);
            WEIR_AWAIT(task, r, writer_write(task, self));
            writer_account(task, self, r, kit_is_late(task, &self->deadline, self->due_ns));
        } else {
            self->error = kit_error_left(task, &self->manners, "a transfer", r.error,
                                         kit_is_late(task, &self->deadline, self->due_ns));
        }
    }
    kit_flow_end(self->flow);
    while (!self->error) {
        WEIR_AWAIT(task, r, weir_write_eof(task, self->out, weir_const_buffer_of(NULL, 0)));
        if (!r.error)
            break;
        self->error = kit_error_left(task, &self->manners, "a transfer", r.error, false);
    }
    WEIR_RETURN(task, weir_result_of(self->error, 0));
    WEIR_END(task);
}

void transfer_writer_init(struct transfer_writer *writer, weir_write_stream *out,
                          weir_tcp_socket *socket, struct kit_flow *flow, uint64_t size,
                          enum transfer_writing writing, const struct kit_manners *manners)
{
    weir_task_init(&writer->task, writer_resume);
    writer->out = out;
    writer->socket = socket;
    writer->flow = flow;
    writer->size = size;
    writer->writing = writing;
    writer->manners = *manners;
    writer->total = 0;
    writer->error = 0;
    weir_deadline_init(&writer->deadline);
}

/* Readers. */

static void choose_buffer(struct transfer_reader *self)
{
    size_t size = (size_t)kit_small(8, TRANSFER_BUFFER_BYTES);

    self->kind = (unsigned)kit_between(0, 4);
    if (self->kind == 0)
        weir_flat_buffer_init_fixed(&self->buffer.flat, self->fixed, size);
    else if (self->kind == 1)
        weir_flat_buffer_init_growing(&self->buffer.flat, NULL, size);
    else if (self->kind == 2)
        weir_circular_buffer_init_fixed(&self->buffer.circular, self->fixed, size);
    else if (self->kind == 3)
        weir_circular_buffer_init_growing(&self->buffer.circular, NULL, size);
    else
        weir_segmented_buffer_init(&self->buffer.segmented, NULL, (size_t)kit_small(24, 500), size);
    self->dynamic = &self->buffer.flat.dynamic;
}

static void free_buffer(struct transfer_reader *self)
{
    if (self->kind <= 1)
        weir_flat_buffer_fini(&self->buffer.flat);
    else if (self->kind <= 3)
        weir_circular_buffer_fini(&self->buffer.circular);
    else
        weir_segmented_buffer_fini(&self->buffer.segmented);
}

static void check_byte(struct transfer_reader *self, const unsigned char *seen, size_t *matched,
                       bool is_last)
{
    *matched = *seen == self->mark[*matched] ? *matched + 1 : *seen == self->mark[0] ? 1 : 0;
    KIT_CHECK(*matched < self->mark_size || is_last, "a message goes on behind its end");
    KIT_CHECK(*matched == self->mark_size || !is_last, "a message does not end with its end");
    if (*matched == self->mark_size)
        *matched = 0;
}

/* Bytes at the front of the buffer are due: with a message's end behind them, or without. */
static void take(struct transfer_reader *self, size_t size, bool is_message)
{
    weir_const_buffer pieces[4];
    size_t matched = 0;
    size_t i;

    KIT_CHECK(size <= weir_dynamic_buffer_size(self->dynamic), "a read counts more than there is");
    while (size > 0) {
        size_t count = weir_dynamic_buffer_data(self->dynamic, 0, pieces, 4);
        size_t piece = pieces[0].size < size ? pieces[0].size : size;

        KIT_CHECK(count > 0, "a buffer with data shows none");
        kit_flow_saw(self->flow, pieces[0].data, piece);
        for (i = 0; is_message && i < piece; i++)
            check_byte(self, (const unsigned char *)pieces[0].data + i, &matched, i + 1 == size);
        weir_dynamic_buffer_consume(self->dynamic, piece);
        size -= piece;
    }
}

static void take_all(struct transfer_reader *self)
{
    take(self, weir_dynamic_buffer_size(self->dynamic), false);
}

static bool is_full(const struct transfer_reader *self)
{
    return weir_dynamic_buffer_size(self->dynamic) == weir_dynamic_buffer_size_max(self->dynamic);
}

/* A read into the buffer is done. Returns the error that is left. */
static int account_message(struct transfer_reader *self, weir_result r)
{
    size_t size = weir_dynamic_buffer_size(self->dynamic);

    if (!r.error) {
        KIT_CHECK(r.count > 0, "a message of no byte");
        take(self, r.count, true);
        return 0;
    }
    KIT_CHECK(r.count == size, "a read of a message fails with %zu bytes, and there are %zu",
              r.count, size);
    if (r.error == -ENOBUFS) {
        KIT_CHECK(is_full(self), "a buffer that has room is full");
        take_all(self);
        return 0;
    }
    if (r.error == WEIR_EOF)
        take_all(self);
    return r.error;
}

/* So many bytes were appended. 0 is the end. */
static int account_appended(struct transfer_reader *self, weir_result r, weir_const_buffer rest)
{
    size_t size = weir_dynamic_buffer_size(self->dynamic);

    KIT_CHECK(r.count == size - self->before, "%zu bytes were appended, and %zu are counted",
              size - self->before, r.count);
    KIT_CHECK(r.error != -ENOBUFS || is_full(self), "a buffer that has room is full");
    take_all(self);
    kit_flow_saw(self->flow, rest.data, rest.size);
    if (r.error == 0)
        return WEIR_EOF;
    return r.error == -ENOBUFS ? 0 : r.error;
}

static int account_part(struct transfer_reader *self, weir_result r)
{
    KIT_CHECK(r.count > 0 || r.error, "a read of some bytes succeeds with none");
    kit_flow_saw(self->flow, self->memory, r.count);
    return r.error;
}

static void reader_account(const weir_task *task, struct transfer_reader *self, weir_result r,
                           bool late)
{
    weir_const_buffer rest = weir_const_buffer_of(NULL, 0);
    int error;

    if (self->reading == TRANSFER_MESSAGES) {
        error = account_message(self, r);
    } else if (self->reading == TRANSFER_WHEN_READABLE) {
        error = account_part(self, r);
    } else {
        if (self->reading == TRANSFER_COPY_OUT && r.error)
            rest = weir_copy_rest(&self->frame.copy);
        error = account_appended(self, r, rest);
    }
    if (error == WEIR_EOF)
        kit_flow_saw_end(self->flow);
    self->error = kit_error_left(task, &self->manners, "a transfer", error, late);
}

static weir_task *reader_read(weir_task *task, struct transfer_reader *self)
{
    weir_buffer memory = weir_buffer_of(self->memory, self->memory_size);

    self->before = weir_dynamic_buffer_size(self->dynamic);
    switch (self->reading) {
    case TRANSFER_MESSAGES:
        return weir_read_until(task, self->in, self->dynamic, &self->delimiter.matcher);
    case TRANSFER_TO_END:
        return weir_read_to_end(task, self->in, self->dynamic);
    case TRANSFER_COPY_OUT:
        return weir_copy(task, &self->frame.copy, self->in, &self->writer.out, memory);
    case TRANSFER_PULL:
        return weir_pull_from(task, &self->frame.pull, self->in, &self->writer.sink);
    default:
        return weir_read_some(task, self->in, memory);
    }
}

static weir_task *reader_wait(weir_task *task, struct transfer_reader *self)
{
    if (self->reading == TRANSFER_WHEN_READABLE)
        return weir_tcp_wait(task, self->socket, WEIR_READING);
    return weir_task_yield(task);
}

static weir_task *reader_resume(weir_task *task)
{
    struct transfer_reader *self = WEIR_TASK_SELF(task, struct transfer_reader);
    weir_result r;

    WEIR_BEGIN(task);
    while (!self->error) {
        if (kit_chance(self->manners.hesitation))
            WEIR_AWAIT(task, r, weir_sleep_for(task, kit_duration_ns(KIT_MS)));
        self->due_ns = kit_be_impatient(task, &self->manners, &self->deadline);
        WEIR_AWAIT(task, r, reader_wait(task, self));
        if (!r.error) {
            WEIR_AWAIT(task, r, reader_read(task, self));
            reader_account(task, self, r, kit_is_late(task, &self->deadline, self->due_ns));
        } else {
            self->error = kit_error_left(task, &self->manners, "a transfer", r.error,
                                         kit_is_late(task, &self->deadline, self->due_ns));
        }
    }
    free_buffer(self);
    WEIR_RETURN(task, weir_result_of(self->error == WEIR_EOF ? 0 : self->error, 0));
    WEIR_END(task);
}

static void init_delimiter(struct transfer_reader *reader)
{
    reader->mark[0] = (unsigned char)kit_between(0, 255);
    reader->mark[1] = (unsigned char)(reader->mark[0] + 1);
    reader->mark_size = kit_chance(800) ? 1 : 2;
    weir_delimiter_init(&reader->delimiter, reader->mark, reader->mark_size);
}

void transfer_reader_init(struct transfer_reader *reader, weir_read_stream *in,
                          weir_tcp_socket *socket, struct kit_flow *flow,
                          enum transfer_reading reading, const struct kit_manners *manners)
{
    weir_task_init(&reader->task, reader_resume);
    reader->in = in;
    reader->socket = socket;
    reader->flow = flow;
    reader->reading = reading;
    reader->manners = *manners;
    reader->error = 0;
    weir_deadline_init(&reader->deadline);
    choose_buffer(reader);
    weir_memory_writer_init(&reader->writer, reader->dynamic);
    reader->memory_size = (size_t)kit_small(1, TRANSFER_BUFFER_BYTES);
    init_delimiter(reader);
}
