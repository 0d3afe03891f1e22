/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PERF_SUITE_ASIO_BED_H
#define WEIR_PERF_SUITE_ASIO_BED_H

/*
 * Where a row of Asio's runs: a context without locks, connected pairs of sockets, and what a row's
 * coroutines wait with. As those write it who want it fast: the executor is the context's own type.
 */

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "suite.h"

namespace suite
{

using tcp = asio::ip::tcp;
using executor = asio::io_context::executor_type;
using tcp_socket = asio::basic_stream_socket<tcp, executor>;
using tcp_acceptor = asio::basic_socket_acceptor<tcp, executor>;
using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, executor>;
using awaitable = asio::awaitable<void, executor>;

constexpr asio::use_awaitable_t<executor> awaited;

inline std::chrono::nanoseconds nanoseconds(int64_t count)
{
    return std::chrono::nanoseconds(count);
}

/* Waits until as many have finished as were started: what Asio has instead of a scope. */
class counted_join
{
  public:
    explicit counted_join(asio::io_context &context) : all(context, timer::time_point::max())
    {
    }

    void start(size_t count)
    {
        left += count;
    }

    void finish()
    {
        if (--left == 0)
            all.cancel();
    }

    size_t left_count() const
    {
        return left;
    }

    awaitable wait()
    {
        asio::error_code cancelled;

        if (left > 0)
            co_await all.async_wait(asio::redirect_error(awaited, cancelled));
    }

  private:
    size_t left = 0;
    timer all;
};

/* A connection on loopback, both ends here. */
struct pair {
    tcp_socket client;
    tcp_socket server;
};

/* Closing resets the connection, so that no port stays occupied. */
inline void reset_at_close(tcp_socket &socket)
{
    socket.set_option(asio::socket_base::linger(true, 0));
}

/* What a row has: the run, the context, the acceptor, the pairs. */
struct bed {
    bed(suite_run *one_run, unsigned pair_count);

    void spawn(awaitable &&coroutine)
    {
        asio::co_spawn(context, std::move(coroutine), asio::detached);
    }

    /* All is spawned: run it to its end. */
    const char *run_all()
    {
        context.run();
        return nullptr;
    }

    suite_run *run;
    asio::io_context context;
    tcp_acceptor acceptor;
    std::vector<pair> pairs;
};

const char *post(suite_run *run);
const char *throughput(suite_run *run);
const char *throughput_both(suite_run *run);
const char *pingpong_one(suite_run *run);
const char *pingpong(suite_run *run);
const char *pairs(suite_run *run);
const char *accept(suite_run *run);
const char *accept_burst(suite_run *run);
const char *timer_cancel(suite_run *run);
const char *timer_fire(suite_run *run);
const char *timers(suite_run *run);
const char *fan_out(suite_run *run);
const char *fan_out_spin(suite_run *run);

} // namespace suite

#endif
