/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PERF_PEERS_ASIO_LISTENER_H
#define WEIR_PERF_PEERS_ASIO_LISTENER_H

/*
 * What the servers on Asio share: a context without locks, its types, the listener, the signals.
 *
 * Compiled twice: on epoll as Asio comes, and on io_uring with ASIO_HAS_IO_URING and
 * ASIO_DISABLE_EPOLL. The executor is the context's own type instead of any_io_executor, which
 * would cost an allocation and a virtual call an operation.
 */

#include <sys/socket.h>

#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/posix/basic_stream_descriptor.hpp>

#include "peer.h"

using tcp = asio::ip::tcp;
using executor = asio::io_context::executor_type;
using tcp_socket = asio::basic_stream_socket<tcp, executor>;
using tcp_acceptor = asio::basic_socket_acceptor<tcp, executor>;
using signal_descriptor = asio::posix::basic_stream_descriptor<executor>;

/* The acceptor on the socket that peer.c has opened and announced. */
inline tcp_acceptor acceptor_open(asio::io_context &context, const peer_options &options)
{
    int fd = weir_peer_listen(&options, 0);
    sockaddr_storage address = {};
    socklen_t size = sizeof address;
    if (getsockname(fd, reinterpret_cast<sockaddr *>(&address), &size) < 0)
        weir_peer_die("getsockname", errno);
    return tcp_acceptor(context, address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), fd);
}

/* Whether to accept again only when a connection has been closed. */
inline bool is_exhausted(const asio::error_code &error)
{
    return error == asio::error::no_descriptors || error == asio::error::no_memory ||
           error == asio::error::no_buffer_space;
}

#endif
