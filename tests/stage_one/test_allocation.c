/* SPDX-License-Identifier: MIT */
/*
 * No operation allocates: thousands of each, while every call of the heap is counted. What is a
 * child task by itself, without the caller's providing its frame, has one from the allocator of
 * frames, which asks the heap for it the first time.
 *
 * The linker puts a counter before malloc and its kin (see tests/CMakeLists.txt) in all of the
 * program, so in all of the library; it counts the calls of all threads. Nothing is warmed up: what
 * is not said to allocate does not the first time either.
 *
 * Threads: those of the pool; all else on the test's.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <weir/stage_one.h>

#include "test.h"

enum { ROUNDS = 2000, MESSAGE = 64 };

/* The counter. */

static unsigned long heap_calls; /* __atomic. */

static unsigned long count_heap_calls(void)
{
    return __atomic_load_n(&heap_calls, __ATOMIC_RELAXED);
}

#define COUNTED(type, name, parameters, arguments)                  \
    type __real_##name parameters;                                  \
    type __wrap_##name parameters;                                  \
    type __wrap_##name parameters                                   \
    {                                                               \
        (void)__atomic_add_fetch(&heap_calls, 1, __ATOMIC_RELAXED); \
        return __real_##name arguments;                             \
    }

COUNTED(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
COUNTED(void *, calloc, (size_t count, size_t size), (count, size))
COUNTED(void *, malloc, (size_t size), (size))
COUNTED(void *, realloc, (void *memory, size_t size), (memory, size))

void __real_free(void *memory);
void __wrap_free(void *memory);

void __wrap_free(void *memory)
{
    (void)__atomic_add_fetch(&heap_calls, 1, __ATOMIC_RELAXED);
    __real_free(memory);
}

/* Run a task to its end, and with it what runs beside it. Returns how often that
 * called the heap. */
static unsigned long run_and_count(weir_task *main)
{
    /* Said here, because under a sanitizer no frame is used again unless that is asked for. */
    static const weir_manual_options options = {.frames_retained_bytes_max = 1 << 20};
    unsigned long before = count_heap_calls();
    weir_manual manual;

    weir_manual_init(&manual, &options);
    CHECK_EQ(weir_manual_run(&manual, main).error, 0);
    weir_manual_fini(&manual);
    return count_heap_calls() - before;
}

static void run_without_heap(weir_task *main)
{
    CHECK_EQ(run_and_count(main), 0);
}

/* A frame comes, and goes in the end; meanwhile it is used again and again. */
static void run_with_one_frame(weir_task *main)
{
    CHECK_EQ(run_and_count(main), 2);
}

static weir_task *yielder_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 7));
    WEIR_END(task);
}

struct parent {
    weir_task task;
    weir_task *child;
};

static weir_task *parent_resume(weir_task *task)
{
    struct parent *self = WEIR_TASK_SELF(task, struct parent);
    weir_result r;

    WEIR_BEGIN(task);
    self->child = weir_frame_new(task, sizeof *self->child, yielder_resume);
    WEIR_AWAIT(task, r, weir_call(task, self->child));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Else the others would prove nothing. */
WEIR_TEST(allocation, what_allocates_is_counted)
{
    unsigned long before = count_heap_calls();
    struct parent parent;
    weir_manual manual;

    weir_task_init(&parent.task, parent_resume);
    weir_manual_init(&manual, NULL);
    CHECK_EQ(weir_manual_run(&manual, &parent.task).count, 7);
    weir_manual_fini(&manual);
    CHECK_EQ(count_heap_calls(), before + 2); /* The frame came, and went. */
}

/* Streams. */

/* Carries a few bytes at a time, one way and the other; every second part is not there at once. */
struct wire {
    weir_stream stream;
    weir_wait reading;
    weir_wait writing;
    unsigned parts;
    size_t bytes; /* Read and written. */
};

enum { PART = 24 };

static void nothing_to_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)wait;
    (void)task;
    (void)bits;
}

static const struct weir_wait_ops wire_wait_ops = {
    .name = "wire",
    .stop = nothing_to_stop,
    .dump = weir_wait_dump_nothing,
};

static weir_task *carry(weir_task *task, struct wire *wire, weir_wait *wait, size_t size)
{
    size = size < PART ? size : PART;
    wire->bytes += size;
    if (wire->parts++ % 2 == 0)
        return weir_task_complete(task, 0, size);
    wait->ops = &wire_wait_ops;
    (void)weir_task_suspend(task, wait);
    weir_task_wake(task, 0, size);
    return NULL;
}

static weir_task *wire_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    struct wire *wire = WEIR_CONTAINER_OF(in, struct wire, stream.in);

    memset(buffer.data, 'w', buffer.size < PART ? buffer.size : PART);
    return carry(task, wire, &wire->reading, buffer.size);
}

