/* SPDX-License-Identifier: MIT */
#ifndef STREAM_RECORD_H
#define STREAM_RECORD_H

/* The child tasks that operations of streams are made of: where they live, and for how long. */

#include <errno.h>

#include <weir/stream.h>

/**
 * What is composed of parts: the child of whoever awaits it, in a frame of the environment's that
 * is given back when it ends. Its half of the stream knows it meanwhile.
 */
typedef struct weir_transfer {
    weir_task task;
    union {
        weir_read_stream *in;
        weir_write_stream *out;
    } half;
    union {
        weir_buffer in;                /* What is left to fill, */
        weir_const_buffer out;         /* or to send: of a buffer, */
        weir_buffer_slice in_v;        /* or of a sequence. */
        weir_const_buffer_slice out_v; /* Likewise. */
        struct {
            weir_dynamic_buffer *buffer;
            weir_matcher *matcher;
            size_t matched; /* Bytes of the buffer that the matcher has seen. */
        } until;
    } rest;
    union {
        weir_buffer in[WEIR_TRANSFER_WINDOW];
        weir_const_buffer out[WEIR_TRANSFER_WINDOW];
    } window;             /* The sequence that the part in flight was given. */
    weir_task **composed; /* Of the half. */
    size_t total;         /* Bytes transferred. */
} weir_transfer;

/** For a half on which no other is in flight: a frame to fill and to call. NULL: no memory. */
static inline weir_transfer *weir_transfer_new(weir_task *task, weir_task **composed,
                                               weir_resume_fn *resume)
{
    weir_transfer *transfer;

    WEIR_ASSERT(!*composed, "one read and one write may be in flight on a stream");
    transfer = (weir_transfer *)weir_frame_new(task, sizeof *transfer, resume);
    if (!transfer)
        return NULL;
    *composed = &transfer->task;
    transfer->composed = composed;
    transfer->total = 0;
    return transfer;
}

static inline weir_transfer *weir_transfer_read(weir_task *task, weir_read_stream *in,
                                                weir_resume_fn *resume)
{
    weir_transfer *transfer = weir_transfer_new(task, &in->composed, resume);

    if (transfer)
        transfer->half.in = in;
    return transfer;
}

static inline weir_transfer *weir_transfer_write(weir_task *task, weir_write_stream *out,
                                                 weir_resume_fn *resume)
{
    weir_transfer *transfer = weir_transfer_new(task, &out->composed, resume);

    if (transfer)
        transfer->half.out = out;
    return transfer;
}

/** It returns now, and its stream knows it no more. Gives its result. */
static inline weir_result weir_transfer_ended(weir_transfer *transfer, int error)
{
    *transfer->composed = NULL;
    return weir_result_of(error, transfer->total);
}

/** A child task that a stream embeds, which is free when it is new or its last child is done. */
static inline void weir_stream_claim(weir_task *task, weir_resume_fn *resume)
{
    WEIR_ASSERT(task->state == WEIR_TASK_NEW || task->state == WEIR_TASK_DONE,
                "one read and one write may be in flight on a stream");

    weir_task_init(task, resume);
}

/** Whether an error came from a stop of the task and not from the stream, which
 * does not keep it. */
static inline bool weir_stream_is_stop(int error)
{
    return error == WEIR_CANCELLED || error == WEIR_TIMED_OUT;
}

#endif
