/* SPDX-License-Identifier: MIT */

/*
 * The epoll backend and the reactor under it, driven through the seam alone.
 *
 * The contract tests hold every backend to the same results. Here is what only this one can get
 * wrong: edges, beliefs about readiness, batches, generations. See also test_epoll_accept.c.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "epoll_rig.h"

/* Transfers. */

WEIR_TEST(epoll, send_to_an_idle_connection_returns_its_count_at_once)
{
    struct rig rig;

    rig_open(&rig);
    CHECK_EQ(send_on(&rig.probe, &rig.handle, "hello", 5), 5);
    CHECK_EQ(read(rig.peer, rig.data, sizeof rig.data), 5);
    poll_now(rig.backend);
    CHECK_EQ(rig.probe.last, 0);
    rig_close(&rig);
}

WEIR_TEST(epoll, receive_of_data_that_is_known_returns_at_once)
{
    struct rig rig;

    rig_open(&rig);
    put(rig.peer, "onetwo");
    poll_now(rig.backend);
    CHECK_EQ(receive(&rig, 3), 3);
    CHECK_EQ(receive(&rig, 3), 3);
    CHECK_EQ(memcmp(rig.data, "two", 3), 0);
    rig_close(&rig);
}

WEIR_TEST(epoll, parked_receive_completes_with_the_event)
{
    struct rig rig;

    rig_open(&rig);
    park_receive(&rig);
    poll_now(rig.backend);
    CHECK_EQ(rig.probe.last, 0);
    put(rig.peer, "hi");
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 2);
    rig_close(&rig);
}

WEIR_TEST(epoll, short_read_spares_the_next_attempt_until_an_event)
{
    struct rig rig;

    rig_open(&rig);
    put(rig.peer, "one");
    park_receive(&rig);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 3);

    /* It is there, but no event has said so: an attempt would have found it. */
    put(rig.peer, "four");
    park_receive(&rig);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 4);
    rig_close(&rig);
}

WEIR_TEST(epoll, full_read_leaves_the_next_attempt_to_find_the_rest)
{
    struct rig rig;

    rig_open(&rig);
    put(rig.peer, "12345678rest");
    park_receive(&rig);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 8);
    CHECK_EQ(receive(&rig, 8), 4);
    rig_close(&rig);
}

WEIR_TEST(epoll, vain_attempt_spares_the_next_until_an_event)
{
    struct rig rig;

    rig_open(&rig);
    put(rig.peer, "12345678");
    park_receive(&rig);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 8);

    /* A full read is followed by an attempt, which finds nothing. */
    park_receive(&rig);
    OPS->cancel(rig.backend, &rig.probe.operation);
    finish(&rig.probe);
    put(rig.peer, "more");
    park_receive(&rig);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 4);
    rig_close(&rig);
}

WEIR_TEST(epoll, end_of_stream_is_found_every_time)
{
    struct rig rig;
    int i;

    rig_open_tcp(&rig);
    put(rig.peer, "last");
    rig_close_peer(&rig);
    CHECK_EQ(receive_finally(&rig), 4);
    for (i = 0; i < 3; i++)
        CHECK_EQ(receive_finally(&rig), 0);
    rig_close(&rig);
}

WEIR_TEST(epoll, end_of_stream_that_came_with_the_last_bytes_is_found_at_once)
{
    struct rig rig;

    rig_open(&rig);
    put(rig.peer, "last");
    rig_close_peer(&rig);
    park_receive(&rig);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 4);
    CHECK_EQ(receive(&rig, 8), 0);
    CHECK_EQ(receive(&rig, 8), 0);
    rig_close(&rig);
}

WEIR_TEST(epoll, bytes_behind_urgent_data_are_found)
{
    struct rig rig;

    rig_open_tcp(&rig);
    put(rig.peer, "ab");
    CHECK_EQ(send(rig.peer, "!", 1, MSG_OOB), 1);
    put(rig.peer, "cd");
    park_receive(&rig);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 2);
    CHECK_EQ(receive_finally(&rig), 2);
    CHECK_EQ(memcmp(rig.data, "cd", 2), 0);
    rig_close(&rig);
}

