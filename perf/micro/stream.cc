// SPDX-License-Identifier: MIT
//
// What does a stream cost that does nothing?
//
// The reader knows only a weir_stream, as code that is compiled once for every transport does; the
// stream reports bytes without moving any. What is left is weir's own: the await, the table, the
// budget. `stream_ready` completes at once, and the floor beside it is a call through a table;
// `stream_posted` suspends and is made ready again, and the floor beside it is a queue of function
// pointers.
//
// Run: build/bin/weir-perf --benchmark_filter=stream
#include <benchmark/benchmark.h>
#include <vector>

#include <weir/weir.h>

namespace
{

// A stream whose reads complete at once, or by a post.
struct null_stream {
    weir_stream stream;
    weir_wait wait;
};

weir_task *read_ready(weir_task *task, weir_stream *, weir_buffer buffer)
{
    return weir_task_complete(task, 0, buffer.size);
}

void nothing_to_stop(weir_wait *, weir_task *, unsigned)
{
}

const weir_wait_ops posted_ops = {"read", nothing_to_stop, weir_wait_dump_nothing};

weir_task *read_posted(weir_task *task, weir_stream *stream, weir_buffer buffer)
{
    null_stream *self = reinterpret_cast<null_stream *>(stream);

    self->wait.ops = &posted_ops;
    (void)weir_task_suspend(task, &self->wait);
    weir_task_wake(task, 0, buffer.size);
    return nullptr;
}

weir_task *write_some(weir_task *task, weir_stream *, weir_const_buffer buffer)
{
    return weir_task_complete(task, 0, buffer.size);
}

const weir_stream_ops ready_stream_ops = {
    "ready",
    read_ready,
    weir_stream_read_first,
    write_some,
    weir_stream_write_first,
    weir_stream_read_composed,
    weir_stream_write_composed,
};

const weir_stream_ops posted_stream_ops = {
    "posted",
    read_posted,
    weir_stream_read_first,
    write_some,
    weir_stream_write_first,
    weir_stream_read_composed,
    weir_stream_write_composed,
};

struct reader {
    weir_task task;
    benchmark::State *state;
    weir_stream *stream;
    size_t total;
    char data[64];
};

weir_task *reader_resume(weir_task *task)
{
    reader *self = WEIR_TASK_SELF(task, reader);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->state->KeepRunning()) {
        WEIR_AWAIT(
            task, r,
            weir_read_some(task, self->stream, weir_buffer_of(self->data, sizeof self->data)));
        self->total += r.count;
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

void run_reader(benchmark::State &state, const weir_stream_ops *ops)
{
    weir_loop *loop = nullptr;
    null_stream stream = {};
    reader frame = {};

    if (weir_loop_new(nullptr, &loop) != 0) {
        state.SkipWithError("no loop");
        return;
    }
    weir_stream_init(&stream.stream, ops);
    frame.state = &state;
    frame.stream = &stream.stream;
    weir_task_init(&frame.task, reader_resume);
    (void)weir_run(loop, &frame.task);
    weir_loop_free(loop);
    benchmark::DoNotOptimize(frame.total);
}

void stream_ready(benchmark::State &state)
{
    run_reader(state, &ready_stream_ops);
}

void stream_posted(benchmark::State &state)
{
    run_reader(state, &posted_stream_ops);
}

// The floors: what reads has no coroutine and nothing to count but bytes.

struct source;

struct source_ops {
    size_t (*read)(source *source, void *data, size_t size);
};

struct source {
    const source_ops *ops;
};

size_t source_read(source *, void *, size_t size)
{
    benchmark::ClobberMemory();
    return size;
}

const source_ops floor_ops = {source_read};

void stream_ready_floor(benchmark::State &state)
{
    source each = {&floor_ops};
    size_t total = 0;
    char data[64];

    benchmark::DoNotOptimize(&each);
    while (state.KeepRunning()) {
        benchmark::ClobberMemory();
        total += each.ops->read(&each, data, sizeof data);
    }
    benchmark::DoNotOptimize(total);
}

__attribute__((noinline)) void add_read(size_t *total)
{
    *total += 64;
    benchmark::ClobberMemory();
}

void stream_posted_floor(benchmark::State &state)
{
    std::vector<std::pair<void (*)(size_t *), size_t *>> queue(256);
    size_t total = 0;
    size_t i = 0;

    while (state.KeepRunning()) {
        queue[i] = {add_read, &total};
        benchmark::ClobberMemory();
        queue[i].first(queue[i].second);
        i = i + 1 < queue.size() ? i + 1 : 0;
    }
    benchmark::DoNotOptimize(total);
}

} // namespace

BENCHMARK(stream_ready_floor);
BENCHMARK(stream_ready);
BENCHMARK(stream_posted_floor);
BENCHMARK(stream_posted);
