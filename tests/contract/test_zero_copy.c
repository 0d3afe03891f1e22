/* SPDX-License-Identifier: MIT */

/*
 * Whole writes that may be sent without a copy: where the kernel copies, as it does on the way to
 * oneself, or cannot do it, nothing but the statistics tells.
 */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "loop.h"
#include "sys.h"
#include "zero_copy.h"

enum { LARGE = 3 << 20, BLOCK = 64 << 10, BLOCKS = 200 };

struct pair {
    struct fixture f;
    weir_tcp_socket client;
    weir_tcp_socket server;
    struct op read_op;
    struct op write_op;
    uint8_t *sent;
    uint8_t *got;
};

/* Peers on this machine are sent copies at first: let them be like others. */
static void pair_init(struct pair *self, const weir_loop_options *options)
{
    fixture_init_with(&self->f, options);
    weir_zero_copy_of(self->f.loop)->classes[WEIR_PEER_LOCAL].copies = 0;
    fixture_connect(&self->f, &self->client, &self->server);
    self->sent = malloc(LARGE);
    self->got = malloc(LARGE);
    CHECK(self->sent && self->got);
    pattern_fill(self->sent, LARGE, 0);
}

static void pair_fini(struct pair *self)
{
    fixture_close(&self->f, &self->client);
    fixture_close(&self->f, &self->server);
    free(self->sent);
    free(self->got);
    fixture_fini(&self->f);
}

static weir_loop_statistics statistics_of(const struct pair *t)
{
    return weir_loop_statistics_get(t->f.loop);
}

static void transfer(struct pair *t, size_t size)
{
    weir_result r;

    op_write(&t->f, &t->write_op, &t->client, t->sent, size);
    op_read(&t->f, &t->read_op, &t->server, t->got, size);
    r = op_wait(&t->f, &t->write_op);
    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, size);
    memset(t->sent, 0, size); /* It is ours again. */
    CHECK_EQ(op_wait(&t->f, &t->read_op).count, size);
    pattern_check(t->got, size, 0);
    pattern_fill(t->sent, size, 0);
}

WEIR_CONTRACT_TEST(zero_copy, a_large_write_arrives_and_the_memory_is_ours_again)
{
    const weir_loop_options options = {.backend = backend};
    struct pair t;
    int i;

    pair_init(&t, &options);
    for (i = 0; i < 4; i++)
        transfer(&t, LARGE);
    pair_fini(&t);
}

WEIR_CONTRACT_TEST(zero_copy, writes_beyond_what_may_be_lent_arrive)
{
    const weir_loop_options options = {.backend = backend, .zero_copy_bytes_max = 100000};
    struct pair t;

    pair_init(&t, &options);
    transfer(&t, BLOCK); /* What is left for others is less than this. */
    transfer(&t, LARGE);
    pair_fini(&t);
}

WEIR_CONTRACT_TEST(zero_copy, small_writes_are_copied)
{
    const weir_loop_options options = {.backend = backend, .zero_copy_bytes = BLOCK};
    struct pair t;

    pair_init(&t, &options);
    transfer(&t, BLOCK - 1);
    CHECK_EQ(statistics_of(&t).zero_copy_sends, 0);
    pair_fini(&t);
}

/* Epoll's backend makes copies of whatever it is, and so do some of the simulated kernels. */
WEIR_SOCKET_TEST(zero_copy, a_write_of_the_threshold_is_tried_without_a_copy)
{
    const weir_loop_options options = {.backend = backend, .zero_copy_bytes = BLOCK};
    uint64_t sends = strcmp(backend, "epoll") == 0 ? 0 : 1;
    struct pair t;

    pair_init(&t, &options);
    transfer(&t, BLOCK);
    CHECK_EQ(statistics_of(&t).zero_copy_sends, sends);
    pair_fini(&t);
}

WEIR_CONTRACT_TEST(zero_copy, it_can_be_switched_off)
{
    const weir_loop_options options = {.backend = backend, .zero_copy_bytes = SIZE_MAX};
    struct pair t;

    pair_init(&t, &options);
    transfer(&t, LARGE);
    CHECK_EQ(statistics_of(&t).zero_copy_sends, 0);
    pair_fini(&t);
}

/* This machine's kernel copies what it sends to itself, and epoll's backend does not try. */
WEIR_KERNEL_TEST(zero_copy, where_the_kernel_copies_it_is_hardly_tried)
{
    const weir_loop_options options = {.backend = backend};
    weir_loop_statistics statistics;
    struct pair t;
    int i;

    pair_init(&t, &options);
    for (i = 0; i < BLOCKS; i++)
        transfer(&t, BLOCK);
    statistics = statistics_of(&t);
    CHECK_EQ(statistics.zero_copy_copied, statistics.zero_copy_sends);
    CHECK_EQ(statistics.zero_copy_refused, 0);
    if (strcmp(backend, "epoll") == 0)
        CHECK_EQ(statistics.zero_copy_sends, 0);
    else /* Three times, and once more after 64 writes. */
        CHECK_EQ(statistics.zero_copy_sends, 4);
    pair_fini(&t);
}

/* A peer that does not read. */

static void start_write(struct pair *t)
{
    op_write(&t->f, &t->write_op, &t->client, t->sent, LARGE);
    fixture_turn(&t->f);
    CHECK(!t->write_op.job.done);
}

static void init_stalled(struct pair *t, const char *backend)
{
    const weir_loop_options options = {.backend = backend};

    pair_init(t, &options);
    CHECK_EQ(weir_tcp_option_set(&t->server, WEIR_TCP_RECEIVE_BUFFER_BYTES, 16384), 0);
    CHECK_EQ(weir_tcp_option_set(&t->client, WEIR_TCP_SEND_BUFFER_BYTES, 16384), 0);
    start_write(t);
}

