/* SPDX-License-Identifier: MIT */
/*
 * The loop: run what is ready, take what others posted, fire timers, wait.
 *
 * The one race with other threads is between going to sleep and being posted to. The loop sets
 * `sleeping`, then looks at the inbox once more; a poster pushes, then looks at `sleeping`. Both
 * sides are sequentially consistent, so one of the two sees the other: a task is never left in the
 * inbox of a loop that sleeps, and only a loop that sleeps is woken.
 *
 * The wake of another loop may go out as late as that loop's next wait. So a poster counts on its
 * own wake only, or on one that went out at once: `sleeping` names the loop that sent the last.
 */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "sys.h"
#include "thread.h"
#include "zero_copy.h"

/* What the kernel lets one registered buffer have. */
enum { SINK_BYTES_MAX = 1024 * 1024 * 1024 };

/* Shares of what may be held back for frames: empty slabs a half, and small frames on lists a
 * 256th, for each of these keeps its slab. */
enum { EMPTY_SLABS_PART = 2, SMALL_FRAMES_PART = 256 };

_Static_assert((int)WEIR_SLAB_BLOCK_MAX == WEIR_FRAME_CLASSES * WEIR_FRAME_UNIT,
               "small frames are those that come from slabs");

weir_loop *weir_loop_current(void)
{
    return weir_thread.loop;
}

/* weir_loop.sleeping; what is above names a loop. */
enum { AWAKE, ASLEEP };

