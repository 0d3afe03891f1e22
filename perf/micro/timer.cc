// SPDX-License-Identifier: MIT
//
// What does it cost to create, arm and cancel a timer while many others are armed?
//
// That is what a timeout on every operation costs, because most are cancelled. It should not depend
// on how many are outstanding: 1,000 and 100,000 stand side by side. The floor is a linked list
// insertion and removal at random places of the same memory, which pays the same cache misses.
//
// Run: build/bin/weir-perf --benchmark_filter=timer
#include <benchmark/benchmark.h>
#include <random>
#include <vector>

#include <weir/weir.h>

namespace
{

const int64_t second_ns = 1000000000;

// Deadlines from now to thirty seconds away, drawn before the clock starts.
std::vector<int64_t> draw_delays()
{
    std::mt19937_64 random(7);
    std::vector<int64_t> delays(4096);

    for (int64_t &each : delays)
        each = second_ns + static_cast<int64_t>(random() % (30 * static_cast<uint64_t>(second_ns)));
    return delays;
}

void timer_arm_cancel(benchmark::State &state)
{
    std::vector<weir_timer> outstanding(static_cast<size_t>(state.range(0)));
    std::vector<int64_t> delays = draw_delays();
    weir_loop *loop = nullptr;
    int64_t now_ns = weir_now_ns();
    size_t i = 0;

    if (weir_loop_new(nullptr, &loop) != 0) {
        state.SkipWithError("no loop");
        return;
    }
    for (weir_timer &each : outstanding) {
        weir_timer_init(&each, loop);
        weir_timer_expires_at(&each, now_ns + delays[i++ % delays.size()]);
    }
    for (auto _ : state) {
        weir_timer timer;

        weir_timer_init(&timer, loop);
        weir_timer_expires_at(&timer, now_ns + delays[i++ % delays.size()]);
        benchmark::ClobberMemory();
        weir_timer_fini(&timer);
    }
    for (weir_timer &each : outstanding)
        weir_timer_fini(&each);
    weir_loop_free(loop);
}

void timer_floor(benchmark::State &state)
{
    std::vector<weir_list> slots(64);
    std::vector<weir_list_node> nodes(static_cast<size_t>(state.range(0)));
    std::vector<int64_t> delays = draw_delays();
    size_t i = 0;

    for (weir_list &each : slots)
        weir_list_init(&each);
    for (weir_list_node &each : nodes)
        weir_list_push(&slots[static_cast<size_t>(delays[i++ % delays.size()]) % slots.size()],
                       &each);
    for (auto _ : state) {
        weir_list_node node = {nullptr, nullptr};

        weir_list_push(&slots[static_cast<size_t>(delays[i++ % delays.size()]) % slots.size()],
                       &node);
        benchmark::ClobberMemory();
        weir_list_remove(&node);
    }
}

} // namespace

BENCHMARK(timer_floor)->Arg(1000)->Arg(100000);
BENCHMARK(timer_arm_cancel)->Arg(1000)->Arg(100000);
