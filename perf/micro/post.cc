// SPDX-License-Identifier: MIT
//
// What does it cost to post a task and have the loop run it?
//
// The figure is dominated by the queue's two stores, the indirect call of the resume function and,
// once an iteration, one look at the kernel. Beside it: the floor, a ring of function pointers
// called in turn. `post_chained` has one task that posts itself; `post_batch` a thousand that are
// posted before any runs.
//
// Run: build/bin/weir-perf --benchmark_filter=post
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

struct driver {
    weir_task task;
    benchmark::State *state;
    std::vector<worker> *workers;
    weir_executor *executor;
};

void post_all(driver *self)
{
    for (worker &each : *self->workers) {
        weir_task_init(&each.task, worker_resume);
        weir_executor_post(self->executor, &each.task);
    }
}

weir_task *chained_resume(weir_task *task)
{
    driver *self = WEIR_TASK_SELF(task, driver);

    WEIR_BEGIN(task);
    while (self->state->KeepRunning())
        WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

weir_task *batch_resume(weir_task *task)
{
    driver *self = WEIR_TASK_SELF(task, driver);

    WEIR_BEGIN(task);
    while (self->state->KeepRunningBatch(static_cast<int64_t>(self->workers->size()))) {
        post_all(self);
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

void run_driver(benchmark::State &state, weir_resume_fn *resume, const char *backend)
{
    weir_loop_options options = {};
    weir_loop *loop = nullptr;
    std::vector<worker> workers(1000);
    driver frame = {};

    options.backend = backend;
    if (weir_loop_new(&options, &loop) != 0) {
        state.SkipWithError("no loop");
        return;
    }
    frame.state = &state;
    frame.workers = &workers;
    frame.executor = weir_loop_executor(loop);
    weir_task_init(&frame.task, resume);
    (void)weir_run(loop, &frame.task);
    weir_loop_free(loop);
}

void post_chained(benchmark::State &state, const char *backend)
{
    run_driver(state, chained_resume, backend);
}

void post_batch(benchmark::State &state, const char *backend)
{
    run_driver(state, batch_resume, backend);
}

__attribute__((noinline)) void floor_function(worker *each)
{
    each->runs++;
    benchmark::ClobberMemory();
}

void post_floor(benchmark::State &state)
{
    std::vector<worker> workers(1000);
    std::vector<std::pair<void (*)(worker *), worker *>> queue(workers.size());
    size_t i = 0;

    for (auto _ : state) {
        queue[i] = {floor_function, &workers[i]};
        benchmark::ClobberMemory();
        queue[i].first(queue[i].second);
        i = i + 1 < queue.size() ? i + 1 : 0;
    }
}

} // namespace

BENCHMARK(post_floor);
BENCHMARK_CAPTURE(post_chained, uring, "uring");
BENCHMARK_CAPTURE(post_chained, epoll, "epoll");
BENCHMARK_CAPTURE(post_batch, uring, "uring");
BENCHMARK_CAPTURE(post_batch, epoll, "epoll");
