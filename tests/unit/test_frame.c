/* SPDX-License-Identifier: MIT */
/* The frame allocator: recycling, exhaustion, and frames that are freed on other threads. */
#include <weir/frame.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <weir/run.h>
#include <weir/scope.h>

#include "fake_backend.h"
#include "test.h"

enum { NEVER = -1, AMPLE = 64 << 20 };

/* A source that counts, and that runs dry when told to. */
struct counting_source {
    weir_memory source;
    int until_dry; /* Frames it still gives; NEVER dry. */
    size_t allocated_count;
    size_t out_bytes; /* Given and not yet back, by the sizes it was told. */
};

static void *counting_allocate(weir_memory *source, size_t size)
{
    struct counting_source *self = WEIR_CONTAINER_OF(source, struct counting_source, source);

    if (self->until_dry == 0)
        return NULL;
    if (self->until_dry > 0)
        self->until_dry--;
    self->allocated_count++;
    self->out_bytes += size;
    return malloc(size);
}

static void counting_release(weir_memory *source, void *memory, size_t size)
{
    struct counting_source *self = WEIR_CONTAINER_OF(source, struct counting_source, source);

    self->out_bytes -= size;
    free(memory);
}

static struct counting_source counting_source_of(int until_dry)
{
    return (struct counting_source){.source = {counting_allocate, counting_release},
                                    .until_dry = until_dry};
}

/* An allocator on a source that never runs dry, bound to this thread. */
struct bench {
    struct counting_source source;
    weir_frame_allocator frames;
};

static void bench_init(struct bench *bench, size_t retained_bytes_max)
{
    bench->source = counting_source_of(NEVER);
    weir_frame_allocator_init(&bench->frames, &bench->source.source, retained_bytes_max);
    weir_frame_allocator_bind(&bench->frames);
}

static void bench_fini(struct bench *bench)
{
    weir_frame_allocator_fini(&bench->frames);
    CHECK_EQ(bench->source.out_bytes, 0);
}

/* A frame of that many bytes, all of which are written. */
static void *take(struct bench *bench, size_t size)
{
    void *memory = weir_frame_allocate(&bench->frames, weir_frame_units(size));

    CHECK(memory);
    memset(memory, 0x5a, size);
    return memory;
}

static void give(struct bench *bench, void *memory, size_t size)
{
    weir_frame_release(&bench->frames, memory, weir_frame_units(size));
}

/* Recycling. */

WEIR_TEST(frame, the_frame_freed_last_is_handed_out_first)
{
    struct bench bench;
    void *first;
    void *second;

    bench_init(&bench, AMPLE);
    first = take(&bench, 200);
    second = take(&bench, 200);
    give(&bench, first, 200);
    give(&bench, second, 200);

    CHECK(take(&bench, 200) == second);
    CHECK(take(&bench, 200) == first);

    give(&bench, first, 200);
    give(&bench, second, 200);
    bench_fini(&bench);
}

/* Whether a frame of the one size, once freed, is handed out for the other. */
static bool is_shared(size_t freed_size, size_t wanted_size)
{
    struct bench bench;
    size_t allocated_count;
    void *memory;

    bench_init(&bench, AMPLE);
    give(&bench, take(&bench, freed_size), freed_size);
    memory = take(&bench, wanted_size);
    allocated_count = bench.source.allocated_count;
    give(&bench, memory, wanted_size);
    bench_fini(&bench);
    return allocated_count == 1;
}

WEIR_TEST(frame, small_frames_are_recycled_within_32_bytes)
{
    CHECK(is_shared(129, 160));
    CHECK(is_shared(160, 129));
    CHECK(!is_shared(128, 129));
    CHECK(!is_shared(129, 128));
    CHECK(is_shared(2048, 2048));
}

WEIR_TEST(frame, large_frames_are_recycled_within_a_sixteenth_of_a_doubling)
{
    CHECK(is_shared(2049, 2176));
    CHECK(is_shared(2176, 2049));
    CHECK(!is_shared(2176, 2177));
    CHECK(is_shared(3969, 4096));
    CHECK(!is_shared(4096, 4097));
    CHECK(is_shared(65537, 68 << 10));
    CHECK(is_shared(128 << 10, 128 << 10));
}

WEIR_TEST(frame, frames_above_128_kib_are_not_held_back)
{
    struct bench bench;

    bench_init(&bench, AMPLE);
    give(&bench, take(&bench, (128 << 10) + 1), (128 << 10) + 1);

    CHECK_EQ(bench.source.out_bytes, 0);
    bench_fini(&bench);
}

