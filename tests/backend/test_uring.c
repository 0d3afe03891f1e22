/* SPDX-License-Identifier: MIT */

/*
 * The engine's queues, driven through the seam alone: what runs full, what the kernel refuses or
 * takes in part, and how a ring is woken. tests/backend/test_uring_deferred.c has the deferred
 * list, test_uring_socket.c the operations, test_uring_probe.c the ladder.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "crowd.h"
#include "fuse.h"
#include "seam.h"
#include "sys.h"
#include "test.h"

/* The submission queue. */

WEIR_TEST(uring_queue, more_operations_than_entries_complete_in_order_of_submission)
{
    struct uring *uring = seam_start(DEPTH);
    int i;

    init_many(uring, MANY);
    for (i = 0; i < MANY; i++) {
        seam_feed(&many[i], (uint8_t)i);
        seam_receive(&many[i]);
    }
    for (i = 0; i < MANY; i++) {
        CHECK_EQ(seam_finish(&many[i]), 1);
        CHECK_EQ(many[i].data[0], i);
        CHECK(i == 0 || many[i].turn > many[i - 1].turn);
    }
    fini_many(MANY);
    seam_close(uring);
}

static void refused_operations_wait_in_order(int error)
{
    struct uring *uring = seam_start(DEPTH);
    int i;

    seam_statistics.deferred = 0;
    init_many(uring, MANY);
    seam_poll(uring); /* So that the ring's own entries are in the kernel. */
    refuse(error);
    for (i = 0; i < MANY; i++) {
        seam_feed(&many[i], (uint8_t)i);
        seam_receive(&many[i]);
    }
    CHECK_EQ(seam_statistics.deferred, MANY - DEPTH);
    seam_poll(uring);
    CHECK_EQ(many[0].last, 0);
    CHECK(fuse_put_out() > 0);

    for (i = 0; i < MANY; i++) {
        CHECK_EQ(seam_finish(&many[i]), 1);
        CHECK(i == 0 || many[i].turn > many[i - 1].turn);
    }
    fini_many(MANY);
    seam_close(uring);
}

WEIR_TEST(uring_queue, what_the_kernel_refuses_as_busy_waits_in_order)
{
    refused_operations_wait_in_order(EBUSY);
}

WEIR_TEST(uring_queue, what_the_kernel_refuses_for_want_of_memory_waits_in_order)
{
    refused_operations_wait_in_order(EAGAIN);
}

WEIR_TEST(uring_queue, a_wait_while_the_kernel_refuses_returns_and_loses_nothing)
{
    struct uring *uring = seam_start(DEPTH);

    init_many(uring, 1);
    seam_feed(&many[0], 7);
    seam_receive(&many[0]);
    fuse_light(FUSE_RING_SUBMIT, EAGAIN, 1, 3);
    CHECK_EQ(seam_finish(&many[0]), 1);
    CHECK_EQ(fuse_put_out(), 3);
    fini_many(1);
    seam_close(uring);
}

/* What is due may be what frees the memory that the submission lacks. */
WEIR_TEST(uring_queue, what_is_in_flight_completes_while_the_kernel_refuses_more)
{
    struct uring *uring = seam_start(DEPTH);
    int turns;

    init_many(uring, 2);
    seam_receive(&many[0]);
    seam_poll(uring);
    refuse(EAGAIN);
    seam_receive(&many[1]);
    seam_feed(&many[0], 7);
    for (turns = 0; turns < 10 && many[0].last == 0; turns++)
        SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER);
    CHECK_EQ(many[0].last, 1);
    CHECK(fuse_put_out() > 0);

    drain(2);
    fini_many(2);
    seam_close(uring);
}

WEIR_TEST(uring_queue, a_submission_cut_short_goes_on_with_the_next_call)
{
    struct uring *uring = seam_start(64);
    int i;

    init_many(uring, 50);
    fuse_light(FUSE_RING_SUBMIT_SHORT, EAGAIN, 1, FUSE_FOREVER);
    for (i = 0; i < 50; i++) {
        seam_feed(&many[i], (uint8_t)i);
        seam_receive(&many[i]);
    }
    for (i = 0; i < 50; i++) {
        CHECK_EQ(seam_finish(&many[i]), 1);
        CHECK(i == 0 || many[i].turn > many[i - 1].turn);
    }
    CHECK(fuse_put_out() >= 40);
    fini_many(50);
    seam_close(uring);
}

WEIR_TEST(uring_queue, the_shortest_queue_still_holds_a_close)
{
    struct uring *uring = seam_start(1);
    struct seam_operation self;

    seam_init_pair(&self, uring);
    seam_close_handle(&self);
    CHECK_EQ(close(self.peer), 0);
    seam_close(uring);
}

