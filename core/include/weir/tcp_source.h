/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_SOURCE_H
#define WEIR_TCP_SOURCE_H

/*
 * Reading a TCP socket without a buffer of one's own: a weir_buffer_source on the socket.
 *
 * What comes is received into buffers of the loop and shown where it stands: pull it, use it,
 * consume it (<weir/buffer_source.h>). A connection that waits holds no buffer, so ten thousand
 * idle ones need no more of them than one. On io_uring one multishot receive serves many pulls.
 *
 * A source holds what it has received until it is consumed: at most HELD_MAX buffers (tcp_source.c)
 * and what the kernel completes before it hears of it; then it receives no more until they are
 * consumed, and the peer is held back by TCP. All sources of a loop share lent_bytes_max
 * (<weir/loop.h>). When that is used up, sources that need a buffer wait for the first that is
 * consumed: a server whose clients do not read what they asked for has as many buffers for each of
 * them, or deadlines.
 *
 *      weir_tcp_socket_init --> weir_tcp_source_init
 *                               --> connect, accept --> pull, consume --> close
 *
 * Source: core/io/tcp_source.c. Tests: tests/contract/test_tcp_source.c.
 */

#include <weir/buffer_source.h>
#include <weir/tcp.h>

WEIR_C_BEGIN

struct weir_lent;

/** The first member makes it a buffer source. In place with its socket. Fields are private. */
typedef struct weir_tcp_source {
    weir_buffer_source source;
    weir_operation receive;  /* The multishot receive; its object is the socket. */
    weir_task *puller;       /* Suspended in a pull, or NULL. */
    struct weir_lent *first; /* What has come and is not consumed, oldest first. */
    size_t pulled;           /* Bytes that the latest pull showed and nobody has consumed. */
    uint32_t consumed;       /* Bytes of the first. */
    uint16_t behind_count;   /* Buffers behind the first, linked by it. */
    bool armed : 1;          /* The receive is in flight. */
    bool receiving : 1;      /* The same, and the socket is open. */
    bool pausing : 1;        /* Its cancel is on the way. */
    bool has_more : 1;       /* Neither the end nor a lasting failure has come. */
} weir_tcp_source;

/** The socket that it is on. */
static inline weir_tcp_socket *weir_tcp_source_socket(const weir_tcp_source *source)
{
    return (weir_tcp_socket *)source->receive.object;
}

/**
 * Put a source on a closed socket, which is read only through it from then on, until
 * weir_tcp_socket_init. The socket may be connected and closed any number of times.
 *
 * A pull completes with the errors of weir_read_some, and with -ENOMEM. Writes are independent of
 * it. Closing the socket cancels the pull in flight and, when it completes, gives back what was
 * pulled and not consumed: then nobody uses those bytes any more, also not a write to another
 * socket. A task that has its bytes and has not run since runs before that. If bytes have come that
 * were never pulled, the peer reads a reset, as when they stand unread in the socket.
 */
WEIR_PUBLIC void weir_tcp_source_init(weir_tcp_source *source, weir_tcp_socket *socket);

WEIR_C_END

#endif
