/* SPDX-License-Identifier: MIT */
/*
 * The buffers that a simulated loop lends, over the seam: when they hold what, how receives starve,
 * and what is watched.
 *
 * A program has a loop and connections to itself; their other ends are plain descriptors, which it
 * uses directly.
 */
#include <errno.h>
#include <string.h>

#include <weir/sim.h>
#include <weir/weir.h>

#include "kernel.h"
#include "loop.h"
#include "test.h"

enum { PORT = 7, BUFFER_BYTES = 8, BUFFERS = WEIR_LENDING_BLOCK, ENDS_MAX = 2, BULK = 1000 };

static const int64_t SOON_NS = INT64_C(10000000);

/* A receive into lent buffers, and what it holds. */
struct end {
    weir_operation operation;
    weir_handle handle;
    intptr_t peer;
    weir_lent *held[BULK];
    int held_count;
    size_t bytes; /* That have come in all. */
    int more;
    int last;
    int result;      /* Of the last. */
    bool is_lent;    /* The last, too. */
    bool gives_back; /* At once. */
    bool goes_on;    /* Begins anew when it ends with a buffer. */
};

static weir_loop *loop;
static weir_backend *backend;
static struct end ends[ENDS_MAX];

static void start(struct end *self)
{
    CHECK_EQ(backend->ops->receive_lent(backend, &self->operation, &self->handle), WEIR_IN_FLIGHT);
}

static void give_back(struct end *self)
{
    CHECK(self->held_count > 0);
    backend->ops->give_back(backend, self->held[--self->held_count]);
}

static void take(struct end *self, int result, unsigned flags)
{
    self->bytes += (size_t)result;
    self->held[self->held_count] = weir_backend_lent(backend, flags);
    self->held[self->held_count++]->size = (uint32_t)result;
    if (self->gives_back)
        give_back(self);
}

static void completed(weir_operation *operation, int result, unsigned flags)
{
    struct end *self = operation->object;
    bool is_lent = flags & WEIR_OPERATION_LENT;

    if (is_lent)
        take(self, result, flags);
    if (flags & WEIR_OPERATION_MORE) {
        self->more++;
        return;
    }
    self->result = result;
    self->is_lent = is_lent;
    self->last++;
    if (is_lent && self->goes_on) {
        self->last = 0;
        start(self);
    }
}

static const struct weir_operation_ops end_ops = {.completed = completed};

static sim_socket *socket_at(intptr_t descriptor)
{
    return weir_sim_socket_at(sim_program_current()->host, descriptor);
}

static void pass_time(void)
{
    int64_t end_ns = weir_now_ns() + SOON_NS;

    while (weir_now_ns() < end_ns)
        backend->ops->wait(backend, end_ns);
}

static void connect_end(struct end *self)
{
    static const struct weir_tcp_listen_options options = {.backlog = 1};
    weir_endpoint local = weir_sim_host_endpoint(sim_program_current()->host, PORT);
    intptr_t listener;

    memset(self, 0, sizeof *self);
    self->operation.ops = &end_ops;
    self->operation.object = self;
    CHECK_EQ(weir_sim_sockets.listen(&local, &options, &listener), 0);
    CHECK_EQ(weir_sim_sockets.open(&local, &self->peer), 0);
    CHECK_EQ(weir_sim_socket_connect(socket_at(self->peer), &local), 0);
    pass_time();
    self->handle.native = weir_sim_socket_accept(socket_at(listener));
    CHECK(self->handle.native >= 0);
    weir_sim_sockets.close(NULL, listener);
    CHECK_EQ(backend->ops->attach(backend, &self->handle), 0);
}

/* A loop that lends the fewest buffers, and connections. */
static void open_ends(int count)
{
    weir_loop_options options = {.lent_buffer_bytes = BUFFER_BYTES, .lent_bytes_max = 1};
    int i;

    CHECK_EQ(weir_loop_new(&options, &loop), 0);
    backend = loop->backend;
    for (i = 0; i < count; i++)
        connect_end(&ends[i]);
}

static void wait_for_last(const struct end *self)
{
    while (self->last == 0)
        backend->ops->wait(backend, WEIR_WAIT_FOREVER);
}

static void cancel(struct end *self)
{
    self->goes_on = false;
    if (self->last == 0)
        backend->ops->cancel(backend, &self->operation);
    wait_for_last(self);
}

