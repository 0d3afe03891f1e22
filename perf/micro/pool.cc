// SPDX-License-Identifier: MIT
//
// What does it cost to spread tasks over a thread pool and wait for all of them?
//
// The benchmark's thread gives so many tasks, which do nothing but count down, to a pool of two
// threads, and sleeps until the last has run; the figure is real time per task. `post` posts bare
// tasks. `trees` launches each as a tree of its own, which is what programs do: a root with an
// environment, a stop source and a strand. The floor is what one writes by hand: a list of jobs
// under a pthread mutex, a condition that is signalled only if a thread sleeps, and the same
// count-down.
//
// With two processors, of which the benchmark's thread wants one, a figure is as much of the
// scheduler's as of anybody's code: compare within a run, over repetitions.
//
// Run: build/bin/weir-perf --benchmark_filter=pool
#include <atomic>
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <vector>

#include <weir/weir.h>

namespace
{

const unsigned thread_count = 2;

// Waits until so many have counted down. Its last touch is under the mutex, so it may be used
// again.
class latch
{
  public:
    void expect(size_t count)
    {
        left_.store(count, std::memory_order_relaxed);
        open_ = false;
    }

    void count_down()
    {
        if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1)
            return;
        pthread_mutex_lock(&mutex_);
        open_ = true;
        pthread_cond_signal(&opened_);
        pthread_mutex_unlock(&mutex_);
    }

    void wait()
    {
        pthread_mutex_lock(&mutex_);
        while (!open_)
            pthread_cond_wait(&opened_, &mutex_);
        pthread_mutex_unlock(&mutex_);
    }

  private:
    std::atomic<size_t> left_{0};
    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t opened_ = PTHREAD_COND_INITIALIZER;
    bool open_ = false;
};

// weir's.

struct worker {
    weir_task task;
    weir_root root; // Of a tree.
    latch *all;
};

weir_task *post_resume(weir_task *task)
{
    WEIR_TASK_SELF(task, worker)->all->count_down();
    return nullptr;
}

weir_task *tree_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

void tree_done(weir_root *root, weir_result)
{
    static_cast<worker *>(root->user)->all->count_down();
}

void post(weir_executor *executor, worker *each)
{
    weir_task_init(&each->task, post_resume);
    weir_executor_post(executor, &each->task);
}

void launch(weir_executor *executor, worker *each)
{
    weir_task_init(&each->task, tree_resume);
    weir_run_async(executor, &each->root, &each->task, tree_done, each);
}

void fan_out(benchmark::State &state, void (*start)(weir_executor *executor, worker *each))
{
    std::vector<worker> workers(static_cast<size_t>(state.range(0)));
    weir_thread_pool_options options = {};
    weir_thread_pool *pool = nullptr;
    latch all;

    options.threads = thread_count;
    if (weir_thread_pool_new(&options, &pool) != 0) {
        state.SkipWithError("no pool");
        return;
    }
    for (worker &each : workers)
        each.all = &all;
    while (state.KeepRunningBatch(state.range(0))) {
        all.expect(workers.size());
        for (worker &each : workers)
            start(weir_thread_pool_executor(pool), &each);
        all.wait();
    }
    weir_thread_pool_free(pool);
}

void pool_post(benchmark::State &state)
{
    fan_out(state, post);
}

void pool_trees(benchmark::State &state)
{
    fan_out(state, launch);
}

// The floor.

struct job {
    void (*run)(job *self);
    job *next;
    latch *all;
};

class hand_written_pool
{
  public:
    hand_written_pool()
    {
        for (pthread_t &each : threads_)
            started_ += pthread_create(&each, nullptr, work, this) == 0;
    }

    ~hand_written_pool()
    {
        pthread_mutex_lock(&mutex_);
        ending_ = true;
        pthread_cond_broadcast(&ready_);
        pthread_mutex_unlock(&mutex_);
        for (unsigned i = 0; i < started_; i++)
            pthread_join(threads_[i], nullptr);
    }

    bool is_complete() const
    {
        return started_ == thread_count;
    }

    void post(job *each)
    {
        each->next = nullptr;
        pthread_mutex_lock(&mutex_);
        if (first_)
            last_->next = each;
        else
            first_ = each;
        last_ = each;
        if (sleeping_ > 0)
            pthread_cond_signal(&ready_);
        pthread_mutex_unlock(&mutex_);
    }

  private:
    // The mutex is held. NULL: the end.
    job *take()
    {
        job *each;

        while (!first_ && !ending_) {
            sleeping_++;
            pthread_cond_wait(&ready_, &mutex_);
            sleeping_--;
        }
        each = first_;
        if (each)
            first_ = each->next;
        return each;
    }

    static void *work(void *argument)
    {
        hand_written_pool *self = static_cast<hand_written_pool *>(argument);
        job *each;

        pthread_mutex_lock(&self->mutex_);
        while ((each = self->take())) {
            pthread_mutex_unlock(&self->mutex_);
            each->run(each);
            pthread_mutex_lock(&self->mutex_);
        }
        pthread_mutex_unlock(&self->mutex_);
        return nullptr;
    }

    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t ready_ = PTHREAD_COND_INITIALIZER;
    job *first_ = nullptr;
    job *last_ = nullptr;
    unsigned sleeping_ = 0;
    bool ending_ = false;
    unsigned started_ = 0;
    pthread_t threads_[thread_count];
};

void job_run(job *self)
{
    self->all->count_down();
}

void pool_floor(benchmark::State &state)
{
    std::vector<job> jobs(static_cast<size_t>(state.range(0)));
    hand_written_pool pool;
    latch all;

    if (!pool.is_complete()) {
        state.SkipWithError("no threads");
        return;
    }
    while (state.KeepRunningBatch(state.range(0))) {
        all.expect(jobs.size());
        for (job &each : jobs) {
            each.run = job_run;
            each.all = &all;
            pool.post(&each);
        }
        all.wait();
    }
}

} // namespace

BENCHMARK(pool_floor)->ArgName("tasks")->Arg(1)->Arg(1000)->UseRealTime();
BENCHMARK(pool_post)->ArgName("tasks")->Arg(1)->Arg(1000)->UseRealTime();
BENCHMARK(pool_trees)->ArgName("tasks")->Arg(1)->Arg(1000)->UseRealTime();
