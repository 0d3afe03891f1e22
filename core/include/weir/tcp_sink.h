/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_SINK_H
#define WEIR_TCP_SINK_H

/*
 * TCP sinks: a socket as a weir_buffer_sink.
 *
 * What is prepared is memory of the loop's, of one region for all its sinks, which the kernel knows
 * where it lets it be registered. A commit is sent from there; if it is large, without a copy,
 * where that pays. It completes when the connection has taken the bytes, and the memory goes back
 * to the loop when the peer has acknowledged them: the sink need not wait for that, and neither
 * need its socket's close, nor the loop's end. A sink that has nothing prepared and nothing to send
 * holds no memory, so an idle connection costs none.
 *
 *      weir_tcp_sink_init --> prepare, commit ... commit_eof --> weir_tcp_sink_fini
 *
 * A commit is a write of the socket's, with the results of one; it overlaps no other, and
 * weir_tcp_cancel and weir_tcp_close find it. Bytes that a commit could not send stay with the sink
 * and go with the next one, in memory that the other sinks miss meanwhile. They are for the
 * connection that they were committed on: when the socket has been opened anew, the first prepare
 * or commit drops them, and the sink begins anew, also after a commit_eof. What is prepared stays
 * so.
 *
 * The region is bounded (weir_loop_options.sink_bytes). When there is none left, prepare gives 0,
 * and a commit of 0 waits for some, first in, first out. At most half of it stays with peers that
 * do not acknowledge: beyond that, commits are copied.
 *
 * Thread: that of the socket's loop. Source: core/io/tcp_sink.c, core/loop/zero_copy.c. Tests:
 * tests/contract/test_sink.c, tests/backend/test_uring_zero_copy.c, tests/sim/scenario_sink.c.
 */

#include <weir/buffer_sink.h>
#include <weir/tcp.h>

WEIR_C_BEGIN

struct weir_chunk;

/** The most that is prepared, and so committed, at a time; in one buffer. */
enum { WEIR_TCP_SINK_PREPARED_MAX = 32 * 1024 };

/** A buffer sink on a connection. In place until weir_tcp_sink_fini. Fields are private. */
typedef struct weir_tcp_sink {
    weir_buffer_sink sink; /* First. */
    weir_task work;        /* The commit, as a child of whoever commits. */
    weir_tcp_socket *socket;
    struct weir_chunk *first; /* What it holds: to be sent, in order, and last what is prepared. */
    struct weir_chunk *last;
    size_t prepared;  /* Bytes of last that may be committed. */
    size_t committed; /* By the commit in flight. */
    uint32_t opening; /* Of the socket: which connection its bytes are for. */
    bool is_last;     /* The commit in flight is a commit_eof. */
    bool has_ended;   /* One has succeeded. */
} weir_tcp_sink;

/**
 * Make a sink that sends through a socket, which may be opened later.
 *
 * @socket  borrowed until weir_tcp_sink_fini; it may be closed before that
 */
WEIR_PUBLIC void weir_tcp_sink_init(weir_tcp_sink *self, weir_tcp_socket *socket);

/**
 * End a sink: what it holds goes back to the loop, also what was committed and could not be sent.
 * No commit is in flight. Before the loop ends; the socket may be gone.
 */
WEIR_PUBLIC void weir_tcp_sink_fini(weir_tcp_sink *self);

WEIR_C_END

#endif