WEIR_TEST(epoll, reset_gives_its_error_to_both_directions)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct rig rig;

    rig_open_tcp(&rig);
    CHECK_EQ(setsockopt(rig.peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    park_receive(&rig);
    rig_close_peer(&rig);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, -ECONNRESET);
    CHECK_EQ(send_on(&rig.probe, &rig.handle, "x", 1), -EPIPE);
    rig_close(&rig);
}

WEIR_TEST(epoll, full_send_buffer_gives_a_short_count_then_parks)
{
    static char block[1 << 22];
    struct rig rig;
    int sent;

    rig_open_tcp(&rig);
    sent = send_on(&rig.probe, &rig.handle, block, sizeof block);
    CHECK(sent > 0 && sent < (int)sizeof block);
    CHECK_EQ(send_on(&rig.probe, &rig.handle, block, sizeof block), WEIR_IN_FLIGHT);
    while (rig.probe.last == 0) {
        (void)!read(rig.peer, block, sizeof block);
        poll_now(rig.backend);
    }
    CHECK(rig.probe.result > 0);
    rig_close(&rig);
}

WEIR_TEST(epoll, sequences_are_transferred_front_first)
{
    char a[2], b[8];
    weir_const_buffer out[] = {weir_const_buffer_of("he", 2), weir_const_buffer_of("llo", 3)};
    weir_buffer in[] = {weir_buffer_of(a, sizeof a), weir_buffer_of(b, sizeof b)};
    weir_message message;
    struct rig rig;
    int result;

    rig_open(&rig);
    memset(&message, 0xa5, sizeof message);
    result = OPS->send_v(rig.backend, &rig.probe.operation, &rig.handle, &message, out, 2);
    CHECK_EQ(result, 5);
    CHECK_EQ(read(rig.peer, b, sizeof b), 5);
    CHECK_EQ(memcmp(b, "hello", 5), 0);

    result = OPS->receive_v(rig.backend, &rig.probe.operation, &rig.handle, &message, in, 2);
    CHECK_EQ(result, WEIR_IN_FLIGHT);
    put(rig.peer, "world");
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 5);
    CHECK_EQ(memcmp(a, "wo", 2) | memcmp(b, "rld", 3), 0);

    /* Five of ten: exhausted, as with one buffer. */
    put(rig.peer, "again");
    park_receive(&rig);
    finish(&rig.probe);
    rig_close(&rig);
}

WEIR_TEST(epoll, poll_completes_without_taking_anything)
{
    struct rig rig;
    weir_operation *operation = &rig.probe.operation;

    rig_open(&rig);
    CHECK_EQ(OPS->poll(rig.backend, operation, &rig.handle, WEIR_WRITING), 0);
    CHECK_EQ(OPS->poll(rig.backend, operation, &rig.handle, WEIR_READING), WEIR_IN_FLIGHT);
    poll_now(rig.backend);
    CHECK_EQ(rig.probe.last, 0);
    put(rig.peer, "abc");
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 0);
    CHECK_EQ(OPS->poll(rig.backend, operation, &rig.handle, WEIR_READING), 0);
    CHECK_EQ(receive(&rig, 8), 3);
    rig_close(&rig);
}

static void receive_again(struct probe *probe, unsigned flags)
{
    (void)flags;
    if (probe->result > 0)
        park_receive(probe->argument);
}

WEIR_TEST(epoll, completed_may_start_the_same_operation_again)
{
    struct rig rig;
    int i;

    rig_open(&rig);
    rig.probe.then = receive_again;
    rig.probe.argument = &rig;
    park_receive(&rig);
    for (i = 0; i < 5; i++) {
        put(rig.peer, "x");
        finish(&rig.probe);
        CHECK_EQ(rig.probe.result, 1);
    }
    rig_close_peer(&rig);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 0);
    rig_close(&rig);
}

/* Cancelling. */

