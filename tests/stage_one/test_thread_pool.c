/* SPDX-License-Identifier: MIT */
/* Thread pools: trees side by side, each of them serial; and an end that waits for all of them. */
#include <weir/thread_pool.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <weir/run.h>
#include <weir/scope.h>
#include <weir/waker.h>

#include "note.h"

static weir_thread_pool *pool_new(unsigned threads)
{
    weir_thread_pool_options options = {.threads = threads};
    weir_thread_pool *pool = NULL;

    CHECK_EQ(weir_thread_pool_new(&options, &pool), 0);
    return pool;
}

/* A tree whose children share plain memory: it stays serial, whatever threads it runs on. */

enum { CHILDREN = 10, STEPS = 100 };

struct child {
    weir_task task;
    size_t *sum;
    int step;
};

static weir_task *child_resume(weir_task *task)
{
    struct child *self = WEIR_TASK_SELF(task, struct child);

    WEIR_BEGIN(task);
    for (self->step = 0; self->step < STEPS; self->step++) {
        ++*self->sum;
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

struct family {
    weir_task task;
    weir_scope scope;
    struct child *child;
    size_t sum;
    int started;
    weir_root root;
};

static weir_task *family_resume(weir_task *task)
{
    struct family *self = WEIR_TASK_SELF(task, struct family);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    for (self->started = 0; self->started < CHILDREN; self->started++) {
        self->child = weir_scope_new(&self->scope, sizeof *self->child, child_resume);
        CHECK(self->child);
        self->child->sum = &self->sum;
        weir_scope_start(&self->scope, &self->child->task);
    }
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    weir_scope_fini(&self->scope);
    WEIR_RETURN(task, weir_result_of(r.error, self->sum));
    WEIR_END(task);
}

static void family_init(struct family *family)
{
    weir_task_init(&family->task, family_resume);
    family->sum = 0;
}

static void run_a_family_on(unsigned threads)
{
    weir_thread_pool *pool = pool_new(threads);
    struct family family;
    weir_result result;

    family_init(&family);
    result = weir_thread_pool_run(pool, &family.task);
    CHECK_EQ(result.error, 0);
    CHECK_EQ(result.count, CHILDREN * STEPS);
    weir_thread_pool_free(pool);
}

WEIR_TEST(thread_pool, one_thread_runs_a_tree)
{
    run_a_family_on(1);
}

WEIR_TEST(thread_pool, many_threads_run_a_tree_one_task_at_a_time)
{
    run_a_family_on(8);
}

WEIR_TEST(thread_pool, by_default_there_is_a_thread_for_each_processor)
{
    run_a_family_on(0);
}

WEIR_TEST(thread_pool, one_that_was_never_used_ends)
{
    weir_thread_pool_free(pool_new(3));
    weir_thread_pool_free(NULL);
}

static void count_done(weir_root *root, weir_result result)
{
    CHECK_EQ(result.count, CHILDREN * STEPS);
    __atomic_add_fetch((int *)root->user, 1, __ATOMIC_RELAXED);
}

WEIR_TEST(thread_pool, the_end_waits_for_every_tree)
{
    enum { TREES = 50 };
    static struct family families[TREES];
    weir_thread_pool *pool = pool_new(4);
    int done_count = 0; /* __atomic. */

    for (int i = 0; i < TREES; i++) {
        family_init(&families[i]);
        weir_run_async(weir_thread_pool_executor(pool), &families[i].root, &families[i].task,
                       count_done, &done_count);
    }
    weir_thread_pool_free(pool);
    CHECK_EQ(done_count, TREES);
}

/* The root is freed in done, while the thread that calls it is still about. */
static void free_it(weir_root *root, weir_result result)
{
    CHECK_EQ(result.error, 0);
    free(root->user);
}

WEIR_TEST(thread_pool, a_root_is_freed_when_it_is_done)
{
    weir_thread_pool *pool = pool_new(4);

    for (int i = 0; i < 200; i++) {
        struct family *family = malloc(sizeof *family);

        CHECK(family);
        family_init(family);
        weir_run_async(weir_thread_pool_executor(pool), &family->root, &family->task, free_it,
                       family);
    }
    weir_thread_pool_free(pool);
}

/* Several threads of the program run trees on one pool. */
static void *run_families(void *argument)
{
    for (int i = 0; i < 50; i++) {
        struct family family;

        family_init(&family);
        CHECK_EQ(weir_thread_pool_run(argument, &family.task).count, CHILDREN * STEPS);
    }
    return NULL;
}

WEIR_TEST(thread_pool, several_threads_wait_for_their_trees)
{
    weir_thread_pool *pool = pool_new(2);
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_families, pool), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    weir_thread_pool_free(pool);
}

/* Two trees that wait for each other with their threads: they run at the same time. */
struct meeting {
    weir_task task;
    pthread_barrier_t *barrier;
    weir_root root;
};

static weir_task *meeting_resume(weir_task *task)
{
    struct meeting *self = WEIR_TASK_SELF(task, struct meeting);

    WEIR_BEGIN(task);
    (void)pthread_barrier_wait(self->barrier);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(thread_pool, two_trees_run_side_by_side)
{
    weir_thread_pool *pool = pool_new(2);
    pthread_barrier_t barrier;
    struct meeting meetings[2];

    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
    for (int i = 0; i < 2; i++) {
        weir_task_init(&meetings[i].task, meeting_resume);
        meetings[i].barrier = &barrier;
        weir_run_async(weir_thread_pool_executor(pool), &meetings[i].root, &meetings[i].task, NULL,
                       NULL);
    }
    weir_thread_pool_free(pool);
    CHECK_EQ(pthread_barrier_destroy(&barrier), 0);
}

/* Posting. */

WEIR_TEST(thread_pool, one_thread_starts_tasks_in_the_order_they_were_posted)
{
    struct log log = {0};
    struct note notes[LOG_MAX];
    weir_thread_pool *pool = pool_new(1);

    notes_post(notes, LOG_MAX, &log, weir_thread_pool_executor(pool));
    weir_thread_pool_free(pool);
    log_check(&log, LOG_MAX);
}

/* On a thread of the pool. */
static void post_and_dispatch(struct note *self)
{
    weir_executor_post(self->object, &self[1].task);
    CHECK(!weir_executor_dispatch(self->object, &self[2].task));
    CHECK_EQ(self->log->count, 0);
}

WEIR_TEST(thread_pool, neither_a_post_nor_a_dispatch_runs_the_task_at_once)
{
    struct log log = {0};
    struct note notes[3];
    weir_thread_pool *pool = pool_new(1);

    for (int i = 0; i < 3; i++)
        note_init(&notes[i], &log, i);
    notes[0].act = post_and_dispatch;
    notes[0].object = weir_thread_pool_executor(pool);
    weir_executor_post(weir_thread_pool_executor(pool), &notes[0].task);
    weir_thread_pool_free(pool);
    log_check(&log, 3);
}

/* What keeps a pool. */

/* A tree that waits for a thread that knows nothing of weir. */
struct sleeper {
    weir_task task;
    weir_waker waker;
    pthread_t thread;
    weir_root root;
};

static void *wake(void *argument)
{
    weir_waker_wake(argument);
    return NULL;
}

static weir_task *sleeper_resume(weir_task *task)
{
    struct sleeper *self = WEIR_TASK_SELF(task, struct sleeper);
    weir_result r;

    WEIR_BEGIN(task);
    weir_waker_open(&self->waker, task);
    CHECK_EQ(pthread_create(&self->thread, NULL, wake, &self->waker), 0);
    WEIR_AWAIT(task, r, weir_waker_wait(task, &self->waker));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(task, r, weir_waker_close(task, &self->waker));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(thread_pool, the_end_waits_for_a_tree_that_waits_for_something_else)
{
    for (int i = 0; i < 200; i++) {
        weir_thread_pool *pool = pool_new(2);
        struct sleeper sleeper;

        weir_task_init(&sleeper.task, sleeper_resume);
        weir_run_async(weir_thread_pool_executor(pool), &sleeper.root, &sleeper.task, NULL, NULL);
        weir_thread_pool_free(pool);
        CHECK_EQ(pthread_join(sleeper.thread, NULL), 0);
    }
}

struct launch {
    weir_work work;
    weir_thread_pool *pool;
    struct family family;
    int done_count; /* __atomic. */
};

static void *launch_and_end_work(void *argument)
{
    struct launch *self = argument;

    weir_run_async(weir_thread_pool_executor(self->pool), &self->family.root, &self->family.task,
                   count_done, &self->done_count);
    weir_work_end(&self->work);
    return NULL;
}

WEIR_TEST(thread_pool, the_end_waits_for_work_that_has_begun)
{
    struct launch launch = {.pool = pool_new(2)};
    pthread_t thread;

    family_init(&launch.family);
    weir_work_begin(&launch.work, weir_thread_pool_executor(launch.pool));
    CHECK_EQ(pthread_create(&thread, NULL, launch_and_end_work, &launch), 0);
    weir_thread_pool_free(launch.pool);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(launch.done_count, 1);
}

/* Threads. */

static void look_at_the_name(struct note *self)
{
    char name[17] = "";

    CHECK_EQ(prctl(PR_GET_NAME, name), 0);
    CHECK_STR_EQ(name, self->object);
}

static void check_name(const char *name, char *expected)
{
    weir_thread_pool_options options = {.threads = 1, .name = name};
    weir_thread_pool *pool = NULL;
    struct log log = {0};
    struct note note;

    CHECK_EQ(weir_thread_pool_new(&options, &pool), 0);
    note_init(&note, &log, 0);
    note.act = look_at_the_name;
    note.object = expected;
    weir_executor_post(weir_thread_pool_executor(pool), &note.task);
    weir_thread_pool_free(pool);
    log_check(&log, 1);
}

WEIR_TEST(thread_pool, its_threads_have_a_name)
{
    check_name(NULL, "weir-pool");
    check_name("crunch", "crunch");
    check_name("a name that is too long", "a name that is ");
}

static void look_at_the_mask(struct note *self)
{
    sigset_t mask;

    (void)self;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    CHECK_EQ(sigismember(&mask, SIGINT), 1);
    CHECK_EQ(sigismember(&mask, SIGUSR1), 1);
    CHECK_EQ(sigismember(&mask, SIGSEGV), 0);
}

WEIR_TEST(thread_pool, its_threads_take_no_signals_and_the_program_does)
{
    weir_thread_pool *pool = pool_new(1);
    struct log log = {0};
    struct note note;
    sigset_t mask;

    note_init(&note, &log, 0);
    note.act = look_at_the_mask;
    weir_executor_post(weir_thread_pool_executor(pool), &note.task);
    weir_thread_pool_free(pool);
    log_check(&log, 1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    CHECK_EQ(sigismember(&mask, SIGUSR1), 0);
}

/* Memory. */

struct counted_memory {
    weir_memory memory;
    int taken; /* __atomic: any of the threads. */
    int given_back;
};

static void *count_and_allocate(weir_memory *memory, size_t size)
{
    __atomic_add_fetch(&WEIR_CONTAINER_OF(memory, struct counted_memory, memory)->taken, 1,
                       __ATOMIC_RELAXED);
    return weir_memory_heap.allocate(&weir_memory_heap, size);
}

static void count_and_release(weir_memory *memory, void *block, size_t size)
{
    __atomic_add_fetch(&WEIR_CONTAINER_OF(memory, struct counted_memory, memory)->given_back, 1,
                       __ATOMIC_RELAXED);
    weir_memory_heap.release(&weir_memory_heap, block, size);
}

WEIR_TEST(thread_pool, child_frames_come_from_the_memory_that_was_given)
{
    struct counted_memory counted = {.memory = {count_and_allocate, count_and_release}};
    weir_thread_pool_options options = {.threads = 2, .frames = &counted.memory};
    weir_thread_pool *pool = NULL;
    struct family family;

    CHECK_EQ(weir_thread_pool_new(&options, &pool), 0);
    family_init(&family);
    CHECK_EQ(weir_thread_pool_run(pool, &family.task).error, 0);
    weir_thread_pool_free(pool);
    CHECK_EQ(counted.taken, CHILDREN);
    CHECK_EQ(counted.given_back, CHILDREN);
}

/* Bridges. */

/* Hops to another pool, and comes back. */
struct hopper {
    weir_task task;
    weir_executor *there;
    weir_bridge bridge;
    struct family family;
};

static weir_task *hopper_resume(weir_task *task)
{
    struct hopper *self = WEIR_TASK_SELF(task, struct hopper);
    weir_result r;

    WEIR_BEGIN(task);
    family_init(&self->family);
    WEIR_AWAIT(task, r, weir_run_on(task, &self->bridge, self->there, &self->family.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(thread_pool, a_task_hops_to_another_pool_and_comes_back)
{
    weir_thread_pool *here = pool_new(2);
    weir_thread_pool *there = pool_new(2);

    for (int i = 0; i < 50; i++) {
        struct hopper hopper = {.there = weir_thread_pool_executor(there)};

        weir_task_init(&hopper.task, hopper_resume);
        CHECK_EQ(weir_thread_pool_run(here, &hopper.task).count, CHILDREN * STEPS);
    }
    weir_thread_pool_free(here);
    weir_thread_pool_free(there);
}

/* The process. */

static void *ask_for_the_context(void *argument)
{
    *(weir_context **)argument = weir_system_context();
    return NULL;
}

WEIR_TEST(thread_pool, the_process_has_one_context_whoever_asks_first)
{
    enum { THREADS = 4 };
    weir_context *contexts[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, ask_for_the_context, &contexts[i]), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(contexts[i] && contexts[i] == weir_system_context());
    CHECK(weir_executor_context(weir_system_executor()) == weir_system_context());
}

WEIR_TEST(thread_pool, trees_run_on_the_context_of_the_process)
{
    weir_thread_pool *pool = pool_new(1);
    struct hopper hopper = {.there = weir_system_executor()};

    weir_task_init(&hopper.task, hopper_resume);
    CHECK_EQ(weir_thread_pool_run(pool, &hopper.task).count, CHILDREN * STEPS);
    weir_thread_pool_free(pool);
}

/* A task that launches a tree on its own executor, and goes before it ends. */

struct second {
    weir_task task;
    weir_root root;
};

static weir_task *second_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    WEIR_YIELD(task);
    WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 2));
    WEIR_END(task);
}

struct first {
    weir_task task;
    weir_work work;
    struct second *second;
};

static weir_task *first_resume(weir_task *task)
{
    struct first *self = WEIR_TASK_SELF(task, struct first);

    WEIR_BEGIN(task);
    weir_task_init(&self->second->task, second_resume);
    weir_work_begin(&self->work, task->environment->executor);
    weir_run_async(task->environment->executor, &self->second->root, &self->second->task, NULL,
                   NULL);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(thread_pool, what_a_task_launches_on_its_executor_outlives_its_tree)
{
    weir_thread_pool_options options = {.threads = 2};
    static struct second second;
    struct first first = {.second = &second};
    weir_thread_pool *pool;

    CHECK_EQ(weir_thread_pool_new(&options, &pool), 0);
    weir_task_init(&first.task, first_resume);
    CHECK_EQ(weir_thread_pool_run(pool, &first.task).error, 0);
    weir_work_end(&first.work);
    weir_thread_pool_free(pool);
    CHECK_EQ(weir_task_result(&second.task).count, 2);
}