/* Cancel, give back and close all that is left. */
static void close_ends(int count)
{
    int i;

    for (i = 0; i < count; i++) {
        struct end *self = &ends[i];

        cancel(self);
        while (self->held_count > 0)
            give_back(self);
        backend->ops->detach(backend, &self->handle);
        weir_sim_sockets.close(NULL, self->handle.native);
        weir_sim_sockets.close(NULL, self->peer);
    }
    weir_loop_free(loop);
}

static void send_bytes(const struct end *self, size_t size)
{
    static const uint8_t bytes[BULK] = "hello";
    weir_const_buffer buffer = weir_const_buffer_of(bytes, size);

    CHECK_EQ(weir_sim_socket_send(socket_at(self->peer), &buffer, 1, size), size);
}

static uint64_t starved(void)
{
    return weir_loop_statistics_get(loop).lent_starved;
}

static void run_with(weir_sim_program_fn *main, uint64_t seed, const weir_sim_faults *faults)
{
    weir_sim_options options = {.seed = seed};
    weir_sim *sim;

    if (faults)
        options.faults = *faults;
    sim = weir_sim_new(&options);
    weir_sim_start(weir_sim_host_new(sim, "host"), "main", main, NULL);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    weir_sim_free(sim);
}

static void run(weir_sim_program_fn *main)
{
    run_with(main, 1, NULL);
}

/* What is allowed. */

static void receive_a_message(void *argument)
{
    (void)argument;
    open_ends(1);
    start(&ends[0]);
    pass_time();
    CHECK_EQ(sim_kernel_of(backend)->lending.buffers.taken, 0);
    send_bytes(&ends[0], 5);
    while (ends[0].bytes < 5)
        backend->ops->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(memcmp(ends[0].held[0]->data, "hello", 5), 0);
    CHECK_EQ(ends[0].more, 1);
    close_ends(1);
}

WEIR_TEST(sim_lend, completion_names_the_buffer_that_holds_the_bytes)
{
    run(receive_a_message);
}

static void receive_the_end(void *argument)
{
    (void)argument;
    open_ends(1);
    start(&ends[0]);
    send_bytes(&ends[0], 5);
    CHECK_EQ(weir_sim_socket_shutdown(socket_at(ends[0].peer), WEIR_TCP_WRITES), 0);
    wait_for_last(&ends[0]);
    CHECK_EQ(ends[0].bytes, 5);
    CHECK_EQ(ends[0].result, 0);
    CHECK(!ends[0].is_lent);
    close_ends(1);
}

WEIR_TEST(sim_lend, end_of_the_stream_ends_the_receive_behind_its_last_bytes)
{
    run(receive_the_end);
}

static void receive_into_all(void *argument)
{
    size_t i;

    (void)argument;
    open_ends(2);
    start(&ends[0]);
    start(&ends[1]);
    send_bytes(&ends[0], BULK);
    pass_time();
    CHECK_EQ(ends[0].held_count, BUFFERS);
    CHECK_EQ(starved(), 1);
    send_bytes(&ends[1], BUFFER_BYTES);
    pass_time();
    CHECK_EQ(ends[1].held_count, 0);
    CHECK_EQ(starved(), 2);
    ends[0].gives_back = true;
    for (i = 0; i < BUFFERS; i++)
        give_back(&ends[0]);
    pass_time();
    CHECK_EQ(ends[0].bytes, BULK);
    CHECK_EQ(ends[1].held_count, 1);
    close_ends(2);
}

WEIR_TEST(sim_lend, receives_without_a_buffer_wait_until_some_are_given_back)
{
    run(receive_into_all);
}

static void cancel_while_starved(void *argument)
{
    (void)argument;
    open_ends(1);
    start(&ends[0]);
    send_bytes(&ends[0], BULK);
    pass_time();
    CHECK_EQ(starved(), 1);
    cancel(&ends[0]);
    CHECK_EQ(ends[0].result, -ECANCELED);
    close_ends(1);
}

WEIR_TEST(sim_lend, cancel_finds_a_receive_without_a_buffer)
{
    run(cancel_while_starved);
}

static void receive_bulk(void *argument)
{
    bool *ret_has_ended = argument;

    open_ends(1);
    ends[0].gives_back = true;
    ends[0].goes_on = true;
    start(&ends[0]);
    send_bytes(&ends[0], BULK);
    while (ends[0].bytes < BULK)
        backend->ops->wait(backend, WEIR_WAIT_FOREVER);
    *ret_has_ended = ends[0].more * BUFFER_BYTES < BULK;
    close_ends(1);
}