WEIR_TEST(epoll, cancelled_receive_completes_once_and_later)
{
    struct rig rig;

    rig_open(&rig);
    park_receive(&rig);
    OPS->cancel(rig.backend, &rig.probe.operation);
    OPS->cancel(rig.backend, &rig.probe.operation);
    CHECK_EQ(rig.probe.last, 0);
    OPS->wait(rig.backend, WEIR_WAIT_FOREVER);
    poll_now(rig.backend);
    CHECK_EQ(rig.probe.last, 1);
    CHECK_EQ(rig.probe.result, -ECANCELED);
    rig_close(&rig);
}

WEIR_TEST(epoll, cancelled_receive_takes_no_byte)
{
    struct rig rig;

    rig_open(&rig);
    park_receive(&rig);
    put(rig.peer, "kept");
    OPS->cancel(rig.backend, &rig.probe.operation);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, -ECANCELED);
    CHECK_EQ(receive_finally(&rig), 4);
    rig_close(&rig);
}

/* Two connections on one backend, each with a receive in flight and an event of its own. */
struct two {
    weir_backend *backend;
    weir_handle handles[2];
    struct probe probes[2];
    int peers[2];
    char data[2][8];
};

static void two_open(struct two *two, void (*then)(struct probe *, unsigned), void *argument)
{
    int i;

    two->backend = open_backend();
    for (i = 0; i < 2; i++) {
        two->peers[i] = open_pair(two->backend, &two->handles[i]);
        probe_init(&two->probes[i], two->backend);
        two->probes[i].then = then;
        two->probes[i].argument = argument;
        CHECK_EQ(OPS->receive(two->backend, &two->probes[i].operation, &two->handles[i],
                              weir_buffer_of(two->data[i], 8)),
                 WEIR_IN_FLIGHT);
        put(two->peers[i], "x");
    }
}

static int two_other(const struct two *two, const struct probe *probe)
{
    return probe == &two->probes[0] ? 1 : 0;
}

static void two_finish(struct two *two)
{
    while (two->probes[0].last + two->probes[1].last < 2)
        OPS->wait(two->backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(two->probes[0].last, 1);
    CHECK_EQ(two->probes[0].result + two->probes[1].result, 1 - ECANCELED);
}

static void cancel_other(struct probe *probe, unsigned flags)
{
    struct two *two = probe->argument;
    struct probe *other = &two->probes[two_other(two, probe)];

    (void)flags;
    if (other->last == 0)
        OPS->cancel(two->backend, &other->operation);
}

WEIR_TEST(epoll, cancel_reaches_an_operation_whose_event_was_collected_already)
{
    struct two two;
    int i;

    two_open(&two, cancel_other, &two);
    two_finish(&two);
    for (i = 0; i < 2; i++) {
        close_handle(two.backend, &two.handles[i]);
        close(two.peers[i]);
    }
    OPS->close(two.backend);
}

/* Closing. */

static void close_and_free(struct probe *probe, unsigned flags)
{
    (void)flags;
    close_handle(probe->backend, probe->argument);
    free(probe->argument);
}

WEIR_TEST(epoll, completed_may_close_the_handle_under_its_other_direction)
{
    static char block[1 << 20];
    weir_backend *backend = open_backend();
    weir_handle *handle = malloc(sizeof *handle);
    struct probe reader;
    struct probe writer;
    int peer = open_pair(backend, handle);
    char data[8];

    probe_init(&reader, backend);
    probe_init(&writer, backend);
    while (send_on(&writer, handle, block, sizeof block) != WEIR_IN_FLIGHT) {
    }
    writer.then = close_and_free;
    writer.argument = handle;
    CHECK_EQ(OPS->receive(backend, &reader.operation, handle, weir_buffer_of(data, sizeof data)),
             WEIR_IN_FLIGHT);
    /* One event for both directions. */
    put(peer, "x");
    while (read(peer, block, sizeof block) > 0) {
    }
    finish(&writer);
    CHECK(writer.result > 0);
    finish(&reader);
    CHECK_EQ(reader.result, -ECANCELED);

    close(peer);
    OPS->close(backend);
}

WEIR_TEST(epoll, close_ends_the_connection_that_others_still_hold)
{
    struct rig rig;
    char data[8];
    int held;

    rig_open_tcp(&rig);
    park_receive(&rig);
    held = dup((int)rig.handle.native);
    close_handle(rig.backend, &rig.handle);
    CHECK_EQ(rig.probe.last, 0);
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, -ECANCELED);
    while (read(rig.peer, data, sizeof data) < 0)
        CHECK_EQ(errno, EAGAIN);
    put(rig.peer, "x");
    CHECK(!OPS->peek(rig.backend));

    close(held);
    close(rig.peer);
    OPS->close(rig.backend);
}

