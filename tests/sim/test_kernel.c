/* SPDX-License-Identifier: MIT */
/*
 * The kernel of a simulated loop, over the seam: what it forbids, what its queues keep,
 * and who wakes it.
 *
 * A program has a loop and listeners on it. A poll for reading of a listener that nobody connects
 * to stays in flight until it is cancelled.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <weir/sim.h>
#include <weir/weir.h>

#include "kernel.h"
#include "loop.h"
#include "test.h"

enum { PORT = 7, MANY = 20 };

static const int64_t SECOND_NS = INT64_C(1000000000);

/* Operations. */

struct record {
    weir_operation operation;
    weir_handle handle;
    int result;
    int more; /* Completions that were not the last. */
    int last; /* And those that were. */
    int turn; /* The last completion's, among all. */
};

static int turns;

static void completed(weir_operation *operation, int result, unsigned flags)
{
    struct record *self = operation->object;

    self->result = result;
    if (flags & WEIR_OPERATION_MORE)
        self->more++;
    else
        self->last++;
    self->turn = ++turns;
}

static const struct weir_operation_ops record_ops = {.completed = completed};

static void record_init(struct record *self)
{
    *self = (struct record){.operation = {.ops = &record_ops, .object = self}};
}

/* A program with a loop, and its listeners. */

static weir_loop *loop;
static weir_backend *backend;
static struct record records[MANY];

static weir_endpoint port_at(int i)
{
    return weir_sim_host_endpoint(sim_program_current()->host, (uint16_t)(PORT + i));
}

static void listen_on(struct record *self, int i)
{
    static const struct weir_tcp_listen_options options = {.backlog = MANY};
    weir_endpoint local = port_at(i);

    record_init(self);
    CHECK_EQ(weir_sim_sockets.listen(&local, &options, &self->handle.native), 0);
    CHECK_EQ(backend->ops->attach(backend, &self->handle), 0);
}

/* Nothing is known at once: all operations are in flight. */
static void open_loop(void)
{
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    backend = loop->backend;
    sim_kernel_of(backend)->at_once = 0;
}

static void open_listeners(int count)
{
    int i;

    open_loop();
    for (i = 0; i < count; i++)
        listen_on(&records[i], i);
}

static int poll_reading(struct record *self, struct record *of)
{
    return backend->ops->poll(backend, &self->operation, &of->handle, WEIR_READING);
}

static void start_poll(int i)
{
    CHECK_EQ(poll_reading(&records[i], &records[i]), WEIR_IN_FLIGHT);
}

static void wait_for_last(const struct record *self)
{
    while (self->last == 0)
        backend->ops->wait(backend, WEIR_WAIT_FOREVER);
}

static void close_directly(struct record *self)
{
    backend->ops->detach(backend, &self->handle);
    weir_sim_sockets.close(NULL, self->handle.native);
}

static void close_listeners(int count)
{
    int i;

    for (i = 0; i < count; i++)
        close_directly(&records[i]);
    weir_loop_free(loop);
}

static void run_with(weir_sim_program_fn *main, uint64_t seed)
{
    weir_sim_options options = {.seed = seed};
    weir_sim *sim = weir_sim_new(&options);

    weir_sim_start(weir_sim_host_new(sim, "host"), "main", main, NULL);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    weir_sim_free(sim);
}

static void run(weir_sim_program_fn *main)
{
    run_with(main, 1);
}

/* What is allowed. */

static void cancel_and_close(void *argument)
{
    (void)argument;
    open_listeners(1);
    start_poll(0);
    backend->ops->cancel(backend, &records[0].operation);
    backend->ops->cancel(backend, &records[0].operation); /* Harmless. */
    wait_for_last(&records[0]);
    CHECK_EQ(records[0].result, -ECANCELED);
    CHECK_EQ(records[0].last, 1);
    start_poll(0); /* The record is its owner's again. */
    backend->ops->cancel(backend, &records[0].operation);
    records[0].last = 0;
    wait_for_last(&records[0]);
    close_listeners(1);
}

WEIR_TEST(sim_kernel, an_operation_completes_once_and_its_record_can_be_used_again)
{
    run(cancel_and_close);
}

