/* SPDX-License-Identifier: MIT */

/*
 * bulk-asio-INTERFACE send|receive SIZE: Asio, in C++20 coroutines. Compiled twice: see
 * asio_listener.h.
 */

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "asio_listener.h"
#include "bulk.h"

namespace
{

using awaitable = asio::awaitable<void, executor>;
constexpr asio::use_awaitable_t<executor> awaited;

awaitable transfer(const bulk &self, tcp_socket &socket)
{
    auto buffer = asio::buffer(self.buffer, self.size);
    for (;;) {
        if (self.receives)
            co_await socket.async_read_some(buffer, awaited);
        else
            co_await asio::async_write(socket, buffer, awaited);
    }
}

awaitable serve(const bulk &self, tcp_acceptor &acceptor)
{
    for (;;) {
        tcp_socket socket = co_await acceptor.async_accept(awaited);
        try {
            co_await transfer(self, socket);
        } catch (const asio::system_error &) {
            /* The end of the stream, or of the connection. */
        }
    }
}

} // namespace

int main(int argc, char **argv)
{
    bulk self;
    weir_bulk_open(1, argc, argv, &self);
    asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
    tcp_acceptor acceptor = acceptor_open(context, {"127.0.0.1", "0"});
    asio::co_spawn(context, serve(self, acceptor), asio::detached);
    context.run();
    return 0;
}
