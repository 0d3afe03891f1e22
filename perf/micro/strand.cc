// SPDX-License-Identifier: MIT
//
// What does a strand add to a post?
//
// Tasks are posted to a strand over an executor, and to the executor itself, which is the floor;
// the figure is per task, posted and run. `outside` posts so many from outside of the executor, as
// another thread would, and then runs them: with one, each post sends the strand's courier on its
// way; with a thousand, the first does, and the strand may beat its floor, for it does not count
// who is posting. `inside` has a task of the strand post itself. The executor is the manual one, so
// that its queue is all there is beside the strand. Not measured: threads that post at once.
//
// Run: build/bin/weir-perf --benchmark_filter=strand
#include <benchmark/benchmark.h>
#include <vector>

#include <weir/weir.h>

namespace
{

struct worker {
    weir_task task;
    uint64_t runs;
};

weir_task *worker_resume(weir_task *task)
{
    WEIR_TASK_SELF(task, worker)->runs++;
    return nullptr;
}

// Post so many, run them, and again.
void post_outside(benchmark::State &state, weir_manual *manual, weir_executor *executor)
{
    std::vector<worker> workers(static_cast<size_t>(state.range(0)));
    uint64_t rounds = 0;

    while (state.KeepRunningBatch(state.range(0))) {
        for (worker &each : workers) {
            weir_task_init(&each.task, worker_resume);
            weir_executor_post(executor, &each.task);
        }
        while (weir_manual_poll(manual))
            continue;
        rounds++;
    }
    for (const worker &each : workers)
        if (each.runs != rounds)
            state.SkipWithError("a task has not run");
}

struct chain {
    weir_task task;
    benchmark::State *state;
};

weir_task *chain_resume(weir_task *task)
{
    chain *self = WEIR_TASK_SELF(task, chain);

    WEIR_BEGIN(task);
    while (self->state->KeepRunning())
        WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

void post_inside(benchmark::State &state, weir_manual *manual, weir_executor *executor)
{
    chain frame = {};
    weir_root root;

    frame.state = &state;
    weir_task_init(&frame.task, chain_resume);
    weir_run_async(executor, &root, &frame.task, nullptr, nullptr);
    while (weir_manual_poll(manual))
        continue;
}

using post_fn = void(benchmark::State &state, weir_manual *manual, weir_executor *executor);

void on_executor(benchmark::State &state, post_fn *post)
{
    weir_manual manual;

    weir_manual_init(&manual, nullptr);
    post(state, &manual, weir_manual_executor(&manual));
    weir_manual_fini(&manual);
}

void on_strand(benchmark::State &state, post_fn *post)
{
    weir_manual manual;
    weir_strand strand;

    weir_manual_init(&manual, nullptr);
    weir_strand_init(&strand, weir_manual_executor(&manual));
    post(state, &manual, weir_strand_executor(&strand));
    weir_strand_fini(&strand);
    weir_manual_fini(&manual);
}

void strand_outside_floor(benchmark::State &state)
{
    on_executor(state, post_outside);
}

void strand_outside(benchmark::State &state)
{
    on_strand(state, post_outside);
}

void strand_inside_floor(benchmark::State &state)
{
    on_executor(state, post_inside);
}

void strand_inside(benchmark::State &state)
{
    on_strand(state, post_inside);
}

} // namespace

BENCHMARK(strand_outside_floor)->ArgName("tasks")->Arg(1)->Arg(1000);
BENCHMARK(strand_outside)->ArgName("tasks")->Arg(1)->Arg(1000);
BENCHMARK(strand_inside_floor);
BENCHMARK(strand_inside);
