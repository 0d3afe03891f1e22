/* SPDX-License-Identifier: MIT */

/*
 * The epoll backend through the seam: receives into lent buffers. See test_epoll.c, and
 * tests/contract/test_tcp_source.c for what all backends promise.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "epoll_rig.h"

enum {
    BUFFER_BYTES = 8,
    BUFFERS = WEIR_LENDING_BLOCK, /* The fewest that there can be. */
    LENT_MAX = 16,                /* What one wait lends. */
    LENT_BATCH_MAX = 4,           /* And of it to one receive. */
};

/* A lent receive on a connection, and what it got. */
struct lent_rig {
    struct probe probe; /* First: then gets it. */
    weir_handle handle;
    int peer;
    weir_lent *first; /* Held, oldest first. */
    weir_lent *last;
    int held;
    bool gives_back; /* At once. */
    bool is_in_flight;
};

static void note(struct probe *probe, unsigned flags)
{
    struct lent_rig *rig = WEIR_CONTAINER_OF(probe, struct lent_rig, probe);
    weir_lent *lent;

    rig->is_in_flight = flags & WEIR_OPERATION_MORE;
    if (!(flags & WEIR_OPERATION_LENT))
        return;
    lent = weir_backend_lent(probe->backend, flags);
    lent->size = (uint32_t)probe->result;
    lent->next = NULL;
    if (rig->gives_back) {
        OPS->give_back(probe->backend, lent);
        return;
    }
    if (rig->first)
        rig->last->next = lent;
    else
        rig->first = lent;
    rig->last = lent;
    rig->held++;
}

static void lent_rig_init(struct lent_rig *rig, weir_backend *backend)
{
    memset(rig, 0, sizeof *rig);
    probe_init(&rig->probe, backend);
    rig->probe.then = note;
}

static void lent_rig_open(struct lent_rig *rig, weir_backend *backend)
{
    lent_rig_init(rig, backend);
    rig->peer = open_pair(backend, &rig->handle);
}

static void start_lent(struct lent_rig *rig)
{
    rig->is_in_flight = true;
    CHECK_EQ(OPS->receive_lent(rig->probe.backend, &rig->probe.operation, &rig->handle),
             WEIR_IN_FLIGHT);
}

static void lent_rig_start(struct lent_rig *rig, weir_backend *backend)
{
    lent_rig_open(rig, backend);
    start_lent(rig);
}

static void give_back(struct lent_rig *rig)
{
    weir_lent *lent = rig->first;

    CHECK(lent);
    rig->first = lent->next;
    rig->held--;
    OPS->give_back(rig->probe.backend, lent);
}

static void give_back_all(struct lent_rig *rig)
{
    while (rig->first)
        give_back(rig);
}

/* Cancel, and give everything back. */
static void lent_rig_end(struct lent_rig *rig)
{
    OPS->cancel(rig->probe.backend, &rig->probe.operation);
    finish(&rig->probe);
    CHECK_EQ(rig->probe.result, -ECANCELED);
    give_back_all(rig);
}

static void lent_rig_close(struct lent_rig *rig)
{
    if (rig->is_in_flight)
        lent_rig_end(rig);
    give_back_all(rig);
    close_handle(rig->probe.backend, &rig->handle);
    if (rig->peer >= 0)
        close(rig->peer);
}

static uint32_t taken(weir_backend *backend)
{
    return weir_epoll_of(backend)->reactor.lending.buffers.taken;
}

static bool would_sleep(weir_backend *backend)
{
    return !weir_reactor_is_pending(&weir_epoll_of(backend)->reactor);
}