static uint32_t new_identity(void)
{
    static uint32_t last = ASLEEP; /* __atomic. */

    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

/* sender: the calling thread's, of the same kind, or NULL: then the wake goes out at once. */
static void wake_if_sleeping(weir_loop *loop, const weir_loop *sender)
{
    uint32_t woken = sender ? sender->identity : AWAKE;
    uint32_t state = __atomic_load_n(&loop->sleeping, __ATOMIC_SEQ_CST);

    do {
        if (state == AWAKE || state == woken)
            return;
    } while (!__atomic_compare_exchange_n(&loop->sleeping, &state, woken, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    loop->backend->ops->wake(loop->backend, sender ? sender->backend : NULL);
}

/* What was pushed may end the last tree, and let the loop's thread free the loop before this one
 * has woken it: `posting` makes weir_loop_free wait. The increment precedes the push, which
 * publishes it. */

static void begin_posting(weir_loop *loop)
{
    __atomic_add_fetch(&loop->posting, 1, __ATOMIC_RELAXED);
}

static void end_posting(weir_loop *loop)
{
    __atomic_sub_fetch(&loop->posting, 1, __ATOMIC_RELEASE);
}

static void post_from_outside(weir_loop *loop, weir_task *task, const weir_loop *sender)
{
    begin_posting(loop);
    weir_interleave();
    (void)weir_inbox_push(&loop->inbox, task);
    weir_interleave();
    wake_if_sleeping(loop, sender);
    end_posting(loop);
}

/* The same, but that nobody else runs in the midst of a signal handler. */
void weir_loop_post_from_signal(weir_loop *loop, weir_task *task)
{
    begin_posting(loop);
    (void)weir_inbox_push(&loop->inbox, task);
    wake_if_sleeping(loop, NULL);
    end_posting(loop);
}

/* The executor. */

static weir_loop *loop_of(weir_executor *executor)
{
    return WEIR_CONTAINER_OF(executor, weir_loop, executor);
}

static void loop_post(weir_executor *executor, weir_task *task)
{
    weir_loop *loop = loop_of(executor);
    const weir_loop *here = weir_thread.loop;
    bool is_alike = here && here->backend->ops == loop->backend->ops;

    if (here == loop) {
        weir_loop_push_ready(loop, task);
        return;
    }
    post_from_outside(loop, task, is_alike ? here : NULL);
}

static weir_task *loop_dispatch(weir_executor *executor, weir_task *task)
{
    if (weir_thread.loop == loop_of(executor) && executor->budget > 0) {
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
    .is_serial = true,
    .post = loop_post,
    .dispatch = loop_dispatch,
    .context = loop_context,
};

/* Running. */

static void run_ready(weir_loop *loop)
{
    int resumptions = weir_ready_run(&loop->ready, &loop->executor, loop->budget);

    loop->statistics.resumptions += (uint64_t)resumptions;
}

/* When the next timer is due. */
static int64_t next_deadline_ns(const weir_loop *loop)
{
    return weir_wheel_is_empty(&loop->clock.wheel) ? WEIR_WAIT_FOREVER
                                                   : weir_wheel_next_ns(&loop->clock.wheel);
}

static void poll_backend(weir_loop *loop)
{
    loop->backend->ops->wait(loop->backend, WEIR_WAIT_POLL);
}

/* Look a few times whether there is something to do. */
static bool look(weir_loop *loop)
{
    int i;

    for (i = 0; i < 8; i++) {
        if (loop->backend->ops->peek(loop->backend) || !weir_inbox_is_empty(&loop->inbox))
            return true;
        weir_sys_relax();
    }
    return false;
}

/* Offer the processor to other threads. Returns whether one took it. */
static bool is_processor_taken(int64_t now_ns)
{
    weir_sys_yield();
    return weir_sys_now_ns() - now_ns >= WEIR_SPIN_TAKEN_NS;
}

/* Look for completions until the budget or the deadline has passed, or somebody else is better off
 * with the processor.
 * @ret_is_alone  false before; set when the processor was offered and nobody took it */
static enum weir_spin_end spin(weir_loop *loop, int64_t deadline_ns, bool *ret_is_alone)
{
    int64_t now_ns = weir_sys_now_ns();
    int64_t offer_ns = now_ns + WEIR_SPIN_ALONE_NS;
    int64_t end_ns = now_ns + weir_spin_budget_ns(&loop->spin);

    if (deadline_ns < end_ns)
        end_ns = deadline_ns;
    while (now_ns < end_ns) {
        if (look(loop))
            return WEIR_SPIN_FOUND;
        now_ns = weir_sys_now_ns();
        if (*ret_is_alone || now_ns < offer_ns)
            continue;
        if (is_processor_taken(now_ns))
            return WEIR_SPIN_TAKEN;
        *ret_is_alone = true;
    }
    return WEIR_SPIN_EMPTY;
}

/* Spin if that pays. Returns true when there is something to do. */
static bool spun(weir_loop *loop, int64_t deadline_ns)
{
    bool is_alone = false;
    enum weir_spin_end end;

    if (weir_spin_budget_ns(&loop->spin) == 0)
        return false;
    poll_backend(loop);
    if (loop->ready.first)
        return true;

    end = spin(loop, deadline_ns, &is_alone);
    weir_spin_learn(&loop->spin, end, is_alone);
    if (end != WEIR_SPIN_FOUND) {
        loop->statistics.spin_misses++;
        return false;
    }
    loop->statistics.spin_hits++;
    if (!loop->ready.first) /* The backend looked, but has not reaped. */
        poll_backend(loop);
    return true;
}

/* Wait until something completes, somebody wakes the loop, or the deadline. */
static void block_until(weir_loop *loop, int64_t deadline_ns)
{
    __atomic_store_n(&loop->sleeping, ASLEEP, __ATOMIC_SEQ_CST);
    weir_interleave();
    if (weir_inbox_is_empty(&loop->inbox)) {
        loop->statistics.sleeps++;
        loop->backend->ops->wait(loop->backend, deadline_ns);
    } else {
        poll_backend(loop);
    }
    __atomic_store_n(&loop->sleeping, AWAKE, __ATOMIC_RELAXED);
}

/* The same, and learn from it, if something else than the deadline ended it. */
static void sleep_until(weir_loop *loop, int64_t deadline_ns)
{
    bool is_timed = weir_spin_times(&loop->spin);
    int64_t start_ns = is_timed ? weir_sys_now_ns() : 0;

    block_until(loop, deadline_ns);
    if (loop->ready.first || !weir_inbox_is_empty(&loop->inbox))
        weir_spin_slept(&loop->spin, is_timed ? weir_sys_now_ns() - start_ns : 0);
}

static void wait_for_more(weir_loop *loop)
{
    /* The deadline is asked for twice: what completed while spinning may have armed a timer. */
    if (!spun(loop, next_deadline_ns(loop)))
        sleep_until(loop, next_deadline_ns(loop));
}

/* Running comes last, so that whoever iterates looks at what the tasks did before
 * it waits again. */
static void iterate(weir_loop *loop)
{
    loop->statistics.iterations++;
    if (loop->ready.first)
        poll_backend(loop);
    else
        wait_for_more(loop);
    weir_inbox_drain(&loop->inbox, &loop->ready);
    if (!weir_wheel_is_empty(&loop->clock.wheel))
        (void)weir_wheel_advance(&loop->clock.wheel, weir_sys_now_ns());
    run_ready(loop);
}

/* The calling thread takes the loop over, the first time it runs it. */
static void enter(weir_loop *loop)
{
    WEIR_ASSERT(!weir_thread.loop, "a thread runs one loop at a time, and not from a task");
    WEIR_ASSERT(!loop->started || loop->owner == weir_thread_identity(),
                "a loop is run by the thread that first ran it");
    weir_thread.loop = loop;
    if (!loop->started) {
        int error = loop->backend->ops->start(loop->backend);

        WEIR_ASSERT(error == 0, "a loop starts on the thread that first runs it");
        weir_sys_prepare_thread();
        weir_frame_allocator_bind(&loop->context.frames);
        loop->owner = weir_thread_identity();
        loop->started = true;
    }
}

/* What the last tasks started goes out before the thread does something else: a wake that another
 * loop waits for may be among it. */
static void leave(weir_loop *loop)
{
    poll_backend(loop);
    weir_thread.loop = NULL;
}

void weir_loop_run(weir_loop *loop)
{
    enter(loop);
    weir_inbox_drain(&loop->inbox, &loop->ready);
    while (weir_context_is_busy(&loop->context) || loop->ready.first) {
        iterate(loop);
        weir_inbox_drain(&loop->inbox, &loop->ready);
    }
    leave(loop);
}

weir_result weir_run(weir_loop *loop, weir_task *main)
{
    weir_root root;
    bool is_done = false;

    weir_run_async(weir_loop_executor(loop), &root, main, weir_root_tell_done, &is_done);
    enter(loop);
    weir_inbox_drain(&loop->inbox, &loop->ready);
    while (!is_done)
        iterate(loop);
    leave(loop);
    return root.outcome;
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

    if (weir_thread.world)
        return weir_thread.world->backend->open(options, ret_backend);
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

static size_t frames_bound(const weir_loop_options *options)
{
    size_t bound = options->frames_retained_bytes_max;

    return bound > 0 ? bound : weir_context_frames_bound();
}

/* A sanitizer is to see each frame that is freed, and a world brings its own. */
static weir_memory *frames_source(weir_loop *loop, const weir_loop_options *options)
{
    if (options->frames || weir_thread.world || weir_sys_is_sanitized())
        return options->frames;
    return &loop->slabs.memory;
}

/* Its share, and one at least if the whole bound allows for one: a frame that is the only one of
 * its size must not map a slab each time. */
static size_t empty_slabs_of(size_t bound)
{
    size_t share = bound / EMPTY_SLABS_PART;

    return share < WEIR_SLAB_BYTES && bound >= WEIR_SLAB_BYTES ? WEIR_SLAB_BYTES : share;
}

static void init_frames(weir_loop *loop, const weir_loop_options *options)
{
    weir_memory *source = frames_source(loop, options);
    size_t bound = frames_bound(options);
    bool has_slabs = source == &loop->slabs.memory;

    weir_slabs_init(&loop->slabs, has_slabs ? empty_slabs_of(bound) : 0);
    weir_context_init(&loop->context, source, has_slabs ? bound - bound / EMPTY_SLABS_PART : bound);
    if (has_slabs)
        weir_frame_allocator_set_small_share(&loop->context.frames, bound / SMALL_FRAMES_PART);
}

static void set_zero_copy(weir_loop *loop, const weir_loop_options *options)
{
    size_t sink_bytes = options->sink_bytes;

    if (sink_bytes == 0)
        sink_bytes = 1024 * 1024;
    else if (sink_bytes < WEIR_CHUNK_BYTES)
        sink_bytes = WEIR_CHUNK_BYTES;
    loop->sink_bytes = sink_bytes < SINK_BYTES_MAX ? sink_bytes : SINK_BYTES_MAX;
    loop->zero_copy_bytes = options->zero_copy_bytes > 0 ? options->zero_copy_bytes : 32 * 1024;
    loop->zero_copy_bytes_max =
        options->zero_copy_bytes_max > 0 ? options->zero_copy_bytes_max : 4 * 1024 * 1024;
}

static int64_t clock_now_ns(weir_clock *clock)
{
    (void)clock;
    return weir_sys_now_ns();
}

static void loop_init(weir_loop *loop, const weir_loop_options *options)
{
    memset(loop, 0, sizeof *loop);
    loop->executor.ops = &loop_executor_ops;
    loop->identity = new_identity();
    loop->budget = options->budget > 0 ? options->budget : 256;
    loop->executor.budget = WEIR_READY_SLICE;
    set_zero_copy(loop, options);
    loop->clock.now_ns = clock_now_ns;
    weir_wheel_init(&loop->clock.wheel, weir_sys_now_ns());
    weir_spin_init(&loop->spin, spin_bound_ns(options));
    weir_list_init(&loop->watchers);
    init_frames(loop, options);
    loop->context.loop = loop;
    loop->context.clock = &loop->clock;
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
    backend_options.loop = loop;
    backend_options.queue_depth =
        round_up_to_power(options->queue_depth ? options->queue_depth : 1024);
    backend_options.statistics = &loop->statistics;
    backend_options.direct_descriptors = options->direct_descriptors;
    backend_options.lent_buffer_bytes = options->lent_buffer_bytes;
    backend_options.lent_bytes_max = options->lent_bytes_max;
    error = open_backend(name, &backend_options, &loop->backend);
    if (error) {
        weir_context_fini(&loop->context);
        weir_slabs_fini(&loop->slabs);
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
    WEIR_ASSERT(weir_thread.loop != loop, "a loop is not destroyed while it runs");
    WEIR_ASSERT(weir_inbox_is_empty(&loop->inbox),
                "a loop is not destroyed while what was posted to it has not run");
    WEIR_ASSERT(!loop->ready.first, "a loop is not destroyed while a task is ready");
    while (__atomic_load_n(&loop->posting, __ATOMIC_ACQUIRE))
        weir_sys_yield();
    weir_context_fini(&loop->context);
    weir_slabs_fini(&loop->slabs);
    WEIR_ASSERT(loop->handle_count == 0, "every I/O object is closed before its loop ends");
    WEIR_ASSERT(weir_wheel_is_empty(&loop->clock.wheel),
                "every timer is disarmed before its loop ends");
    WEIR_ASSERT(!loop->zero_copy || loop->zero_copy->held_count == 0,
                "every sink is ended before its loop");
    loop->backend->ops->close(loop->backend);
    weir_zero_copy_end(loop);
    free(loop);
}

void weir_loop_abandon(weir_loop *loop)
{
    if (loop->abandon)
        loop->abandon(loop);
    weir_zero_copy_end(loop);
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

size_t weir_loop_dump(weir_loop *loop, FILE *stream)
{
    return weir_context_dump(&loop->context, stream);
}
