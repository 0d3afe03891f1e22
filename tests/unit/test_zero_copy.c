/* SPDX-License-Identifier: MIT */
/* Whole writes without a copy, and when they are tried. */
#include <errno.h>
#include <sys/socket.h>

#include "zero_copy_rig.h"

/* Writes. */

WEIR_TEST(zero_copy_write, completes_when_the_memory_is_ours_again)
{
    struct rig t;

    rig_init(&t, 0, 0);
    start_write(&t, &t.job, LARGE);
    check_in_flight(&t, 0, FAKE_SEND_ZERO_COPY, LARGE);
    complete(&t, 0, LARGE, MORE);
    CHECK(!t.job.done);
    complete(&t, 0, 0, 0);
    check_done(&t.job, 0, LARGE);
    CHECK_EQ(weir_loop_statistics_get(t.loop).zero_copy_sends, 1);
    CHECK_EQ(weir_loop_statistics_get(t.loop).zero_copy_copied, 0);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_write, sends_the_next_part_before_the_notification_of_the_last)
{
    struct rig t;
    int i;

    rig_init(&t, 8 * PART, 0);
    start_write(&t, &t.job, 6 * PART);
    for (i = 0; i < 4; i++) {
        check_in_flight(&t, (size_t)i, FAKE_SEND_ZERO_COPY, PART);
        CHECK(in_flight(&t, (size_t)i).data == memory + i * PART);
        complete(&t, (size_t)i, PART, MORE);
    }
    CHECK_EQ(fake_backend_in_flight(t.fake), 4); /* That many at most. */
    complete(&t, 1, 0, 0);
    check_in_flight(&t, 3, FAKE_SEND_ZERO_COPY, PART);
    complete(&t, 3, PART, MORE);
    complete(&t, 0, 0, 0);
    complete(&t, 3, PART, MORE);
    for (i = 0; i < 4; i++) {
        CHECK(!t.job.done);
        complete(&t, 0, 0, 0);
    }
    check_done(&t.job, 0, 6 * PART);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_write, goes_on_after_a_short_send)
{
    struct rig t;

    rig_init(&t, 0, 0);
    start_write(&t, &t.job, LARGE);
    complete(&t, 0, 1000, MORE);
    check_in_flight(&t, 1, FAKE_SEND_ZERO_COPY, LARGE - 1000);
    complete(&t, 1, LARGE - 1000, 0); /* Result and notification in one. */
    CHECK(!t.job.done);
    complete(&t, 0, 0, 0);
    check_done(&t.job, 0, LARGE);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_write, fails_when_the_notifications_have_come)
{
    struct rig t;

    rig_init(&t, 0, 0);
    start_write(&t, &t.job, LARGE);
    complete(&t, 0, 1000, MORE);
    complete(&t, 1, -ECONNRESET, MORE);
    CHECK(!t.job.done);
    complete(&t, 1, WEIR_SEND_COPIED, 0);
    CHECK(!t.job.done);
    complete(&t, 0, 0, 0);
    check_done(&t.job, -ECONNRESET, 1000);
    CHECK_EQ(weir_loop_statistics_get(t.loop).zero_copy_copied, 0); /* An error says nothing. */
    rig_fini(&t);
}

/* Refused: copied, behind what was sent, and still with a notification to come. */
static void copies_after(int error, unsigned flags)
{
    struct rig t;

    rig_init(&t, 0, 0);
    start_write(&t, &t.job, LARGE);
    complete(&t, 0, error, flags);
    check_in_flight(&t, flags ? 1 : 0, FAKE_SEND, LARGE);
    complete(&t, flags ? 1 : 0, LARGE, 0);
    if (flags) {
        CHECK(!t.job.done);
        complete(&t, 0, WEIR_SEND_COPIED, 0);
    }
    check_done(&t.job, 0, LARGE);
    CHECK_EQ(weir_loop_statistics_get(t.loop).zero_copy_refused, 1);
    CHECK_EQ(weir_loop_statistics_get(t.loop).zero_copy_sends, 0);
    start_write(&t, &t.job, LARGE);
    CHECK_EQ(in_flight(&t, 0).kind, error == -ENOMEM ? FAKE_SEND_ZERO_COPY : FAKE_SEND);
    complete(&t, 0, LARGE, 0);
    check_done(&t.job, 0, LARGE);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_write, copies_what_the_kernel_refuses)
{
    copies_after(-ENOMEM, MORE);
    copies_after(-ENOMEM, 0);
    copies_after(-EOPNOTSUPP, MORE);
    copies_after(-EOPNOTSUPP, 0);
    copies_after(-EINVAL, 0);
}