WEIR_TEST(frame, the_largest_frame_is_given)
{
    struct bench bench;

    bench_init(&bench, AMPLE);
    give(&bench, take(&bench, WEIR_FRAME_SIZE_MAX), WEIR_FRAME_SIZE_MAX);
    bench_fini(&bench);
}

WEIR_ABORT_TEST(frame, a_frame_above_the_largest_is_misuse)
{
    struct bench bench;

    bench_init(&bench, AMPLE);
    take(&bench, (size_t)WEIR_FRAME_SIZE_MAX + 1);
}

WEIR_TEST(frame, what_is_held_back_is_bounded)
{
    enum { COUNT = 100, SIZE = 1024, BOUND = 10 * SIZE };
    struct bench bench;
    void *memory[COUNT];

    bench_init(&bench, BOUND);
    for (int i = 0; i < COUNT; i++)
        memory[i] = take(&bench, SIZE);
    for (int i = 0; i < COUNT; i++)
        give(&bench, memory[i], SIZE);

    CHECK_EQ(weir_frame_retained_bytes(&bench.frames), BOUND);
    CHECK_EQ(bench.source.out_bytes, BOUND);
    bench_fini(&bench);
}

WEIR_TEST(frame, small_frames_may_have_a_bound_of_their_own)
{
    enum { SMALL = 1024, LARGE = 4096 };
    struct bench bench;
    void *small[2];

    bench_init(&bench, SMALL + LARGE);
    weir_frame_allocator_set_small_share(&bench.frames, SMALL);
    for (int i = 0; i < 2; i++)
        small[i] = take(&bench, SMALL);
    for (int i = 0; i < 2; i++)
        give(&bench, small[i], SMALL);
    CHECK_EQ(bench.source.out_bytes, SMALL);
    give(&bench, take(&bench, LARGE), LARGE);
    CHECK_EQ(bench.source.out_bytes, SMALL + LARGE);
    CHECK_EQ(weir_frame_retained_bytes(&bench.frames), SMALL + LARGE);
    bench_fini(&bench);
}

WEIR_TEST(frame, large_frames_that_are_held_back_leave_small_ones_their_share)
{
    enum { SMALL = 1024, LARGE = 4096 };
    struct bench bench;
    void *large;

    bench_init(&bench, SMALL / 2 + LARGE);
    weir_frame_allocator_set_small_share(&bench.frames, SMALL);
    large = take(&bench, LARGE);
    give(&bench, large, LARGE);
    give(&bench, take(&bench, SMALL / 2), SMALL / 2);
    CHECK_EQ(weir_frame_retained_bytes(&bench.frames), SMALL / 2 + LARGE);
    give(&bench, take(&bench, SMALL / 4), SMALL / 4); /* There is no more room in all. */
    CHECK_EQ(weir_frame_retained_bytes(&bench.frames), SMALL / 2 + LARGE);
    CHECK(take(&bench, LARGE) == large); /* Now there is. */
    give(&bench, take(&bench, SMALL / 4), SMALL / 4);
    CHECK_EQ(weir_frame_retained_bytes(&bench.frames), SMALL / 2 + SMALL / 4);
    give(&bench, large, LARGE);
    bench_fini(&bench);
}

WEIR_TEST(frame, what_is_held_back_is_counted_for_every_size)
{
    const size_t sizes[] = {1, 64, 65, 1024, 1025, 2049, 5000, 100000, 131072};
    struct bench bench;

    bench_init(&bench, AMPLE);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        give(&bench, take(&bench, sizes[i]), sizes[i]);
        CHECK_EQ(weir_frame_retained_bytes(&bench.frames), bench.source.out_bytes);
        give(&bench, take(&bench, sizes[i]), sizes[i]);
        CHECK_EQ(weir_frame_retained_bytes(&bench.frames), bench.source.out_bytes);
    }
    bench_fini(&bench);
}

WEIR_TEST(frame, nothing_is_held_back_when_the_bound_is_nothing)
{
    struct bench bench;

    bench_init(&bench, 0);
    give(&bench, take(&bench, 64), 64);

    CHECK_EQ(bench.source.out_bytes, 0);
    bench_fini(&bench);
}

WEIR_ABORT_TEST(frame, an_allocator_does_not_end_before_its_frames)
{
    struct bench bench;

    bench_init(&bench, AMPLE);
    take(&bench, 64);
    weir_frame_allocator_fini(&bench.frames);
}

/* Other threads. */

struct carrier {
    struct bench *bench;
    void *memory[64];
    int count;
};