static void run_bulk(const weir_sim_faults *faults)
{
    bool has_ended = false;
    weir_sim_options options = {.seed = 1, .faults = *faults};
    weir_sim *sim = weir_sim_new(&options);

    weir_sim_start(weir_sim_host_new(sim, "host"), "main", receive_bulk, &has_ended);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    CHECK(weir_sim_outcome_get(sim).faults > 0);
    CHECK(has_ended || faults->multishot_end == 0);
    weir_sim_free(sim);
}

WEIR_TEST(sim_lend, receive_that_finds_no_buffer_by_a_fault_goes_on)
{
    run_bulk(&(weir_sim_faults){.no_buffers = 500});
}

WEIR_TEST(sim_lend, receive_may_end_with_any_buffer)
{
    run_bulk(&(weir_sim_faults){.multishot_end = 500});
}

static void overflow(void *argument)
{
    (void)argument;
    open_ends(1);
    sim_kernel_of(backend)->completion_max = 1;
    start(&ends[0]);
    send_bytes(&ends[0], 4 * BUFFER_BYTES);
    wait_for_last(&ends[0]);
    CHECK(ends[0].is_lent);
    CHECK_EQ(ends[0].more, 1);
    CHECK_EQ(weir_loop_statistics_get(loop).overflows, 1);
    close_ends(1);
}

WEIR_TEST(sim_lend, overflow_ends_a_receive_with_its_buffer)
{
    run(overflow);
}

/* At the end of the program. */
static void close_cancelled(void *argument)
{
    weir_operation closing = {.ops = &end_ops, .object = &ends[1]};
    int result;

    (void)argument;
    open_ends(2);
    start(&ends[0]);
    pass_time();
    backend->ops->cancel(backend, &ends[0].operation);
    result = backend->ops->close_socket(backend, &closing, &ends[0].handle, false);
    if (result == WEIR_IN_FLIGHT)
        wait_for_last(&ends[1]);
    wait_for_last(&ends[0]);
    CHECK_EQ(ends[0].result, -ECANCELED);
    weir_sim_sockets.close(NULL, ends[0].peer);
    backend->ops->detach(backend, &ends[1].handle);
    weir_sim_sockets.close(NULL, ends[1].handle.native);
    weir_sim_sockets.close(NULL, ends[1].peer);
    weir_loop_free(loop);
}

WEIR_TEST(sim_lend, socket_whose_receive_was_cancelled_is_closed_without_a_shutdown)
{
    uint64_t seed;

    for (seed = 1; seed <= 20; seed++)
        run_with(close_cancelled, seed, &(weir_sim_faults){.late_cancel = 500});
}

/* What is not. */

static void close_uncancelled(void *argument)
{
    weir_operation closing = {.ops = &end_ops, .object = &ends[1]};

    (void)argument;
    open_ends(1);
    start(&ends[0]);
    (void)backend->ops->close_socket(backend, &closing, &ends[0].handle, false);
}

WEIR_ABORT_TEST(sim_lend_misuse, a_close_forgets_the_receive)
{
    run(close_uncancelled);
}

static void hold_one(void)
{
    open_ends(1);
    start(&ends[0]);
    send_bytes(&ends[0], 5);
    while (ends[0].bytes < 5)
        backend->ops->wait(backend, WEIR_WAIT_FOREVER);
}

static void give_back_twice(void *argument)
{
    weir_lent *lent;

    (void)argument;
    hold_one();
    lent = ends[0].held[0];
    give_back(&ends[0]);
    backend->ops->give_back(backend, lent);
}

WEIR_ABORT_TEST(sim_lend_misuse, a_buffer_is_given_back_twice)
{
    run(give_back_twice);
}

static void write_while_lent(void *argument)
{
    (void)argument;
    hold_one();
    ends[0].held[0]->data[1] ^= 1;
    give_back(&ends[0]);
}

WEIR_ABORT_TEST(sim_lend_misuse, a_holder_writes_to_his_buffer)
{
    run(write_while_lent);
}

static void write_after_giving_back(void *argument)
{
    uint8_t *data;

    (void)argument;
    hold_one();
    data = ends[0].held[0]->data;
    give_back(&ends[0]);
    data[0] ^= 1;
    send_bytes(&ends[0], 5);
    pass_time();
}

WEIR_ABORT_TEST(sim_lend_misuse, somebody_writes_to_a_buffer_that_he_gave_back)
{
    run(write_after_giving_back);
}

static void end_while_lent(void *argument)
{
    (void)argument;
    hold_one();
    ends[0].held_count = 0;
    close_ends(1);
}

WEIR_ABORT_TEST(sim_lend_misuse, a_loop_ends_and_one_of_its_buffers_is_lent)
{
    run(end_while_lent);
}
