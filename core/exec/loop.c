/* SPDX-License-Identifier: MIT */
/*
 * The loop: run what is ready, take what others posted, fire timers, wait.
 *
 * The one race with other threads is between going to sleep and being posted to. The loop sets
 * `sleeping`, then looks at the inbox once more; a poster pushes, then takes `sleeping`. Both sides
 * are sequentially consistent, so one of the two sees the other: a task is never left in the inbox of
 * a loop that sleeps, and only a loop that sleeps is woken.
 */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "sys.h"

static _Thread_local weir_loop *current_loop;

weir_loop *weir_loop_current(void)
{
    return current_loop;
}

/* The inbox. */

static void inbox_push(weir_loop *loop, weir_task *task)
{
    weir_task *top = __atomic_load_n(&loop->inbox, __ATOMIC_RELAXED);

    task->state = WEIR_TASK_READY;
    do {
        task->down.next = top;
    } while (!__atomic_compare_exchange_n(&loop->inbox, &top, task, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
}

static bool inbox_is_empty(const weir_loop *loop)
{
    return __atomic_load_n(&loop->inbox, __ATOMIC_SEQ_CST) == NULL;
}

/* Move what was posted to the ready queue, oldest first. */
static void inbox_drain(weir_loop *loop)
{
    weir_task *task;
    weir_task *oldest = NULL;

    if (__atomic_load_n(&loop->inbox, __ATOMIC_RELAXED) == NULL)
        return;
    task = __atomic_exchange_n(&loop->inbox, NULL, __ATOMIC_ACQUIRE);
    while (task) {
        weir_task *next = task->down.next;

        task->down.next = oldest;
        oldest = task;
        task = next;
    }
    while (oldest) {
        weir_task *next = oldest->down.next;

        weir_loop_push_ready(loop, oldest);
        oldest = next;
    }
}

/* sender: the backend of the calling thread, or NULL. */
static void wake_if_sleeping(weir_loop *loop, weir_backend *sender)
{
    if (__atomic_exchange_n(&loop->sleeping, 0, __ATOMIC_SEQ_CST))
        loop->backend->ops->wake(loop->backend, sender);
}

/* What was pushed may end the last tree, and let the loop's thread free the loop before this one has
 * woken it: `posting` makes weir_loop_free wait. The increment precedes the push, which publishes it. */
static void post_from_outside(weir_loop *loop, weir_task *task, weir_backend *sender)
{
    __atomic_add_fetch(&loop->posting, 1, __ATOMIC_RELAXED);
    inbox_push(loop, task);
    wake_if_sleeping(loop, sender);
    __atomic_sub_fetch(&loop->posting, 1, __ATOMIC_RELEASE);
}

void weir_loop_post_from_signal(weir_loop *loop, weir_task *task)
{
    post_from_outside(loop, task, NULL);
}

/* The executor. */

static weir_loop *loop_of(weir_executor *executor)
{
    return WEIR_CONTAINER_OF(executor, weir_loop, executor);
}

static void loop_post(weir_executor *executor, weir_task *task)
{
    weir_loop *loop = loop_of(executor);
    weir_loop *here = current_loop;
    weir_backend *sender;

    if (here == loop) {
        weir_loop_push_ready(loop, task);
        return;
    }
    sender = here && here->backend->ops == loop->backend->ops ? here->backend : NULL;
    post_from_outside(loop, task, sender);
}

static weir_task *loop_dispatch(weir_executor *executor, weir_task *task)
{
    if (current_loop == loop_of(executor) && executor->budget > 0) {
        executor->budget--;
        task->state = WEIR_TASK_RUNNING;
        return task;
    }
    loop_post(executor, task);
    return NULL;
}

static weir_context *loop_context(weir_executor *executor)
{
    return &loop_of(executor)->context;
}

static const struct weir_executor_ops loop_executor_ops = {
    .name = "loop",
    .post = loop_post,
    .dispatch = loop_dispatch,
    .context = loop_context,
};

/* Running. */

/* What one task may complete at once before the others get their turn. */
enum { SLICE = 32 };

static void run_task(weir_task *task)
{
    task->state = WEIR_TASK_RUNNING;
    do {
        weir_sys_scribble_stack();
        task = task->resume(task);
    } while (task);
}

/* Resumptions and inline completions are budgeted apart; when either is spent the kernel is looked at
 * again. Inline completions are dealt out in slices, so that however many tasks never suspend, each
 * waits for a slice of every other only. */
static void run_ready(weir_loop *loop)
{
    int slice = loop->budget < SLICE ? loop->budget : SLICE;
    int resumptions = loop->budget;
    int completions = loop->budget;

    loop->executor.budget = slice;
    while (loop->ready_first && resumptions > 0 && completions > 0) {
        weir_task *task = loop->ready_first;

        loop->ready_first = task->down.next;
        run_task(task);
        resumptions--;
        if (loop->executor.budget < slice) {
            completions -= slice - loop->executor.budget;
            loop->executor.budget = slice;
        }
    }
    loop->statistics.resumptions += (uint64_t)(loop->budget - resumptions);
}

/* When the next timer is due. */
static int64_t next_deadline_ns(const weir_loop *loop)
{
    return weir_wheel_is_empty(&loop->wheel) ? WEIR_WAIT_FOREVER : weir_wheel_next_ns(&loop->wheel);
}

static void poll_backend(weir_loop *loop)
{
    loop->backend->ops->wait(loop->backend, WEIR_WAIT_POLL);
}

/* Look for completions until the budget or the deadline has passed. Returns whether to stop looking
 * because there is something to do. */
static bool spin(weir_loop *loop, int64_t now_ns, int64_t deadline_ns)
{
    int64_t end_ns = now_ns + weir_spin_budget_ns(&loop->spin);
    int i;

    if (deadline_ns < end_ns)
        end_ns = deadline_ns;
    while (now_ns < end_ns) {
        for (i = 0; i < 8; i++) {
            if (loop->backend->ops->peek(loop->backend) || !inbox_is_empty(loop))
                return true;
            weir_sys_relax();
        }
        now_ns = weir_sys_now_ns();
    }
    return false;
}

/* Spin if that pays. Returns true when there is something to do. */
static bool spun(weir_loop *loop, int64_t deadline_ns)
{
    bool found;

    if (weir_spin_budget_ns(&loop->spin) == 0)
        return false;
    poll_backend(loop);
    if (loop->ready_first)
        return true;

    found = spin(loop, weir_sys_now_ns(), deadline_ns);
    weir_spin_learn(&loop->spin, found);
    if (found) {
        loop->statistics.spin_hits++;
        poll_backend(loop);
    } else {
        loop->statistics.spin_misses++;
    }
    return found;
}

/* Sleep until something completes, somebody wakes the loop, or the deadline. */
static void sleep_until(weir_loop *loop, int64_t deadline_ns)
{
    bool learning = loop->spin.max_ns > 0;
    int64_t start_ns = learning ? weir_sys_now_ns() : 0;

    __atomic_store_n(&loop->sleeping, 1, __ATOMIC_SEQ_CST);
    if (inbox_is_empty(loop)) {
        loop->statistics.sleeps++;
        loop->backend->ops->wait(loop->backend, deadline_ns);
    } else {
        poll_backend(loop);
    }
    __atomic_store_n(&loop->sleeping, 0, __ATOMIC_RELAXED);
    if (learning && (loop->ready_first || !inbox_is_empty(loop)))
        weir_spin_slept(&loop->spin, weir_sys_now_ns() - start_ns);
}

static void wait_for_more(weir_loop *loop)
{
    /* The deadline is asked for twice: what completed while spinning may have armed a timer. */
    if (!spun(loop, next_deadline_ns(loop)))
        sleep_until(loop, next_deadline_ns(loop));
}

/* Running comes last, so that whoever iterates looks at what the tasks did before it waits again. */
static void iterate(weir_loop *loop)
{
    loop->statistics.iterations++;
    if (loop->ready_first)
        poll_backend(loop);
    else
        wait_for_more(loop);
    inbox_drain(loop);
    if (!weir_wheel_is_empty(&loop->wheel))
        (void)weir_wheel_advance(&loop->wheel, weir_sys_now_ns());
    run_ready(loop);
}

/* The calling thread takes the loop over, the first time it runs it. */
static void enter(weir_loop *loop)
{
    WEIR_ASSERT(!current_loop, "a thread runs one loop at a time, and not from a task");
    WEIR_ASSERT(!loop->started || loop->owner == &current_loop,
                "a loop is run by the thread that first ran it");
    current_loop = loop;
    if (!loop->started) {
        int error = loop->backend->ops->start(loop->backend);

        WEIR_ASSERT(error == 0, "a loop starts on the thread that first runs it");
        weir_sys_prepare_thread();
        weir_frame_allocator_bind(&loop->context.frames);
        loop->owner = &current_loop;
        loop->started = true;
    }
}

/* What the last tasks started goes out before the thread does something else: a wake that another
 * loop waits for may be among it. */
static void leave(weir_loop *loop)
{
    poll_backend(loop);
    current_loop = NULL;
}

void weir_loop_run(weir_loop *loop)
{
    enter(loop);
    inbox_drain(loop);
    while (loop->context.root_count > 0 || loop->ready_first) {
        iterate(loop);
        inbox_drain(loop);
    }
    leave(loop);
}

void weir_loop_run_until(weir_loop *loop, const bool *done)
{
    enter(loop);
    inbox_drain(loop);
    while (!*done)
        iterate(loop);
    leave(loop);
}

/* Life. */

const char *weir_backend_name_at(size_t index)
{
    size_t i;

    for (i = 0; i < index; i++) {
        if (!weir_backends[i])
            return NULL;
    }
    return weir_backends[index] ? weir_backends[index]->name : NULL;
}

static const struct weir_backend_ops *find_backend(const char *name)
{
    const struct weir_backend_ops *const *candidate = weir_backends;

    while (*candidate && strcmp((*candidate)->name, name) != 0)
        candidate++;
    return *candidate;
}

/* Open the backend that was asked for, or else the first that this system offers. */
static int open_backend(const char *name, const weir_backend_options *options,
                        weir_backend **ret_backend)
{
    const struct weir_backend_ops *const *candidate;
    const struct weir_backend_ops *wanted;
    int error = -ENOSYS;

    if (name) {
        wanted = find_backend(name);
        return wanted ? wanted->open(options, ret_backend) : -EINVAL;
    }
    for (candidate = weir_backends; *candidate; candidate++) {
        error = (*candidate)->open(options, ret_backend);
        if (!error)
            return 0;
    }
    return error;
}

static unsigned round_up_to_power(unsigned value)
{
    unsigned power = 1;

    while (power < value && power < 1u << 15)
        power *= 2;
    return power;
}

static int64_t spin_bound_ns(const weir_loop_options *options)
{
    if (options->spin_ns_max < 0 || weir_sys_processor_count() < 2)
        return 0;
    return options->spin_ns_max > 0 ? options->spin_ns_max : 50000;
}

/* What to hold back for reuse: nothing where a sanitizer should see each frame freed. */
static size_t frames_bound(const weir_loop_options *options)
{
    if (options->frames_retained_bytes_max > 0)
        return options->frames_retained_bytes_max;
    return weir_sys_is_sanitized() ? 0 : WEIR_FRAME_RETAINED_MAX;
}

static void loop_init(weir_loop *loop, const weir_loop_options *options)
{
    memset(loop, 0, sizeof *loop);
    loop->executor.ops = &loop_executor_ops;
    loop->budget = options->budget > 0 ? options->budget : 256;
    loop->executor.budget = SLICE;
    weir_wheel_init(&loop->wheel, weir_sys_now_ns());
    weir_spin_init(&loop->spin, spin_bound_ns(options));
    weir_list_init(&loop->watchers);
    weir_context_init(&loop->context, options->frames, frames_bound(options), loop);
}

/* What the user chose, or NULL. */
static const char *backend_of_environment(void)
{
    const char *name = getenv("WEIR_BACKEND");

    return name && *name ? name : NULL;
}

int weir_loop_new(const weir_loop_options *options, weir_loop **ret_loop)
{
    static const weir_loop_options defaults;
    weir_backend_options backend_options;
    const char *name;
    weir_loop *loop;
    int error;

    options = options ? options : &defaults;
    loop = aligned_alloc(_Alignof(weir_loop), sizeof *loop);
    if (!loop)
        return -ENOMEM;
    loop_init(loop, options);

    name = options->backend ? options->backend : backend_of_environment();
    backend_options.queue_depth =
        round_up_to_power(options->queue_depth ? options->queue_depth : 1024);
    backend_options.statistics = &loop->statistics;
    error = open_backend(name, &backend_options, &loop->backend);
    if (error) {
        weir_context_fini(&loop->context);
        free(loop);
        return error;
    }
    *ret_loop = loop;
    return 0;
}

void weir_loop_free(weir_loop *loop)
{
    if (!loop)
        return;
    WEIR_ASSERT(current_loop != loop, "a loop is not destroyed while it runs");
    WEIR_ASSERT(inbox_is_empty(loop),
                "a loop is not destroyed while what was posted to it has not run");
    WEIR_ASSERT(!loop->ready_first, "a loop is not destroyed while a task is ready");
    while (__atomic_load_n(&loop->posting, __ATOMIC_ACQUIRE))
        weir_sys_yield();
    weir_context_fini(&loop->context);
    WEIR_ASSERT(loop->handle_count == 0, "every I/O object is closed before its loop ends");
    WEIR_ASSERT(weir_wheel_is_empty(&loop->wheel), "every timer is disarmed before its loop ends");
    loop->backend->ops->close(loop->backend);
    free(loop);
}

int weir_backend_probe(const char *name)
{
    weir_loop_options options = {.backend = name};
    weir_loop *loop;
    int error = weir_loop_new(&options, &loop);

    if (!error)
        weir_loop_free(loop);
    return error;
}

/* Asking. */

weir_executor *weir_loop_executor(weir_loop *loop)
{
    return &loop->executor;
}

weir_context *weir_loop_context(weir_loop *loop)
{
    return &loop->context;
}

weir_loop *weir_task_loop(const weir_task *task)
{
    WEIR_ASSERT(task->environment->loop, "I/O is awaited by tasks that run on a loop");
    return task->environment->loop;
}

const char *weir_loop_backend_name(const weir_loop *loop)
{
    return loop->backend->ops->name;
}

int64_t weir_now_ns(void)
{
    return weir_sys_now_ns();
}

weir_loop_statistics weir_loop_statistics_get(const weir_loop *loop)
{
    return loop->statistics;
}

size_t weir_loop_dump(weir_loop *loop, FILE *stream)
{
    return weir_context_dump(&loop->context, stream);
}