static void *free_elsewhere(void *argument)
{
    struct carrier *carrier = argument;

    for (int i = 0; i < carrier->count; i++)
        give(carrier->bench, carrier->memory[i], 300);
    return NULL;
}

static void free_on_another_thread(struct carrier *carrier)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, free_elsewhere, carrier), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

WEIR_TEST(frame, a_frame_freed_on_another_thread_comes_home)
{
    struct bench bench;
    struct carrier carrier = {.bench = &bench, .count = 1};
    void *memory;

    bench_init(&bench, AMPLE);
    memory = carrier.memory[0] = take(&bench, 300);
    free_on_another_thread(&carrier);
    CHECK_EQ(weir_frame_live_count(&bench.frames), 1); /* Until the owner looks. */

    CHECK(take(&bench, 300) == memory);
    CHECK_EQ(weir_frame_live_count(&bench.frames), 1);
    CHECK_EQ(bench.source.allocated_count, 1);
    give(&bench, memory, 300);
    CHECK_EQ(weir_frame_live_count(&bench.frames), 0);
    bench_fini(&bench);
}

WEIR_TEST(frame, the_end_of_the_allocator_takes_home_what_was_freed_elsewhere)
{
    struct bench bench;
    struct carrier carrier = {.bench = &bench, .count = 64};

    bench_init(&bench, AMPLE);
    for (int i = 0; i < carrier.count; i++)
        carrier.memory[i] = take(&bench, 300);
    free_on_another_thread(&carrier);

    bench_fini(&bench);
}