WEIR_TEST(zero_copy_write, lends_less_when_memory_cannot_be_locked)
{
    struct rig t;

    rig_init(&t, 4 * LARGE, 0);
    start_write(&t, &t.job, LARGE);
    CHECK_EQ(statistics_of(&t).zero_copy_limit_bytes, 4 * LARGE);
    complete(&t, 0, -ENOMEM, 0);
    complete(&t, 0, LARGE, 0);
    CHECK_EQ(statistics_of(&t).zero_copy_limit_bytes, 2 * LARGE);
    start_write(&t, &t.job, 3 * LARGE);
    check_in_flight(&t, 0, FAKE_SEND, 3 * LARGE);
    complete(&t, 0, 3 * LARGE, 0);
    check_done(&t.job, 0, 3 * LARGE);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_write, copies_beyond_what_may_be_lent)
{
    weir_tcp_socket other;
    struct job job;
    struct rig t;
    int peer;

    rig_init(&t, LARGE + CHUNK, 0);
    open_socket(&t, &other, &peer);
    start_write(&t, &t.job, LARGE);
    check_in_flight(&t, 0, FAKE_SEND_ZERO_COPY, LARGE);
    job.socket = &other;
    start(&t, &job, write_it, LARGE);
    check_in_flight(&t, 1, FAKE_SEND, LARGE);
    CHECK_EQ(statistics_of(&t).zero_copy_capped, 1);
    CHECK_EQ(statistics_of(&t).zero_copy_lent_bytes, LARGE);
    complete(&t, 1, LARGE, 0);
    complete(&t, 0, LARGE, 0);
    check_done(&t.job, 0, LARGE);
    CHECK_EQ(statistics_of(&t).zero_copy_lent_bytes, 0);
    start(&t, &job, write_it, LARGE); /* There is room again. */
    check_in_flight(&t, 0, FAKE_SEND_ZERO_COPY, LARGE);
    complete(&t, 0, LARGE, 0);
    close_socket(&t, &other);
    CHECK_EQ(close(peer), 0);
    rig_fini(&t);
}

/* Copies of the kernel's. */

/* One write. Returns how it was sent. */
static enum fake_kind write_one(struct rig *t, int notification)
{
    enum fake_kind kind;

    start_write(t, &t->job, LARGE);
    kind = in_flight(t, 0).kind;
    complete(t, 0, LARGE, kind == FAKE_SEND ? 0 : MORE);
    if (kind != FAKE_SEND)
        complete(t, 0, notification, 0);
    check_done(&t->job, 0, LARGE);
    return kind;
}

/* How many writes are copied until one is not. */
static int count_copies(struct rig *t, int notification)
{
    int count = 0;

    while (write_one(t, notification) == FAKE_SEND)
        count++;
    return count;
}

WEIR_TEST(zero_copy_write, is_copied_where_the_memory_of_the_last_came_late)
{
    struct rig t;
    int64_t begin_ns = weir_sys_now_ns();

    rig_init_lent(&t);
    let_pass(begin_ns, LARGE);
    complete(&t, 0, 0, 0);
    check_done(&t.job, 0, LARGE);
    CHECK_EQ(statistics_of(&t).zero_copy_late, 1);
    start(&t, &t.job, write_it, LARGE);
    check_in_flight(&t, 0, FAKE_SEND, LARGE);
    complete(&t, 0, LARGE, 0);
    start(&t, &t.job, write_it, 2 * LARGE);
    check_in_flight(&t, 0, FAKE_SEND_ZERO_COPY, 2 * LARGE);
    complete(&t, 0, 2 * LARGE, MORE);
    complete(&t, 0, 0, 0);
    rig_fini(&t);
}

/* Each is for twice as much as the one before, and the last for good. */
WEIR_TEST(zero_copy_write, waits_for_few_late_memories)
{
    struct rig t;
    size_t size = 32 << 10;
    unsigned waits;

    rig_init(&t, 64 << 20, 0);
    t.job.socket = &t.socket;
    for (waits = 0; size <= 4 * PART; size *= 2) {
        int64_t begin_ns = weir_sys_now_ns();

        start(&t, &t.job, write_it, size);
        while (!t.job.done) {
            struct fake_operation sent = in_flight(&t, 0);

            if (sent.kind == FAKE_SEND) {
                complete(&t, 0, (int)sent.size, 0);
                continue;
            }
            complete(&t, 0, (int)sent.size, MORE);
            let_pass(begin_ns, size);
            complete(&t, 0, 0, 0);
        }
        waits += statistics_of(&t).zero_copy_late > waits;
    }
    CHECK_EQ(waits, 7);
    CHECK_EQ(t.socket.late, 7);
    start(&t, &t.job, write_it, sizeof memory);
    check_in_flight(&t, 0, FAKE_SEND, sizeof memory);
    complete(&t, 0, sizeof memory, 0);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_policy, late_is_what_took_longer_than_sending_and_for_its_size)
{
    CHECK(!weir_zero_copy_is_late(LARGE, 0, LARGE));
    CHECK(weir_zero_copy_is_late(LARGE, 0, LARGE + 1));
    CHECK(!weir_zero_copy_is_late(LARGE, 8 * LARGE, 2 * LARGE));
    CHECK(weir_zero_copy_is_late(LARGE, 8 * LARGE, 2 * LARGE + 1));
}

