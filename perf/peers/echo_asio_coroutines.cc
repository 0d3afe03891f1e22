/* SPDX-License-Identifier: MIT */

/*
 * An echo server on Asio, in C++20 coroutines, as those write it who want it fast.
 *
 * A session is a coroutine with the buffer in its frame; Asio recycles the frames of the
 * operations. What a send leaves over is sent by the next one, without the composed async_write.
 */

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "asio_listener.h"

namespace
{

using awaitable = asio::awaitable<void, executor>;
constexpr asio::use_awaitable_t<executor> awaited;

using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, executor>;

/* Where the server waits that has run out of descriptors, until a connection is closed. */
class room
{
  public:
    explicit room(asio::io_context &context) : closing(context, timer::time_point::max())
    {
    }

    void closed()
    {
        has_room = true;
        closing.cancel();
    }

    void accepting()
    {
        has_room = false;
    }

    awaitable wait()
    {
        asio::error_code cancelled;
        if (!has_room)
            co_await closing.async_wait(asio::redirect_error(awaited, cancelled));
    }

  private:
    timer closing;
    bool has_room = false; /* one was closed since accepting started */
};

awaitable session_run(tcp_socket socket, room &space)
{
    char data[PEER_BUFFER_SIZE];
    try {
        for (;;) {
            std::size_t received = co_await socket.async_read_some(asio::buffer(data), awaited);
            for (std::size_t sent = 0; sent < received;)
                sent += co_await socket.async_write_some(asio::buffer(data + sent, received - sent),
                                                         awaited);
        }
    } catch (const asio::system_error &) {
        /* The end of the stream, or of the connection. */
    }
    socket.close();
    space.closed();
}

awaitable server_run(tcp_acceptor &acceptor, room &space)
{
    for (;;) {
        asio::error_code error;
        space.accepting();
        tcp_socket socket = co_await acceptor.async_accept(asio::redirect_error(awaited, error));
        if (!error)
            asio::co_spawn(acceptor.get_executor(), session_run(std::move(socket), space),
                           asio::detached);
        else if (is_exhausted(error))
            co_await space.wait();
    }
}

} // namespace

int main(int argc, char **argv)
{
    peer_options options;
    weir_peer_options_parse(&options, argc, argv);
    asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
    signal_descriptor signals(context, weir_peer_signals_open());
    (void)weir_peer_connections_limit();
    tcp_acceptor acceptor = acceptor_open(context, options);
    room space(context);
    signals.async_wait(signal_descriptor::wait_read,
                       [&context](const asio::error_code &) { context.stop(); });
    asio::co_spawn(context, server_run(acceptor, space), asio::detached);
    context.run();
    _exit(0); /* Sessions that are left would be destroyed while they name the room. */
}