static void shut_down_and_close(void *argument)
{
    struct record closing;

    (void)argument;
    open_listeners(1);
    start_poll(0);
    record_init(&closing);
    CHECK_EQ(backend->ops->close_socket(backend, &closing.operation, &records[0].handle, true),
             WEIR_IN_FLIGHT);
    wait_for_last(&closing);
    wait_for_last(&records[0]);
    CHECK_EQ(closing.result, 0);
    weir_loop_free(loop);
}

WEIR_TEST(sim_kernel, a_close_that_shuts_down_ends_what_is_in_flight)
{
    run(shut_down_and_close);
}

/* What is not. Who breaks a rule aborts at once. */

static void read_twice(void *argument)
{
    (void)argument;
    open_listeners(2);
    start_poll(0);
    (void)poll_reading(&records[1], &records[0]);
}

WEIR_ABORT_TEST(sim_kernel_misuse, two_operations_read_one_socket)
{
    run(read_twice);
}

static void reuse_record(void *argument)
{
    (void)argument;
    open_listeners(2);
    start_poll(0);
    (void)poll_reading(&records[0], &records[1]);
}

WEIR_ABORT_TEST(sim_kernel_misuse, a_record_in_flight_is_used_again)
{
    run(reuse_record);
}

static void cancel_nothing(void *argument)
{
    (void)argument;
    open_listeners(1);
    backend->ops->cancel(backend, &records[0].operation);
}

WEIR_ABORT_TEST(sim_kernel_misuse, something_is_cancelled_that_never_started)
{
    run(cancel_nothing);
}

static void cancel_too_late(void *argument)
{
    (void)argument;
    open_listeners(1);
    start_poll(0);
    backend->ops->cancel(backend, &records[0].operation);
    wait_for_last(&records[0]);
    backend->ops->cancel(backend, &records[0].operation);
}

WEIR_ABORT_TEST(sim_kernel_misuse, something_is_cancelled_that_has_completed)
{
    run(cancel_too_late);
}

static void start_detached(void *argument)
{
    (void)argument;
    open_listeners(1);
    backend->ops->detach(backend, &records[0].handle);
    (void)poll_reading(&records[0], &records[0]);
}

WEIR_ABORT_TEST(sim_kernel_misuse, an_operation_starts_on_a_detached_socket)
{
    run(start_detached);
}

static void start_closed(void *argument)
{
    struct record closing;

    (void)argument;
    open_listeners(1);
    record_init(&closing);
    CHECK_EQ(backend->ops->close_socket(backend, &closing.operation, &records[0].handle, false),
             WEIR_IN_FLIGHT);
    (void)poll_reading(&records[0], &records[0]);
}

WEIR_ABORT_TEST(sim_kernel_misuse, an_operation_starts_on_a_socket_that_is_closed)
{
    run(start_closed);
}

static void close_in_flight(void *argument)
{
    struct record closing;

    (void)argument;
    open_listeners(1);
    start_poll(0);
    record_init(&closing);
    (void)backend->ops->close_socket(backend, &closing.operation, &records[0].handle, false);
}

WEIR_ABORT_TEST(sim_kernel_misuse, a_socket_with_an_operation_in_flight_is_closed_as_an_idle_one)
{
    run(close_in_flight);
}

static void detach_in_flight(void *argument)
{
    (void)argument;
    open_listeners(1);
    start_poll(0);
    backend->ops->detach(backend, &records[0].handle);
}

WEIR_ABORT_TEST(sim_kernel_misuse, a_socket_with_an_operation_in_flight_is_detached)
{
    run(detach_in_flight);
}

static void close_attached(void *argument)
{
    (void)argument;
    open_listeners(1);
    weir_sim_sockets.close(NULL, records[0].handle.native);
}

WEIR_ABORT_TEST(sim_kernel_misuse, a_descriptor_is_closed_under_its_loop)
{
    run(close_attached);
}

static void attach_twice(void *argument)
{
    struct record second;

    (void)argument;
    open_listeners(1);
    record_init(&second);
    second.handle.native = records[0].handle.native;
    (void)backend->ops->attach(backend, &second.handle);
}

WEIR_ABORT_TEST(sim_kernel_misuse, a_socket_is_attached_twice)
{
    run(attach_twice);
}

static void use_closed(void *argument)
{
    weir_endpoint local;

    (void)argument;
    open_listeners(1);
    close_directly(&records[0]);
    (void)weir_sim_sockets.local(NULL, records[0].handle.native, &local);
}