/* The third socket takes over the descriptor of the one that was closed under its event. */
struct successor {
    struct two two;
    weir_handle handle;
    struct probe probe;
    int spares[2]; /* The first has bytes to read. */
    int survivor;  /* Index of the connection that stays. */
    char data[8];
};

static void replace_other(struct probe *probe, unsigned flags)
{
    struct successor *next = probe->argument;
    int other = two_other(&next->two, probe);
    int number = (int)next->two.handles[other].native;

    (void)flags;
    if (next->two.probes[other].last > 0 || next->survivor >= 0)
        return;
    next->survivor = 1 - other;
    close_handle(probe->backend, &next->two.handles[other]);
    CHECK_EQ(dup3(next->spares[0], number, O_CLOEXEC), number);
    attach(probe->backend, &next->handle, number);
    CHECK_EQ(OPS->receive(probe->backend, &next->probe.operation, &next->handle,
                          weir_buffer_of(next->data, 8)),
             WEIR_IN_FLIGHT);
}

WEIR_TEST(epoll, event_of_a_closed_descriptor_is_not_taken_for_its_successor)
{
    struct successor next = {.survivor = -1};
    int i;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, next.spares), 0);
    put(next.spares[1], "fresh");
    two_open(&next.two, replace_other, &next);
    probe_init(&next.probe, next.two.backend);

    /* An attempt would succeed, but the event was the predecessor's. */
    poll_now(next.two.backend);
    CHECK(next.survivor >= 0);
    CHECK_EQ(next.probe.last, 0);
    finish(&next.probe);
    CHECK_EQ(next.probe.result, 5);
    two_finish(&next.two);

    close_handle(next.two.backend, &next.two.handles[next.survivor]);
    close_handle(next.two.backend, &next.handle);
    for (i = 0; i < 2; i++) {
        close(next.two.peers[i]);
        close(next.spares[i]);
    }
    OPS->close(next.two.backend);
}

WEIR_TEST(epoll, detached_descriptor_stays_open_and_has_no_events)
{
    struct rig rig;

    rig_open(&rig);
    OPS->detach(rig.backend, &rig.handle);
    put(rig.peer, "x");
    CHECK(!OPS->peek(rig.backend));
    attach(rig.backend, &rig.handle, (int)rig.handle.native);
    CHECK_EQ(receive_finally(&rig), 1);
    rig_close(&rig);
}

WEIR_TEST(epoll, table_grows_under_handles_that_stand_in_it)
{
    struct rig rig;
    weir_handle far;
    int ends[2];

    rig_open(&rig);
    park_receive(&rig);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    CHECK_EQ(dup3(ends[0], 900, O_CLOEXEC), 900);
    attach(rig.backend, &far, 900);
    put(rig.peer, "near");
    finish(&rig.probe);
    CHECK_EQ(rig.probe.result, 4);

    close_handle(rig.backend, &far);
    close(ends[0]);
    close(ends[1]);
    rig_close(&rig);
}

/* Waiting. */

WEIR_TEST(epoll, wake_before_the_wait_ends_it)
{
    weir_backend *backend = open_backend();
    uint64_t before = rig_statistics.wakeups;
    int i;

    for (i = 1; i <= 3; i++) {
        OPS->wake(backend, NULL);
        OPS->wake(backend, backend);
        OPS->wait(backend, WEIR_WAIT_FOREVER);
        CHECK_EQ(rig_statistics.wakeups - before, i);
        CHECK(!OPS->peek(backend));
    }
    OPS->close(backend);
}

