/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_H
#define WEIR_TCP_H

/*
 * TCP: sockets and acceptors.
 *
 * A weir_tcp_socket is a weir_stream: read and write it with <weir/stream.h>. Both objects are
 * embedded, stay in place while open, and are awaited only by tasks of their own loop. A descriptor
 * is non-inheritable from birth, and writing to a closed connection gives EPIPE, never a signal. A
 * connection that is lost (ECONNRESET, ETIMEDOUT, ...) stays so: reads and writes give that error
 * until the socket is closed, although the kernel tells of it once and shows an end from then on;
 * and after the peer's end reads give that. Awaits on what is not open give WEIR_CLOSED, but to
 * close it succeeds.
 *
 * A weir_write of much to another machine (weir_loop_options.zero_copy_bytes) may be sent without a
 * copy. It completes when the peer has acknowledged the bytes, for until then the kernel reads the
 * caller's memory. If it is stopped or cancelled, or the socket is closed, and the peer does not
 * acknowledge what was sent for half a second more, the connection is reset: -ECONNABORTED from
 * then on. A weir_tcp_sink (<weir/tcp_sink.h>) never waits, nor resets.
 *
 *      weir_tcp_socket_init --> CLOSED --connect, accept--> OPEN --weir_tcp_close--> CLOSED
 *
 * Source: core/io/tcp_socket.c, tcp_stream.c, tcp_acceptor.c. Tests: tests/contract/test_tcp*.c,
 * tests/contract/test_acceptor.c.
 */

#include <weir/endpoint.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/operation.h>
#include <weir/option.h>
#include <weir/stream.h>
#include <weir/wheel.h>

WEIR_C_BEGIN

struct weir_tcp_source;

/** A connection. The first member makes it a stream. Fields are private. */
typedef struct weir_tcp_socket {
    weir_stream stream;
    weir_handle handle;
    weir_task *pending[2]; /* By enum weir_direction: whose operation is in flight, or NULL. */
    union {
        weir_buffer in;             /* What a whole read has left to fill, */
        weir_const_buffer out;      /* a whole write to send. */
        weir_message *message;      /* Of a vectored operation; a connect's address. */
        struct weir_lent *last;     /* Of its source, instead of reads. */
    } rest[2];                      /* By direction. */
    struct weir_tcp_source *source; /* Through which it is read (<weir/tcp_source.h>), or NULL. */
    weir_task *closer;              /* Suspended in weir_tcp_close, or NULL. */
    uint32_t opening;               /* Which of its loop's connections it is, or was. */
    int16_t failure;                /* How it was lost, an errno of the kernel's; 0: it was not. */
    uint8_t state;                  /* enum tcp_state in core/io/tcp.h. */
    /* Of one type, so that every compiler packs them. */
    unsigned releasing : 1;  /* The descriptor's release is in flight: the closer's operation. */
    unsigned resets : 1;     /* WEIR_TCP_LINGER_SECONDS is 0: closing resets. */
    unsigned has_ended : 1;  /* A read has met the end. */
    unsigned peer_class : 2; /* enum weir_peer_class in core/loop/zero_copy.h. */
    unsigned late : 3;       /* Doublings of weir_loop_options.zero_copy_bytes for it: see there. */
} weir_tcp_socket;

/** Prepare a closed socket. */
WEIR_PUBLIC void weir_tcp_socket_init(weir_tcp_socket *socket);

/** Whether the socket is open. */
WEIR_PUBLIC bool weir_tcp_is_open(const weir_tcp_socket *socket);

/**
 * Connect to a peer. Opens the socket on the task's loop; on failure it is closed again.
 *
 * Completes  when the connection stands or failed
 * Result     {0, 0}; -ECONNREFUSED, -ETIMEDOUT (the kernel's), -ENETUNREACH, -EMFILE, -ENOMEM, …
 * Borrows    socket until then; peer only for the call
 * Overlap    nothing else on the socket but weir_tcp_close
 * Cancel     WEIR_CANCELLED, or WEIR_TIMED_OUT of a weir_deadline: arm one, for the kernel's own
 *            time is minutes. The socket is closed
 * See        connect(2)
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_tcp_connect(weir_task *task, weir_tcp_socket *socket,
                                                      const weir_endpoint *peer);

/**
 * Close: what is in flight on the socket completes with WEIR_CANCELLED (or the bytes it had), and
 * the descriptor is released: what was written goes out and the peer reads the end of the stream,
 * or, when bytes it sent were not read, a reset.
 *
 * Completes  when the descriptor is free and nothing is in flight; at once when it is not open
 * Result     {0, 0}
 * Borrows    socket until then; after it the memory is the caller's
 * Overlap    may begin while a read, a write or a connect is in flight; one close at a time
 * Cancel     shielded: a stop does not cut it short
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_tcp_close(weir_task *task, weir_tcp_socket *socket);

/**
 * Wait until a direction is ready: a read or a write would not wait. Transfers nothing.
 *
 * Completes  when bytes, the end of the stream or an error can be read, or some bytes written
 * Result     {0, 0}
 * Borrows    socket until then
 * Overlap    counts as the one read, or the one write, in flight
 * Cancel     WEIR_CANCELLED
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_tcp_wait(weir_task *task, weir_tcp_socket *socket,
                                                   enum weir_direction direction);

/**
 * Cancel the read, write or connect in flight: it completes with WEIR_CANCELLED or its bytes, and
 * what is composed of several (weir_read_until) with WEIR_CANCELLED beside them. Of a large write
 * that is sent without a copy this may cost the connection: if the peer has not acknowledged what
 * was sent half a second later, it is reset.
 */
