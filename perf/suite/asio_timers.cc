/* SPDX-License-Identifier: MIT */
/* Rows of Asio's without sockets: coroutines and timers. */
#include "asio_bed.h"

namespace suite
{

namespace
{

awaitable counting(uint64_t &counter)
{
    ++counter;
    co_return;
}

awaitable waiting(timer &each)
{
    asio::error_code cancelled;

    co_await each.async_wait(asio::redirect_error(awaited, cancelled));
}

awaitable sleeper(bed &it, int64_t interval_ns)
{
    timer each(it.context);

    do {
        int64_t begin_ns = suite_now_ns();

        each.expires_after(nanoseconds(interval_ns));
        co_await each.async_wait(awaited);
        suite_lap(it.run, begin_ns, 1);
    } while (!suite_is_over(it.run));
}

} // namespace

const char *post(suite_run *run)
{
    bed it(run, 0);
    uint64_t counter = 0;

    do {
        int64_t begin_ns = suite_now_ns();

        for (unsigned i = 0; i < run->parameter; i++)
            it.spawn(counting(counter));
        it.context.poll();
        it.context.restart();
        suite_lap(run, begin_ns, run->parameter);
    } while (!suite_is_over(run));
    return nullptr;
}

const char *timer_cancel(suite_run *run)
{
    bed it(run, 0);

    do {
        int64_t begin_ns = suite_now_ns();
        std::vector<timer> all;

        all.reserve(run->parameter);
        for (unsigned i = 0; i < run->parameter; i++) {
            all.emplace_back(it.context, std::chrono::hours(1));
            it.spawn(waiting(all.back()));
        }
        it.context.poll(); /* Until each of them waits. */
        for (timer &each : all)
            each.cancel();
        it.context.poll();
        it.context.restart();
        suite_lap(run, begin_ns, run->parameter);
    } while (!suite_is_over(run));
    return nullptr;
}

const char *timer_fire(suite_run *run)
{
    bed it(run, 0);

    it.spawn(sleeper(it, 0));
    return it.run_all();
}

const char *timers(suite_run *run)
{
    bed it(run, 0);

    for (unsigned i = 0; i < run->parameter; i++)
        it.spawn(sleeper(it, suite_interval_ns(i, run->parameter)));
    return it.run_all();
}

} // namespace suite
