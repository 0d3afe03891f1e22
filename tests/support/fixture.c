/* SPDX-License-Identifier: MIT */

/* The fixture: loop, jobs, ops, sides. */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* The watchdog. Not a timer of the loop: that would change how the loop waits. */

static weir_loop *watched;

static void bark(int number)
{
    (void)number;
    fprintf(stderr, "the test hangs; its tasks:\n");
    (void)weir_loop_dump(watched, stderr);
    _exit(1);
}

static void watch(weir_loop *loop)
{
    watched = loop;
    (void)signal(SIGALRM, bark);
    (void)alarm(FIXTURE_WATCHDOG_S);
}

static void unwatch(void)
{
    (void)alarm(0);
    (void)signal(SIGALRM, SIG_DFL);
}

/* Life. */

static weir_loop *new_loop(const weir_loop_options *options)
{
    weir_loop_options more = *options;
    weir_loop *loop;

    if (more.direct_descriptors == 0)
        more.direct_descriptors = test_direct_descriptors;
    CHECK_EQ(weir_loop_new(&more, &loop), 0);
    if (more.direct_descriptors > 0 && weir_loop_statistics_get(loop).direct_descriptors == 0) {
        weir_loop_free(loop);
        test_skip("this machine has no direct descriptors");
    }
    return loop;
}

void fixture_init_with(struct fixture *fixture, const weir_loop_options *options)
{
    weir_endpoint local = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);

    fixture->descriptor_count = raw_descriptor_count();
    fixture->backend = options->backend;
    fixture->loop = new_loop(options);
    CHECK_EQ(weir_tcp_listen(&fixture->acceptor, fixture->loop, &local, NULL), 0);
    CHECK_EQ(weir_tcp_acceptor_local(&fixture->acceptor, &fixture->endpoint), 0);
    watch(fixture->loop);
}

void fixture_init(struct fixture *fixture, const char *backend)
{
    weir_loop_options options = {.backend = backend};

    fixture_init_with(fixture, &options);
}

void fixture_fini(struct fixture *fixture)
{
    struct op close_op;

    op_close_acceptor(fixture, &close_op, &fixture->acceptor);
    CHECK_EQ(op_wait(fixture, &close_op).error, 0);
    CHECK_EQ(weir_frame_live_count(&weir_loop_context(fixture->loop)->frames), 0);
    CHECK_EQ(weir_loop_context(fixture->loop)->root_count, 0);
    CHECK_EQ(weir_loop_statistics_get(fixture->loop).direct_taken, 0);
    unwatch();
    weir_loop_free(fixture->loop); /* Asserts that nothing is open or armed. */
    CHECK_EQ(raw_descriptor_count(), fixture->descriptor_count);
}

weir_result fixture_run(struct fixture *fixture, weir_task *main)
{
    return weir_run(fixture->loop, main);
}

struct turner {
    weir_task task;
    int left;
    int64_t sleep_ns;
};

static weir_task *turner_resume(weir_task *task)
{
    struct turner *self = WEIR_TASK_SELF(task, struct turner);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->left-- > 0)
        WEIR_YIELD(task);
    if (self->sleep_ns > 0) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, self->sleep_ns));
        CHECK_EQ(r.error, 0);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

void fixture_turn(struct fixture *fixture)
{
    struct turner turner = {
        .left = 4, /* Root, main, submission, and one to spare. */
        .sleep_ns = raw_system->slowness_ns,
    };

    weir_task_init(&turner.task, turner_resume);
    (void)weir_run(fixture->loop, &turner.task);
}

/* Jobs. */

static void job_done(weir_root *root, weir_result result)
{
    struct job *job = root->user;

    job->result = result;
    job->done = true;
    if (job->gate.waiter)
        gate_open(&job->gate, 0, 0);
}

void job_start(struct fixture *fixture, struct job *job, weir_task *main)
{
    job->done = false;
    job->gate = (struct gate){.waiter = NULL};
    weir_run_async(weir_loop_executor(fixture->loop), &job->root, main, job_done, job);
}

struct waiter {
    weir_task task;
    struct job *job;
};

