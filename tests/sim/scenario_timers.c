/* SPDX-License-Identifier: MIT */
/*
 * Timers, sleeps, deadlines and timeouts in their thousands, from nanoseconds to days: each fires
 * once, never early, in the order of their ticks, and as soon as a loop that has nothing else to do
 * can.
 *
 * Many are armed for the same moment, for the boundaries of the wheel's levels, or for the past.
 * One world in four is stopped at some time: what has not fired then never does.
 */
#include "play.h"
#include "scenario.h"

enum {
    TICK_BITS = 10,   /* Of the wheel: 1,024 ns. */
    COMMON_COUNT = 6, /* Moments for which many are armed. */
    WAITER_COUNT = 4,
};

/* One arming of a sleep, a timer or a deadline. */
struct arming {
    int64_t at_ns;
    uint64_t number;
    bool is_passed; /* When it was armed; of a sleep, when it has begun. */
};

/* What all tasks of the loop know. */
struct ledger {
    weir_sim *sim;
    struct play_stopper stopper;
    struct arming last; /* Of those that fired. */
    uint64_t arming_count;
    uint64_t fired_count;
    int64_t late_max_ns; /* A loop does what is due one thing after the other. */
    int64_t common_ns[COMMON_COUNT];
};

struct state {
    struct ledger ledger;
    struct crowd {
        weir_task task;
        struct ledger *ledger;
        size_t count;
        size_t started; /* out */
        weir_scope scope;
    } crowd;
};

/* When. */

/* The beginning of a slot of some level of the wheel, or a nanosecond beside it. */
static int64_t boundary(weir_sim *sim, int64_t now_ns)
{
    unsigned shift = TICK_BITS + 6 * (unsigned)play_below(sim, 7);
    int64_t slot = (now_ns >> shift) + 1 + (int64_t)play_below(sim, 3);

    return (slot << shift) + play_between(sim, -1, 1);
}

static int64_t choose_moment(struct ledger *ledger)
{
    weir_sim *sim = ledger->sim;
    int64_t now_ns = weir_now_ns();

    switch (play_below(sim, 9)) {
    case 0:
        return now_ns - play_magnitude(sim, 20);
    case 1:
    case 2:
        return boundary(sim, now_ns);
    case 3:
        return ledger->common_ns[play_below(sim, COMMON_COUNT)];
    case 4:
        return now_ns + play_magnitude(sim, 13);
    case 5:
        return now_ns + play_magnitude(sim, 9);
    default:
        return now_ns + play_magnitude(sim, 47);
    }
}

static struct arming arming_of(struct ledger *ledger, int64_t at_ns)
{
    struct arming arming = {.at_ns = at_ns, .number = ++ledger->arming_count};

    arming.is_passed = at_ns <= weir_now_ns();
    return arming;
}

static int64_t tick_of(int64_t at_ns)
{
    return at_ns >> TICK_BITS;
}

/* What fired is due, and nothing that was due sooner fires later. */
static void note_fired(struct ledger *ledger, struct arming fired)
{
    int64_t late_ns = weir_now_ns() - fired.at_ns;
    struct arming last = ledger->last;

    ledger->fired_count++;
    PLAY_EXPECT(ledger->sim, late_ns >= 0, "fired %lld ns early", (long long)-late_ns);
    if (fired.is_passed)
        return;
    PLAY_EXPECT(ledger->sim, late_ns <= ledger->late_max_ns, "fired %lld ns late",
                (long long)late_ns);
    PLAY_EXPECT(ledger->sim, tick_of(last.at_ns) <= tick_of(fired.at_ns),
                "armed for %lld, fired behind one for %lld", (long long)fired.at_ns,
                (long long)last.at_ns);
    PLAY_EXPECT(ledger->sim, last.at_ns != fired.at_ns || last.number < fired.number,
                "two armed for %lld fired in the wrong order", (long long)fired.at_ns);
    ledger->last = fired;
}

/* A wait of one of the tasks that only the crowd's stop ends early has ended. */
static void expect_fired_or_stopped(struct ledger *ledger, weir_result r, struct arming arming)
{
    if (r.error == 0)
        note_fired(ledger, arming);
    else
        PLAY_EXPECT(ledger->sim, play_is_stopped(&ledger->stopper, r.error),
                    "a sleep ended with %s", weir_error_name(r.error));
}

/* What is due by now may have completed at once, before others that fire only at the loop's next
 * turn. The frame may be looked at: nothing has run on its loop since. */
static weir_task *start_sleep(weir_task *task, struct arming *arming)
{
    weir_task *next = weir_sleep_until(task, arming->at_ns);

    arming->is_passed = arming->at_ns <= weir_now_ns();
    return next;
}

/* Sleeps, one after the other. */

