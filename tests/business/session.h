/* SPDX-License-Identifier: MIT */
#ifndef TEST_BUSINESS_SESSION_H
#define TEST_BUSINESS_SESSION_H

/*
 * Business logic: a session of a line protocol over whatever carries bytes.
 *
 *      anything     answered by its number and itself: "3 anything"
 *      QUIT         answered by "bye after 3 lines", and the end
 *
 * It sees streams and nothing of what is behind them, and is compiled once for all of them.
 */

#include <weir/dynamic_buffer.h>
#include <weir/matcher.h>
#include <weir/stream.h>
#include <weir/task.h>

enum { SESSION_LINE_MAX = 128 };

/** The caller's frame; session_init it and call or launch task. */
struct session {
    weir_task task;
    weir_stream *stream; /* In. Not closed. */
    size_t lines;        /* Out: answered. */
    size_t end;          /* Of the line in the buffer, behind its newline. */
    weir_delimiter newline;
    weir_flat_buffer input;
    char memory[SESSION_LINE_MAX];
    char answer[SESSION_LINE_MAX + 32];
};

/**
 * Serve a stream until QUIT or its end.
 *
 * Result     how many lines were answered; -ENOBUFS: a line was too long; an error of the stream
 */
void session_init(struct session *session, weir_stream *stream);

#endif
