/* SPDX-License-Identifier: MIT */

/*
 * The fake backend. One lock guards what other threads touch: the queue of completions, the wake
 * and the counts.
 */
#include "fake_backend.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/run.h>

#include "loop.h"
#include "sys.h"
#include "test.h"

enum { OPERATIONS_MAX = 64, COMPLETIONS_MAX = 256 };

struct completion {
    weir_operation *operation;
    int result;
    unsigned flags;
};

struct fake_backend {
    weir_backend backend;
    struct fake_operation operations[OPERATIONS_MAX]; /* In flight, oldest first. */
    size_t operation_count;
    weir_lending lending;
    bool has_answer;
    int answer;
    bool holds_cancelled;
    bool lends;
    int register_result;
    fake_sleep_fn *sleep_hook;
    void *sleep_user;
    fake_wake_fn *wake_hook;
    void *wake_user;

    pthread_mutex_t lock; /* All below. */
    pthread_cond_t changed;
    struct completion completions[COMPLETIONS_MAX];
    size_t completion_count;
    bool woken;
    weir_loop_statistics *statistics;
    struct fake_counts counts;
};

static int open_error;

static fake_backend *fake_of(weir_backend *backend)
{
    return WEIR_CONTAINER_OF(backend, fake_backend, backend);
}

/* Life. */

static const struct weir_backend_ops fake_ops;

static int fake_open(const weir_backend_options *options, weir_backend **ret_backend)
{
    pthread_condattr_t attributes;
    fake_backend *fake;

    if (open_error)
        return open_error;
    fake = calloc(1, sizeof *fake);
    CHECK(fake);
    fake->backend.ops = &fake_ops;
    fake->backend.lending = &fake->lending;
    fake->counts.queue_depth = options->queue_depth;
    fake->statistics = options->statistics;
    weir_lending_init(&fake->lending, options->lent_buffer_bytes, options->lent_bytes_max);
    pthread_mutex_init(&fake->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&fake->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    *ret_backend = &fake->backend;
    return 0;
}

static void fake_close(weir_backend *backend)
{
    fake_backend *fake = fake_of(backend);

    CHECK_EQ(fake->operation_count, 0);
    CHECK_EQ(fake->completion_count, 0);
    weir_lending_fini(&fake->lending);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

static int fake_start(weir_backend *backend)
{
    fake_of(backend)->counts.starts++;
    return 0;
}

static int fake_attach(weir_backend *backend, weir_handle *handle)
{
    (void)backend;
    (void)handle;
    return 0;
}

static void fake_detach(weir_backend *backend, weir_handle *handle)
{
    (void)backend;
    (void)handle;
}

/* Starting. */

static int start(weir_backend *backend, struct fake_operation started)
{
    fake_backend *fake = fake_of(backend);

    if (fake->has_answer) {
        fake->has_answer = false;
        return fake->answer;
    }
    CHECK(fake->operation_count < OPERATIONS_MAX);
    fake->operations[fake->operation_count++] = started;
    return WEIR_IN_FLIGHT;
}

static int fake_accept(weir_backend *backend, weir_operation *operation, weir_handle *handle)
{
    return start(backend, (struct fake_operation){
                              .kind = FAKE_ACCEPT, .operation = operation, .handle = handle});
}

static int fake_connect(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                        weir_message *message, const weir_endpoint *peer)
{
    (void)message;
    (void)peer;
    return start(backend, (struct fake_operation){
                              .kind = FAKE_CONNECT, .operation = operation, .handle = handle});
}

static int fake_receive(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                        weir_buffer buffer)
{
    return start(backend, (struct fake_operation){.kind = FAKE_RECEIVE,
                                                  .operation = operation,
                                                  .handle = handle,
                                                  .data = buffer.data,
                                                  .size = buffer.size});
}

static int fake_send(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                     weir_const_buffer buffer)
{
    return start(backend, (struct fake_operation){.kind = FAKE_SEND,
                                                  .operation = operation,
                                                  .handle = handle,
                                                  .data = (void *)(uintptr_t)buffer.data,
                                                  .size = buffer.size});
}

static int fake_register_memory(weir_backend *backend, weir_buffer region)
{
    (void)region;
    return fake_of(backend)->lends ? fake_of(backend)->register_result : -EOPNOTSUPP;
}

static int fake_send_zero_copy(weir_backend *backend, weir_operation *operation,
                               weir_handle *handle, weir_const_buffer buffer, bool is_registered)
{
    CHECK(!is_registered || fake_of(backend)->register_result == 0);
    if (!fake_of(backend)->lends)
        return -EOPNOTSUPP;
    return start(backend, (struct fake_operation){.kind = FAKE_SEND_ZERO_COPY,
                                                  .operation = operation,
                                                  .handle = handle,
                                                  .data = (void *)(uintptr_t)buffer.data,
                                                  .size = buffer.size});
}

static int fake_receive_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                          weir_message *message, const weir_buffer *buffers, size_t count)
{
    (void)message;
    return start(backend, (struct fake_operation){.kind = FAKE_RECEIVE_V,
                                                  .operation = operation,
                                                  .handle = handle,
                                                  .data = (void *)(uintptr_t)buffers,
                                                  .size = count});
}

static int fake_send_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                       weir_message *message, const weir_const_buffer *buffers, size_t count)
{
    (void)message;
    return start(backend, (struct fake_operation){.kind = FAKE_SEND_V,
                                                  .operation = operation,
                                                  .handle = handle,
                                                  .data = (void *)(uintptr_t)buffers,
                                                  .size = count});
}