static weir_task *wire_write_some(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    struct wire *wire = WEIR_CONTAINER_OF(out, struct wire, stream.out);

    return carry(task, wire, &wire->writing, buffer.size);
}

static const struct weir_read_stream_ops wire_in_ops = {
    .name = "wire",
    .read_some = wire_read_some,
    .read_some_v = weir_stream_read_first,
    .read = weir_stream_read_composed,
};

static const struct weir_write_stream_ops wire_out_ops = {
    .name = "wire",
    .write_some = wire_write_some,
    .write_some_v = weir_stream_write_first,
    .write = weir_stream_write_composed,
    .finish = weir_stream_finish_nothing,
};

static void wire_init(struct wire *wire)
{
    memset(wire, 0, sizeof *wire);
    weir_stream_init(&wire->stream, &wire_in_ops, &wire_out_ops);
}

/* Uses a stream in every way that a stream has; it knows no more than that it is one. */
struct user {
    weir_task task;
    weir_stream *stream;
    int left; /* Rounds. */
    uint8_t data[MESSAGE];
    weir_buffer pieces[2];
    weir_const_buffer const_pieces[2];
};

static weir_buffer message_of(struct user *user)
{
    return weir_buffer_of(user->data, MESSAGE);
}

static weir_const_buffer const_message_of(struct user *user)
{
    return weir_const_buffer_of(user->data, MESSAGE);
}