WEIR_TEST(zero_copy_write, is_given_up_where_the_kernel_copies_and_tried_ever_more_rarely)
{
    struct rig t;
    int i;

    rig_init(&t, 0, 0);
    for (i = 0; i < 3; i++)
        CHECK_EQ(write_one(&t, WEIR_SEND_COPIED), FAKE_SEND_ZERO_COPY);
    CHECK_EQ(count_copies(&t, WEIR_SEND_COPIED), 63);
    CHECK_EQ(count_copies(&t, WEIR_SEND_COPIED), 255);
    CHECK_EQ(count_copies(&t, 0), 1023);
    CHECK_EQ(count_copies(&t, WEIR_SEND_COPIED), 0); /* It does not copy any more. */
    CHECK_EQ(count_copies(&t, WEIR_SEND_COPIED), 0);
    CHECK_EQ(weir_loop_statistics_get(t.loop).zero_copy_copied, 7);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_write, is_not_given_up_for_copies_now_and_then)
{
    struct rig t;
    int i;

    rig_init(&t, 0, 0);
    for (i = 0; i < 20; i++)
        CHECK_EQ(write_one(&t, i % 3 ? WEIR_SEND_COPIED : 0), FAKE_SEND_ZERO_COPY);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_policy, peers_on_this_machine_are_sent_copies_at_first)
{
    weir_loop *loop = fake_loop_new(NULL);
    weir_zero_copy *zero_copy = weir_zero_copy_of(loop);
    int i;

    CHECK(weir_zero_copy_is_wanted(zero_copy, WEIR_PEER_REMOTE));
    for (i = 0; i < 63; i++)
        CHECK(!weir_zero_copy_is_wanted(zero_copy, WEIR_PEER_LOCAL));
    CHECK(weir_zero_copy_is_wanted(zero_copy, WEIR_PEER_LOCAL));
    weir_loop_free(loop);
}

WEIR_TEST(zero_copy_policy, classes_of_peers_are_learnt_apart)
{
    weir_zero_copy *zero_copy;
    struct rig t;
    int i;

    rig_init(&t, 0, 0);
    for (i = 0; i < 3; i++)
        CHECK_EQ(write_one(&t, WEIR_SEND_COPIED), FAKE_SEND_ZERO_COPY);
    zero_copy = weir_zero_copy_of(t.loop);
    CHECK(!weir_zero_copy_is_wanted(zero_copy, WEIR_PEER_LOCAL));
    CHECK(weir_zero_copy_is_wanted(zero_copy, WEIR_PEER_REMOTE));
    rig_fini(&t);
}

static int peers_asked;
static int peer_error;

static int peer_of_nobody(weir_backend *backend, intptr_t native, weir_endpoint *ret_endpoint)
{
    (void)backend;
    (void)native;
    (void)ret_endpoint;
    peers_asked++;
    return peer_error;
}

/* Make two large writes, which the system answers so when it is asked for the peer. */
static void write_twice(int error)
{
    struct weir_sys_sockets sockets = weir_sys_sockets;
    struct weir_backend_ops ops;
    const struct weir_backend_ops *fakes;
    struct rig t;

    rig_init(&t, 0, 0);
    fakes = t.loop->backend->ops;
    ops = *fakes;
    ops.sockets = &sockets;
    sockets.peer = peer_of_nobody;
    peer_error = error;
    t.loop->backend->ops = &ops;
    CHECK_EQ(write_one(&t, 0), FAKE_SEND);
    CHECK_EQ(write_one(&t, 0), FAKE_SEND);
    t.loop->backend->ops = fakes;
    rig_fini(&t);
}

WEIR_TEST(zero_copy_policy, a_peer_that_the_system_does_not_tell_is_asked_for_once)
{
    write_twice(-ENOTCONN);
    CHECK_EQ(peers_asked, 1);
}