static int fake_receive_lent(weir_backend *backend, weir_operation *operation, weir_handle *handle)
{
    return start(backend, (struct fake_operation){
                              .kind = FAKE_RECEIVE_LENT, .operation = operation, .handle = handle});
}

static void fake_give_back(weir_backend *backend, weir_lent *lent)
{
    weir_lending_put(&fake_of(backend)->lending, lent);
}

static int fake_poll(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                     enum weir_direction direction)
{
    return start(backend, (struct fake_operation){.kind = FAKE_POLL,
                                                  .operation = operation,
                                                  .handle = handle,
                                                  .size = (size_t)direction});
}

static int fake_close_socket(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                             bool shut_down)
{
    (void)shut_down;
    return start(backend, (struct fake_operation){
                              .kind = FAKE_CLOSE, .operation = operation, .handle = handle});
}

static void fake_cancel(weir_backend *backend, weir_operation *operation)
{
    fake_backend *fake = fake_of(backend);
    size_t i;

    fake->counts.cancels++;
    for (i = 0; i < fake->operation_count; i++) {
        struct fake_operation *candidate = &fake->operations[i];

        if (candidate->operation != operation || candidate->is_cancelled)
            continue;
        candidate->is_cancelled = true;
        if (!fake->holds_cancelled)
            fake_backend_complete(fake, operation, -ECANCELED, 0);
    }
}

/* Waiting. */

static void forget(fake_backend *fake, const weir_operation *operation)
{
    size_t i = 0;

    while (i < fake->operation_count && fake->operations[i].operation != operation)
        i++;
    CHECK(i < fake->operation_count);
    fake->operation_count--;
    for (; i < fake->operation_count; i++)
        fake->operations[i] = fake->operations[i + 1];
}

static bool take(fake_backend *fake, struct completion *ret_completion)
{
    bool any;
    size_t i;

    pthread_mutex_lock(&fake->lock);
    any = fake->completion_count > 0;
    if (any) {
        *ret_completion = fake->completions[0];
        fake->completion_count--;
        for (i = 0; i < fake->completion_count; i++)
            fake->completions[i] = fake->completions[i + 1];
    }
    pthread_mutex_unlock(&fake->lock);
    return any;
}

static bool deliver(fake_backend *fake)
{
    struct completion completion;
    bool any = false;

    while (take(fake, &completion)) {
        if (!(completion.flags & WEIR_OPERATION_MORE))
            forget(fake, completion.operation);
        completion.operation->ops->completed(completion.operation, completion.result,
                                             completion.flags);
        any = true;
    }
    return any;
}

static bool has_nothing(fake_backend *fake)
{
    bool nothing;

    pthread_mutex_lock(&fake->lock);
    nothing = fake->completion_count == 0 && !fake->woken;
    pthread_mutex_unlock(&fake->lock);
    return nothing;
}

/* Under the lock. */
static void block(fake_backend *fake, int64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                                .tv_nsec = (long)(deadline_ns % 1000000000)};
    int error = 0;

    while (fake->completion_count == 0 && !fake->woken && error != ETIMEDOUT) {
        if (deadline_ns == WEIR_WAIT_FOREVER)
            pthread_cond_wait(&fake->changed, &fake->lock);
        else
            error = pthread_cond_timedwait(&fake->changed, &fake->lock, &deadline);
    }
}

static void fake_wait(weir_backend *backend, int64_t deadline_ns)
{
    fake_backend *fake = fake_of(backend);
    bool polls = deadline_ns == WEIR_WAIT_POLL;
    bool blocks = !polls;

    if (!polls && fake->sleep_hook && has_nothing(fake))
        blocks = !fake->sleep_hook(fake, deadline_ns, fake->sleep_user);

    pthread_mutex_lock(&fake->lock);
    fake->counts.deadline_ns = deadline_ns;
    fake->counts.polls += polls;
    fake->counts.sleeps += !polls;
    if (blocks)
        block(fake, deadline_ns);
    fake->statistics->wakeups += fake->woken;
    fake->woken = false;
    pthread_mutex_unlock(&fake->lock);
    (void)deliver(fake);
}