/* Wait until it holds so many buffers. */
static void await_held(struct lent_rig *rig, int count)
{
    while (rig->held < count)
        OPS->wait(rig->probe.backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(rig->held, count);
}

/* One receive on a backend of its own. */

static void alone_open(struct lent_rig *rig)
{
    lent_rig_open(rig, open_lending_backend(BUFFER_BYTES, 0));
}

static void alone_start(struct lent_rig *rig)
{
    alone_open(rig);
    start_lent(rig);
}

static void alone_close(struct lent_rig *rig)
{
    weir_backend *backend = rig->probe.backend;

    lent_rig_close(rig);
    OPS->close(backend);
}

/* Many receives on one backend. */
enum { CROWD_MAX = 40 };

static struct lent_rig crowd[CROWD_MAX];

static weir_backend *crowd_start(size_t buffer_bytes, size_t bytes_max)
{
    weir_backend *backend = open_lending_backend(buffer_bytes, bytes_max);
    size_t i;

    for (i = 0; i < CROWD_MAX; i++)
        lent_rig_start(&crowd[i], backend);
    return backend;
}

/* Each gets two bytes. */
static void crowd_put(void)
{
    size_t i;

    for (i = 0; i < CROWD_MAX; i++)
        put(crowd[i].peer, "hi");
}

static int crowd_held(void)
{
    int held = 0;
    size_t i;

    for (i = 0; i < CROWD_MAX; i++)
        held += crowd[i].held;
    return held;
}

static void crowd_close(weir_backend *backend)
{
    size_t i;

    for (i = 0; i < CROWD_MAX; i++)
        lent_rig_close(&crowd[i]);
    OPS->close(backend);
}

/* One receive. */

WEIR_TEST(epoll_lend, completion_names_the_buffer_that_holds_the_bytes)
{
    struct lent_rig rig;

    alone_start(&rig);
    put(rig.peer, "hello");
    await_held(&rig, 1);
    CHECK_EQ(rig.first->size, 5);
    CHECK_EQ(memcmp(rig.first->data, "hello", 5), 0);
    CHECK_EQ(rig.probe.more, 1);
    alone_close(&rig);
}

WEIR_TEST(epoll_lend, message_after_message_is_received_into_the_same_buffer)
{
    const uint8_t *data = NULL;
    struct lent_rig rig;
    int i;

    alone_start(&rig);
    for (i = 0; i < 10; i++) {
        put(rig.peer, "hello");
        await_held(&rig, 1);
        CHECK(!data || data == rig.first->data);
        data = rig.first->data;
        give_back(&rig);
    }
    alone_close(&rig);
}

WEIR_TEST(epoll_lend, buffers_given_back_in_a_batch_serve_the_rest_of_it)
{
    struct lent_rig rig;

    alone_start(&rig);
    rig.gives_back = true;
    put(rig.peer, "12345678abcdefgh1234");
    while (rig.probe.more < 3)
        OPS->wait(rig.probe.backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(weir_epoll_of(rig.probe.backend)->reactor.lending.buffers.free->index, 0);
    CHECK_EQ(taken(rig.probe.backend), 0);
    alone_close(&rig);
}

WEIR_TEST(epoll_lend, receive_that_waits_holds_no_buffer)
{
    struct lent_rig rig;

    alone_start(&rig);
    poll_now(rig.probe.backend);
    CHECK_EQ(taken(rig.probe.backend), 0);

    /* Behind a full buffer there may be more: an attempt in vain. */
    put(rig.peer, "12345678");
    await_held(&rig, 1);
    poll_now(rig.probe.backend);
    CHECK_EQ(taken(rig.probe.backend), 1);
    lent_rig_end(&rig);
    CHECK_EQ(taken(rig.probe.backend), 0);
    alone_close(&rig);
}

WEIR_TEST(epoll_lend, what_does_not_fit_comes_in_the_next_buffer)
{
    struct lent_rig rig;

    alone_start(&rig);
    put(rig.peer, "12345678rest");
    await_held(&rig, 2);
    CHECK_EQ(rig.first->size, 8);
    CHECK_EQ(rig.last->size, 4);
    CHECK_EQ(memcmp(rig.last->data, "rest", 4), 0);
    alone_close(&rig);
}

WEIR_TEST(epoll_lend, what_came_before_the_start_is_found)
{
    struct lent_rig rig;

    alone_open(&rig);
    put(rig.peer, "hello");
    poll_now(rig.probe.backend);
    start_lent(&rig);
    CHECK(!would_sleep(rig.probe.backend));
    await_held(&rig, 1);
    alone_close(&rig);
}

WEIR_TEST(epoll_lend, end_of_the_stream_ends_the_receive_behind_its_last_bytes)
{
    struct lent_rig rig;

    alone_start(&rig);
    put(rig.peer, "last");
    close(rig.peer);
    rig.peer = -1;
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 0);
    CHECK_EQ(rig.held, 1);
    CHECK_EQ(taken(rig.probe.backend), 1);
    alone_close(&rig);
}

WEIR_TEST(epoll_lend, reset_ends_the_receive_with_its_error)
{
    weir_backend *backend = open_lending_backend(BUFFER_BYTES, 0);
    struct linger linger = {.l_onoff = 1};
    struct lent_rig rig;

    lent_rig_init(&rig, backend);
    rig.peer = open_connection(backend, &rig.handle);
    start_lent(&rig);
    CHECK_EQ(setsockopt(rig.peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(rig.peer);
    rig.peer = -1;
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, -ECONNRESET);
    CHECK_EQ(taken(backend), 0);
    alone_close(&rig);
}

static void cancel_from_completed(struct probe *probe, unsigned flags)
{
    note(probe, flags);
    if (flags & WEIR_OPERATION_MORE)
        OPS->cancel(probe->backend, &probe->operation);
}

WEIR_TEST(epoll_lend, cancel_from_completed_leaves_the_rest_to_the_socket)
{
    struct lent_rig rig;
    char rest[8];

    alone_start(&rig);
    rig.probe.then = cancel_from_completed;
    put(rig.peer, "12345678rest");
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, -ECANCELED);
    CHECK_EQ(rig.held, 1);
    CHECK_EQ(recv((int)rig.handle.native, rest, sizeof rest, MSG_DONTWAIT), 4);
    alone_close(&rig);
}

static void close_from_completed(struct probe *probe, unsigned flags)
{
    struct lent_rig *rig = WEIR_CONTAINER_OF(probe, struct lent_rig, probe);

    note(probe, flags);
    if (!(flags & WEIR_OPERATION_MORE))
        return;
    give_back_all(rig);
    close_handle(probe->backend, &rig->handle);
    memset(&rig->handle, 0xa5, sizeof rig->handle);
}

WEIR_TEST(epoll_lend, completed_may_close_the_handle)
{
    struct lent_rig rig;

    alone_start(&rig);
    rig.probe.then = close_from_completed;
    put(rig.peer, "12345678rest");
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, -ECANCELED);
    CHECK_EQ(rig.probe.more, 1);
    close(rig.peer);
    OPS->close(rig.probe.backend);
}

