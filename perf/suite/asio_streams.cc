/* SPDX-License-Identifier: MIT */
/* Rows of Asio's that move bytes over connections that stand. */
#include "asio_bed.h"

namespace suite
{

namespace
{

constexpr size_t chunk_max = 1 << 20;

/* Of every coroutine that only moves bytes: what they are does not matter. */
char source[chunk_max];
char sink[chunk_max];

/* Whether the stream has ended, as it does in every row; anything else ends the program. */
void expect_end(const asio::system_error &error)
{
    if (error.code() != asio::error::eof)
        throw error;
}

/* Throughput. */

awaitable writer(suite_run *run, tcp_socket &socket)
{
    do
        co_await socket.async_write_some(asio::buffer(source, run->parameter), awaited);
    while (!suite_is_over(run));
    socket.shutdown(tcp_socket::shutdown_send);
}

awaitable reader(suite_run *run, tcp_socket &socket)
{
    try {
        for (;;) {
            int64_t begin_ns = suite_now_ns();
            size_t count =
                co_await socket.async_read_some(asio::buffer(sink, run->parameter), awaited);

            suite_lap(run, begin_ns, count);
        }
    } catch (const asio::system_error &error) {
        expect_end(error);
    }
}

/* Ping-pong. */

awaitable both_ends(suite_run *run, pair &ends)
{
    char data[1024];
    asio::mutable_buffer message(data, run->parameter);

    while (!suite_is_over(run)) {
        int64_t begin_ns = suite_now_ns();

        co_await asio::async_write(ends.client, message, awaited);
        co_await asio::async_read(ends.server, message, awaited);
        co_await asio::async_write(ends.server, message, awaited);
        co_await asio::async_read(ends.client, message, awaited);
        suite_lap(run, begin_ns, 1);
    }
}

awaitable ping(suite_run *run, tcp_socket &socket, size_t size)
{
    char data[1024];
    asio::mutable_buffer message(data, size);

    while (!suite_is_over(run)) {
        int64_t begin_ns = suite_now_ns();

        co_await asio::async_write(socket, message, awaited);
        co_await asio::async_read(socket, message, awaited);
        suite_lap(run, begin_ns, 1);
    }
    socket.shutdown(tcp_socket::shutdown_send);
}

awaitable pong(tcp_socket &socket, size_t size)
{
    char data[1024];
    asio::mutable_buffer message(data, size);

    try {
        for (;;) {
            co_await asio::async_read(socket, message, awaited);
            co_await asio::async_write(socket, message, awaited);
        }
    } catch (const asio::system_error &error) {
        expect_end(error);
    }
}

const char *run_pairs(suite_run *run, unsigned count, size_t size)
{
    bed it(run, count);

    for (pair &each : it.pairs) {
        it.spawn(ping(run, each.client, size));
        it.spawn(pong(each.server, size));
    }
    return it.run_all();
}

/* Fan-out: one request on each connection, side by side, again and again. */

awaitable request(tcp_socket &socket, counted_join &requests)
{
    char data[SUITE_MESSAGE_BYTES];

    co_await asio::async_write(socket, asio::buffer(data), awaited);
    co_await asio::async_read(socket, asio::buffer(data), awaited);
    requests.finish();
}

void start_requests(bed &it, counted_join &requests)
{
    requests.start(it.pairs.size());
    for (pair &each : it.pairs)
        it.spawn(request(each.client, requests));
}

void end_servers(bed &it)
{
    for (pair &each : it.pairs)
        each.client.shutdown(tcp_socket::shutdown_send);
}

awaitable joining_parent(bed &it, counted_join &requests)
{
    do {
        int64_t begin_ns = suite_now_ns();

        start_requests(it, requests);
        co_await requests.wait();
        suite_lap(it.run, begin_ns, 1);
    } while (!suite_is_over(it.run));
    end_servers(it);
}

awaitable spinning_parent(bed &it, counted_join &requests)
{
    timer nothing(it.context);

    do {
        int64_t begin_ns = suite_now_ns();

        start_requests(it, requests);
        while (requests.left_count() > 0) {
            nothing.expires_after(nanoseconds(0));
            co_await nothing.async_wait(awaited);
        }
        suite_lap(it.run, begin_ns, 1);
    } while (!suite_is_over(it.run));
    end_servers(it);
}

awaitable echo(tcp_socket &socket)
{
    char data[SUITE_MESSAGE_BYTES];

    try {
        for (;;) {
            size_t count = co_await socket.async_read_some(asio::buffer(data), awaited);

            co_await asio::async_write(socket, asio::buffer(data, count), awaited);
        }
    } catch (const asio::system_error &error) {
        expect_end(error);
    }
}

const char *run_fan(suite_run *run, awaitable (*parent)(bed &it, counted_join &requests))
{
    bed it(run, run->parameter);
    counted_join requests(it.context);

    for (pair &each : it.pairs)
        it.spawn(echo(each.server));
    it.spawn(parent(it, requests));
    return it.run_all();
}

} // namespace

const char *throughput(suite_run *run)
{
    bed it(run, 1);

    it.spawn(writer(run, it.pairs[0].client));
    it.spawn(reader(run, it.pairs[0].server));
    return it.run_all();
}

const char *throughput_both(suite_run *run)
{
    bed it(run, 1);

    it.spawn(writer(run, it.pairs[0].client));
    it.spawn(reader(run, it.pairs[0].server));
    it.spawn(writer(run, it.pairs[0].server));
    it.spawn(reader(run, it.pairs[0].client));
    return it.run_all();
}

const char *pingpong_one(suite_run *run)
{
    bed it(run, 1);

    it.spawn(both_ends(run, it.pairs[0]));
    return it.run_all();
}

const char *pingpong(suite_run *run)
{
    return run_pairs(run, 1, run->parameter);
}

const char *pairs(suite_run *run)
{
    return run_pairs(run, run->parameter, SUITE_MESSAGE_BYTES);
}

const char *fan_out(suite_run *run)
{
    return run_fan(run, joining_parent);
}

const char *fan_out_spin(suite_run *run)
{
    return run_fan(run, spinning_parent);
}

} // namespace suite