WEIR_ABORT_TEST(sim_kernel_misuse, a_descriptor_is_used_after_it_was_closed)
{
    run(use_closed);
}

static void free_in_flight(void *argument)
{
    (void)argument;
    open_listeners(1);
    start_poll(0);
    backend->ops->close(backend);
}

WEIR_ABORT_TEST(sim_kernel_misuse, a_kernel_ends_with_an_operation_in_flight)
{
    run(free_in_flight);
}

static void leave_descriptor(void *argument)
{
    weir_endpoint any = port_at(0);
    intptr_t descriptor;

    (void)argument;
    CHECK_EQ(weir_sim_sockets.open(&any, &descriptor), 0);
}

WEIR_ABORT_TEST(sim_kernel_misuse, the_last_program_of_a_host_leaves_a_descriptor)
{
    run(leave_descriptor);
}

static void wait_abroad(void *argument)
{
    (void)argument;
    backend->ops->wait(backend, WEIR_WAIT_POLL);
}

static void open_for_another(void *argument)
{
    open_loop();
    (void)weir_sim_program_start(argument, "abroad", wait_abroad, NULL);
    backend->ops->wait(backend, weir_now_ns() + SECOND_NS);
}

WEIR_ABORT_TEST(sim_kernel_misuse, a_loop_waits_on_the_thread_of_another)
{
    weir_sim_options options = {.seed = 1};
    weir_sim *sim = weir_sim_new(&options);
    weir_sim_host *host = weir_sim_host_new(sim, "host");

    weir_sim_start(host, "main", open_for_another, host);
    (void)weir_sim_run(sim, WEIR_SIM_TO_THE_END);
}

/* Another program of the host may still close what this one leaves. */

static intptr_t left_behind;

static void leave_to_another(void *argument)
{
    weir_endpoint any = port_at(0);

    (void)argument;
    CHECK_EQ(weir_sim_sockets.open(&any, &left_behind), 0);
}

static void close_for_another(void *argument)
{
    open_loop();
    (void)weir_sim_program_start(argument, "opener", leave_to_another, NULL);
    backend->ops->wait(backend, weir_now_ns() + SECOND_NS);
    weir_sim_sockets.close(NULL, left_behind);
    weir_loop_free(loop);
}

WEIR_TEST(sim_kernel, descriptors_are_the_hosts)
{
    weir_sim_options options = {.seed = 1};
    weir_sim *sim = weir_sim_new(&options);
    weir_sim_host *host = weir_sim_host_new(sim, "host");

    weir_sim_start(host, "closer", close_for_another, host);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    weir_sim_free(sim);
}

/* Queues. */

static void limit_queues(size_t request_max, size_t completion_max)
{
    sim_kernel *kernel = sim_kernel_of(backend);

    kernel->request_max = request_max;
    kernel->completion_max = completion_max;
}

static void start_and_cancel_many(void *argument)
{
    enum { ROOM = 8 };
    int i;

    (void)argument;
    open_listeners(MANY);
    limit_queues(ROOM, 2);
    turns = 0;
    for (i = 0; i < MANY; i++)
        start_poll(i);
    CHECK_EQ(loop->statistics.deferred, MANY - ROOM);
    for (i = 0; i < MANY; i++)
        backend->ops->cancel(backend, &records[i].operation);
    for (i = 0; i < MANY; i++)
        wait_for_last(&records[i]);
    for (i = 0; i < MANY; i++) {
        CHECK_EQ(records[i].result, -ECANCELED);
        CHECK_EQ(records[i].last, 1);
        CHECK_EQ(records[i].turn, i + 1);
    }
    CHECK(loop->statistics.overflows > 0);
    close_listeners(MANY);
}

WEIR_TEST(sim_kernel, queues_that_are_full_keep_their_order_and_lose_nothing)
{
    uint64_t seed;

    for (seed = 1; seed <= 50; seed++)
        run_with(start_and_cancel_many, seed);
}

/* Clients of the first listener, on the same loop. */

static int accepted;
static int ended; /* Multishots. */