/* Many. */

WEIR_TEST(epoll_lend, wait_lends_a_few_and_leaves_the_others_for_the_next)
{
    weir_backend *backend = crowd_start(BUFFER_BYTES, 1 << 20);
    int waits = 0;

    crowd_put();
    while (crowd_held() < CROWD_MAX) {
        int before = crowd_held();

        OPS->wait(backend, WEIR_WAIT_FOREVER);
        CHECK(crowd_held() - before <= LENT_MAX);
        CHECK_EQ(would_sleep(backend), crowd_held() == CROWD_MAX);
        waits++;
    }
    CHECK_EQ(waits, (CROWD_MAX + LENT_MAX - 1) / LENT_MAX);
    crowd_close(backend);
}

WEIR_TEST(epoll_lend, buffers_in_use_are_as_few_as_a_wait_lends)
{
    weir_backend *backend = crowd_start(BUFFER_BYTES, 1 << 20);
    uint32_t index_max = 0;
    int received = 0;
    size_t i;

    crowd_put();
    while (received < CROWD_MAX) {
        OPS->wait(backend, WEIR_WAIT_FOREVER);
        for (i = 0; i < CROWD_MAX; i++) {
            if (!crowd[i].first)
                continue;
            received++;
            index_max = crowd[i].first->index > index_max ? crowd[i].first->index : index_max;
            give_back(&crowd[i]);
        }
    }
    CHECK(index_max < LENT_MAX);
    crowd_close(backend);
}

/* Every second one of those that have bytes and no buffer yet. Returns how many. */
static int cancel_some_held_back(weir_backend *backend)
{
    int cancelled = 0;
    size_t i;

    for (i = 0; i < CROWD_MAX; i += 2) {
        if (crowd[i].held > 0)
            continue;
        OPS->cancel(backend, &crowd[i].probe.operation);
        cancelled++;
    }
    return cancelled;
}

static int crowd_cancelled(void)
{
    int cancelled = 0;
    size_t i;

    for (i = 0; i < CROWD_MAX; i++)
        cancelled += crowd[i].probe.last > 0 && crowd[i].probe.result == -ECANCELED;
    return cancelled;
}

WEIR_TEST(epoll_lend, what_is_held_back_can_be_cancelled_and_the_others_have_their_turn)
{
    weir_backend *backend = crowd_start(BUFFER_BYTES, 1 << 20);
    int cancelled;

    crowd_put();
    OPS->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(crowd_held(), LENT_MAX);
    cancelled = cancel_some_held_back(backend);
    CHECK(cancelled > 0);
    while (!would_sleep(backend))
        OPS->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(crowd_cancelled(), cancelled);
    CHECK_EQ(crowd_held(), CROWD_MAX - cancelled);
    crowd_close(backend);
}

WEIR_TEST(epoll_lend, what_is_held_back_and_cancelled_completes_with_the_next_wait)
{
    weir_backend *backend = crowd_start(BUFFER_BYTES, 1 << 20);
    struct lent_rig *last = &crowd[CROWD_MAX - 1];

    crowd_put();
    OPS->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(last->held, 0);
    OPS->cancel(backend, &last->probe.operation);
    OPS->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(last->probe.last, 1);
    CHECK_EQ(last->probe.result, -ECANCELED);
    CHECK_EQ(crowd_held(), 2 * LENT_MAX);
    crowd_close(backend);
}