struct sleeper {
    weir_task task;
    struct ledger *ledger;
    size_t rounds;
    struct arming arming;
};

static weir_task *sleeper_resume(weir_task *task)
{
    struct sleeper *self = WEIR_TASK_SELF(task, struct sleeper);
    weir_result r = {0, 0};

    WEIR_BEGIN(task);
    while (self->rounds-- > 0) {
        self->arming = arming_of(self->ledger, choose_moment(self->ledger));
        WEIR_AWAIT(task, r, start_sleep(task, &self->arming));
        expect_fired_or_stopped(self->ledger, r, self->arming);
        if (r.error)
            WEIR_RETURN(task, r);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Timers that several tasks wait for. */

struct waiter {
    weir_task task;
    struct timed *owner;
    bool at_once;
    uint64_t place; /* In the queue of those who wait. */
    weir_scope_child record;
};

struct timed {
    weir_task task;
    struct ledger *ledger;
    size_t rounds;
    weir_timer timer;
    int64_t set_ns;      /* For when it is set. */
    int64_t earliest_ns; /* For which it was set in this round, or before it. */
    int64_t pause_ns;
    uint64_t begun;
    uint64_t ended;         /* Place of the last waiter that ended. */
    size_t fired_count;     /* Waiters of this round, by how they ended. */
    size_t cancelled_count; /* */
    size_t told_count;      /* Waits that cancelling and setting anew say they ended. */
    weir_scope scope;
    struct waiter waiters[WAITER_COUNT];
};

static weir_task *wait_for_timer(struct waiter *self)
{
    weir_task *next;

    self->place = ++self->owner->begun;
    self->at_once = false;
    next = weir_timer_wait(&self->task, &self->owner->timer);
    if (next == &self->task)
        self->at_once = true;
    return next;
}

static weir_task *waiter_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, wait_for_timer(self));
    if (r.error == 0) {
        self->owner->fired_count++;
        PLAY_EXPECT(self->owner->ledger->sim, weir_now_ns() >= self->owner->earliest_ns,
                    "a timer fired early");
    } else {
        self->owner->cancelled_count++;
        PLAY_EXPECT(self->owner->ledger->sim, r.error == WEIR_CANCELLED,
                    "a timer's wait ended with %s", weir_error_name(r.error));
    }
    if (!self->at_once && !self->owner->ledger->stopper.asked) {
        PLAY_EXPECT(self->owner->ledger->sim, self->owner->ended < self->place,
                    "a later wait was served before");
        self->owner->ended = self->place;
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void set_timer(struct timed *self)
{
    int64_t at_ns = choose_moment(self->ledger);

    self->set_ns = at_ns;
    if (at_ns < self->earliest_ns)
        self->earliest_ns = at_ns;
    self->told_count += weir_timer_expires_at(&self->timer, at_ns);
}

static void begin_round(struct timed *self)
{
    size_t count = play_below(self->ledger->sim, WAITER_COUNT + 1);

    self->earliest_ns = self->set_ns;
    self->fired_count = 0;
    self->cancelled_count = 0;
    self->told_count = 0;
    if (play_chance(self->ledger->sim, 50))
        set_timer(self);
    for (size_t i = 0; i < count; i++) {
        self->waiters[i].owner = self;
        weir_task_init(&self->waiters[i].task, waiter_resume);
        weir_scope_start_embedded(&self->scope, &self->waiters[i].record, &self->waiters[i].task);
    }
}

/* Every wait ended once: by the timer, by a stop, or by a call that said so. */
static void end_round(struct timed *self, weir_result joined)
{
    weir_sim *sim = self->ledger->sim;
    size_t ended = self->fired_count + self->cancelled_count;

    PLAY_EXPECT(sim, joined.count == ended, "%zu waits ended, %zu tasks", ended, joined.count);
    PLAY_EXPECT(sim, self->told_count <= self->cancelled_count,
                "a timer says it cancelled %zu waits, it was %zu", self->told_count,
                self->cancelled_count);
    PLAY_EXPECT(sim, self->told_count == self->cancelled_count || self->ledger->stopper.asked,
                "%zu waits were cancelled, a timer told of %zu", self->cancelled_count,
                self->told_count);
}

/* Set anew, or cancelled and set anew. */
static void meddle(struct timed *self)
{
    if (play_chance(self->ledger->sim, 40))
        self->told_count += weir_timer_cancel(&self->timer);
    set_timer(self);
}

static weir_task *timed_resume(weir_task *task)
{
    struct timed *self = WEIR_TASK_SELF(task, struct timed);
    weir_result r;

    WEIR_BEGIN(task);
    weir_timer_init(&self->timer, weir_task_loop(task));
    weir_scope_init(&self->scope, task);
    self->set_ns = INT64_MAX;
    self->begun = 0;
    self->ended = 0;
    while (self->rounds-- > 0 && !weir_task_stop_bits(task)) {
        begin_round(self);
        self->pause_ns = play_magnitude(self->ledger->sim, 30);
        WEIR_AWAIT(task, r, weir_sleep_for(task, self->pause_ns));
        meddle(self);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
        end_round(self, r);
    }
    weir_timer_fini(&self->timer);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Deadlines inside one another, over a sleep. */

enum { DEADLINE_COUNT = 3 };

struct bounded {
    weir_task task;
    struct ledger *ledger;
    size_t rounds;
    struct arming sleep;
    struct arming limits[DEADLINE_COUNT];
    weir_deadline deadlines[DEADLINE_COUNT];
    weir_result outcome;
    int64_t ended_ns;
};

static struct arming earliest_limit(const struct bounded *self)
{
    struct arming earliest = self->limits[0];

    for (size_t i = 1; i < DEADLINE_COUNT; i++) {
        if (self->limits[i].at_ns < earliest.at_ns)
            earliest = self->limits[i];
    }
    return earliest;
}

/* Also one that nobody lives to see, on the highest levels of the wheel. */
static int64_t choose_limit(struct ledger *ledger)
{
    if (kit_chance(200))
        return INT64_MAX >> play_below(ledger->sim, 15);
    return choose_moment(ledger);
}

static void arm_limits(struct bounded *self)
{
    for (size_t i = 0; i < DEADLINE_COUNT; i++) {
        self->limits[i] = arming_of(self->ledger, choose_limit(self->ledger));
        weir_deadline_arm_at(&self->task, &self->deadlines[i], self->limits[i].at_ns);
    }
    self->sleep = arming_of(self->ledger, choose_moment(self->ledger));
}

/* The sleep ended by what was due first; where both were due in one tick, by either. */
static void expect_first_due(struct bounded *self)
{
    struct arming limit = earliest_limit(self);
    weir_sim *sim = self->ledger->sim;
    int error = self->outcome.error;

    if (play_is_stopped(&self->ledger->stopper, error))
        return;
    PLAY_EXPECT(sim, error == 0 || error == WEIR_TIMED_OUT, "a bounded sleep ended with %s",
                weir_error_name(error));
    if (error == 0)
        note_fired(self->ledger, self->sleep);
    else
        PLAY_EXPECT(sim, self->ended_ns >= limit.at_ns, "a deadline passed early");
    if (limit.is_passed || self->sleep.is_passed ||
        tick_of(limit.at_ns) == tick_of(self->sleep.at_ns))
        return;
    PLAY_EXPECT(sim, (error == 0) == (self->sleep.at_ns < limit.at_ns),
                "a sleep to %lld under a deadline at %lld ended with %s",
                (long long)self->sleep.at_ns, (long long)limit.at_ns, weir_error_name(error));
    if (error)
        PLAY_EXPECT(sim, self->ended_ns - limit.at_ns <= self->ledger->late_max_ns,
                    "a deadline is %lld ns late", (long long)(self->ended_ns - limit.at_ns));
}

/* In any order but with each one's truth: passed, and not before its time. */
static void disarm_limits(struct bounded *self)
{
    weir_sim *sim = self->ledger->sim;
    size_t passed_count = 0;

    for (size_t i = DEADLINE_COUNT; i-- > 0;) {
        bool passed = weir_deadline_disarm(&self->task, &self->deadlines[i]);

        PLAY_EXPECT(sim, !passed || self->ended_ns >= self->limits[i].at_ns,
                    "a deadline passed before its time");
        PLAY_EXPECT(sim, !weir_deadline_disarm(&self->task, &self->deadlines[i]),
                    "a deadline was disarmed twice");
        passed_count += passed;
    }
    PLAY_EXPECT(sim, self->outcome.error != WEIR_TIMED_OUT || passed_count > 0,
                "timed out, and no deadline had passed");
    PLAY_EXPECT(sim, !(weir_task_stop_bits(&self->task) & WEIR_STOP_EXPIRED),
                "disarmed deadlines are still in force");
}

static weir_task *bounded_resume(weir_task *task)
{
    struct bounded *self = WEIR_TASK_SELF(task, struct bounded);
    weir_result r;

    WEIR_BEGIN(task);
    for (size_t i = 0; i < DEADLINE_COUNT; i++)
        weir_deadline_init(&self->deadlines[i]);
    while (self->rounds-- > 0 && !weir_task_stop_bits(task)) {
        arm_limits(self);
        WEIR_AWAIT(task, r, start_sleep(task, &self->sleep));
        self->outcome = r;
        self->ended_ns = weir_now_ns();
        expect_first_due(self);
        disarm_limits(self);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Timeouts of a sleep without an end. */

struct endless {
    weir_task task;
    int64_t until_ns;
};

static weir_task *endless_resume(weir_task *task)
{
    struct endless *self = WEIR_TASK_SELF(task, struct endless);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_until(task, self->until_ns));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct impatient {
    weir_task task;
    struct ledger *ledger;
    size_t rounds;
    struct endless endless;
    weir_timeout_frame timeout;
    int64_t limit_ns;
    int64_t begun_ns;
};

static weir_task *impatient_resume(weir_task *task)
{
    struct impatient *self = WEIR_TASK_SELF(task, struct impatient);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rounds-- > 0 && !weir_task_stop_bits(task)) {
        self->limit_ns = play_magnitude(self->ledger->sim, 45);
        self->begun_ns = weir_now_ns();
        self->endless.until_ns = INT64_MAX >> play_below(self->ledger->sim, 15);
        weir_task_init(&self->endless.task, endless_resume);
        WEIR_AWAIT(task, r,
                   weir_timeout(task, &self->timeout, &self->endless.task, self->limit_ns));
        if (play_is_stopped(&self->ledger->stopper, r.error))
            break;
        PLAY_EXPECT(self->ledger->sim, r.error == WEIR_TIMED_OUT,
                    "a sleep without an end ended with %s", weir_error_name(r.error));
        PLAY_EXPECT(self->ledger->sim, weir_now_ns() - self->begun_ns >= self->limit_ns,
                    "timed out early");
        PLAY_EXPECT(self->ledger->sim,
                    weir_now_ns() - self->begun_ns - self->limit_ns <= self->ledger->late_max_ns,
                    "timed out late");
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* The crowd. */

#define START(crowd, type, resume_function, rounds_max)                                       \
    do {                                                                                      \
        struct type *child = weir_scope_new(&(crowd)->scope, sizeof *child, resume_function); \
                                                                                              \
        if (child) {                                                                          \
            child->ledger = (crowd)->ledger;                                                  \
            child->rounds = 1 + play_below((crowd)->ledger->sim, rounds_max);                 \
            weir_scope_start(&(crowd)->scope, &child->task);                                  \
            (crowd)->started++;                                                               \
        }                                                                                     \
    } while (0)

static void start_one(struct crowd *crowd)
{
    switch (play_below(crowd->ledger->sim, 8)) {
    case 0:
        START(crowd, timed, timed_resume, 4);
        return;
    case 1:
        START(crowd, bounded, bounded_resume, 4);
        return;
    case 2:
        START(crowd, impatient, impatient_resume, 3);
        return;
    default:
        START(crowd, sleeper, sleeper_resume, 4);
        return;
    }
}

static weir_task *crowd_resume(weir_task *task)
{
    struct crowd *self = WEIR_TASK_SELF(task, struct crowd);
    weir_result r;

    WEIR_BEGIN(task);
    play_stopper_open(self->ledger->sim, &self->ledger->stopper, task);
    weir_scope_init(&self->scope, task);
    while (self->count-- > 0) {
        start_one(self);
        if (self->count % 64 == 0 && play_chance(self->ledger->sim, 20))
            WEIR_YIELD(task);
    }
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    PLAY_EXPECT(self->ledger->sim, r.count == self->started, "%zu were started, %zu ended",
                self->started, r.count);
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->ledger->stopper.source));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void program(void *argument)
{
    struct state *state = argument;

    weir_task_init(&state->crowd.task, crowd_resume);
    (void)play_run(&state->crowd.task);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    struct ledger *ledger = &state->ledger;
    int64_t begin_ns = KIT_S;

    ledger->sim = sim;
    for (size_t i = 0; i < COMMON_COUNT; i++)
        ledger->common_ns[i] = begin_ns + play_magnitude(sim, 44);
    state->crowd.ledger = ledger;
    state->crowd.count = 1 + (size_t)play_magnitude(sim, play_chance(sim, 2) ? 15 : 9);
    ledger->late_max_ns =
        play_prompt_ns(&run->faults, 20 * KIT_US + (int64_t)state->crowd.count * 4 * KIT_US);
    if (play_chance(sim, 25))
        play_stop_at(sim, &ledger->stopper, WEIR_STOP_REQUESTED,
                     begin_ns + play_magnitude(sim, 47));
    weir_sim_start(weir_sim_host_new(sim, "host"), "crowd", program, state);
}

const struct scenario scenario_timers = {
    .name = "timers",
    .summary = "timers, sleeps and deadlines fire once, in order, never early",
    .state_size_bytes = sizeof(struct state),
    .deadline_ns = 100 * 24 * 3600 * KIT_S,
    .build = build,
};