static weir_task *user_resume(weir_task *task)
{
    struct user *self = WEIR_TASK_SELF(task, struct user);
    weir_result r;

    WEIR_BEGIN(task);
    for (; self->left > 0; self->left--) {
        WEIR_AWAIT(task, r, weir_read_some(task, &self->stream->in, message_of(self)));
        CHECK_EQ(r.count, PART);
        WEIR_AWAIT(task, r, weir_read_some_v(task, &self->stream->in, self->pieces, 2));
        CHECK_EQ(r.count, PART);
        WEIR_AWAIT(task, r, weir_read(task, &self->stream->in, message_of(self)));
        CHECK_EQ(r.count, MESSAGE);
        WEIR_AWAIT(task, r, weir_read_v(task, &self->stream->in, self->pieces, 2));
        CHECK_EQ(r.count, MESSAGE);
        WEIR_AWAIT(task, r, weir_write_some(task, &self->stream->out, const_message_of(self)));
        CHECK_EQ(r.count, PART);
        WEIR_AWAIT(task, r, weir_write_some_v(task, &self->stream->out, self->const_pieces, 2));
        CHECK_EQ(r.count, PART);
        WEIR_AWAIT(task, r, weir_write(task, &self->stream->out, const_message_of(self)));
        CHECK_EQ(r.count, MESSAGE);
        WEIR_AWAIT(task, r, weir_write_v(task, &self->stream->out, self->const_pieces, 2));
        CHECK_EQ(r.count, MESSAGE);
    }
    WEIR_AWAIT(task, r, weir_write_eof(task, &self->stream->out, const_message_of(self)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void user_init(struct user *user, weir_stream *stream)
{
    size_t half = MESSAGE / 2;

    user->stream = stream;
    user->left = ROUNDS;
    memset(user->data, 'w', MESSAGE);
    for (size_t i = 0; i < 2; i++) {
        user->pieces[i] = weir_buffer_of(user->data + i * half, half);
        user->const_pieces[i] = weir_buffer_as_const(user->pieces[i]);
    }
    weir_task_init(&user->task, user_resume);
}

WEIR_TEST(allocation, reading_and_writing_by_parts_takes_one_frame)
{
    struct user user;
    struct wire wire;

    wire_init(&wire);
    user_init(&user, &wire.stream);
    run_with_one_frame(&user.task);
    CHECK_EQ(wire.bytes, ROUNDS * (4 * PART + 4 * MESSAGE) + MESSAGE);
}

/* Reads messages into a buffer of its own, as far as a delimiter. */
struct liner {
    weir_task task;
    weir_read_stream *in;
    int left; /* Rounds. */
    weir_flat_buffer buffer;
    weir_delimiter delimiter;
    uint8_t memory[MESSAGE];
};

static weir_task *liner_resume(weir_task *task)
{
    struct liner *self = WEIR_TASK_SELF(task, struct liner);
    weir_result r;

    WEIR_BEGIN(task);
    for (; self->left > 0; self->left--) {
        WEIR_AWAIT(
            task, r,
            weir_read_until(task, self->in, &self->buffer.dynamic, &self->delimiter.matcher));
        CHECK_EQ(r.error, 0);
        CHECK_EQ(r.count, PART + 1);
        weir_dynamic_buffer_consume(&self->buffer.dynamic, r.count);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(allocation, reading_until_a_delimiter_into_fixed_memory_takes_one_frame)
{
    static const char delimiter[PART + 1] = "wwwwwwwwwwwwwwwwwwwwwwwww";
    struct liner liner = {.left = ROUNDS};
    struct wire wire;

    wire_init(&wire);
    liner.in = &wire.stream.in;
    weir_flat_buffer_init_fixed(&liner.buffer, liner.memory, sizeof liner.memory);
    weir_delimiter_init(&liner.delimiter, delimiter, sizeof delimiter);
    weir_task_init(&liner.task, liner_resume);
    run_with_one_frame(&liner.task);
}

/* Children. */

enum { CHILDREN = 3 };

struct family {
    weir_task task;
    int left; /* Rounds. */
    weir_group group;
    weir_task children[CHILDREN]; /* Embedded. */
};

static void begin_children(struct family *self)
{
    for (size_t i = 0; i < CHILDREN; i++)
        weir_task_init(&self->children[i], yielder_resume);
}

static weir_task *family_resume(weir_task *task)
{
    struct family *self = WEIR_TASK_SELF(task, struct family);
    weir_result r;

    WEIR_BEGIN(task);
    for (; self->left > 0; self->left--) {
        begin_children(self);
        WEIR_AWAIT(task, r,
                   weir_when_all_3(task, &self->group, &self->children[0], &self->children[1],
                                   &self->children[2]));
        CHECK_EQ(r.count, CHILDREN);
        begin_children(self);
        WEIR_AWAIT(task, r,
                   weir_when_any_3(task, &self->group, WEIR_FIRST_TO_COMPLETE, &self->children[0],
                                   &self->children[1], &self->children[2]));
        CHECK_EQ(r.count, 0);
        begin_children(self);
        WEIR_AWAIT(task, r, weir_call(task, &self->children[0]));
        CHECK_EQ(r.count, 7);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(allocation, embedded_children_alone_and_in_groups_never_call_the_heap)
{
    struct family family = {.left = ROUNDS};

    weir_group_init(&family.group);
    weir_task_init(&family.task, family_resume);
    run_without_heap(&family.task);
}

/* Synchronisation: two tasks that do everything to each other. */

struct partner {
    weir_task task;
    struct pair *pair;
    bool sends; /* Else it receives. */
    int left;   /* Rounds. */
    int item;
    weir_shared_channel_wait wait;
};

struct pair {
    weir_task task;
    weir_group group;
    weir_mutex mutex;
    weir_semaphore semaphore;
    weir_channel channel;               /* Without room: */
    weir_shared_channel shared_channel; /* somebody always waits. */
    struct partner partners[2];
};

static weir_task *hand_over(struct partner *self)
{
    if (self->sends)
        return weir_channel_send(&self->task, &self->pair->channel, &self->item);
    return weir_channel_receive(&self->task, &self->pair->channel, &self->item);
}

static weir_task *hand_over_shared(struct partner *self)
{
    weir_shared_channel *channel = &self->pair->shared_channel;

    if (self->sends)
        return weir_shared_channel_send(&self->task, channel, &self->wait, &self->item);
    return weir_shared_channel_receive(&self->task, channel, &self->wait, &self->item);
}

static weir_task *partner_resume(weir_task *task)
{
    struct partner *self = WEIR_TASK_SELF(task, struct partner);
    weir_result r;

    WEIR_BEGIN(task);
    for (; self->left > 0; self->left--) {
        WEIR_AWAIT(task, r, weir_mutex_lock(task, &self->pair->mutex));
        CHECK_EQ(r.error, 0);
        WEIR_YIELD(task); /* The other one waits meanwhile. */
        weir_mutex_unlock(task, &self->pair->mutex);
        WEIR_AWAIT(task, r, weir_semaphore_acquire(task, &self->pair->semaphore));
        CHECK_EQ(r.error, 0);
        WEIR_YIELD(task);
        weir_semaphore_release(&self->pair->semaphore, 1);
        WEIR_AWAIT(task, r, hand_over(self));
        CHECK_EQ(r.count, 1);
        WEIR_AWAIT(task, r, hand_over_shared(self));
        CHECK_EQ(r.count, 1);
        WEIR_AWAIT(task, r, weir_sleep_for(task, 1));
        CHECK_EQ(r.error, 0);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static weir_task *pair_resume(weir_task *task)
{
    struct pair *self = WEIR_TASK_SELF(task, struct pair);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(
        task, r,
        weir_when_all_2(task, &self->group, &self->partners[0].task, &self->partners[1].task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void pair_init(struct pair *pair)
{
    weir_group_init(&pair->group);
    weir_mutex_init(&pair->mutex);
    weir_semaphore_init(&pair->semaphore, 1);
    weir_channel_init(&pair->channel, NULL, 0, sizeof(int));
    weir_shared_channel_init(&pair->shared_channel, NULL, 0, sizeof(int));
    for (int i = 0; i < 2; i++) {
        pair->partners[i].pair = pair;
        pair->partners[i].sends = i == 0;
        pair->partners[i].left = ROUNDS;
        weir_task_init(&pair->partners[i].task, partner_resume);
    }
    weir_task_init(&pair->task, pair_resume);
}

static void pair_fini(struct pair *pair)
{
    weir_shared_channel_fini(&pair->shared_channel);
    weir_channel_fini(&pair->channel);
    weir_semaphore_fini(&pair->semaphore);
    weir_mutex_fini(&pair->mutex);
}

WEIR_TEST(allocation, waiting_for_another_task_or_for_time_never_calls_the_heap)
{
    struct pair pair;

    memset(&pair, 0, sizeof pair);
    pair_init(&pair);
    run_without_heap(&pair.task);
    pair_fini(&pair);
}

/* Executors. */

struct runner {
    weir_task task;
    weir_root root; /* Of a tree. */
    unsigned *left; /* Those that have not run. __atomic: release by each, acquire by who waits. */
};

static void has_run(struct runner *runner)
{
    (void)__atomic_sub_fetch(runner->left, 1, __ATOMIC_RELEASE);
}

static weir_task *runner_resume(weir_task *task)
{
    has_run(WEIR_TASK_SELF(task, struct runner));
    return NULL;
}

static void tree_done(weir_root *root, weir_result result)
{
    (void)result;
    has_run(root->user);
}

/* Bare tasks and trees, posted to an executor from outside. */
static void post_all(weir_executor *executor, struct runner *runners, size_t count, unsigned *left)
{
    for (size_t i = 0; i < count; i++) {
        runners[i].left = left;
        if (i % 2) {
            weir_task_init(&runners[i].task, yielder_resume);
            weir_run_async(executor, &runners[i].root, &runners[i].task, tree_done, &runners[i]);
        } else {
            weir_task_init(&runners[i].task, runner_resume);
            weir_executor_post(executor, &runners[i].task);
        }
    }
}

WEIR_TEST(allocation, posts_to_a_strand_never_call_the_heap)
{
    static struct runner runners[ROUNDS];
    unsigned long before = count_heap_calls();
    unsigned left = ROUNDS;
    weir_manual manual;
    weir_strand strand;

    weir_manual_init(&manual, NULL);
    weir_strand_init(&strand, weir_manual_executor(&manual));
    post_all(weir_strand_executor(&strand), runners, ROUNDS, &left);
    while (weir_manual_poll(&manual))
        ;
    weir_strand_fini(&strand);
    weir_manual_fini(&manual);
    CHECK_EQ(left, 0);
    CHECK_EQ(count_heap_calls(), before);
}

/* A task that goes to another executor and comes back. */
struct traveller {
    weir_task task;
    weir_executor *abroad;
    int left; /* Rounds. */
    weir_bridge bridge;
    weir_task child;
};

static weir_task *traveller_resume(weir_task *task)
{
    struct traveller *self = WEIR_TASK_SELF(task, struct traveller);
    weir_result r;

    WEIR_BEGIN(task);
    for (; self->left > 0; self->left--) {
        weir_task_init(&self->child, yielder_resume);
        WEIR_AWAIT(task, r, weir_run_on(task, &self->bridge, self->abroad, &self->child));
        CHECK_EQ(r.count, 7);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Run on the thread of the test until others have set it to zero. */
static void poll_until_zero(weir_manual *manual, const unsigned *left)
{
    while (__atomic_load_n(left, __ATOMIC_ACQUIRE) > 0) {
        if (!weir_manual_poll(manual))
            sched_yield();
    }
}

WEIR_TEST(allocation, running_on_a_pool_and_on_it_from_elsewhere_never_calls_the_heap)
{
    static struct runner runners[ROUNDS];
    struct traveller traveller = {.left = ROUNDS};
    weir_thread_pool_options options = {.threads = 2};
    struct runner home;
    weir_thread_pool *pool;
    weir_manual manual;
    unsigned long before;
    unsigned left = ROUNDS + 1;

    CHECK_EQ(weir_thread_pool_new(&options, &pool), 0);
    before = count_heap_calls();
    weir_manual_init(&manual, NULL);
    post_all(weir_thread_pool_executor(pool), runners, ROUNDS, &left);
    home.left = &left;
    traveller.abroad = weir_thread_pool_executor(pool);
    weir_task_init(&traveller.task, traveller_resume);
    weir_run_async(weir_manual_executor(&manual), &home.root, &traveller.task, tree_done, &home);
    poll_until_zero(&manual, &left);
    weir_manual_fini(&manual);
    CHECK_EQ(count_heap_calls(), before);
    weir_thread_pool_free(pool);
}
