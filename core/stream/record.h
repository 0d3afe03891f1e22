/* SPDX-License-Identifier: MIT */
#ifndef STREAM_RECORD_H
#define STREAM_RECORD_H

/* The records that streams embed: who uses them, and for how long. */

#include <weir/stream.h>

static inline weir_read_stream *weir_transfer_in(weir_transfer *transfer)
{
    return WEIR_CONTAINER_OF(transfer, weir_read_stream, transfer);
}

static inline weir_write_stream *weir_transfer_out(weir_transfer *transfer)
{
    return WEIR_CONTAINER_OF(transfer, weir_write_stream, transfer);
}

/** A child task in a record, which is free when it is new or its last child is done. */
static inline void weir_stream_claim(weir_task *task, weir_resume_fn *resume)
{
    WEIR_ASSERT(task->state == WEIR_TASK_NEW || task->state == WEIR_TASK_DONE,
                "one read and one write may be in flight on a stream");

    weir_task_init(task, resume);
}

/** Claim the record of a half before it is filled. */
static inline void weir_transfer_claim(weir_transfer *transfer, weir_resume_fn *resume)
{
    weir_stream_claim(&transfer->task, resume);
    transfer->total = 0;
}

/** Whether an error came from a stop of the task and not from the stream, which does not keep it. */
static inline bool weir_stream_is_stop(int error)
{
    return error == WEIR_CANCELLED || error == WEIR_TIMED_OUT;
}

#endif
