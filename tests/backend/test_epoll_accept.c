/* SPDX-License-Identifier: MIT */

/*
 * The epoll backend through the seam: connections that come to be. See test_epoll.c.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "epoll_rig.h"

/* Accepting. */

enum { CLIENTS_MAX = 100 };

/* A listener on a backend of its own, and clients in its backlog. */
struct door {
    weir_backend *backend;
    weir_handle listener;
    weir_endpoint endpoint;
    struct probe probe;
    int clients[CLIENTS_MAX];
    int client_count;
};

static void door_open(struct door *door, int clients)
{
    door->backend = open_backend();
    attach(door->backend, &door->listener, (int)open_listener(DATA_MAX, &door->endpoint));
    probe_init(&door->probe, door->backend);
    for (door->client_count = 0; door->client_count < clients; door->client_count++)
        door->clients[door->client_count] = open_client(&door->endpoint);
}

static void start_accept(struct door *door)
{
    int more = door->probe.more;

    CHECK_EQ(OPS->accept(door->backend, &door->probe.operation, &door->listener), WEIR_IN_FLIGHT);
    CHECK_EQ(door->probe.more, more);
}

/* Wait until so many were accepted since the door was opened. */
static void await_accepted(struct door *door, int count)
{
    while (door->probe.more < count)
        OPS->wait(door->backend, WEIR_WAIT_FOREVER);
}

static void end_accept(struct door *door)
{
    OPS->cancel(door->backend, &door->probe.operation);
    finish(&door->probe);
    CHECK_EQ(door->probe.result, -ECANCELED);
}

/* The listener is closed by the caller or has been already. */
static void door_close(struct door *door)
{
    while (door->probe.more > 0)
        close(door->probe.accepted[--door->probe.more]);
    while (door->client_count > 0)
        close(door->clients[--door->client_count]);
    OPS->close(door->backend);
}

