/* SPDX-License-Identifier: MIT */
/*
 * Thread pools: one queue, one mutex, two conditions.
 *
 * A thread is woken only when one sleeps, and under the mutex: who posts the last task of the pool
 * touches it no more once it has unlocked, so the pool may end then.
 *
 * Whether the pool is quiet changes only by a task that runs on it, or by one that is posted to it.
 * So the last thread to go to sleep says so, and who frees the pool looks again each time.
 */
#include <weir/thread_pool.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/run.h>

#include "ready.h"
#include "sys.h"
#include "thread.h"

struct weir_thread_pool {
    weir_executor executor; /* Its budget stays 0: what completes at once is queued. */
    weir_context context;
    char name[16];         /* Of the threads. */
    unsigned thread_count; /* That have been started. */

    weir_sys_mutex mutex;     /* Of what follows, up to the threads. */
    weir_sys_condition work;  /* Something is ready, or the pool ends. */
    weir_sys_condition quiet; /* All threads sleep. */
    weir_ready ready;
    unsigned sleeping_count; /* Threads that wait for work. */
    bool is_ending;

    weir_sys_thread threads[]; /* thread_count. */
};

/* Threads. */

/* The mutex is held. Returns NULL when the pool ends. */
static weir_task *take(weir_thread_pool *pool)
{
    weir_task *task;

    while (!pool->ready.first && !pool->is_ending) {
        pool->sleeping_count++;
        if (pool->sleeping_count == pool->thread_count)
            weir_sys_condition_signal(&pool->quiet);
        weir_sys_condition_wait(&pool->work, &pool->mutex);
        pool->sleeping_count--;
    }
    task = pool->ready.first;
    if (task)
        pool->ready.first = task->down.next;
    return task;
}

static void thread_main(void *argument)
{
    weir_thread_pool *pool = argument;
    weir_task *task;

    weir_thread.pool = pool;
    weir_sys_thread_name(pool->name);
    weir_sys_mutex_lock(&pool->mutex);
    while ((task = take(pool))) {
        weir_sys_mutex_unlock(&pool->mutex);
        weir_ready_run_task(task);
        weir_sys_mutex_lock(&pool->mutex);
    }
    weir_sys_mutex_unlock(&pool->mutex);
}

/* The executor. */

static weir_thread_pool *pool_of(weir_executor *executor)
{
    return WEIR_CONTAINER_OF(executor, weir_thread_pool, executor);
}

static void pool_post(weir_executor *executor, weir_task *task)
{
    weir_thread_pool *pool = pool_of(executor);

    weir_sys_mutex_lock(&pool->mutex);
    WEIR_ASSERT(!pool->is_ending, "nothing is posted to a pool that ends");
    weir_ready_push(&pool->ready, task);
    if (pool->sleeping_count > 0)
        weir_sys_condition_signal(&pool->work);
    weir_sys_mutex_unlock(&pool->mutex);
}

/* Others were posted before it. */
static weir_task *pool_dispatch(weir_executor *executor, weir_task *task)
{
    pool_post(executor, task);
    return NULL;
}

static weir_context *pool_context(weir_executor *executor)
{
    return &pool_of(executor)->context;
}

const struct weir_executor_ops weir_thread_pool_executor_ops = {
    .name = "thread pool",
    .is_serial = false,
    .post = pool_post,
    .dispatch = pool_dispatch,
    .context = pool_context,
};

/* Life. */

static void pool_init(weir_thread_pool *pool, const weir_thread_pool_options *options)
{
    const char *name = options->name ? options->name : "weir-pool";
    size_t length = strlen(name);

    memset(pool, 0, sizeof *pool);
    memcpy(pool->name, name, length < sizeof pool->name ? length : sizeof pool->name - 1);
    pool->executor.ops = &weir_thread_pool_executor_ops;
    weir_context_init_shared(&pool->context, options->frames);
    weir_sys_mutex_init(&pool->mutex);
    weir_sys_condition_init(&pool->work);
    weir_sys_condition_init(&pool->quiet);
}

static void end_threads(weir_thread_pool *pool)
{
    unsigned i;

    weir_sys_mutex_lock(&pool->mutex);
    pool->is_ending = true;
    weir_sys_condition_broadcast(&pool->work);
    weir_sys_mutex_unlock(&pool->mutex);
    for (i = 0; i < pool->thread_count; i++)
        weir_sys_thread_join(&pool->threads[i]);
}

/* No thread is left. */
static void pool_release(weir_thread_pool *pool)
{
    weir_context_fini(&pool->context);
    weir_sys_condition_fini(&pool->quiet);
    weir_sys_condition_fini(&pool->work);
    weir_sys_mutex_fini(&pool->mutex);
    free(pool);
}

