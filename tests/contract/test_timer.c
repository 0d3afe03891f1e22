/* SPDX-License-Identifier: MIT */

/* Timers and sleeps: never early, in order, cancelled as promised. */
#include <stdlib.h>

#include "fixture.h"

static void check_result(weir_result r, int error)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, 0);
}

/* Who was resumed when. */
struct journal {
    int *ids;
    int count;
};

/* A task that waits and then signs the journal. */
struct signer {
    weir_task task;
    struct job job;
    weir_timer *timer; /* What it waits for, or NULL: */
    int64_t at_ns;     /* it sleeps until then. */
    int id;
    struct journal *journal;
};

static weir_task *signer_wait(struct signer *signer)
{
    if (signer->timer)
        return weir_timer_wait(&signer->task, signer->timer);
    return weir_sleep_until(&signer->task, signer->at_ns);
}

static weir_task *signer_resume(weir_task *task)
{
    struct signer *self = WEIR_TASK_SELF(task, struct signer);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, signer_wait(self));
    CHECK(r.error || self->timer || weir_now_ns() >= self->at_ns);
    self->journal->ids[self->journal->count++] = self->id;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void signer_start(struct fixture *f, struct signer *signer)
{
    weir_task_init(&signer->task, signer_resume);
    job_start(f, &signer->job, &signer->task);
}

/* Sleeping. */

