// SPDX-License-Identifier: MIT
//
// What does a stream cost that does nothing, in the language's own coroutines?
//
// The measure to hold perf/micro/stream.cc against, in the same program and run. It is the design
// that papers for C++ propose, written to be fast, with nothing in it that only a library needs: a
// lazy task<T> with symmetric transfer, frames from a free list, an environment (executor, stop
// token) that every awaitable is given by await_suspend(handle, environment), and a queue of
// continuations that the awaitables bring, so that a read allocates nothing. The stream is one of
//
//   native   the concrete type, known to the reader: all of it can be inlined
//   table    behind an abstract class: one virtual call, which returns the concrete awaitable
//   erased   behind a table of functions, whatever its awaitable is: that is made in storage which
//            is allocated once
//   ready    native, but complete in await_ready: nothing is posted
//
// Where weir does more, this does less, and that is left so: the queue belongs to one thread and
// asks no post where it comes from, has no inbox and no timers, and deals out no budget, so that a
// reader of `ready` is never interrupted. Each read that suspends looks whether a stop was
// requested, as weir's does; one that is ready cannot, for the design shows it no environment.
//
// Run: build/bin/weir-perf --benchmark_filter=stream
#include <benchmark/benchmark.h>
#include <coroutine>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace
{

const benchmark::IterationCount read_count = 20000000;

struct read_result {
    int error;
    size_t count;
};

const int cancelled = -1;

struct mutable_buffer {
    void *data;
    size_t size;
};

// The executor, and what all awaitables are given.

// A coroutine in a queue. The link is where the awaitable is, in the coroutine's frame.
struct continuation {
    std::coroutine_handle<> handle;
    continuation *next;
};

struct executor_ops {
    void (*post)(void *executor, continuation &work) noexcept;
};

// Any executor: two words.
struct executor_ref {
    const executor_ops *ops;
    void *executor;

    void post(continuation &work) const noexcept
    {
        ops->post(executor, work);
    }
};

struct io_env {
    executor_ref executor;
    std::stop_token stop;
};

class queue_executor
{
  public:
    executor_ref ref() noexcept
    {
        static constexpr executor_ops ops = {post};

        return {&ops, this};
    }

    // Until the queue is empty.
    void run()
    {
        while (first_) {
            continuation *work = first_;

            first_ = work->next;
            work->handle.resume();
        }
    }

  private:
    static void post(void *executor, continuation &work) noexcept
    {
        queue_executor *self = static_cast<queue_executor *>(executor);

        work.next = nullptr;
        if (self->first_)
            self->last_->next = &work;
        else
            self->first_ = &work;
        self->last_ = &work;
    }

    continuation *first_ = nullptr;
    continuation *last_ = nullptr;
};

// Frames, by size class, from a free list of the thread.

const size_t unit_bytes = 64;
const size_t class_count = 32;

struct free_frame {
    free_frame *next;
};

constinit thread_local free_frame *free_frames[class_count];

struct recycled {
    static void *operator new(size_t size)
    {
        size_t units = (size + unit_bytes - 1) / unit_bytes;
        free_frame *frame;

        if (units >= class_count || !free_frames[units])
            return malloc(units * unit_bytes);
        frame = free_frames[units];
        free_frames[units] = frame->next;
        return frame;
    }

    static void operator delete(void *memory, size_t size)
    {
        size_t units = (size + unit_bytes - 1) / unit_bytes;
        free_frame *frame;

        if (units >= class_count) {
            free(memory);
            return;
        }
        frame = static_cast<free_frame *>(memory);
        frame->next = free_frames[units];
        free_frames[units] = frame;
    }
};

void give_frames_back()
{
    for (free_frame *&list : free_frames)
        while (list)
            free(std::exchange(list, list->next));
}

// Tasks.

// Await what wants the environment of the task that awaits it. The awaitable stays where it was
// made, which outlives the await: a copy of what was just written stalls the processor for more
// than a read.
template <class Awaitable> struct with_env {
    Awaitable &awaitable;
    const io_env *env;

    bool await_ready() noexcept
    {
        return awaitable.await_ready();
    }

    auto await_suspend(std::coroutine_handle<> task) noexcept
    {
        return awaitable.await_suspend(task, env);
    }

    decltype(auto) await_resume() noexcept
    {
        return awaitable.await_resume();
    }
};

// Owns the frame of a coroutine that starts when it is awaited, or by run().
template <class T> class task
{
  public:
    struct promise_type;
    using handle = std::coroutine_handle<promise_type>;

    struct to_continuation {
        bool await_ready() noexcept
        {
            return false;
        }

        std::coroutine_handle<> await_suspend(handle done) noexcept
        {
            return done.promise().next;
        }

        void await_resume() noexcept
        {
        }
    };

    struct promise_type : recycled {
        std::coroutine_handle<> next = std::noop_coroutine();
        const io_env *env = nullptr;
        T value = {};

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

        template <class Awaitable>
        with_env<std::remove_reference_t<Awaitable>> await_transform(Awaitable &&awaitable)
        {
            return {awaitable, env};
        }

        void return_value(T result) noexcept
        {
            value = result;
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

    bool await_ready() noexcept
    {
        return false;
    }

    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent,
                                          const io_env *env) noexcept
    {
        frame_.promise().next = parent;
        frame_.promise().env = env;
        return frame_;
    }

    T await_resume() noexcept
    {
        return frame_.promise().value;
    }

    // Run on the executor to the end.
    T run(queue_executor &executor)
    {
        io_env env = {executor.ref(), {}};
        continuation start = {frame_, nullptr};

        frame_.promise().env = &env;
        env.executor.post(start);
        executor.run();
        return frame_.promise().value;
    }

  private:
    explicit task(handle frame) noexcept : frame_(frame)
    {
    }

    handle frame_;
};

// Streams.

// Its reads complete by a post, with the whole buffer.
struct posted_stream {
    class read_awaitable
    {
      public:
        explicit read_awaitable(mutable_buffer buffer) noexcept : result_{0, buffer.size}
        {
        }

        bool await_ready() noexcept
        {
            return false;
        }

        // False: go on at once.
        bool await_suspend(std::coroutine_handle<> task, const io_env *env) noexcept
        {
            if (env->stop.stop_requested()) {
                result_ = {cancelled, 0};
                return false;
            }
            work_.handle = task;
            env->executor.post(work_);
            return true;
        }

        read_result await_resume() noexcept
        {
            return result_;
        }

      private:
        read_result result_;
        continuation work_;
    };

    read_awaitable read_some(mutable_buffer buffer) noexcept
    {
        return read_awaitable(buffer);
    }
};

// Its reads complete at once.
struct ready_stream {
    class read_awaitable
    {
      public:
        explicit read_awaitable(mutable_buffer buffer) noexcept : count_(buffer.size)
        {
        }

        bool await_ready() noexcept
        {
            return true;
        }

        bool await_suspend(std::coroutine_handle<>, const io_env *) noexcept
        {
            return false;
        }

        read_result await_resume() noexcept
        {
            return {0, count_};
        }

      private:
        size_t count_;
    };

    read_awaitable read_some(mutable_buffer buffer) noexcept
    {
        return read_awaitable(buffer);
    }
};

// Streams whose awaitable is known, and nothing else.
struct abstract_stream {
    virtual posted_stream::read_awaitable read_some(mutable_buffer buffer) noexcept = 0;

  protected:
    ~abstract_stream() = default;
};

struct virtual_stream final : abstract_stream {
    posted_stream::read_awaitable read_some(mutable_buffer buffer) noexcept override
    {
        return posted_stream::read_awaitable(buffer);
    }
};

// What erases the type of a stream and of its awaitable. Each is called once a read, but destroy:
// finish ends the awaitable in the same call, and destroy is for a coroutine that ends while it
// waits.
struct any_stream_ops {
    size_t awaitable_bytes;
    bool (*start)(void *stream, void *awaitable, mutable_buffer buffer) noexcept; // await_ready
    std::coroutine_handle<> (*suspend)(void *awaitable, std::coroutine_handle<> task,
                                       const io_env *env) noexcept;
    read_result (*finish)(void *awaitable) noexcept;
    void (*destroy)(void *awaitable) noexcept;
};

template <class Stream> struct any_stream_of {
    using awaitable = decltype(std::declval<Stream &>().read_some(mutable_buffer{}));

    static bool start(void *stream, void *storage, mutable_buffer buffer) noexcept
    {
        return (new (storage) awaitable(static_cast<Stream *>(stream)->read_some(buffer)))
            ->await_ready();
    }

    static std::coroutine_handle<> suspend(void *storage, std::coroutine_handle<> task,
                                           const io_env *env) noexcept
    {
        if (static_cast<awaitable *>(storage)->await_suspend(task, env))
            return std::noop_coroutine();
        return task;
    }

    static read_result finish(void *storage) noexcept
    {
        awaitable *done = static_cast<awaitable *>(storage);
        read_result result = done->await_resume();

        done->~awaitable();
        return result;
    }

    static void destroy(void *storage) noexcept
    {
        static_cast<awaitable *>(storage)->~awaitable();
    }

    static constexpr any_stream_ops ops = {sizeof(awaitable), start, suspend, finish, destroy};
};

// Any stream; one read at a time. Borrows the stream.
class any_stream
{
  public:
    class read_awaitable
    {
      public:
        read_awaitable(any_stream *stream, mutable_buffer buffer) noexcept
            : stream_(stream), buffer_(buffer)
        {
        }

        read_awaitable(read_awaitable &&) = delete;

        ~read_awaitable()
        {
            if (lives_)
                stream_->ops_->destroy(stream_->storage_.get());
        }

        bool await_ready() noexcept
        {
            lives_ = true;
            return stream_->ops_->start(stream_->stream_, stream_->storage_.get(), buffer_);
        }

        std::coroutine_handle<> await_suspend(std::coroutine_handle<> task,
                                              const io_env *env) noexcept
        {
            return stream_->ops_->suspend(stream_->storage_.get(), task, env);
        }

        read_result await_resume() noexcept
        {
            lives_ = false;
            return stream_->ops_->finish(stream_->storage_.get());
        }

      private:
        any_stream *stream_;
        mutable_buffer buffer_;
        bool lives_ = false; // There is an awaitable in the storage.
    };

    template <class Stream>
    explicit any_stream(Stream *stream)
        : ops_(&any_stream_of<Stream>::ops), stream_(stream),
          storage_(std::make_unique<std::byte[]>(ops_->awaitable_bytes))
    {
        static_assert(alignof(typename any_stream_of<Stream>::awaitable) <=
                      __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    }

    read_awaitable read_some(mutable_buffer buffer) noexcept
    {
        return read_awaitable(this, buffer);
    }

  private:
    const any_stream_ops *ops_;
    void *stream_;
    std::unique_ptr<std::byte[]> storage_;
};

// The reader.

template <class Stream>
__attribute__((noinline)) task<size_t> read_all(benchmark::State *state, Stream *stream)
{
    char data[64];
    size_t total = 0;
    benchmark::IterationCount left;

    while (state->KeepRunningBatch(read_count)) {
        for (left = read_count; left > 0; left--) {
            read_result r = co_await stream->read_some({data, sizeof data});

            // What the stream has reported is unknown, or the sum would be computed instead of
            // added.
            __asm__ volatile("" : "+r"(r.count));
            total += r.count;
        }
    }
    co_return total;
}

// The task whose child the reader is, as everywhere.
template <class Stream> task<size_t> root(benchmark::State *state, Stream *stream)
{
    co_return co_await read_all(state, stream);
}

template <class Stream> void run_reader(benchmark::State &state, Stream &stream)
{
    queue_executor executor;
    Stream *unknown = &stream;
    size_t total;

    benchmark::DoNotOptimize(unknown); // Where it comes from, and so what is behind a table.
    total = root(&state, unknown).run(executor);
    give_frames_back();
    if (total != static_cast<size_t>(read_count) * 64)
        state.SkipWithError("not all was read");
}

void stream_native_coroutine(benchmark::State &state)
{
    posted_stream stream;

    run_reader(state, stream);
}

void stream_table_coroutine(benchmark::State &state)
{
    virtual_stream stream;

    run_reader<abstract_stream>(state, stream);
}

void stream_erased_coroutine(benchmark::State &state)
{
    posted_stream stream;
    any_stream any(&stream);

    run_reader(state, any);
}

void stream_ready_coroutine(benchmark::State &state)
{
    ready_stream stream;

    run_reader(state, stream);
}

void stream_ready_erased_coroutine(benchmark::State &state)
{
    ready_stream stream;
    any_stream any(&stream);

    run_reader(state, any);
}

} // namespace

BENCHMARK(stream_native_coroutine)->Iterations(read_count);
BENCHMARK(stream_table_coroutine)->Iterations(read_count);
BENCHMARK(stream_erased_coroutine)->Iterations(read_count);
BENCHMARK(stream_ready_coroutine)->Iterations(read_count);
BENCHMARK(stream_ready_erased_coroutine)->Iterations(read_count);
