/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_ZERO_COPY_H
#define WEIR_TCP_ZERO_COPY_H

/* Sending without a copy: what sinks, whole writes and closing share. Loop's thread. */

#include <weir/tcp.h>

#include "zero_copy.h"

/** What peer the open socket has; UNKNOWN: it is not connected any more. */
enum weir_peer_class weir_tcp_peer_class(weir_tcp_socket *socket);

/**
 * weir_write of a large buffer, without a copy if that is wanted. The kernel reads the caller's
 * memory until the peer has acknowledged it, so the write completes only then. Stopped or closed,
 * it gives the peer a time to do so; then it breaks the connection off, which is how the memory is
 * got back.
 */
weir_task *weir_tcp_write_zero_copy(weir_task *task, weir_write_stream *out,
                                    weir_const_buffer buffer);

/** Whether such a write is in flight: then it releases the descriptor of a socket that is being
 * closed when it ends, by weir_tcp_socket_release. */
bool weir_tcp_is_lending(const weir_tcp_socket *socket);

#endif
