// SPDX-License-Identifier: MIT
//
// What does it cost to call a child task?
//
// A call is: initialise the child's header, transfer to it, let it return, transfer back. The cost
// is some twenty stores and two indirect jumps that the processor predicts; it becomes meaningless
// when the compiler sees through the resume functions, so they are kept out of line. Beside it: the
// floor (an ordinary call through a pointer), and what malloc would cost.
//
// Run: build/bin/weir-perf --benchmark_filter=call
#include <benchmark/benchmark.h>
#include <cstdlib>

#include <weir/weir.h>

namespace
{

struct child {
    weir_task task;
    uint64_t value;
};

__attribute__((noinline)) weir_task *child_resume(weir_task *task)
{
    child *self = WEIR_TASK_SELF(task, child);

    WEIR_BEGIN(task);
    self->value++;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

struct parent {
    weir_task task;
    benchmark::State *state;
    child embedded;
    child *allocated;
};

weir_task *embedded_resume(weir_task *task)
{
    parent *self = WEIR_TASK_SELF(task, parent);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->state->KeepRunning()) {
        weir_task_init(&self->embedded.task, child_resume);
        WEIR_AWAIT(task, r, weir_call(task, &self->embedded.task));
        benchmark::DoNotOptimize(r);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

weir_task *allocated_resume(weir_task *task)
{
    parent *self = WEIR_TASK_SELF(task, parent);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->state->KeepRunning()) {
        self->allocated = static_cast<child *>(weir_frame_new(task, sizeof(child), child_resume));
        WEIR_AWAIT(task, r, weir_call(task, &self->allocated->task));
        benchmark::DoNotOptimize(r);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

void *heap_allocate(weir_memory *, size_t size)
{
    return malloc(size);
}

void heap_release(weir_memory *, void *memory, size_t)
{
    free(memory);
}

weir_memory heap = {heap_allocate, heap_release};

void run_parent(benchmark::State &state, weir_resume_fn *resume, size_t retained_bytes)
{
    weir_loop_options options = {};
    weir_loop *loop = nullptr;
    parent frame = {};

    options.frames = &heap;
    options.frames_retained_bytes_max = retained_bytes;
    if (weir_loop_new(&options, &loop) != 0) {
        state.SkipWithError("no loop");
        return;
    }
    frame.state = &state;
    weir_task_init(&frame.task, resume);
    (void)weir_run(loop, &frame.task);
    weir_loop_free(loop);
}

void call_embedded(benchmark::State &state)
{
    run_parent(state, embedded_resume, 0);
}

void call_recycled(benchmark::State &state)
{
    run_parent(state, allocated_resume, 1 << 20);
}

// An allocator that may hold back one byte holds back no frame: each comes from malloc.
void call_malloc(benchmark::State &state)
{
    run_parent(state, allocated_resume, 1);
}

uint64_t floor_value;

__attribute__((noinline)) void floor_function(uint64_t *value)
{
    ++*value;
    benchmark::ClobberMemory();
}

void call_floor(benchmark::State &state)
{
    void (*volatile function)(uint64_t *) = floor_function;

    for (auto _ : state)
        function(&floor_value);
}

} // namespace

BENCHMARK(call_floor);
BENCHMARK(call_embedded);
BENCHMARK(call_recycled);
BENCHMARK(call_malloc);