/* The mutex keeps those that have started from looking at the count. */
static int start_threads(weir_thread_pool *pool, unsigned count)
{
    int error = 0;

    weir_sys_mutex_lock(&pool->mutex);
    while (pool->thread_count < count && !error) {
        error = weir_sys_thread_start(&pool->threads[pool->thread_count], thread_main, pool);
        if (!error)
            pool->thread_count++;
    }
    weir_sys_mutex_unlock(&pool->mutex);
    return error;
}

int weir_thread_pool_new(const weir_thread_pool_options *options, weir_thread_pool **ret_pool)
{
    static const weir_thread_pool_options defaults;
    weir_thread_pool *pool;
    unsigned count;
    int error;

    options = options ? options : &defaults;
    count = options->threads ? options->threads : (unsigned)weir_sys_processor_count();
    pool = malloc(sizeof *pool + count * sizeof pool->threads[0]);
    if (!pool)
        return -ENOMEM;
    pool_init(pool, options);
    error = start_threads(pool, count);
    if (error) {
        end_threads(pool);
        pool_release(pool);
        return error;
    }
    *ret_pool = pool;
    return 0;
}

/* The mutex is held. */
static bool is_quiet(weir_thread_pool *pool)
{
    return pool->sleeping_count == pool->thread_count && !pool->ready.first &&
           !weir_context_is_busy(&pool->context);
}

void weir_thread_pool_free(weir_thread_pool *pool)
{
    if (!pool)
        return;
    WEIR_ASSERT(weir_thread.pool != pool, "a pool is not ended by its own threads");
    weir_sys_mutex_lock(&pool->mutex);
    while (!is_quiet(pool))
        weir_sys_condition_wait(&pool->quiet, &pool->mutex);
    weir_sys_mutex_unlock(&pool->mutex);
    end_threads(pool);
    pool_release(pool);
}

weir_executor *weir_thread_pool_executor(weir_thread_pool *pool)
{
    return &pool->executor;
}

weir_context *weir_thread_pool_context(weir_thread_pool *pool)
{
    return &pool->context;
}

/* Running to the end. */

struct run_state {
    weir_root root;
    weir_sys_mutex mutex; /* Of what follows. */
    weir_sys_condition ended;
    bool is_done;
};

/* Signals under the mutex: the state may go once it is unlocked. */
static void run_done(weir_root *root, weir_result result)
{
    struct run_state *state = root->user;

    (void)result; /* It stays in the root. */
    weir_sys_mutex_lock(&state->mutex);
    state->is_done = true;
    weir_sys_condition_signal(&state->ended);
    weir_sys_mutex_unlock(&state->mutex);
}

weir_result weir_thread_pool_run(weir_thread_pool *pool, weir_task *main)
{
    struct run_state state;

    WEIR_ASSERT(weir_thread.pool != pool, "a thread of a pool does not block");
    state.is_done = false;
    weir_sys_mutex_init(&state.mutex);
    weir_sys_condition_init(&state.ended);
    weir_run_async(&pool->executor, &state.root, main, run_done, &state);

    weir_sys_mutex_lock(&state.mutex);
    while (!state.is_done)
        weir_sys_condition_wait(&state.ended, &state.mutex);
    weir_sys_mutex_unlock(&state.mutex);
    weir_sys_condition_fini(&state.ended);
    weir_sys_mutex_fini(&state.mutex);
    return state.root.outcome;
}

/* The process. */

static weir_thread_pool *make_system_pool(void)
{
    static const weir_thread_pool_options all = {.name = "weir-system"};
    static const weir_thread_pool_options one = {.name = "weir-system", .threads = 1};
    weir_thread_pool *pool = NULL;

    if (weir_thread_pool_new(&all, &pool))
        (void)weir_thread_pool_new(&one, &pool);
    WEIR_ASSERT(pool, "the context of the process needs memory and a thread");
    return pool;
}

static weir_thread_pool *system_pool(void)
{
    static weir_sys_lock lock;       /* Of making it. */
    static weir_thread_pool *system; /* __atomic: release when made, acquire by who finds it. */
    weir_thread_pool *pool = __atomic_load_n(&system, __ATOMIC_ACQUIRE);

    WEIR_ASSERT(!weir_thread.world, "programs of a simulated world make pools of their own");
    if (pool)
        return pool;
    weir_sys_lock_take(&lock);
    pool = __atomic_load_n(&system, __ATOMIC_RELAXED);
    if (!pool) {
        pool = make_system_pool();
        __atomic_store_n(&system, pool, __ATOMIC_RELEASE);
    }
    weir_sys_lock_give(&lock);
    return pool;
}

weir_context *weir_system_context(void)
{
    return weir_thread_pool_context(system_pool());
}

weir_executor *weir_system_executor(void)
{
    return weir_thread_pool_executor(system_pool());
}