WEIR_TEST(epoll_lend, bulk_does_not_hold_up_a_message)
{
    weir_backend *backend = open_lending_backend(BUFFER_BYTES, 1 << 20);
    static const char bulk[1024];
    struct lent_rig much;
    struct lent_rig little;

    lent_rig_start(&much, backend);
    lent_rig_start(&little, backend);
    CHECK_EQ(write(much.peer, bulk, sizeof bulk), sizeof bulk);
    OPS->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(much.held, LENT_BATCH_MAX);
    put(little.peer, "hi");
    OPS->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(little.held, 1);
    CHECK_EQ(much.held, 2 * LENT_BATCH_MAX);
    lent_rig_close(&much);
    lent_rig_close(&little);
    OPS->close(backend);
}

/* Starving. */

/* All buffers are lent, and so many receives wait for one, the first in crowd being served. */
static weir_backend *crowd_starve(void)
{
    weir_backend *backend = crowd_start(BUFFER_BYTES, BUFFERS * BUFFER_BYTES);
    size_t i;

    for (i = 0; i < CROWD_MAX; i++) { /* One by one: their order is known. */
        put(crowd[i].peer, "hi");
        OPS->wait(backend, WEIR_WAIT_FOREVER);
    }
    CHECK_EQ(crowd_held(), BUFFERS);
    return backend;
}

WEIR_TEST(epoll_lend, receives_without_a_buffer_wait_and_are_counted)
{
    uint64_t before = rig_statistics.lent_starved;
    weir_backend *backend = crowd_starve();

    CHECK_EQ(rig_statistics.lent_starved - before, CROWD_MAX - BUFFERS);
    CHECK(would_sleep(backend));
    crowd_close(backend);
}

WEIR_TEST(epoll_lend, receives_without_a_buffer_are_served_in_their_order)
{
    weir_backend *backend = crowd_starve();
    size_t i;

    for (i = BUFFERS; i < CROWD_MAX; i++) {
        CHECK_EQ(crowd[i].held, 0);
        give_back(&crowd[i - BUFFERS]);
        CHECK(!would_sleep(backend));
        OPS->wait(backend, WEIR_WAIT_FOREVER);
        CHECK_EQ(crowd[i].held, 1);
        CHECK(would_sleep(backend));
    }
    crowd_close(backend);
}

WEIR_TEST(epoll_lend, receive_without_a_buffer_is_found_by_its_cancel)
{
    weir_backend *backend = crowd_starve();

    lent_rig_end(&crowd[BUFFERS]);     /* The first in line. */
    lent_rig_end(&crowd[BUFFERS + 2]); /* In the middle. */
    lent_rig_end(&crowd[CROWD_MAX - 1]);
    give_back(&crowd[0]);
    OPS->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(crowd[BUFFERS + 1].held, 1);
    give_back(&crowd[1]);
    OPS->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(crowd[BUFFERS + 3].held, 1);
    start_lent(&crowd[BUFFERS]);
    start_lent(&crowd[BUFFERS + 2]);
    start_lent(&crowd[CROWD_MAX - 1]);
    crowd_close(backend);
}

static void cancel_next_from_completed(struct probe *probe, unsigned flags)
{
    note(probe, flags);
    if (flags & WEIR_OPERATION_MORE)
        OPS->cancel(probe->backend, probe->argument);
}

WEIR_TEST(epoll_lend, who_is_served_may_cancel_the_next_in_line)
{
    weir_backend *backend = crowd_starve();
    struct lent_rig *served = &crowd[BUFFERS];
    struct lent_rig *next = &crowd[BUFFERS + 1];

    served->probe.then = cancel_next_from_completed;
    served->probe.argument = &next->probe.operation;
    give_back(&crowd[0]);
    give_back(&crowd[1]);
    finish(&next->probe);
    CHECK_EQ(next->probe.result, -ECANCELED);
    CHECK_EQ(served->held, 1);
    while (!would_sleep(backend))
        OPS->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(crowd[BUFFERS + 2].held, 1);
    crowd_close(backend);
}

WEIR_TEST(epoll_lend, receive_without_a_buffer_is_cancelled_by_the_close)
{
    weir_backend *backend = crowd_starve();
    struct lent_rig *last = &crowd[CROWD_MAX - 1];

    close_handle(backend, &last->handle);
    finish(&last->probe);
    CHECK_EQ(last->probe.result, -ECANCELED);
    close(last->peer);
    lent_rig_start(last, backend);
    crowd_close(backend);
}