WEIR_PUBLIC void weir_tcp_cancel(weir_tcp_socket *socket);

/** End a direction; does not wait. Of an end of reads the peer is not told: a read that finds
 * nothing gives WEIR_EOF from then on, and what the peer sends all the same is read, also behind
 * that. An end of writes does not wait for a write in flight, of which the rest fails with -EPIPE:
 * weir_write_eof ends writing behind the last byte. Returns 0 or a negative errno: -ENOTCONN,
 * WEIR_CLOSED; -EAGAIN where the loop has direct descriptors and the kernel takes nothing now. */
WEIR_PUBLIC int weir_tcp_shutdown(weir_tcp_socket *socket, enum weir_tcp_direction direction);

/** The endpoints of an open socket. Return 0 or a negative errno: -ENOTCONN, WEIR_CLOSED; and,
 * where the loop has direct descriptors, -EMFILE or -ENFILE, for the call takes a plain one while
 * it lasts, and -EAGAIN: more has completed than the loop's queue holds (queue_depth); ask
 * later. */
WEIR_PUBLIC int weir_tcp_local(const weir_tcp_socket *socket, weir_endpoint *ret_endpoint);
WEIR_PUBLIC int weir_tcp_peer(const weir_tcp_socket *socket, weir_endpoint *ret_endpoint);

/** Set or read an option. Return 0 or a negative errno: -EINVAL, WEIR_CLOSED; -EMFILE, -ENFILE
 * and -EAGAIN as above. */
WEIR_PUBLIC int weir_tcp_option_set(weir_tcp_socket *socket, enum weir_tcp_option option,
                                    int value);
WEIR_PUBLIC int weir_tcp_option_get(const weir_tcp_socket *socket, enum weir_tcp_option option,
                                    int *ret_value);

/** A listening socket. In place while open. Fields are private. */
typedef struct weir_tcp_acceptor {
    weir_handle handle;
    weir_operation accept_operation; /* The multishot accept. */
    weir_operation close_operation;
    weir_list waiters;           /* Records in the waiting tasks' scratch, first in, first out. */
    intptr_t *queue;             /* Ring of accepted descriptors nobody has asked for yet. */
    uint32_t queue_head;         /* Index of the oldest. */
    uint32_t queue_count;        /* How many there are. */
    uint32_t queue_capacity;     /* Power of two; grows to at most the process's descriptors. */
    weir_handle_watcher watcher; /* While it waits for a free descriptor. */
    weir_wheel_node retry;       /* When to accept again after the tables were full. */
    int64_t retry_delay_ns;      /* Grows while they stay full. */
    uint64_t closed_count;       /* The loop's, when the accept was armed. */
    weir_task *closer;           /* Suspended in weir_tcp_acceptor_close, or NULL. */
    weir_wait closing;           /* The closer's record. */
    uint8_t state;               /* enum acceptor_state in tcp_acceptor.c. */
    bool armed;                  /* The multishot accept is in flight. */
    bool pausing;                /* Its cancel is on the way. */
    bool releasing;              /* close_operation is in flight. */
} weir_tcp_acceptor;

/**
 * Listen on a local endpoint.
 *
 * Returns 0 or a negative errno: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -EMFILE, -ENOMEM. On failure
 * the acceptor is closed.
 *
 * @local    port 0 picks a free one: see weir_tcp_acceptor_local
 * @options  NULL: the defaults
 */
WEIR_PUBLIC int weir_tcp_listen(weir_tcp_acceptor *acceptor, weir_loop *loop,
                                const weir_endpoint *local, const weir_tcp_listen_options *options);

/** The endpoint it listens on. Returns 0 or WEIR_CLOSED. */
WEIR_PUBLIC int weir_tcp_acceptor_local(const weir_tcp_acceptor *acceptor,
                                        weir_endpoint *ret_endpoint);

/**
 * Accept a connection into a closed socket.
 *
 * Completes  when a connection has come; at once when one is queued. While the process, the system
 *            or the loop's own table is out of descriptors or memory it waits, tries again after a
 *            growing delay (5 ms to 320 ms) and whenever this loop closes a socket, and loses no
 *            queued connection.
 * Result     {0, 0}; WEIR_CANCELLED when the acceptor is closed meanwhile, WEIR_CLOSED when it was
 * Borrows    acceptor and socket until then
 * Overlap    any number of accepts; they are served in the order they began
 * Cancel     WEIR_CANCELLED; a connection that came meanwhile stays queued for the next accept
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_tcp_accept(weir_task *task, weir_tcp_acceptor *acceptor,
                                                     weir_tcp_socket *ret_socket);

/**
 * Close: waiting accepts complete with WEIR_CANCELLED; queued connections are reset, as
 * those are that stand in the backlog.
 *
 * Completes  when the descriptor is free and nothing is in flight; at once when it is not open
 * Result     {0, 0}
 * Borrows    acceptor until then
 * Cancel     shielded
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_tcp_acceptor_close(weir_task *task,
                                                             weir_tcp_acceptor *acceptor);

WEIR_C_END

#endif