static weir_task *waiter_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    while (!self->job->done) {
        WEIR_AWAIT(task, r, gate_wait(task, &self->job->gate));
        CHECK_EQ(r.error, 0);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

weir_result job_wait(struct fixture *fixture, struct job *job)
{
    struct waiter waiter = {.job = job};

    if (!job->done) {
        weir_task_init(&waiter.task, waiter_resume);
        (void)weir_run(fixture->loop, &waiter.task);
    }
    return job->result;
}

/* Ops. */

static weir_task *op_resume(weir_task *task)
{
    struct op *self = WEIR_TASK_SELF(task, struct op);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, self->start(task, self));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

void op_start(struct fixture *fixture, struct op *op, op_start_fn *start)
{
    weir_task_init(&op->task, op_resume);
    op->start = start;
    job_start(fixture, &op->job, &op->task);
}

weir_result op_wait(struct fixture *fixture, struct op *op)
{
    return job_wait(fixture, &op->job);
}

void op_stop(struct op *op)
{
    weir_root_stop(&op->job.root, WEIR_STOP_REQUESTED);
}

static weir_read_stream *in_of(const struct op *op)
{
    return &((weir_tcp_socket *)op->object)->stream.in;
}

static weir_write_stream *out_of(const struct op *op)
{
    return &((weir_tcp_socket *)op->object)->stream.out;
}

static void start_transfer(struct fixture *fixture, struct op *op, op_start_fn *start,
                           weir_tcp_socket *socket, const void *data, size_t size)
{
    op->object = socket;
    op->target = (void *)(uintptr_t)data;
    op->size = size;
    op_start(fixture, op, start);
}

static weir_task *start_read_some(weir_task *task, struct op *op)
{
    return weir_read_some(task, in_of(op), weir_buffer_of(op->target, op->size));
}

void op_read_some(struct fixture *fixture, struct op *op, weir_tcp_socket *socket, void *data,
                  size_t size)
{
    start_transfer(fixture, op, start_read_some, socket, data, size);
}

static weir_task *start_read(weir_task *task, struct op *op)
{
    return weir_read(task, in_of(op), weir_buffer_of(op->target, op->size));
}

void op_read(struct fixture *fixture, struct op *op, weir_tcp_socket *socket, void *data,
             size_t size)
{
    start_transfer(fixture, op, start_read, socket, data, size);
}

static weir_task *start_write_some(weir_task *task, struct op *op)
{
    return weir_write_some(task, out_of(op), weir_const_buffer_of(op->target, op->size));
}

void op_write_some(struct fixture *fixture, struct op *op, weir_tcp_socket *socket,
                   const void *data, size_t size)
{
    start_transfer(fixture, op, start_write_some, socket, data, size);
}

static weir_task *start_write(weir_task *task, struct op *op)
{
    return weir_write(task, out_of(op), weir_const_buffer_of(op->target, op->size));
}

void op_write(struct fixture *fixture, struct op *op, weir_tcp_socket *socket, const void *data,
              size_t size)
{
    start_transfer(fixture, op, start_write, socket, data, size);
}

static weir_task *start_read_some_v(weir_task *task, struct op *op)
{
    return weir_read_some_v(task, in_of(op), op->target, op->size);
}

void op_read_some_v(struct fixture *fixture, struct op *op, weir_tcp_socket *socket,
                    const weir_buffer *buffers, size_t count)
{
    start_transfer(fixture, op, start_read_some_v, socket, buffers, count);
}

static weir_task *start_write_some_v(weir_task *task, struct op *op)
{
    return weir_write_some_v(task, out_of(op), op->target, op->size);
}

void op_write_some_v(struct fixture *fixture, struct op *op, weir_tcp_socket *socket,
                     const weir_const_buffer *buffers, size_t count)
{
    start_transfer(fixture, op, start_write_some_v, socket, buffers, count);
}

static weir_task *start_readable(weir_task *task, struct op *op)
{
    return weir_tcp_wait(task, op->object, WEIR_READING);
}

void op_readable(struct fixture *fixture, struct op *op, weir_tcp_socket *socket)
{
    start_transfer(fixture, op, start_readable, socket, NULL, 0);
}

static weir_task *start_writable(weir_task *task, struct op *op)
{
    return weir_tcp_wait(task, op->object, WEIR_WRITING);
}

void op_writable(struct fixture *fixture, struct op *op, weir_tcp_socket *socket)
{
    start_transfer(fixture, op, start_writable, socket, NULL, 0);
}

static weir_task *start_connect(weir_task *task, struct op *op)
{
    return weir_tcp_connect(task, op->object, &op->peer);
}

void op_connect(struct fixture *fixture, struct op *op, weir_tcp_socket *socket,
                const weir_endpoint *peer)
{
    op->object = socket;
    op->peer = *peer;
    op_start(fixture, op, start_connect);
}

static weir_task *start_close(weir_task *task, struct op *op)
{
    return weir_tcp_close(task, op->object);
}

void op_close(struct fixture *fixture, struct op *op, weir_tcp_socket *socket)
{
    op->object = socket;
    op_start(fixture, op, start_close);
}

static weir_task *start_accept(weir_task *task, struct op *op)
{
    return weir_tcp_accept(task, op->object, op->target);
}

void op_accept(struct fixture *fixture, struct op *op, weir_tcp_acceptor *acceptor,
               weir_tcp_socket *ret_socket)
{
    op->object = acceptor;
    op->target = ret_socket;
    op_start(fixture, op, start_accept);
}

static weir_task *start_close_acceptor(weir_task *task, struct op *op)
{
    return weir_tcp_acceptor_close(task, op->object);
}

void op_close_acceptor(struct fixture *fixture, struct op *op, weir_tcp_acceptor *acceptor)
{
    op->object = acceptor;
    op_start(fixture, op, start_close_acceptor);
}

static weir_task *start_timer_wait(weir_task *task, struct op *op)
{
    return weir_timer_wait(task, op->object);
}

void op_timer_wait(struct fixture *fixture, struct op *op, weir_timer *timer)
{
    op->object = timer;
    op_start(fixture, op, start_timer_wait);
}

static weir_task *start_sleep_until(weir_task *task, struct op *op)
{
    return weir_sleep_until(task, op->time_ns);
}

void op_sleep_until(struct fixture *fixture, struct op *op, int64_t at_ns)
{
    op->time_ns = at_ns;
    op_start(fixture, op, start_sleep_until);
}

static weir_task *start_signal_wait(weir_task *task, struct op *op)
{
    return weir_signal_wait(task, op->object);
}

void op_signal_wait(struct fixture *fixture, struct op *op, weir_signal_set *set)
{
    op->object = set;
    op_start(fixture, op, start_signal_wait);
}

static weir_task *start_close_signals(weir_task *task, struct op *op)
{
    return weir_signal_close(task, op->object);
}

void op_close_signals(struct fixture *fixture, struct op *op, weir_signal_set *set)
{
    op->object = set;
    op_start(fixture, op, start_close_signals);
}

/* Pairs. */

void fixture_connect(struct fixture *fixture, weir_tcp_socket *client, weir_tcp_socket *server)
{
    struct op connect_op;
    struct op accept_op;

    weir_tcp_socket_init(client);
    weir_tcp_socket_init(server);
    op_accept(fixture, &accept_op, &fixture->acceptor, server);
    op_connect(fixture, &connect_op, client, &fixture->endpoint);
    CHECK_EQ(op_wait(fixture, &connect_op).error, 0);
    CHECK_EQ(op_wait(fixture, &accept_op).error, 0);
}

int fixture_connect_raw(struct fixture *fixture, weir_tcp_socket *socket)
{
    int descriptor = raw_connect(&fixture->endpoint);
    struct op accept_op;

    weir_tcp_socket_init(socket);
    op_accept(fixture, &accept_op, &fixture->acceptor, socket);
    CHECK_EQ(op_wait(fixture, &accept_op).error, 0);
    return descriptor;
}

void fixture_close(struct fixture *fixture, weir_tcp_socket *socket)
{
    struct op close_op;
    weir_result r;

    op_close(fixture, &close_op, socket);
    r = op_wait(fixture, &close_op);
    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, 0);
    CHECK(!weir_tcp_is_open(socket));
}

