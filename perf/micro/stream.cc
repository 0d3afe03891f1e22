// SPDX-License-Identifier: MIT
//
// What does a stream cost that does nothing?
//
// A task reads twenty million times, and adds up what the stream reports without having moved it.
// What is left is weir's own: the await, the way to the stream, and the way through the executor's
// queue and back, because a read that is not `ready` suspends and is made ready by a post. The
// stream is
//
//   native   called directly: its function is known to the reader and can be inlined
//   table    behind a weir_read_stream: code that is compiled once for every transport
//   erased   the same code once more. The erased form of a stream is the same pointer, so the row
//            says how far two runs of one thing differ, and stands beside the erased coroutines
//   ready    native, but complete at once: nothing is posted, but for what the budget wants, which
//            interrupts a task after so many reads to let others run
//
// The executor is the manual one, which is a queue and an inbox in one thread; `stream_posted` is
// the table on a kernel loop, which looks at the kernel in between. Not measured: the kernel,
// memory traffic, contention.
//
// Beside them: perf/peers/stream_coroutine.cc, the same reads as C++20 coroutines, and the floors,
// which have no coroutine and nothing to count but bytes: a call through a table, and a queue of
// function pointers.
//
// Run: build/bin/weir-perf --benchmark_filter=stream
#include <benchmark/benchmark.h>
#include <vector>

#include <weir/weir.h>

namespace
{

const benchmark::IterationCount read_count = 20000000;

// A stream whose reads complete by a post, or at once.
struct null_stream {
    weir_read_stream in;
    weir_wait wait;
};

void nothing_to_stop(weir_wait *, weir_task *, unsigned)
{
}

const weir_wait_ops posted_ops = {"read", nothing_to_stop, weir_wait_dump_nothing};

inline weir_task *read_posted(weir_task *task, null_stream *self, weir_buffer buffer)
{
    int error = weir_task_stop_error(task);

    if (error)
        return weir_task_complete(task, error, 0);
    self->wait.ops = &posted_ops;
    (void)weir_task_suspend(task, &self->wait);
    weir_task_wake(task, 0, buffer.size);
    return nullptr;
}

inline weir_task *read_ready(weir_task *task, null_stream *, weir_buffer buffer)
{
    int error = weir_task_stop_error(task);

    return weir_task_complete(task, error, error ? 0 : buffer.size);
}

weir_task *posted_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    return read_posted(task, reinterpret_cast<null_stream *>(in), buffer);
}

weir_task *ready_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    return read_ready(task, reinterpret_cast<null_stream *>(in), buffer);
}

const weir_read_stream_ops posted_stream_ops = {
    "posted",
    posted_read_some,
    weir_stream_read_first,
    weir_stream_read_composed,
};

const weir_read_stream_ops ready_stream_ops = {
    "ready",
    ready_read_some,
    weir_stream_read_first,
    weir_stream_read_composed,
};

struct reader {
    weir_task task;
    benchmark::State *state;
    null_stream *stream;  // All that native and ready know,
    weir_read_stream *in; // and all that the others know.
    benchmark::IterationCount left;
    size_t total;
    char data[64];
};

weir_buffer buffer_of(reader *self)
{
    return weir_buffer_of(self->data, sizeof self->data);
}

// What the stream has reported is unknown, or the sum would be computed instead of added.
void add(reader *self, weir_result r)
{
    __asm__ volatile("" : "+r"(r.count));
    self->total += r.count;
}

weir_task *native_resume(weir_task *task)
{
    reader *self = WEIR_TASK_SELF(task, reader);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->state->KeepRunningBatch(read_count)) {
        for (self->left = read_count; self->left > 0; self->left--) {
            WEIR_AWAIT(task, r, read_posted(task, self->stream, buffer_of(self)));
            add(self, r);
        }
    }
    WEIR_RETURN(task, weir_result_of(0, self->total));
    WEIR_END(task);
}

weir_task *table_resume(weir_task *task)
{
    reader *self = WEIR_TASK_SELF(task, reader);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->state->KeepRunningBatch(read_count)) {
        for (self->left = read_count; self->left > 0; self->left--) {
            WEIR_AWAIT(task, r, weir_read_some(task, self->in, buffer_of(self)));
            add(self, r);
        }
    }
    WEIR_RETURN(task, weir_result_of(0, self->total));
    WEIR_END(task);
}