/* The completion queue. */

WEIR_TEST(uring_overflow, hundreds_of_completions_in_a_short_queue_lose_nothing)
{
    struct uring *uring = seam_start(DEPTH);
    int i;

    seam_statistics.overflows = 0;
    CHECK(*uring->ring.cq.kring_entries < MANY);
    init_many(uring, MANY);
    for (i = 0; i < MANY; i++)
        seam_receive(&many[i]);
    seam_poll(uring);
    for (i = 0; i < MANY; i++)
        seam_feed(&many[i], (uint8_t)i);
    for (i = 0; i < MANY; i++) {
        CHECK_EQ(seam_finish(&many[i]), 1);
        CHECK_EQ(many[i].data[0], i);
    }
    for (i = 0; i < MANY; i++) { /* Now each completes as it is submitted. */
        seam_feed(&many[i], (uint8_t)~i);
        seam_receive(&many[i]);
    }
    for (i = 0; i < MANY; i++) {
        CHECK_EQ(seam_finish(&many[i]), 1);
        CHECK_EQ(many[i].data[0], (uint8_t)~i);
    }
    CHECK(seam_statistics.overflows > 0);
    fini_many(MANY);
    seam_close(uring);
}

static void keep_accepting(struct seam_operation *self, int result, unsigned flags)
{
    CHECK(result >= 0 || result == -ECANCELED);
    if (result >= 0)
        CHECK_EQ(close(result), 0);
    if (flags & WEIR_OPERATION_MORE)
        return;
    /* The seam's promise: it ended, so it can be started again. */
    if (result >= 0)
        CHECK_EQ(SEAM_OPS->accept(&self->uring->base, &self->operation, &self->handle),
                 WEIR_IN_FLIGHT);
}

WEIR_TEST(uring_overflow, a_multishot_that_ends_because_of_it_says_so)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;
    weir_endpoint endpoint;
    int clients[MANY];
    int i;

    seam_statistics.overflows = 0;
    seam_init_on(&self, uring, seam_listen(MANY, &endpoint));
    for (i = 0; i < MANY; i++)
        clients[i] = seam_connect(&endpoint);
    self.then = keep_accepting;
    CHECK_EQ(SEAM_OPS->accept(&uring->base, &self.operation, &self.handle), WEIR_IN_FLIGHT);
    while (self.more + self.last < MANY)
        SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER);
    CHECK(self.last > 0);
    CHECK(seam_statistics.overflows > 0);

    self.last = 0;
    seam_cancel(&self);
    CHECK_EQ(seam_finish(&self), -ECANCELED);
    seam_close_handle(&self);
    for (i = 0; i < MANY; i++)
        CHECK_EQ(close(clients[i]), 0);
    seam_close(uring);
}

/* Waiting. */

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static void signal_every_10_ms(void)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    struct itimerval interval = {.it_interval.tv_usec = 10000, .it_value.tv_usec = 10000};

    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &interval, NULL), 0);
}

WEIR_TEST(uring_wait, a_signal_ends_the_wait_and_loses_nothing)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;

    seam_init_pair(&self, uring);
    seam_receive(&self);
    signal_every_10_ms();
    while (signals < 2)
        SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER);
    while (signals < 4)
        SEAM_OPS->wait(&uring->base, weir_sys_now_ns() + INT64_C(60000000000));
    CHECK_EQ(self.last, 0);
    seam_feed(&self, 1);
    CHECK_EQ(seam_finish(&self), 1);
    CHECK_EQ(setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_sec = 0}, NULL), 0);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_wait, an_interrupted_call_leaves_the_queue_as_it_was)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;

    seam_init_pair(&self, uring);
    seam_feed(&self, 1);
    seam_receive(&self);
    fuse_light(FUSE_RING_WAIT, EINTR, 1, 3);
    CHECK_EQ(seam_finish(&self), 1);
    CHECK_EQ(fuse_put_out(), 3);
    seam_fini_pair(&self);
    seam_close(uring);
}

WEIR_TEST(uring_wait, a_deadline_ends_it_not_early_and_not_late)
{
    struct uring *uring = seam_start(DEPTH);
    int64_t deadline_ns = weir_sys_now_ns() + 20000000;

    while (weir_sys_now_ns() < deadline_ns)
        SEAM_OPS->wait(&uring->base, deadline_ns);
    CHECK(weir_sys_now_ns() < deadline_ns + INT64_C(2000000000));
    SEAM_OPS->wait(&uring->base, deadline_ns); /* Past: does not block. */
    SEAM_OPS->wait(&uring->base, INT64_MIN);
    seam_close(uring);
}