WEIR_TEST(frame, threads_that_free_at_once_lose_no_frame)
{
    enum { THREADS = 4, ROUNDS = 200 };
    static struct carrier carriers[THREADS];
    pthread_t threads[THREADS];
    struct bench bench;

    bench_init(&bench, AMPLE);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < THREADS; i++) {
            carriers[i].bench = &bench;
            for (carriers[i].count = 0; carriers[i].count < 16; carriers[i].count++)
                carriers[i].memory[carriers[i].count] = take(&bench, 300);
            CHECK_EQ(pthread_create(&threads[i], NULL, free_elsewhere, &carriers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK(bench.source.allocated_count <= THREADS * 16);
    bench_fini(&bench);
}

/* Children: a recursion that allocates a frame for every call. */

struct fib {
    weir_task task;
    unsigned n; /* In. */
    struct fib *child;
    size_t sum;
};

static weir_task *fib_resume(weir_task *task);

static struct fib *fib_new(weir_task *task, unsigned n)
{
    struct fib *fib = weir_frame_new(task, sizeof *fib, fib_resume);

    if (fib)
        fib->n = n;
    return fib;
}

static weir_task *fib_resume(weir_task *task)
{
    struct fib *self = WEIR_TASK_SELF(task, struct fib);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->n < 2)
        WEIR_RETURN(task, weir_result_of(0, self->n));

    self->child = fib_new(task, self->n - 1);
    if (!self->child)
        WEIR_RETURN(task, weir_result_of(-ENOMEM, 0));
    WEIR_AWAIT(task, r, weir_call(task, &self->child->task));
    if (r.error)
        WEIR_RETURN(task, r);
    self->sum = r.count;

    self->child = fib_new(task, self->n - 2);
    if (!self->child)
        WEIR_RETURN(task, weir_result_of(-ENOMEM, 0));
    WEIR_AWAIT(task, r, weir_call(task, &self->child->task));
    WEIR_RETURN(task, weir_result_of(r.error, r.count + self->sum));
    WEIR_END(task);
}

enum { FIB_N = 15, FIB = 610, FIB_CALLS = 1972 }; /* Calls below the first. */

static weir_result run_fib(struct counting_source *source)
{
    weir_loop_options options = fake_loop_options();
    struct fib fib = {.n = FIB_N};
    weir_result result;
    weir_loop *loop;

    options.frames = &source->source;
    loop = fake_loop_new(&options);
    weir_task_init(&fib.task, fib_resume);
    result = weir_run(loop, &fib.task);
    CHECK_EQ(weir_frame_live_count(&weir_loop_context(loop)->frames), 0);
    weir_loop_free(loop);
    CHECK_EQ(source->out_bytes, 0);
    return result;
}

WEIR_TEST(frame, a_recursion_allocates_its_depth_and_recycles_the_rest)
{
    struct counting_source source = counting_source_of(NEVER);

    CHECK_EQ(run_fib(&source).count, FIB);
    CHECK_EQ(source.allocated_count, FIB_N - 1);
}

WEIR_TEST(frame, a_source_that_fails_at_any_depth_is_an_error_that_loses_nothing)
{
    for (int until_dry = 0; until_dry < FIB_N - 1; until_dry++) {
        struct counting_source source = counting_source_of(until_dry);
        weir_result result = run_fib(&source);

        CHECK_EQ(result.error, -ENOMEM);
        CHECK_EQ(source.allocated_count, until_dry);
    }
}

/* Fails every allocation of the recursion in turn: nothing is held back, so each
 * asks the source. */
static weir_result run_fib_without_recycling(struct counting_source *source)
{
    weir_loop_options options = fake_loop_options();
    struct fib fib = {.n = FIB_N};
    weir_result result;
    weir_loop *loop;

    options.frames = &source->source;
    options.frames_retained_bytes_max = 1;
    loop = fake_loop_new(&options);
    weir_task_init(&fib.task, fib_resume);
    result = weir_run(loop, &fib.task);
    weir_loop_free(loop);
    CHECK_EQ(source->out_bytes, 0);
    return result;
}

WEIR_TEST(frame, a_source_that_fails_the_nth_time_is_an_error_that_loses_nothing)
{
    for (int until_dry = 0; until_dry <= FIB_CALLS; until_dry++) {
        struct counting_source source = counting_source_of(until_dry);
        weir_result result = run_fib_without_recycling(&source);

        CHECK_EQ(result.error, until_dry < FIB_CALLS ? -ENOMEM : 0);
    }
}

/* Exhaustion ends when something is freed. */

WEIR_TEST(frame, an_exhausted_allocator_gives_again_what_was_freed)
{
    struct counting_source source = counting_source_of(1);
    weir_frame_allocator frames;
    void *memory;

    weir_frame_allocator_init(&frames, &source.source, AMPLE);
    memory = weir_frame_allocate(&frames, 3);
    CHECK(weir_frame_allocate(&frames, 3) == NULL);
    CHECK_EQ(weir_frame_live_count(&frames), 1);

    weir_frame_release(&frames, memory, 3);
    CHECK(weir_frame_allocate(&frames, 3) == memory);

    weir_frame_release(&frames, memory, 3);
    weir_frame_allocator_fini(&frames);
}

/* Children of scopes. */

enum { CHILD_SIZE = 416 }; /* Of a session of weir-echo. */

struct parent {
    weir_task task;
    weir_scope scope;
    struct counting_source *source;
    size_t bytes; /* Out: that a child takes. */
};

static weir_task *child_resume(weir_task *task)
{
    WEIR_RETURN(task, weir_result_of(0, 0));
}

static weir_task *parent_resume(weir_task *task)
{
    struct parent *self = WEIR_TASK_SELF(task, struct parent);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_scope_start(&self->scope, weir_scope_new(&self->scope, CHILD_SIZE, child_resume));
    self->bytes = self->source->out_bytes;
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(frame, a_scope_takes_32_bytes_before_its_child)
{
    struct counting_source source = counting_source_of(NEVER);
    struct parent parent = {.source = &source};
    weir_loop_options options = fake_loop_options();
    weir_loop *loop;

    options.frames = &source.source;
    loop = fake_loop_new(&options);
    weir_task_init(&parent.task, parent_resume);
    CHECK_EQ(weir_run(loop, &parent.task).count, 1);
    weir_loop_free(loop);

    CHECK_EQ(parent.bytes, 32 + CHILD_SIZE);
    CHECK_EQ(source.out_bytes, 0);
}

/* Discarding. */

struct waverer {
    weir_task task;
    struct fib *child;
    size_t live_count;
};

static weir_task *waverer_resume(weir_task *task)
{
    struct waverer *self = WEIR_TASK_SELF(task, struct waverer);

    WEIR_BEGIN(task);
    self->child = fib_new(task, 1);
    weir_frame_discard(task, &self->child->task);
    self->live_count = weir_frame_live_count(task->environment->frames);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(frame, a_frame_that_was_not_started_can_be_given_back)
{
    struct waverer waverer = {.live_count = 9};

    weir_task_init(&waverer.task, waverer_resume);
    (void)fake_run(&waverer.task);

    CHECK_EQ(waverer.live_count, 0);
}

WEIR_TEST(frame, the_heap_gives_frames_aligned_for_any_type)
{
    weir_frame_allocator frames;
    void *memory;

    weir_frame_allocator_init(&frames, NULL, 0);
    memory = weir_frame_allocate(&frames, 1);
    CHECK_EQ((uintptr_t)memory % _Alignof(max_align_t), 0);
    weir_frame_release(&frames, memory, 1);
    weir_frame_allocator_fini(&frames);
}