WEIR_TEST(epoll, accepted_sockets_do_not_block_and_are_not_inherited)
{
    struct door door;

    door_open(&door, 1);
    start_accept(&door);
    await_accepted(&door, 1);
    CHECK(fcntl(door.probe.accepted[0], F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(door.probe.accepted[0], F_GETFD) & FD_CLOEXEC);
    end_accept(&door);
    close_handle(door.backend, &door.listener);
    door_close(&door);
}

WEIR_TEST(epoll, long_backlog_is_accepted_in_batches)
{
    struct door door;

    door_open(&door, CLIENTS_MAX);
    start_accept(&door);
    await_accepted(&door, 1);
    CHECK_EQ(door.probe.more, 64);
    OPS->wait(door.backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(door.probe.more, CLIENTS_MAX);
    CHECK_EQ(door.probe.last, 0);
    end_accept(&door);
    close_handle(door.backend, &door.listener);
    door_close(&door);
}

static void cancel_self(struct probe *probe, unsigned flags)
{
    if (flags & WEIR_OPERATION_MORE)
        OPS->cancel(probe->backend, &probe->operation);
}

WEIR_TEST(epoll, accept_cancelled_by_its_own_completion_leaves_the_rest_queued)
{
    struct door door;

    door_open(&door, 3);
    door.probe.then = cancel_self;
    start_accept(&door);
    finish(&door.probe);
    CHECK_EQ(door.probe.result, -ECANCELED);
    CHECK_EQ(door.probe.more, 1);

    /* No new edge comes for the others. */
    door.probe.then = NULL;
    start_accept(&door);
    await_accepted(&door, 3);
    end_accept(&door);
    close_handle(door.backend, &door.listener);
    door_close(&door);
}

static void close_listener(struct probe *probe, unsigned flags)
{
    if (flags & WEIR_OPERATION_MORE)
        close_handle(probe->backend, probe->argument);
}

WEIR_TEST(epoll, accept_ends_when_its_completion_closes_the_listener)
{
    struct door door;

    door_open(&door, 2);
    door.probe.then = close_listener;
    door.probe.argument = &door.listener;
    start_accept(&door);
    finish(&door.probe);
    CHECK_EQ(door.probe.result, -ECANCELED);
    CHECK_EQ(door.probe.more, 1);
    door_close(&door);
}

WEIR_TEST(epoll, accept_that_waits_for_its_turn_can_be_cancelled)
{
    struct door door;

    door_open(&door, CLIENTS_MAX);
    start_accept(&door);
    await_accepted(&door, 1);
    CHECK(weir_reactor_is_pending(&weir_epoll_of(door.backend)->reactor));
    end_accept(&door);
    CHECK_EQ(door.probe.more, 64);
    close_handle(door.backend, &door.listener);
    door_close(&door);
}

WEIR_TEST(epoll, accept_that_ran_out_of_descriptors_resumes_without_a_new_edge)
{
    struct rlimit before;
    struct door door;

    door_open(&door, 3);
    before = limit_descriptors(1);
    start_accept(&door);
    finish(&door.probe);
    CHECK_EQ(door.probe.result, -EMFILE);
    CHECK_EQ(door.probe.more, 1);

    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    start_accept(&door);
    await_accepted(&door, 3);
    end_accept(&door);
    close_handle(door.backend, &door.listener);
    door_close(&door);
}

/* Connecting. */

/* A socket that is not connected yet, and where it shall go. */
struct caller {
    weir_backend *backend;
    weir_handle handle;
    struct probe probe;
    weir_message message;
    weir_endpoint peer;
};

static void caller_attach(struct caller *caller)
{
    intptr_t descriptor;

    CHECK_EQ(weir_sys_sockets.open(&caller->peer, &descriptor), 0);
    attach(caller->backend, &caller->handle, (int)descriptor);
    probe_init(&caller->probe, caller->backend);
}

static int caller_connect(struct caller *caller)
{
    return OPS->connect(caller->backend, &caller->probe.operation, &caller->handle,
                        &caller->message, &caller->peer);
}

WEIR_TEST(epoll, connect_completes_when_the_connection_stands)
{
    struct caller caller = {.backend = open_backend()};
    intptr_t listener = open_listener(8, &caller.peer);

    caller_attach(&caller);
    /* Collects what epoll says of a socket that is not connected: hung up. */
    poll_now(caller.backend);
    CHECK_EQ(caller_connect(&caller), WEIR_IN_FLIGHT);
    finish(&caller.probe);
    CHECK_EQ(caller.probe.result, 0);
    CHECK_EQ(send_on(&caller.probe, &caller.handle, "x", 1), 1);

    close_handle(caller.backend, &caller.handle);
    weir_sys_close(listener);
    OPS->close(caller.backend);
}

WEIR_TEST(epoll, connect_to_nobody_is_refused)
{
    struct caller caller = {.backend = open_backend()};
    int result;

    weir_sys_close(open_listener(8, &caller.peer));
    caller_attach(&caller);
    result = caller_connect(&caller);
    if (result == WEIR_IN_FLIGHT) {
        finish(&caller.probe);
        result = caller.probe.result;
    }
    CHECK_EQ(result, -ECONNREFUSED);

    close_handle(caller.backend, &caller.handle);
    OPS->close(caller.backend);
}

static void connect_now(struct probe *probe, unsigned flags)
{
    (void)flags;
    CHECK_EQ(caller_connect(probe->argument), WEIR_IN_FLIGHT);
}

WEIR_TEST(epoll, connect_is_not_completed_by_an_event_from_before)
{
    struct caller caller;
    intptr_t listener = open_listener(1, &caller.peer);
    struct rig rig;
    int clients[3];
    int i;

    /* Fill the backlog, so that the next connection stays in progress. */
    for (i = 0; i < 3; i++)
        clients[i] = open_client(&caller.peer);
    rig_open(&rig);
    rig.probe.then = connect_now;
    rig.probe.argument = &caller;
    park_receive(&rig);
    put(rig.peer, "x");
    caller.backend = rig.backend;
    caller_attach(&caller);

    /* One batch: the bytes, whose completion connects, then what was said of the socket before. */
    poll_now(rig.backend);
    CHECK_EQ(rig.probe.last, 1);
    CHECK_EQ(caller.probe.last, 0);
    OPS->cancel(rig.backend, &caller.probe.operation);
    finish(&caller.probe);
    CHECK_EQ(caller.probe.result, -ECANCELED);

    for (i = 0; i < 3; i++)
        close(clients[i]);
    close_handle(rig.backend, &caller.handle);
    weir_sys_close(listener);
    rig_close(&rig);
}