WEIR_CONTRACT_TEST(timer, a_sleep_is_never_short)
{
    struct fixture f;
    struct op op;

    fixture_init(&f, backend);
    for (int i = 0; i < 200; i++) {
        int64_t at_ns = weir_now_ns() + i * 1777;

        op_sleep_until(&f, &op, at_ns);
        check_result(op_wait(&f, &op), 0);
        CHECK(weir_now_ns() >= at_ns);
    }
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(timer, a_sleep_until_the_past_ends_at_once)
{
    struct fixture f;
    struct op op;

    fixture_init(&f, backend);
    op_sleep_until(&f, &op, 1);
    check_result(op_wait(&f, &op), 0);
    op_sleep_until(&f, &op, weir_now_ns());
    check_result(op_wait(&f, &op), 0);
    op_sleep_until(&f, &op, -1);
    check_result(op_wait(&f, &op), 0);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(timer, a_stop_ends_a_sleep)
{
    struct fixture f;
    struct op op;

    fixture_init(&f, backend);
    op_sleep_until(&f, &op, INT64_MAX);
    fixture_turn(&f);
    op_stop(&op);
    check_result(op_wait(&f, &op), WEIR_CANCELLED);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(timer, stop_while_starting_a_sleep)
{
    struct fixture f;
    struct op op;

    fixture_init(&f, backend);
    op_sleep_until(&f, &op, INT64_MAX);
    op_stop(&op);
    check_result(op_wait(&f, &op), WEIR_CANCELLED);
    fixture_fini(&f);
}

static weir_task *stopped_resume(weir_task *task)
{
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_until(task, INT64_MAX));
    WEIR_AWAIT(task, r, weir_sleep_until(task, 1));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(timer, a_stop_wins_over_a_sleep_that_is_due)
{
    struct fixture f;
    struct job job;
    weir_task task;

    fixture_init(&f, backend);
    weir_task_init(&task, stopped_resume);
    job_start(&f, &job, &task);
    fixture_turn(&f);
    weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
    check_result(job_wait(&f, &job), WEIR_CANCELLED);
    fixture_fini(&f);
}

/* Sleeps that are due, one after the other, until it is stopped or has had enough. */
struct dozer {
    weir_task task;
    size_t limit;
    size_t count;
};

static weir_task *doze(struct dozer *self)
{
    switch (self->count % 3) {
    case 0:
        return weir_sleep_for(&self->task, 0);
    case 1:
        return weir_sleep_for(&self->task, INT64_MIN);
    default:
        return weir_sleep_until(&self->task, weir_task_now_ns(&self->task));
    }
}

static weir_task *dozer_resume(weir_task *task)
{
    struct dozer *self = WEIR_TASK_SELF(task, struct dozer);
    weir_result r = {0, 0};

    WEIR_BEGIN(task);
    while (self->count < self->limit && !r.error) {
        WEIR_AWAIT(task, r, doze(self));
        self->count++;
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(timer, a_sleep_that_is_due_does_not_suspend)
{
    struct dozer dozer = {.limit = 9};
    weir_loop_statistics before, after;
    struct fixture f;

    fixture_init(&f, backend);
    before = weir_loop_statistics_get(f.loop);
    weir_task_init(&dozer.task, dozer_resume);
    check_result(fixture_run(&f, &dozer.task), 0);
    after = weir_loop_statistics_get(f.loop);
    CHECK_EQ(dozer.count, 9);
    CHECK_EQ(after.resumptions - before.resumptions, 1);
    fixture_fini(&f);
}

/* Yields, and sees how far a dozer comes between two turns. */
struct watcher {
    weir_task task;
    const struct dozer *dozer;
    size_t turns;
    size_t seen;
    size_t longest;
};

static weir_task *watcher_resume(weir_task *task)
{
    struct watcher *self = WEIR_TASK_SELF(task, struct watcher);

    WEIR_BEGIN(task);
    while (self->turns-- > 0) {
        if (self->dozer->count - self->seen > self->longest)
            self->longest = self->dozer->count - self->seen;
        self->seen = self->dozer->count;
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(timer, sleeps_that_are_due_starve_nobody)
{
    enum { BUDGET = 4 };
    weir_loop_options options = {.backend = backend, .budget = BUDGET};
    struct dozer dozer = {.limit = SIZE_MAX};
    struct watcher watcher = {.dozer = &dozer, .turns = 200};
    struct fixture f;
    struct job job;
    struct op op;

    fixture_init_with(&f, &options);
    weir_task_init(&dozer.task, dozer_resume);
    weir_task_init(&watcher.task, watcher_resume);
    job_start(&f, &job, &dozer.task);
    check_result(fixture_run(&f, &watcher.task), 0);
    CHECK(watcher.longest > 1 && watcher.longest <= 2 * BUDGET);
    op_sleep_until(&f, &op, weir_now_ns() + MILLISECOND_NS);
    check_result(op_wait(&f, &op), 0);
    CHECK(!job.done);
    weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
    check_result(job_wait(&f, &job), WEIR_CANCELLED);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(timer, a_shorter_sleep_behind_a_longer_one_ends_first)
{
    struct fixture f;
    struct op longer, shorter;

    fixture_init(&f, backend);
    op_sleep_until(&f, &longer, weir_now_ns() + 3600000 * MILLISECOND_NS);
    fixture_turn(&f);
    op_sleep_until(&f, &shorter, weir_now_ns() + 2 * MILLISECOND_NS);
    check_result(op_wait(&f, &shorter), 0);
    CHECK(!longer.job.done);
    op_stop(&longer);
    check_result(op_wait(&f, &longer), WEIR_CANCELLED);
    fixture_fini(&f);
}

struct many {
    struct fixture f;
    struct signer *signers;
    struct journal journal;
};

enum { MANY = 10000 };

/* Sleep MANY times at once, the first until so long from now. Returns whether all slept before
 * that: only then is their order promised. */
static bool many_sleep(struct many *t, int64_t lead_ns)
{
    enum { STEPS = 977 };
    static const int64_t STEP_NS = 50000;
    int64_t start_ns = weir_now_ns() + lead_ns;
    bool in_time;

    t->journal.count = 0;
    for (int i = 0; i < MANY; i++) {
        t->signers[i].id = i;
        t->signers[i].at_ns = start_ns + (int64_t)i * 7919 % STEPS * STEP_NS;
        t->signers[i].journal = &t->journal;
        signer_start(&t->f, &t->signers[i]);
    }
    while (t->signers[MANY - 1].task.state != WEIR_TASK_WAITING && t->journal.count == 0)
        fixture_turn(&t->f);
    in_time = weir_now_ns() < start_ns;
    for (int i = 0; i < MANY; i++)
        check_result(job_wait(&t->f, &t->signers[i].job), 0);
    CHECK_EQ(t->journal.count, MANY);
    return in_time;
}

WEIR_CONTRACT_TEST(timer, ten_thousand_sleeps_end_in_the_order_of_their_deadlines)
{
    int64_t lead_ns = 10 * MILLISECOND_NS, last_ns = 0;
    struct many t;

    fixture_init(&t.f, backend);
    t.signers = calloc(MANY, sizeof *t.signers);
    t.journal.ids = calloc(MANY, sizeof *t.journal.ids);
    while (!many_sleep(&t, lead_ns))
        lead_ns *= 2;
    for (int i = 0; i < MANY; i++) {
        CHECK(t.signers[t.journal.ids[i]].at_ns >= last_ns);
        last_ns = t.signers[t.journal.ids[i]].at_ns;
    }
    free(t.signers);
    free(t.journal.ids);
    fixture_fini(&t.f);
}

/* Timers. */

struct timing {
    struct fixture f;
    weir_timer timer;
    struct op op;
};

static void timing_init(struct timing *self, const char *backend)
{
    fixture_init(&self->f, backend);
    weir_timer_init(&self->timer, self->f.loop);
}

static void timing_fini(struct timing *self)
{
    weir_timer_fini(&self->timer);
    fixture_fini(&self->f);
}

WEIR_CONTRACT_TEST(timer, a_wait_is_never_short)
{
    struct timing t;

    timing_init(&t, backend);
    for (int i = 0; i < 100; i++) {
        int64_t at_ns = weir_now_ns() + i * 1999;

        CHECK_EQ(weir_timer_expires_at(&t.timer, at_ns), 0);
        op_timer_wait(&t.f, &t.op, &t.timer);
        check_result(op_wait(&t.f, &t.op), 0);
        CHECK(weir_now_ns() >= at_ns);
    }
    timing_fini(&t);
}

WEIR_CONTRACT_TEST(timer, waits_complete_in_the_order_they_began)
{
    enum { COUNT = 20 };
    struct signer signers[COUNT];
    int ids[COUNT];
    struct journal journal = {.ids = ids};
    struct timing t;

    timing_init(&t, backend);
    for (int i = 0; i < COUNT; i++) {
        signers[i].id = i;
        signers[i].timer = &t.timer;
        signers[i].journal = &journal;
        signer_start(&t.f, &signers[i]);
    }
    fixture_turn(&t.f);
    CHECK_EQ(weir_timer_expires_after(&t.timer, MILLISECOND_NS), 0 + COUNT);
    for (int i = 0; i < COUNT; i++)
        check_result(job_wait(&t.f, &signers[i].job), WEIR_CANCELLED);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(ids[i], i);
    timing_fini(&t);
}

WEIR_CONTRACT_TEST(timer, many_waits_for_one_deadline_all_complete)
{
    enum { COUNT = 20 };
    struct op ops[COUNT];
    struct timing t;

    timing_init(&t, backend);
    CHECK_EQ(weir_timer_expires_after(&t.timer, 2 * MILLISECOND_NS), 0);
    for (int i = 0; i < COUNT; i++)
        op_timer_wait(&t.f, &ops[i], &t.timer);
    for (int i = 0; i < COUNT; i++)
        check_result(op_wait(&t.f, &ops[i]), 0);
    timing_fini(&t);
}

WEIR_CONTRACT_TEST(timer, setting_it_anew_cancels_the_waits)
{
    struct timing t;

    timing_init(&t, backend);
    CHECK_EQ(weir_timer_expires_after(&t.timer, 3600000 * MILLISECOND_NS), 0);
    op_timer_wait(&t.f, &t.op, &t.timer);
    fixture_turn(&t.f);
    CHECK_EQ(weir_timer_expires_after(&t.timer, MILLISECOND_NS), 1);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED);
    op_timer_wait(&t.f, &t.op, &t.timer);
    check_result(op_wait(&t.f, &t.op), 0);
    timing_fini(&t);
}

WEIR_CONTRACT_TEST(timer, a_cancel_says_how_many_waited_and_leaves_it_idle)
{
    struct timing t;

    timing_init(&t, backend);
    CHECK_EQ(weir_timer_cancel(&t.timer), 0);
    CHECK_EQ(weir_timer_expires_after(&t.timer, 3600000 * MILLISECOND_NS), 0);
    op_timer_wait(&t.f, &t.op, &t.timer);
    fixture_turn(&t.f);
    CHECK_EQ(weir_timer_cancel(&t.timer), 1);
    CHECK_EQ(weir_timer_cancel(&t.timer), 0);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED);
    op_timer_wait(&t.f, &t.op, &t.timer); /* Idle: nothing will end this but a deadline. */
    fixture_turn(&t.f);
    CHECK(!t.op.job.done);
    CHECK_EQ(weir_timer_expires_at(&t.timer, 1), 1);
    check_result(op_wait(&t.f, &t.op), WEIR_CANCELLED);
    timing_fini(&t);
}

WEIR_CONTRACT_TEST(timer, a_deadline_in_the_past_expires_at_once)
{
    struct timing t;

    timing_init(&t, backend);
    CHECK_EQ(weir_timer_expires_at(&t.timer, 1), 0);
    op_timer_wait(&t.f, &t.op, &t.timer);
    check_result(op_wait(&t.f, &t.op), 0);
    op_timer_wait(&t.f, &t.op, &t.timer); /* It stays expired. */
    check_result(op_wait(&t.f, &t.op), 0);
    timing_fini(&t);
}

WEIR_CONTRACT_TEST(timer, a_stop_of_one_wait_leaves_the_others)
{
    struct timing t;
    struct op stopped;

    timing_init(&t, backend);
    CHECK_EQ(weir_timer_expires_after(&t.timer, 5 * MILLISECOND_NS), 0);
    op_timer_wait(&t.f, &stopped, &t.timer);
    op_timer_wait(&t.f, &t.op, &t.timer);
    fixture_turn(&t.f);
    op_stop(&stopped);
    check_result(op_wait(&t.f, &stopped), WEIR_CANCELLED);
    check_result(op_wait(&t.f, &t.op), 0);
    timing_fini(&t);
}

/* Two timers for one deadline, set in one iteration: whoever wakes first cancels the other, which
 * has fired as well. */

struct rival {
    weir_task task;
    struct job job;
    weir_timer mine;
    weir_timer *other;
    int64_t at_ns;
    size_t cancelled_count;
};

static weir_task *rival_resume(weir_task *task)
{
    struct rival *self = WEIR_TASK_SELF(task, struct rival);
    weir_result r;

    WEIR_BEGIN(task);
    (void)weir_timer_expires_at(&self->mine, self->at_ns);
    WEIR_AWAIT(task, r, weir_timer_wait(task, &self->mine));
    if (!r.error)
        self->cancelled_count = weir_timer_cancel(self->other);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void rival_start(struct fixture *f, struct rival *rival, weir_timer *other, int64_t at_ns)
{
    weir_timer_init(&rival->mine, f->loop);
    rival->other = other;
    rival->at_ns = at_ns;
    rival->cancelled_count = 0;
    weir_task_init(&rival->task, rival_resume);
    job_start(f, &rival->job, &rival->task);
}

WEIR_CONTRACT_TEST(timer, a_timer_cancelled_in_the_iteration_it_fires_has_fired)
{
    struct rival rivals[2];
    struct fixture f;

    fixture_init(&f, backend);
    for (int i = 0; i < 100; i++) {
        int64_t at_ns = weir_now_ns() + MILLISECOND_NS / 5;

        rival_start(&f, &rivals[0], &rivals[1].mine, at_ns);
        rival_start(&f, &rivals[1], &rivals[0].mine, at_ns);
        for (int r = 0; r < 2; r++) {
            check_result(job_wait(&f, &rivals[r].job), 0);
            CHECK_EQ(rivals[r].cancelled_count, 0);
        }
        weir_timer_fini(&rivals[0].mine);
        weir_timer_fini(&rivals[1].mine);
    }
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(timer, stop_against_expiry)
{
    struct fixture f;
    struct op op;

    fixture_init(&f, backend);
    for (int i = 0; i < 500; i++) {
        weir_result r;

        op_sleep_until(&f, &op, weir_now_ns() + i % 10 * 3000);
        fixture_turn(&f);
        if (!op.job.done)
            op_stop(&op);
        r = op_wait(&f, &op);
        if (r.error)
            CHECK_EQ(r.error, WEIR_CANCELLED);
    }
    fixture_fini(&f);
}