WEIR_TEST(uring_wait, peek_tells_of_a_completion_without_losing_it)
{
    struct uring *uring = seam_start(DEPTH);
    struct seam_operation self;

    seam_init_pair(&self, uring);
    seam_receive(&self);
    seam_poll(uring);
    CHECK(!SEAM_OPS->peek(&uring->base));
    seam_feed(&self, 1);
    while (!SEAM_OPS->peek(&uring->base)) {
    }
    CHECK_EQ(seam_finish(&self), 1);
    CHECK(!SEAM_OPS->peek(&uring->base));
    seam_fini_pair(&self);
    seam_close(uring);
}

/* Waking. */

static void wait_for_wakes(struct uring *uring, uint64_t count)
{
    while (seam_statistics.wakeups < count)
        SEAM_OPS->wait(&uring->base, WEIR_WAIT_FOREVER);
    CHECK_EQ(seam_statistics.wakeups, count);
}

WEIR_TEST(uring_wake, a_wake_before_the_wait_ends_it)
{
    struct uring *uring = seam_start(DEPTH);
    uint64_t i;

    seam_statistics.wakeups = 0;
    for (i = 1; i <= 3; i++) {
        SEAM_OPS->wake(&uring->base, NULL);
        wait_for_wakes(uring, i);
    }
    seam_close(uring);
}

WEIR_TEST(uring_wake, a_wake_before_the_start_ends_the_first_wait)
{
    struct uring *uring = seam_open(DEPTH);

    seam_statistics.wakeups = 0;
    SEAM_OPS->wake(&uring->base, NULL);
    CHECK_EQ(SEAM_OPS->start(&uring->base), 0);
    wait_for_wakes(uring, 1);
    seam_close(uring);
}

/* A thread with a ring of its own, that wakes another. */
struct waker {
    struct uring *target;
    pthread_t thread;
    bool by_message;  /* In: from its own ring. Else by the eventfd. */
    int bad_receiver; /* In: where the message goes instead, to fail; -1: to the target. */
    int wakes;        /* In: how often. */
};

static void send_wake(const struct waker *waker, struct uring *mine)
{
    SEAM_OPS->wake(&waker->target->base, waker->by_message ? &mine->base : NULL);
    CHECK_EQ(io_uring_sq_ready(&mine->ring) > 0, waker->by_message);
    if (waker->bad_receiver >= 0) {
        unsigned last = (mine->ring.sq.sqe_tail - 1) & *mine->ring.sq.kring_mask;

        mine->ring.sq.sqes[last].fd = waker->bad_receiver;
    }
    SEAM_OPS->wait(&mine->base, WEIR_WAIT_POLL);
}

static void *waker_thread(void *argument)
{
    const struct waker *waker = argument;
    weir_loop_statistics unused = {0};
    weir_backend_options options = {.queue_depth = DEPTH, .statistics = &unused};
    weir_backend *mine;
    int i;

    CHECK_EQ(SEAM_OPS->open(&options, &mine), 0);
    CHECK_EQ(SEAM_OPS->start(mine), 0);
    SEAM_OPS->wait(mine, WEIR_WAIT_POLL);
    for (i = 0; i < waker->wakes; i++)
        send_wake(waker, uring_of(mine));
    SEAM_OPS->close(mine);
    return NULL;
}

static void wake_from_thread(struct waker *waker)
{
    waker->target = seam_start(DEPTH);
    seam_statistics.wakeups = 0;
    if (waker->by_message && !waker->target->is_message_able)
        test_skip("rings cannot send messages here");
    CHECK_EQ(pthread_create(&waker->thread, NULL, waker_thread, waker), 0);
    while (seam_statistics.wakeups == 0)
        SEAM_OPS->wait(&waker->target->base, WEIR_WAIT_FOREVER);
    CHECK_EQ(pthread_join(waker->thread, NULL), 0);
    seam_close(waker->target);
}

WEIR_TEST(uring_wake, a_thread_without_a_ring_wakes_by_the_eventfd)
{
    struct waker waker = {.by_message = false, .bad_receiver = -1, .wakes = 1};

    wake_from_thread(&waker);
}

WEIR_TEST(uring_wake, a_thread_with_a_ring_wakes_by_a_message)
{
    struct waker waker = {.by_message = true, .bad_receiver = -1, .wakes = 1};

    wake_from_thread(&waker);
}