/* Of a direct descriptor: there was no descriptor to ask with, or no entry. */
WEIR_TEST(zero_copy_policy, a_peer_that_cannot_be_asked_for_now_is_asked_for_again)
{
    static const int errors[] = {-EMFILE, -ENFILE, -EAGAIN};
    int i;

    for (i = 0; i < 3; i++) {
        write_twice(errors[i]);
        CHECK_EQ(peers_asked, 2 * (i + 1));
    }
}

/* Stops, cancels and closes. */

WEIR_TEST(zero_copy_write, a_stop_before_the_result_cancels_the_send)
{
    struct rig t;

    rig_init(&t, 0, 0);
    start_write(&t, &t.job, LARGE);
    weir_task_stop(&t.job.root.task, WEIR_STOP_REQUESTED); /* Which the fake cancels at once. */
    turn(&t);
    check_done(&t.job, WEIR_CANCELLED, 0);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_write, a_stop_between_result_and_notification_waits_for_that)
{
    struct rig t;

    rig_init(&t, 0, 0);
    start_write(&t, &t.job, 2 * PART);
    complete(&t, 0, 1000, MORE);
    fake_backend_hold_cancelled(t.fake, true);
    weir_task_stop(&t.job.root.task, WEIR_STOP_REQUESTED);
    complete(&t, 1, -ECANCELED, 0);
    CHECK(!t.job.done);
    CHECK_EQ(fake_backend_in_flight(t.fake), 1); /* Nothing is sent any more. */
    complete(&t, 0, 0, 0);
    check_done(&t.job, WEIR_CANCELLED, 1000);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_write, a_stop_of_what_was_sent_is_too_late)
{
    struct rig t;

    rig_init_lent(&t);
    weir_task_stop(&t.job.root.task, WEIR_STOP_REQUESTED);
    turn(&t);
    CHECK(!t.job.done);
    complete(&t, 0, 0, 0);
    check_done(&t.job, 0, LARGE);
    rig_fini(&t);
}

static bool is_reset(const struct rig *t)
{
    uint8_t byte;

    return recv(t->peer, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
}

static bool let_time_pass(fake_backend *fake, int64_t deadline_ns, void *user)
{
    (void)fake;
    (void)user;
    CHECK(deadline_ns < weir_now_ns() + INT64_C(1000000000)); /* The grace has an end. */
    return false;
}

static weir_task *sleep_resume(weir_task *task)
{
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, INT64_C(600000000)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(zero_copy_write, a_peer_that_does_not_acknowledge_is_reset_after_a_grace)
{
    weir_task sleeper;
    struct rig t;

    rig_init_lent(&t);
    weir_task_stop(&t.job.root.task, WEIR_STOP_REQUESTED);
    turn(&t);
    CHECK(!is_reset(&t));
    fake_backend_on_sleep(t.fake, let_time_pass, NULL);
    weir_task_init(&sleeper, sleep_resume);
    (void)weir_run(t.loop, &sleeper);
    CHECK(is_reset(&t));
    CHECK(!t.job.done); /* The memory is not ours yet. */
    complete(&t, 0, 0, 0);
    check_done(&t.job, WEIR_CANCELLED, LARGE);
    start_write(&t, &t.job, 1);
    complete(&t, 0, -EPIPE, 0);
    check_done(&t.job, -ECONNABORTED, 0);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_write, a_hard_stop_resets_at_once)
{
    struct rig t;

    rig_init_lent(&t);
    weir_task_stop(&t.job.root.task, WEIR_STOP_REQUESTED);
    turn(&t);
    CHECK(!is_reset(&t));
    weir_task_stop(&t.job.root.task, WEIR_STOP_HARD);
    CHECK(is_reset(&t));
    complete(&t, 0, 0, 0);
    check_done(&t.job, WEIR_CANCELLED, LARGE);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_write, a_close_waits_for_the_notification_and_releases_then)
{
    struct job closing;
    struct rig t;

    rig_init_lent(&t);
    closing.socket = &t.socket;
    start(&t, &closing, close_it, 0);
    CHECK_EQ(fake_backend_in_flight(t.fake), 1); /* The descriptor is still there, to be reset. */
    CHECK(!closing.done);
    complete(&t, 0, 0, 0);
    check_done(&t.job, 0, LARGE);
    CHECK_EQ(in_flight(&t, 0).kind, FAKE_CLOSE);
    CHECK(!closing.done);
    CHECK_EQ(close((int)t.socket.handle.native), 0);
    complete(&t, 0, 0, 0);
    check_done(&closing, 0, 0);
    CHECK_EQ(close(t.peer), 0);
    weir_loop_free(t.loop);
}
