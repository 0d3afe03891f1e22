/* SPDX-License-Identifier: MIT */
/* The bed of Asio's rows, and those in which connections come and go. */
#include "asio_bed.h"

namespace suite
{

bed::bed(suite_run *one_run, unsigned pair_count)
    : run(one_run), context(ASIO_CONCURRENCY_HINT_UNSAFE),
      acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0))
{
    acceptor.set_option(tcp::no_delay(true)); /* Accepted sockets inherit it. */
    for (unsigned i = 0; i < pair_count; i++) {
        tcp_socket client(context);

        client.connect(acceptor.local_endpoint());
        client.set_option(tcp::no_delay(true));
        pairs.push_back({std::move(client), acceptor.accept()});
        reset_at_close(pairs.back().client);
        reset_at_close(pairs.back().server);
    }
    suite_begin(run);
}

namespace
{

awaitable connect(tcp_socket &socket, const tcp::endpoint &peer, counted_join &connecting)
{
    co_await socket.async_connect(peer, awaited);
    socket.set_option(tcp::no_delay(true));
    connecting.finish();
}

awaitable churn(bed &it, counted_join &connecting)
{
    tcp::endpoint peer = it.acceptor.local_endpoint();

    do {
        int64_t begin_ns = suite_now_ns();
        tcp_socket client(it.context);
        tcp_socket server(it.context);
        char byte = 0;

        connecting.start(1);
        it.spawn(connect(client, peer, connecting));
        co_await it.acceptor.async_accept(server, awaited);
        co_await connecting.wait();
        reset_at_close(client);
        co_await asio::async_write(client, asio::buffer(&byte, 1), awaited);
        co_await asio::async_read(server, asio::buffer(&byte, 1), awaited);
        client.close();
        server.close();
        suite_lap(it.run, begin_ns, 1);
    } while (!suite_is_over(it.run));
}

awaitable burst(bed &it, counted_join &connecting)
{
    tcp::endpoint peer = it.acceptor.local_endpoint();

    do {
        int64_t begin_ns = suite_now_ns();
        std::vector<pair> ends;

        for (unsigned i = 0; i < it.run->parameter; i++)
            ends.push_back({tcp_socket(it.context), tcp_socket(it.context)});
        connecting.start(ends.size());
        for (pair &each : ends)
            it.spawn(connect(each.client, peer, connecting));
        for (pair &each : ends)
            co_await it.acceptor.async_accept(each.server, awaited);
        co_await connecting.wait();
        for (pair &each : ends) {
            reset_at_close(each.client);
            each.client.close();
            each.server.close();
        }
        suite_lap(it.run, begin_ns, it.run->parameter);
    } while (!suite_is_over(it.run));
}

const char *run_driver(suite_run *run, awaitable (*driver)(bed &it, counted_join &connecting))
{
    bed it(run, 0);
    counted_join connecting(it.context);

    it.spawn(driver(it, connecting));
    return it.run_all();
}

} // namespace

const char *accept(suite_run *run)
{
    return run_driver(run, churn);
}

const char *accept_burst(suite_run *run)
{
    return run_driver(run, burst);
}

} // namespace suite
