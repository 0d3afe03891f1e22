/* SPDX-License-Identifier: MIT */
/* Reading into dynamic buffers: to the end of a message, and to the end of the stream. */
#include "record.h"

/*
 * A part reads into what memory the buffer has. If that is little it grows: by so much that a
 * stream of many bytes is not read in small pieces, and a connection that is idle does not hold
 * much.
 */
enum { PART_MIN = 2048, PART_MAX = 65536 };

static size_t part_size(const weir_dynamic_buffer *buffer)
{
    size_t room = weir_dynamic_buffer_capacity(buffer) - weir_dynamic_buffer_size(buffer);

    if (room < PART_MIN)
        return PART_MIN;
    return room < PART_MAX ? room : PART_MAX;
}

/* The window becomes the memory of the next part. Result: of how many buffers. */
static weir_result prepare_part(weir_transfer *self)
{
    weir_dynamic_buffer *buffer = self->rest.until.buffer;

    return weir_dynamic_buffer_prepare(buffer, part_size(buffer), self->window.in,
                                       WEIR_TRANSFER_WINDOW);
}

static weir_task *read_part(weir_task *task, weir_transfer *self, size_t count)
{
    return weir_read_some_v(task, self->half.in, self->window.in, count);
}

/* Look at what a part brought. Result: bytes of the message, 0: go on. A message that is complete
 * is success, whatever the part says beside its bytes. */
static weir_result match_part(weir_transfer *self, weir_result part)
{
    weir_dynamic_buffer *buffer = self->rest.until.buffer;
    weir_result found;

    weir_dynamic_buffer_commit(buffer, part.count);
    found = weir_dynamic_buffer_match(buffer, self->rest.until.matched, self->rest.until.matcher);
    self->rest.until.matched = weir_dynamic_buffer_size(buffer);
    if (found.error || found.count > 0)
        return found;
    return weir_result_of(part.error, 0);
}

/* With an error goes what there is. */
static weir_result until_result(const weir_dynamic_buffer *buffer, weir_result found)
{
    if (found.error)
        found.count = weir_dynamic_buffer_size(buffer);
    return found;
}

static weir_task *until_complete(weir_task *task, const weir_dynamic_buffer *buffer,
                                 weir_result found)
{
    weir_result r = until_result(buffer, found);

    return weir_task_complete(task, r.error, r.count);
}

static weir_result until_ended(weir_transfer *self, weir_result found)
{
    (void)weir_transfer_ended(self, 0);
    return until_result(self->rest.until.buffer, found);
}

static weir_task *until_resume(weir_task *task)
{
    weir_transfer *self = WEIR_TASK_SELF(task, weir_transfer);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        r = prepare_part(self);
        if (r.error)
            break;
        WEIR_AWAIT(task, r, read_part(task, self, r.count));
        r = match_part(self, r);
    } while (!r.error && r.count == 0);
    WEIR_RETURN(task, until_ended(self, r));
    WEIR_END(task);
}

weir_task *weir_read_until(weir_task *task, weir_read_stream *in, weir_dynamic_buffer *buffer,
                           weir_matcher *matcher)
{
    weir_result r = weir_result_of(weir_task_stop_error(task), 0);
    weir_transfer *transfer;

    if (!r.error) {
        weir_matcher_reset(matcher);
        r = weir_dynamic_buffer_match(buffer, 0, matcher);
    }
    if (r.error || r.count > 0)
        return until_complete(task, buffer, r);
    transfer = weir_transfer_read(task, in, until_resume);
    if (!transfer)
        return until_complete(task, buffer, weir_result_of(-ENOMEM, 0));
    transfer->rest.until.buffer = buffer;
    transfer->rest.until.matcher = matcher;
    transfer->rest.until.matched = weir_dynamic_buffer_size(buffer);
    return weir_call(task, &transfer->task);
}

static weir_task *to_end_resume(weir_task *task)
{
    weir_transfer *self = WEIR_TASK_SELF(task, weir_transfer);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        r = prepare_part(self);
        if (r.error)
            break;
        WEIR_AWAIT(task, r, read_part(task, self, r.count));
        weir_dynamic_buffer_commit(self->rest.until.buffer, r.count);
        self->total += r.count;
    } while (!r.error);
    WEIR_RETURN(task, weir_transfer_ended(self, r.error == WEIR_EOF ? 0 : r.error));
    WEIR_END(task);
}

weir_task *weir_read_to_end(weir_task *task, weir_read_stream *in, weir_dynamic_buffer *buffer)
{
    int error = weir_task_stop_error(task);
    weir_transfer *transfer;

    if (error)
        return weir_task_complete(task, error, 0);
    transfer = weir_transfer_read(task, in, to_end_resume);
    if (!transfer)
        return weir_task_complete(task, -ENOMEM, 0);
    transfer->rest.until.buffer = buffer;
    return weir_call(task, &transfer->task);
}