static void check_cut_short(weir_result r)
{
    CHECK_EQ(r.error, WEIR_CANCELLED);
    CHECK(r.count < LARGE);
}

WEIR_CONTRACT_TEST(zero_copy, a_stop_ends_a_write_that_nobody_reads)
{
    struct pair t;

    init_stalled(&t, backend);
    op_stop(&t.write_op);
    check_cut_short(op_wait(&t.f, &t.write_op));
    memset(t.sent, 0, LARGE);
    pair_fini(&t);
}

WEIR_CONTRACT_TEST(zero_copy, a_cancel_ends_a_write_that_nobody_reads)
{
    struct pair t;

    init_stalled(&t, backend);
    weir_tcp_cancel(&t.client);
    check_cut_short(op_wait(&t.f, &t.write_op));
    pair_fini(&t);
}

WEIR_CONTRACT_TEST(zero_copy, closing_ends_a_write_that_nobody_reads)
{
    struct pair t;

    init_stalled(&t, backend);
    fixture_close(&t.f, &t.client);
    check_cut_short(op_wait(&t.f, &t.write_op));
    pair_fini(&t);
}

WEIR_CONTRACT_TEST(zero_copy, a_close_while_a_stopped_write_waits_ends_both)
{
    struct pair t;

    init_stalled(&t, backend);
    op_stop(&t.write_op);
    fixture_turn(&t.f);
    fixture_close(&t.f, &t.client);
    check_cut_short(op_wait(&t.f, &t.write_op));
    pair_fini(&t);
}

WEIR_CONTRACT_TEST(zero_copy, a_hard_stop_gives_no_grace)
{
    struct pair t;
    int64_t begin_ns;

    init_stalled(&t, backend);
    begin_ns = weir_now_ns();
    weir_root_stop(&t.write_op.job.root, WEIR_STOP_HARD);
    check_cut_short(op_wait(&t.f, &t.write_op));
    CHECK(weir_now_ns() - begin_ns < 400 * MILLISECOND_NS);
    pair_fini(&t);
}

/* Resets, which may fail. */

static const struct weir_sys_sockets *real_sockets;
static int reset_count;
static int failures_left;

static void try_reset(weir_backend *backend, intptr_t native)
{
    reset_count++;
    if (failures_left > 0)
        failures_left--;
    else
        real_sockets->reset(backend, native);
}

static void watch_resets(const struct pair *t, int failures)
{
    static struct weir_backend_ops ops;
    static struct weir_sys_sockets sockets;
    weir_backend *backend = t->f.loop->backend;

    ops = *backend->ops;
    real_sockets = ops.sockets;
    sockets = *ops.sockets;
    sockets.reset = try_reset;
    ops.sockets = &sockets;
    backend->ops = &ops;
    reset_count = 0;
    failures_left = failures;
}

WEIR_CONTRACT_TEST(zero_copy, a_reset_that_fails_for_the_moment_is_tried_again)
{
    struct pair t;

    init_stalled(&t, backend);
    watch_resets(&t, 1);
    op_stop(&t.write_op);
    check_cut_short(op_wait(&t.f, &t.write_op));
    CHECK(reset_count == 0 || reset_count == 2); /* None where it is copied. */
    pair_fini(&t);
}

WEIR_CONTRACT_TEST(zero_copy, what_is_broken_off_is_not_reset_at_once_again)
{
    struct pair t;

    init_stalled(&t, backend);
    watch_resets(&t, 0);
    op_stop(&t.write_op);
    fixture_turn(&t.f);
    if (!t.write_op.job.done) {
        weir_task_stop(&t.write_op.task, WEIR_STOP_HARD);
        weir_tcp_cancel(&t.client);
    }
    check_cut_short(op_wait(&t.f, &t.write_op));
    CHECK(reset_count <= 1);
    pair_fini(&t);
}

/* With buffers of the usual size: narrow ones make the kernel pause longer than the grace. */
WEIR_CONTRACT_TEST(zero_copy, a_stopped_write_whose_bytes_are_read_leaves_the_connection)
{
    const weir_loop_options options = {.backend = backend};
    weir_result rest;
    weir_result r;
    struct pair t;

    pair_init(&t, &options);
    op_write(&t.f, &t.write_op, &t.client, t.sent, LARGE);
    fixture_turn(&t.f);
    op_stop(&t.write_op);
    op_read(&t.f, &t.read_op, &t.server, t.got, LARGE);
    r = op_wait(&t.f, &t.write_op);
    CHECK(r.error == WEIR_CANCELLED || r.count == LARGE);
    op_write(&t.f, &t.write_op, &t.client, t.sent + r.count, LARGE - r.count);
    rest = op_wait(&t.f, &t.write_op);
    CHECK_EQ(rest.error, 0);
    CHECK_EQ(rest.count, LARGE - r.count);
    CHECK_EQ(op_wait(&t.f, &t.read_op).count, LARGE);
    pattern_check(t.got, LARGE, 0);
    pair_fini(&t);
}

WEIR_CONTRACT_TEST(zero_copy, a_peer_that_goes_ends_a_write)
{
    weir_result r;
    struct pair t;

    init_stalled(&t, backend);
    CHECK_EQ(weir_tcp_option_set(&t.server, WEIR_TCP_LINGER_SECONDS, 0), 0);
    fixture_close(&t.f, &t.server);
    r = op_wait(&t.f, &t.write_op);
    CHECK(r.error < 0 && r.error != WEIR_CANCELLED);
    CHECK(r.count < LARGE);
    pair_fini(&t);
}