/* As the loop's own acceptor does: a multishot that has ended begins again. */
static void accept_completed(weir_operation *operation, int result, unsigned flags)
{
    struct record *self = operation->object;

    if (result >= 0) {
        weir_sim_sockets.close(NULL, result);
        accepted++;
    }
    if (flags & WEIR_OPERATION_MORE)
        return;
    ended++;
    self->last++;
    if (accepted < MANY - 1)
        (void)backend->ops->accept(backend, operation, &self->handle);
}

static void open_client(struct record *self)
{
    static weir_message message;
    weir_endpoint peer = port_at(0);

    record_init(self);
    CHECK_EQ(weir_sim_sockets.open(&peer, &self->handle.native), 0);
    CHECK_EQ(backend->ops->attach(backend, &self->handle), 0);
    CHECK_EQ(backend->ops->connect(backend, &self->operation, &self->handle, &message, &peer),
             WEIR_IN_FLIGHT);
    wait_for_last(self);
    CHECK_EQ(self->result, 0);
}

static bool is_reading(const struct record *self)
{
    return weir_sim_attached_marked(&self->handle)->pending[WEIR_READING] != NULL;
}

static void accept_many(void *argument)
{
    static const struct weir_operation_ops accept_ops = {.completed = accept_completed};
    int i;

    (void)argument;
    open_listeners(1);
    limit_queues(1, 1);
    accepted = 0;
    records[0].operation.ops = &accept_ops;
    for (i = 1; i < MANY; i++)
        open_client(&records[i]);
    CHECK_EQ(backend->ops->accept(backend, &records[0].operation, &records[0].handle),
             WEIR_IN_FLIGHT);
    while (accepted < MANY - 1)
        backend->ops->wait(backend, WEIR_WAIT_FOREVER);
    if (is_reading(&records[0]))
        backend->ops->cancel(backend, &records[0].operation);
    while (is_reading(&records[0]))
        backend->ops->wait(backend, WEIR_WAIT_FOREVER);
    close_listeners(MANY);
}

/* All connections wait already: the first fills the queue, and the second overflows it. */
WEIR_TEST(sim_kernel, a_multishot_ends_when_its_completion_overflows)
{
    uint64_t seed;

    for (seed = 1; seed <= 50; seed++) {
        ended = 0;
        run_with(accept_many, seed);
        CHECK(ended >= (MANY - 1) / 2);
    }
}

/* Waking. */

static void wake(int number)
{
    (void)number;
    backend->ops->wake(backend, NULL);
}

static void raise_signal(weir_sim *sim, void *argument)
{
    (void)sim;
    (void)argument;
    CHECK_EQ(raise(SIGUSR1), 0);
}

static void wait_for_wake(void *argument)
{
    int64_t *ret_at_ns = argument;

    open_loop();
    while (loop->statistics.wakeups == 0)
        backend->ops->wait(backend, WEIR_WAIT_FOREVER);
    *ret_at_ns = weir_now_ns();
    CHECK_EQ(loop->statistics.wakeups, 1);
    weir_loop_free(loop);
}

WEIR_TEST(sim_kernel, a_signal_handler_ends_a_wait)
{
    weir_sim_options options = {.seed = 1};
    weir_sim *sim = weir_sim_new(&options);
    int64_t at_ns = 0;

    CHECK(signal(SIGUSR1, wake) != SIG_ERR);
    weir_sim_start(weir_sim_host_new(sim, "host"), "main", wait_for_wake, &at_ns);
    weir_sim_at(sim, 3 * SECOND_NS, raise_signal, NULL);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    CHECK(at_ns >= 3 * SECOND_NS && at_ns < 3 * SECOND_NS + SECOND_NS / 1000);
    weir_sim_free(sim);
}

static void wake_before_the_wait(void *argument)
{
    open_loop();
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    backend->ops->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(loop->statistics.wakeups, 1);
    *(int64_t *)argument = weir_now_ns();
    weir_loop_free(loop);
}

WEIR_TEST(sim_kernel, a_wake_before_the_wait_ends_it_at_once)
{
    weir_sim_options options = {.seed = 1};
    weir_sim *sim = weir_sim_new(&options);
    int64_t at_ns = 0;

    CHECK(signal(SIGUSR1, wake) != SIG_ERR);
    weir_sim_start(weir_sim_host_new(sim, "host"), "main", wake_before_the_wait, &at_ns);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    CHECK(at_ns < SECOND_NS + SECOND_NS / 1000);
    weir_sim_free(sim);
}
