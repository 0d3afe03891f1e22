// SPDX-License-Identifier: MIT
//
// What does the call of a child task cost in the language's own coroutines?
//
// The measure to hold call.cc against, in the same program and run: a lazily started task with
// symmetric transfer, the same child that adds one and returns a result, the same loop around it.
// The frame comes from malloc, or from a free list of the thread by size class. Nothing else is
// done that weir does beside the call (environment, stop, assertions, a bound of what is held
// back). The child is kept out of line, as the child of another translation unit is, so that its
// frame is not elided.
//
// Run: build/bin/weir-perf --benchmark_filter=call
#include <benchmark/benchmark.h>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <utility>

#include <weir/error.h>

namespace
{

struct frames_of_malloc {
    static void *operator new(size_t size)
    {
        return malloc(size);
    }

    static void operator delete(void *memory, size_t)
    {
        free(memory);
    }
};

const size_t unit_bytes = 64;
const size_t class_count = 32;

struct free_frame {
    free_frame *next;
};

constinit thread_local free_frame *free_frames[class_count];

struct frames_of_list {
    static void *operator new(size_t size)
    {
        size_t units = (size + unit_bytes - 1) / unit_bytes;

        if (units >= class_count || !free_frames[units])
            return malloc(units * unit_bytes);
        return take(free_frames[units]);
    }

    static void operator delete(void *memory, size_t size)
    {
        size_t units = (size + unit_bytes - 1) / unit_bytes;
        free_frame *frame = static_cast<free_frame *>(memory);

        if (units >= class_count) {
            free(memory);
            return;
        }
        frame->next = free_frames[units];
        free_frames[units] = frame;
    }

    static void give_back()
    {
        for (free_frame *&list : free_frames)
            while (list)
                free(take(list));
    }

  private:
    static void *take(free_frame *&list)
    {
        free_frame *frame = list;

        list = frame->next;
        return frame;
    }
};

// Owns the frame of a child that has not started until it is awaited.
template <class Frames> class task
{
  public:
    struct promise_type;
    using handle = std::coroutine_handle<promise_type>;

    struct to_continuation {
        bool await_ready() noexcept
        {
            return false;
        }

        std::coroutine_handle<> await_suspend(handle child) noexcept
        {
            return child.promise().continuation;
        }

        void await_resume() noexcept
        {
        }
    };

    struct promise_type : Frames {
        std::coroutine_handle<> continuation = std::noop_coroutine();
        weir_result result;

        task get_return_object() noexcept
        {
            return task(handle::from_promise(*this));
        }

        std::suspend_always initial_suspend() noexcept
        {
            return {};
        }

        to_continuation final_suspend() noexcept
        {
            return {};
        }

        void return_value(weir_result value) noexcept
        {
            result = value;
        }

        void unhandled_exception() noexcept
        {
            std::terminate();
        }
    };

    task(task &&other) noexcept : frame_(std::exchange(other.frame_, nullptr))
    {
    }

    task &operator=(task &&) = delete;

    ~task()
    {
        if (frame_)
            frame_.destroy();
    }

    void run()
    {
        frame_.resume();
    }

    bool await_ready() noexcept
    {
        return false;
    }

    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) noexcept
    {
        frame_.promise().continuation = parent;
        return frame_;
    }

    weir_result await_resume() noexcept
    {
        return frame_.promise().result;
    }

  private:
    explicit task(handle frame) noexcept : frame_(frame)
    {
    }

    handle frame_;
};

template <class Frames> __attribute__((noinline)) task<Frames> child(uint64_t *value)
{
    ++*value;
    co_return weir_result_of(0, 0);
}

template <class Frames> task<Frames> parent(benchmark::State *state)
{
    uint64_t value = 0;

    while (state->KeepRunning()) {
        weir_result r = co_await child<Frames>(&value);
        benchmark::DoNotOptimize(r);
    }
    co_return weir_result_of(0, 0);
}

void call_cxx20_malloc(benchmark::State &state)
{
    parent<frames_of_malloc>(&state).run();
}

void call_cxx20_recycled(benchmark::State &state)
{
    parent<frames_of_list>(&state).run();
    frames_of_list::give_back();
}

} // namespace

BENCHMARK(call_cxx20_malloc);
BENCHMARK(call_cxx20_recycled);