static bool fake_peek(weir_backend *backend)
{
    fake_backend *fake = fake_of(backend);

    fake->counts.peeks++;
    return deliver(fake);
}

static void fake_wake(weir_backend *backend, weir_backend *sender)
{
    fake_backend *fake = fake_of(backend);

    (void)sender;
    pthread_mutex_lock(&fake->lock);
    fake->woken = true;
    pthread_cond_signal(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    if (fake->wake_hook)
        fake->wake_hook(fake, fake->wake_user);
    pthread_mutex_lock(&fake->lock);
    fake->counts.wakes++;
    pthread_mutex_unlock(&fake->lock);
}

/* The test's side. */

weir_loop_options fake_loop_options(void)
{
    return (weir_loop_options){
        .backend = "fake", .spin_ns_max = -1, .frames_retained_bytes_max = WEIR_FRAME_RETAINED_MAX};
}

weir_loop *fake_loop_new(const weir_loop_options *options)
{
    weir_loop_options defaults = fake_loop_options();
    weir_loop *loop;

    CHECK_EQ(weir_loop_new(options ? options : &defaults, &loop), 0);
    return loop;
}

weir_result fake_run(weir_task *main)
{
    weir_loop *loop = fake_loop_new(NULL);
    weir_result result = weir_run(loop, main);

    weir_loop_free(loop);
    return result;
}

static weir_task *turner_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    WEIR_YIELD(task);
    WEIR_YIELD(task);
    WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

void fake_loop_turn(weir_loop *loop)
{
    weir_task turner;

    weir_task_init(&turner, turner_resume);
    (void)weir_run(loop, &turner);
}

fake_backend *fake_backend_of(weir_loop *loop)
{
    CHECK(loop->backend->ops == &fake_ops);
    return fake_of(loop->backend);
}

struct fake_counts fake_backend_counts(fake_backend *fake)
{
    struct fake_counts counts;

    pthread_mutex_lock(&fake->lock);
    counts = fake->counts;
    pthread_mutex_unlock(&fake->lock);
    return counts;
}

void fake_backend_on_sleep(fake_backend *fake, fake_sleep_fn *hook, void *user)
{
    fake->sleep_hook = hook;
    fake->sleep_user = user;
}

void fake_backend_on_wake(fake_backend *fake, fake_wake_fn *hook, void *user)
{
    fake->wake_hook = hook;
    fake->wake_user = user;
}

size_t fake_backend_in_flight(const fake_backend *fake)
{
    return fake->operation_count;
}

struct fake_operation fake_backend_operation(const fake_backend *fake, size_t index)
{
    CHECK(index < fake->operation_count);
    return fake->operations[index];
}

void fake_backend_answer(fake_backend *fake, int result)
{
    fake->has_answer = true;
    fake->answer = result;
}

void fake_backend_send_zero_copy(fake_backend *fake, int register_result)
{
    fake->lends = true;
    fake->register_result = register_result;
}

void fake_backend_hold_cancelled(fake_backend *fake, bool hold)
{
    fake->holds_cancelled = hold;
}

void fake_backend_complete(fake_backend *fake, weir_operation *operation, int result,
                           unsigned flags)
{
    pthread_mutex_lock(&fake->lock);
    CHECK(fake->completion_count < COMPLETIONS_MAX);
    fake->completions[fake->completion_count++] = (struct completion){operation, result, flags};
    pthread_cond_signal(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

unsigned fake_backend_lend(fake_backend *fake, const void *data, size_t size)
{
    weir_lent *lent = weir_lending_take(&fake->lending);

    CHECK(lent);
    CHECK(size <= fake->lending.buffer_bytes);
    memcpy(lent->data, data, size);
    return WEIR_OPERATION_LENT | lent->index << WEIR_OPERATION_LENT_SHIFT;
}

size_t fake_backend_lent(const fake_backend *fake)
{
    return fake->lending.taken;
}

void fake_backend_fail_open(int error)
{
    open_error = error;
}

static const struct weir_backend_ops fake_ops = {
    .name = "fake",
    .sockets = &weir_sys_sockets,
    .open = fake_open,
    .close = fake_close,
    .start = fake_start,
    .attach = fake_attach,
    .detach = fake_detach,
    .accept = fake_accept,
    .connect = fake_connect,
    .receive = fake_receive,
    .send = fake_send,
    .register_memory = fake_register_memory,
    .send_zero_copy = fake_send_zero_copy,
    .receive_v = fake_receive_v,
    .send_v = fake_send_v,
    .receive_lent = fake_receive_lent,
    .give_back = fake_give_back,
    .poll = fake_poll,
    .close_socket = fake_close_socket,
    .cancel = fake_cancel,
    .wait = fake_wait,
    .peek = fake_peek,
    .wake = fake_wake,
};

const struct weir_backend_ops *const weir_backends[] = {&fake_ops, NULL};