WEIR_TEST(uring_wake, a_message_that_fails_falls_back_to_the_eventfd)
{
    struct waker waker = {.by_message = true, .bad_receiver = STDERR_FILENO, .wakes = 1};

    wake_from_thread(&waker);
}

WEIR_TEST(uring_wake, a_message_for_which_there_is_no_memory_falls_back_to_the_eventfd)
{
    struct uring *target = seam_start(DEPTH);
    struct uring *sender = seam_start(DEPTH);

    if (!target->is_message_able)
        test_skip("rings cannot send messages here");
    seam_statistics.wakeups = 0;
    seam_poll(sender);
    fuse_light(FUSE_ENTRY_MESSAGE, ENOMEM, 1, 1);
    SEAM_OPS->wake(&target->base, &sender->base);
    seam_poll(sender);
    CHECK_EQ(fuse_put_out(), 1);
    wait_for_wakes(target, 1);
    seam_close(sender);
    seam_close(target);
}

WEIR_TEST(uring_wake, a_message_that_fails_for_a_ring_that_is_gone_is_dropped)
{
    struct uring *target = seam_start(DEPTH);
    struct uring *sender = seam_start(DEPTH);

    if (!target->is_message_able)
        test_skip("rings cannot send messages here");
    seam_poll(sender);
    fuse_light(FUSE_ENTRY_MESSAGE, ENOMEM, 1, 1);
    SEAM_OPS->wake(&target->base, &sender->base);
    seam_close(target);
    seam_poll(sender);
    CHECK_EQ(fuse_put_out(), 1);
    seam_close(sender);
}

WEIR_TEST(uring_wake, a_ring_that_has_not_started_is_woken_by_the_eventfd)
{
    struct uring *target = seam_open(DEPTH);
    struct uring *sender = seam_start(DEPTH);

    seam_statistics.wakeups = 0;
    SEAM_OPS->wake(&target->base, &sender->base);
    seam_poll(sender);
    CHECK_EQ(SEAM_OPS->start(&target->base), 0);
    wait_for_wakes(target, 1);
    seam_close(sender);
    seam_close(target);
}

WEIR_TEST(uring_wake, a_sender_whose_queue_is_refused_wakes_by_the_eventfd)
{
    struct uring *target = seam_start(DEPTH);
    struct uring *sender = seam_start(DEPTH);

    seam_statistics.wakeups = 0;
    init_many(sender, DEPTH);
    seam_poll(sender);
    refuse(EAGAIN);
    fill_queue();
    SEAM_OPS->wake(&target->base, &sender->base);
    CHECK(fuse_put_out() > 0);
    wait_for_wakes(target, 1);
    drain(DEPTH);
    fini_many(DEPTH);
    seam_close(sender);
    seam_close(target);
}

/* A wake that stands in the queue when the kernel refuses it, or takes only what stands before it,
 * and whose sender then ends. */
static void end_before_it_goes_out(enum fuse_call call)
{
    struct uring *target = seam_start(DEPTH);
    struct uring *sender = seam_start(DEPTH);

    if (!target->is_message_able)
        test_skip("rings cannot send messages here");
    seam_poll(sender);
    seam_poll(target);
    fuse_light(call, EAGAIN, 1, FUSE_FOREVER);
    SEAM_OPS->wake(&sender->base, &sender->base); /* This one may go out. */
    SEAM_OPS->wake(&target->base, &sender->base);
    CHECK_EQ(io_uring_sq_ready(&sender->ring), 2);
    SEAM_OPS->wait(&sender->base, WEIR_WAIT_POLL);
    CHECK(fuse_put_out() > 0);
    seam_close(sender);
    seam_statistics.wakeups = 0;
    (void)alarm(20); /* A lost wake would be waited for until then. */
    while (seam_statistics.wakeups == 0)
        SEAM_OPS->wait(&target->base, WEIR_WAIT_FOREVER);
    seam_close(target);
}

WEIR_TEST(uring_wake, a_message_that_is_refused_is_replaced_by_the_eventfd)
{
    end_before_it_goes_out(FUSE_RING_SUBMIT);
}

WEIR_TEST(uring_wake, a_message_behind_what_was_taken_is_replaced_by_the_eventfd)
{
    end_before_it_goes_out(FUSE_RING_SUBMIT_SHORT);
}