/* Data. */

/* A prime period, so that no boundary of a buffer falls on the same value twice in a row. */
static uint8_t pattern_at(size_t position)
{
    return (uint8_t)(position % 251);
}

void pattern_fill(uint8_t *data, size_t size, size_t from)
{
    size_t i;

    for (i = 0; i < size; i++)
        data[i] = pattern_at(from + i);
}

void pattern_check(const uint8_t *data, size_t size, size_t from)
{
    size_t i;

    for (i = 0; i < size; i++) {
        if (data[i] != pattern_at(from + i))
            test_fail(__FILE__, __LINE__, "byte %zu is %u", from + i, data[i]);
    }
}

/* Sides. */

static weir_task *door_resume(weir_task *task)
{
    struct side *self = WEIR_CONTAINER_OF(task, struct side, door);
    weir_result r;

    WEIR_BEGIN(task);
    semaphore_post(&self->running);
    WEIR_AWAIT(task, r, weir_sleep_until(task, INT64_MAX));
    CHECK_EQ(r.error, WEIR_CANCELLED);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void side_thread(void *argument)
{
    struct side *side = argument;

    side->identity = weir_thread_identity();
    side->loop = new_loop(&side->options);
    weir_task_init(&side->door, door_resume);
    weir_run_async(weir_loop_executor(side->loop), &side->door_root, &side->door, NULL, NULL);
    weir_loop_run(side->loop);
    CHECK_EQ(weir_frame_live_count(&weir_loop_context(side->loop)->frames), 0);
    semaphore_wait(&side->leave);
    weir_loop_free(side->loop);
}

void side_start(struct side *side, const weir_loop_options *options)
{
    side->options = *options;
    semaphore_init(&side->running);
    semaphore_init(&side->leave);
    thread_start(&side->thread, side_thread, side);
    semaphore_wait(&side->running);
}

void side_stop(struct side *side)
{
    weir_root_stop(&side->door_root, WEIR_STOP_REQUESTED);
    semaphore_post(&side->leave);
    thread_join(&side->thread);
    semaphore_fini(&side->running);
    semaphore_fini(&side->leave);
}