weir_task *ready_resume(weir_task *task)
{
    reader *self = WEIR_TASK_SELF(task, reader);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->state->KeepRunningBatch(read_count)) {
        for (self->left = read_count; self->left > 0; self->left--) {
            WEIR_AWAIT(task, r, read_ready(task, self->stream, buffer_of(self)));
            add(self, r);
        }
    }
    WEIR_RETURN(task, weir_result_of(0, self->total));
    WEIR_END(task);
}

void reader_init(reader *self, benchmark::State &state, null_stream *stream, weir_resume_fn *resume)
{
    benchmark::DoNotOptimize(stream); // Where it comes from, and so what is behind its table.
    *self = reader();
    self->state = &state;
    self->stream = stream;
    self->in = &stream->in;
    weir_task_init(&self->task, resume);
}

void check(benchmark::State &state, weir_result result)
{
    if (result.error || result.count != static_cast<size_t>(read_count) * 64)
        state.SkipWithError("not all was read");
}

void run_reader(benchmark::State &state, weir_resume_fn *resume, const weir_read_stream_ops *ops)
{
    null_stream stream = {};
    weir_manual manual;
    reader frame;

    weir_manual_init(&manual, nullptr);
    weir_read_stream_init(&stream.in, ops);
    reader_init(&frame, state, &stream, resume);
    check(state, weir_manual_run(&manual, &frame.task));
    weir_manual_fini(&manual);
}

void stream_native(benchmark::State &state)
{
    run_reader(state, native_resume, &posted_stream_ops);
}

void stream_table(benchmark::State &state)
{
    run_reader(state, table_resume, &posted_stream_ops);
}

void stream_erased(benchmark::State &state)
{
    run_reader(state, table_resume, &posted_stream_ops);
}

void stream_ready(benchmark::State &state)
{
    run_reader(state, ready_resume, &ready_stream_ops);
}

void stream_ready_erased(benchmark::State &state)
{
    run_reader(state, table_resume, &ready_stream_ops);
}

void stream_posted(benchmark::State &state, const char *backend)
{
    weir_loop_options options = {};
    null_stream stream = {};
    weir_loop *loop = nullptr;
    reader frame;

    options.backend = backend;
    if (weir_loop_new(&options, &loop) != 0) {
        state.SkipWithError("no loop");
        return;
    }
    weir_read_stream_init(&stream.in, &posted_stream_ops);
    reader_init(&frame, state, &stream, table_resume);
    check(state, weir_run(loop, &frame.task));
    weir_loop_free(loop);
}

// The floors.

struct source;

struct source_ops {
    size_t (*read)(source *source, void *data, size_t size);
};

struct source {
    const source_ops *ops;
};

size_t source_read(source *, void *, size_t size)
{
    return size;
}

const source_ops floor_ops = {source_read};

void stream_ready_floor(benchmark::State &state)
{
    source each = {&floor_ops};
    source *unknown = &each;
    size_t total = 0;
    char data[64];

    benchmark::DoNotOptimize(unknown);
    while (state.KeepRunningBatch(read_count)) {
        for (benchmark::IterationCount left = read_count; left > 0; left--)
            total += unknown->ops->read(unknown, data, sizeof data);
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

    while (state.KeepRunningBatch(read_count)) {
        for (benchmark::IterationCount left = read_count; left > 0; left--) {
            queue[i] = {add_read, &total};
            benchmark::ClobberMemory();
            queue[i].first(queue[i].second);
            i = i + 1 < queue.size() ? i + 1 : 0;
        }
    }
    benchmark::DoNotOptimize(total);
}

} // namespace

BENCHMARK(stream_posted_floor)->Iterations(read_count);
BENCHMARK(stream_native)->Iterations(read_count);
BENCHMARK(stream_table)->Iterations(read_count);
BENCHMARK(stream_erased)->Iterations(read_count);
BENCHMARK_CAPTURE(stream_posted, uring, "uring")->Iterations(read_count);
BENCHMARK_CAPTURE(stream_posted, epoll, "epoll")->Iterations(read_count);
BENCHMARK(stream_ready_floor)->Iterations(read_count);
BENCHMARK(stream_ready)->Iterations(read_count);
BENCHMARK(stream_ready_erased)->Iterations(read_count);
