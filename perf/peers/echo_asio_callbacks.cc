/* SPDX-License-Identifier: MIT */

/*
 * An echo server on Asio, in callbacks, as those write it who want it fast.
 *
 * A handler owns its session, and there is one at a time, so nothing is counted; Asio recycles the
 * memory of the operation that has just completed for the one that the handler starts. What a send
 * leaves over is sent by the next one, without the composed async_write.
 */

#include <memory>
#include <utility>

#include "asio_listener.h"

namespace
{

class server;

struct session {
    session(server &home, tcp_socket &&connection) : owner(home), socket(std::move(connection))
    {
    }
    ~session();

    server &owner;
    tcp_socket socket;
    std::size_t sent = 0;
    std::size_t received = 0;
    char data[PEER_BUFFER_SIZE];
};

using session_pointer = std::unique_ptr<session>;

class server
{
  public:
    server(asio::io_context &context, const peer_options &options)
        : acceptor(acceptor_open(context, options))
    {
    }

    void accept()
    {
        is_accepting = true;
        has_room = false;
        acceptor.async_accept(
            [this](const asio::error_code &error, tcp_socket socket) { accepted(error, socket); });
    }

    void closed()
    {
        has_room = true;
        if (!is_accepting)
            accept();
    }

  private:
    void accepted(const asio::error_code &error, tcp_socket &socket);

    tcp_acceptor acceptor;
    bool is_accepting = false; /* false after running out of descriptors, until one is closed */
    bool has_room = false;     /* one was closed since accepting started */
};

void receive(session_pointer self);

void send(session_pointer self)
{
    session &it = *self;
    it.socket.async_write_some(
        asio::buffer(it.data + it.sent, it.received - it.sent),
        [self = std::move(self)](const asio::error_code &error, std::size_t size) mutable {
            if (error)
                return;
            self->sent += size;
            if (self->sent < self->received)
                send(std::move(self));
            else
                receive(std::move(self));
        });
}

void receive(session_pointer self)
{
    session &it = *self;
    it.socket.async_read_some(
        asio::buffer(it.data),
        [self = std::move(self)](const asio::error_code &error, std::size_t size) mutable {
            if (error)
                return;
            self->sent = 0;
            self->received = size;
            send(std::move(self));
        });
}

session::~session()
{
    asio::error_code ignored;
    socket.close(ignored);
    owner.closed();
}

void server::accepted(const asio::error_code &error, tcp_socket &socket)
{
    if (!error)
        /* Not make_unique, which would clear the buffer. */
        receive(session_pointer(new session(*this, std::move(socket))));
    if (is_exhausted(error) && !has_room)
        is_accepting = false;
    else
        accept();
}

} // namespace

int main(int argc, char **argv)
{
    peer_options options;
    weir_peer_options_parse(&options, argc, argv);
    asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
    signal_descriptor signals(context, weir_peer_signals_open());
    (void)weir_peer_connections_limit();
    server echo(context, options);
    signals.async_wait(signal_descriptor::wait_read,
                       [&context](const asio::error_code &) { context.stop(); });
    echo.accept();
    context.run();
    _exit(0); /* Sessions that are left would start accepting as they are destroyed. */
}