static void *wake_from_afar(void *argument)
{
    OPS->wake(argument, NULL);
    return NULL;
}

WEIR_TEST(epoll, wake_from_another_thread_ends_the_wait)
{
    weir_backend *backend = open_backend();
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, wake_from_afar, backend), 0);
    OPS->wait(backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    OPS->close(backend);
}

WEIR_TEST(epoll, wake_keeps_errno)
{
    weir_backend *backend = open_backend();

    errno = EXDEV;
    OPS->wake(backend, NULL);
    CHECK_EQ(errno, EXDEV);
    CHECK(OPS->peek(backend));
    OPS->close(backend);
}

static void check_deadline(weir_backend *backend, int64_t timeout_ns)
{
    int64_t deadline_ns = weir_sys_now_ns() + timeout_ns;

    OPS->wait(backend, deadline_ns);
    CHECK(weir_sys_now_ns() >= deadline_ns);
}

WEIR_TEST(epoll, wait_lasts_until_its_deadline)
{
    weir_backend *backend = open_backend();

    check_deadline(backend, 300000);
    check_deadline(backend, 5000000);
    /* Long past: at once. */
    OPS->wait(backend, 1);
    OPS->wait(backend, -1);
    OPS->close(backend);
}

WEIR_TEST(epoll, wait_lasts_until_its_deadline_on_an_old_kernel)
{
    weir_backend *backend = open_backend();

    weir_epoll_of(backend)->is_precise = false;
    check_deadline(backend, 300000);
    check_deadline(backend, 5000001);
    OPS->close(backend);
}

static void on_alarm(int number)
{
    (void)number;
}

WEIR_TEST(epoll, signal_ends_the_wait)
{
    struct itimerval soon = {.it_interval = {.tv_usec = 2000}, .it_value = {.tv_usec = 2000}};
    struct itimerval never = {.it_value = {.tv_usec = 0}};
    struct sigaction action = {.sa_handler = on_alarm};
    weir_backend *backend = open_backend();

    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
    OPS->wait(backend, WEIR_WAIT_FOREVER);
    OPS->wait(backend, weir_sys_now_ns() + INT64_C(3600000000000));
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    OPS->close(backend);
}

WEIR_TEST(epoll, peek_reaps_what_is_there)
{
    struct rig rig;

    rig_open(&rig);
    park_receive(&rig);
    CHECK(!OPS->peek(rig.backend));
    put(rig.peer, "x");
    CHECK(OPS->peek(rig.backend));
    CHECK_EQ(rig.probe.last, 1);
    CHECK(!OPS->peek(rig.backend));
    rig_close(&rig);
}

WEIR_TEST(epoll, open_without_descriptors_fails_and_leaks_none)
{
    weir_backend_options options = {.queue_depth = 64, .statistics = &rig_statistics};
    weir_backend *backend = NULL;
    unsigned room;

    for (room = 0; room < 2; room++) {
        struct rlimit before = limit_descriptors(room);

        CHECK_EQ(OPS->open(&options, &backend), -EMFILE);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
        CHECK(!backend);
    }
}

/* Misuse. */

WEIR_ABORT_TEST(epoll, two_receives_at_once_abort)
{
    struct rig rig;

    rig_open(&rig);
    park_receive(&rig);
    (void)receive(&rig, 1);
}

WEIR_ABORT_TEST(epoll, closing_with_an_operation_in_flight_aborts)
{
    struct rig rig;

    rig_open(&rig);
    park_receive(&rig);
    OPS->close(rig.backend);
}

WEIR_ABORT_TEST(epoll, attaching_a_descriptor_twice_aborts)
{
    struct rig rig;
    weir_handle again;

    rig_open(&rig);
    attach(rig.backend, &again, (int)rig.handle.native);
}

WEIR_ABORT_TEST(epoll, cancelling_what_is_done_aborts)
{
    struct rig rig;

    rig_open(&rig);
    put(rig.peer, "x");
    park_receive(&rig);
    finish(&rig.probe);
    OPS->cancel(rig.backend, &rig.probe.operation);
}