WEIR_TEST(uring_wake, wakes_from_many_threads_are_never_lost)
{
    enum { THREADS = 4, WAKES = 200 };
    struct waker wakers[THREADS];
    struct uring *target = seam_start(DEPTH);
    int i;

    seam_statistics.wakeups = 0;
    for (i = 0; i < THREADS; i++) {
        wakers[i] = (struct waker){.target = target,
                                   .by_message = i % 2 && target->is_message_able,
                                   .bad_receiver = i == 3 ? STDERR_FILENO : -1,
                                   .wakes = WAKES};
        if (!wakers[i].by_message)
            wakers[i].bad_receiver = -1;
        CHECK_EQ(pthread_create(&wakers[i].thread, NULL, waker_thread, &wakers[i]), 0);
    }
    if (target->is_message_able) { /* Every message that arrives is a completion of its own. */
        while (seam_statistics.wakeups < WAKES)
            SEAM_OPS->wait(&target->base, WEIR_WAIT_FOREVER);
    } else {
        while (seam_statistics.wakeups == 0)
            SEAM_OPS->wait(&target->base, WEIR_WAIT_FOREVER);
    }
    for (i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(wakers[i].thread, NULL), 0);
    seam_close(target);
}

WEIR_TEST(uring_wake, the_read_of_the_eventfd_is_armed_again_when_it_fails)
{
    struct uring *uring = seam_start(DEPTH);

    fuse_light(FUSE_ENTRY_READ, EINTR, 1, 2);
    seam_statistics.wakeups = 0;
    seam_poll(uring);
    SEAM_OPS->wake(&uring->base, NULL);
    wait_for_wakes(uring, 1);
    CHECK(fuse_put_out() > 0);
    seam_close(uring);
}

/* Threads. */

static void *run_elsewhere(void *argument)
{
    struct uring *uring = argument;
    struct seam_operation self;

    CHECK_EQ(SEAM_OPS->start(&uring->base), 0);
    seam_init_pair(&self, uring);
    seam_feed(&self, 1);
    seam_receive(&self);
    CHECK_EQ(seam_finish(&self), 1);
    seam_fini_pair(&self);
    return NULL;
}

WEIR_TEST(uring_thread, a_ring_belongs_to_the_thread_that_starts_it)
{
    struct uring *uring = seam_open(DEPTH);
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, run_elsewhere, uring), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    if (uring->ring.flags & IORING_SETUP_SINGLE_ISSUER) {
        io_uring_prep_nop(io_uring_get_sqe(&uring->ring));
        uring->ring.enter_ring_fd = uring->ring.ring_fd; /* The registered one was the thread's. */
        uring->ring.int_flags = 0;
        CHECK_EQ(io_uring_submit(&uring->ring), -EEXIST);
    }
    uring->has_registered_descriptor = false;
    seam_close(uring);
}

struct lender {
    struct uring *first;
    sem_t started;
    sem_t closed;
};

static void *start_another(void *argument)
{
    struct lender *self = argument;
    struct uring *second = seam_open(DEPTH);
    int slot;

    CHECK_EQ(SEAM_OPS->start(&self->first->base), 0);
    slot = self->first->ring.enter_ring_fd;
    CHECK_EQ(sem_post(&self->started), 0);
    CHECK_EQ(sem_wait(&self->closed), 0);
    CHECK_EQ(SEAM_OPS->start(&second->base), 0);
    if (second->has_registered_descriptor)
        CHECK_EQ(second->ring.enter_ring_fd, slot);
    seam_close(second);
    return NULL;
}

/* Its slot would keep it in the kernel, and all that is registered, as long as its thread lives. */
WEIR_TEST(uring_thread, a_ring_that_another_closes_is_let_go_when_its_thread_starts_the_next)
{
    struct lender lender = {.first = seam_open(DEPTH)};
    pthread_t thread;

    CHECK_EQ(sem_init(&lender.started, 0, 0), 0);
    CHECK_EQ(sem_init(&lender.closed, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, start_another, &lender), 0);
    CHECK_EQ(sem_wait(&lender.started), 0);
    seam_close(lender.first);
    CHECK_EQ(sem_post(&lender.closed), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

WEIR_TEST(uring_thread, more_rings_than_a_thread_can_register_work)
{
    enum { RINGS = 20 };
    struct uring *rings[RINGS];
    struct seam_operation self;
    int i;

    for (i = 0; i < RINGS; i++)
        rings[i] = seam_start(DEPTH);
    CHECK(!rings[RINGS - 1]->has_registered_descriptor);
    for (i = 0; i < RINGS; i++) {
        seam_init_pair(&self, rings[i]);
        seam_feed(&self, 1);
        seam_receive(&self);
        CHECK_EQ(seam_finish(&self), 1);
        seam_fini_pair(&self);
    }
    for (i = 0; i < RINGS; i++)
        seam_close(rings[i]);
}
