/* SPDX-License-Identifier: MIT */
/*
 * The timing wheel: its rules one by one, then random histories against a plain model of them.
 */
#include "wheel.h"

#include "test.h"

enum {
    TICK_NS = 1024,
    LOG_SIZE = 64,
};

static const int64_t start_ns = INT64_C(1000000) * TICK_NS;

/* A node with a number, which it writes to the log when it fires. */
typedef struct entry {
    weir_wheel_node node;
    int number;
} entry;

static int log_numbers[LOG_SIZE];
static int log_count;

static void log_fired(weir_wheel_node *node)
{
    CHECK(!weir_wheel_node_is_armed(node));
    CHECK(log_count < LOG_SIZE);
    log_numbers[log_count++] = WEIR_CONTAINER_OF(node, entry, node)->number;
}

/* Check what has fired since the last look. */
static void check_log(const int *numbers, int count)
{
    CHECK_EQ(log_count, count);
    for (int i = 0; i < count; i++)
        CHECK_EQ(log_numbers[i], numbers[i]);
    log_count = 0;
}

static void arm(weir_wheel *wheel, entry *armed, int number, int64_t deadline_ns)
{
    armed->number = number;
    weir_wheel_arm(wheel, &armed->node, deadline_ns, log_fired);
}

WEIR_TEST(wheel, an_empty_wheel_needs_no_advance)
{
    weir_wheel wheel;

    weir_wheel_init(&wheel, start_ns);

    CHECK(weir_wheel_is_empty(&wheel));
    CHECK_EQ(weir_wheel_next_ns(&wheel), INT64_MAX);
    CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 1), 0);
}

WEIR_TEST(wheel, a_node_fires_at_its_deadline_and_not_a_nanosecond_before)
{
    for (int64_t delay_ns = 1; delay_ns < INT64_MAX / 8; delay_ns = delay_ns * 3 + 1) {
        weir_wheel wheel;
        entry one = {0};

        weir_wheel_init(&wheel, start_ns);
        arm(&wheel, &one, 1, start_ns + delay_ns);

        CHECK_EQ(weir_wheel_advance(&wheel, start_ns + delay_ns - 1), 0);
        CHECK(weir_wheel_node_is_armed(&one.node));
        CHECK_EQ(weir_wheel_advance(&wheel, start_ns + delay_ns), 1);
        CHECK(weir_wheel_is_empty(&wheel));
        check_log((const int[]){1}, 1);
    }
}

WEIR_TEST(wheel, deadlines_within_one_tick_fire_at_their_nanosecond)
{
    weir_wheel wheel;
    entry entries[3] = {{.number = 0}};

    weir_wheel_init(&wheel, start_ns + 10);
    arm(&wheel, &entries[0], 0, start_ns + 30);
    arm(&wheel, &entries[1], 1, start_ns + 20);
    arm(&wheel, &entries[2], 2, start_ns + 1023);

    CHECK_EQ(weir_wheel_next_ns(&wheel), start_ns + 1023);
    CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 19), 0);
    CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 20), 1);
    CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 1022), 1);
    CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 1023), 1);
    check_log((const int[]){1, 0, 2}, 3);
}

WEIR_TEST(wheel, a_passed_deadline_fires_at_the_next_advance_even_if_no_time_passes)
{
    weir_wheel wheel;
    entry entries[3] = {{.number = 0}};

    weir_wheel_init(&wheel, start_ns);
    arm(&wheel, &entries[0], 0, start_ns);
    arm(&wheel, &entries[1], 1, 0);
    arm(&wheel, &entries[2], 2, INT64_MIN);

    CHECK_EQ(log_count, 0);
    CHECK_EQ(weir_wheel_next_ns(&wheel), start_ns);
    CHECK_EQ(weir_wheel_advance(&wheel, start_ns), 3);
    check_log((const int[]){0, 1, 2}, 3);
}

WEIR_TEST(wheel, ticks_fire_in_order_and_equal_ticks_in_order_of_arming)
{
    weir_wheel wheel;
    entry entries[6] = {{.number = 0}};

    weir_wheel_init(&wheel, start_ns);
    arm(&wheel, &entries[0], 0, start_ns + INT64_C(900000) * TICK_NS);
    arm(&wheel, &entries[1], 1, start_ns + 5 * TICK_NS + 9);
    arm(&wheel, &entries[2], 2, start_ns + 70 * TICK_NS);
    arm(&wheel, &entries[3], 3, start_ns + 5 * TICK_NS + 1);
    arm(&wheel, &entries[4], 4, start_ns - 1);
    arm(&wheel, &entries[5], 5, start_ns + 4 * TICK_NS);

    CHECK_EQ(weir_wheel_advance(&wheel, start_ns + INT64_C(1000000) * TICK_NS), 6);
    check_log((const int[]){4, 5, 1, 3, 2, 0}, 6);
}

WEIR_TEST(wheel, order_of_arming_survives_cascades)
{
    for (int64_t ticks = 1; ticks < INT64_C(1) << 50; ticks *= 8) {
        int64_t deadline_ns = start_ns + ticks * TICK_NS;
        weir_wheel wheel;
        entry entries[3] = {{.number = 0}};

        weir_wheel_init(&wheel, start_ns);
        arm(&wheel, &entries[0], 0, deadline_ns + 2);
        weir_wheel_advance(&wheel, start_ns + ticks / 2 * TICK_NS);
        arm(&wheel, &entries[1], 1, deadline_ns + 1);
        weir_wheel_advance(&wheel, deadline_ns - 1);
        arm(&wheel, &entries[2], 2, deadline_ns);

        CHECK_EQ(weir_wheel_advance(&wheel, deadline_ns + TICK_NS), 3);
        check_log((const int[]){0, 1, 2}, 3);
    }
}

WEIR_TEST(wheel, a_cancelled_node_does_not_fire)
{
    weir_wheel wheel;
    entry entries[4] = {{.number = 0}};

    weir_wheel_init(&wheel, start_ns);
    arm(&wheel, &entries[0], 0, start_ns + TICK_NS);
    arm(&wheel, &entries[1], 1, start_ns + TICK_NS);
    arm(&wheel, &entries[2], 2, start_ns + 99 * TICK_NS);
    arm(&wheel, &entries[3], 3, start_ns);
    weir_wheel_cancel(&wheel, &entries[0].node);
    weir_wheel_cancel(&wheel, &entries[2].node);
    weir_wheel_cancel(&wheel, &entries[3].node);

    CHECK(!weir_wheel_node_is_armed(&entries[0].node));
    CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 999 * TICK_NS), 1);
    check_log((const int[]){1}, 1);
}

WEIR_TEST(wheel, a_wheel_whose_nodes_are_all_cancelled_is_empty)
{
    weir_wheel wheel;
    entry entries[2] = {{.number = 0}};

    weir_wheel_init(&wheel, start_ns);
    arm(&wheel, &entries[0], 0, start_ns);
    arm(&wheel, &entries[1], 1, start_ns + INT64_C(5000000) * TICK_NS);
    CHECK(!weir_wheel_is_empty(&wheel));
    weir_wheel_cancel(&wheel, &entries[0].node);
    CHECK(!weir_wheel_is_empty(&wheel));
    weir_wheel_cancel(&wheel, &entries[1].node);

    CHECK(weir_wheel_is_empty(&wheel));
    CHECK_EQ(weir_wheel_next_ns(&wheel), INT64_MAX);
}

WEIR_TEST(wheel, a_deadline_of_never_does_not_fire_at_the_end_of_time_and_is_cancelled)
{
    weir_wheel wheel;
    entry never = {0};
    entry last = {0};

    weir_wheel_init(&wheel, start_ns);
    arm(&wheel, &never, 1, INT64_MAX);
    arm(&wheel, &last, 2, INT64_MAX - 1);

    CHECK_EQ(weir_wheel_advance(&wheel, INT64_MAX - 2), 0);
    CHECK_EQ(weir_wheel_advance(&wheel, INT64_MAX), 1);
    check_log((const int[]){2}, 1);
    CHECK_EQ(weir_wheel_next_ns(&wheel), INT64_MAX);
    weir_wheel_cancel(&wheel, &never.node);
    CHECK(weir_wheel_is_empty(&wheel));
}

WEIR_TEST(wheel, time_that_goes_backwards_is_no_time)
{
    weir_wheel wheel;
    entry entries[2] = {{.number = 0}};

    weir_wheel_init(&wheel, start_ns);
    arm(&wheel, &entries[0], 0, start_ns + TICK_NS);
    CHECK_EQ(weir_wheel_advance(&wheel, 0), 0);
    CHECK_EQ(weir_wheel_advance(&wheel, INT64_MIN), 0);
    arm(&wheel, &entries[1], 1, start_ns - 1);

    CHECK_EQ(weir_wheel_advance(&wheel, 0), 1);
    CHECK_EQ(weir_wheel_advance(&wheel, start_ns + TICK_NS), 1);
    check_log((const int[]){1, 0}, 2);
}

WEIR_TEST(wheel, advancing_by_next_reaches_any_deadline_in_one_step_a_level)
{
    for (int64_t delay_ns = 1; delay_ns < INT64_MAX / 8; delay_ns = delay_ns * 3 + 1) {
        weir_wheel wheel;
        entry one = {0};
        int64_t next_ns;
        int steps = 0;

        weir_wheel_init(&wheel, start_ns);
        arm(&wheel, &one, 1, start_ns + delay_ns);
        do {
            next_ns = weir_wheel_next_ns(&wheel);
            steps++;
        } while (weir_wheel_advance(&wheel, next_ns) == 0);

        CHECK(steps <= WEIR_WHEEL_LEVELS);
        CHECK_EQ(next_ns, (start_ns + delay_ns) | (TICK_NS - 1));
        check_log((const int[]){1}, 1);
    }
}

/* Callbacks that use the wheel: an entry that does something to another when it fires. */
typedef struct actor {
    entry entry;
    weir_wheel *wheel;
    struct actor *other;
    int64_t deadline_ns; /* For what it arms. */
} actor;

static actor *actor_of(weir_wheel_node *node)
{
    return WEIR_CONTAINER_OF(node, actor, entry.node);
}

static void cancel_other(weir_wheel_node *node)
{
    actor *self = actor_of(node);

    log_fired(node);
    CHECK(weir_wheel_node_is_armed(&self->other->entry.node));
    weir_wheel_cancel(self->wheel, &self->other->entry.node);
}

static void arm_other(weir_wheel_node *node)
{
    actor *self = actor_of(node);

    log_fired(node);
    arm(self->wheel, &self->other->entry, self->other->entry.number, self->deadline_ns);
}

static void arm_again(weir_wheel_node *node)
{
    actor *self = actor_of(node);

    log_fired(node);
    weir_wheel_arm(self->wheel, node, self->deadline_ns, arm_again);
}

static void advance_again(weir_wheel_node *node)
{
    weir_wheel_advance(actor_of(node)->wheel, start_ns);
}

WEIR_TEST(wheel, a_callback_cancels_a_node_that_is_due_in_the_same_advance)
{
    const int64_t deadlines_ns[] = {TICK_NS + 2, TICK_NS + 1, 2 * TICK_NS, 5000 * TICK_NS};

    for (int i = 0; i < 4; i++) {
        weir_wheel wheel;
        actor other = {.entry.number = 2};
        actor first = {.entry.number = 1, .wheel = &wheel, .other = &other};

        weir_wheel_init(&wheel, start_ns);
        weir_wheel_arm(&wheel, &first.entry.node, start_ns + TICK_NS + 2, cancel_other);
        arm(&wheel, &other.entry, 2, start_ns + deadlines_ns[i]);

        CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 9999 * TICK_NS), 1);
        CHECK(weir_wheel_is_empty(&wheel));
        check_log((const int[]){1}, 1);
    }
}

WEIR_TEST(wheel, what_a_callback_arms_for_later_fires_later)
{
    weir_wheel wheel;
    actor other = {.entry.number = 2};
    actor first = {.entry.number = 1, .wheel = &wheel, .other = &other};

    weir_wheel_init(&wheel, start_ns);
    first.deadline_ns = start_ns + 201;
    weir_wheel_arm(&wheel, &first.entry.node, start_ns + 100, arm_other);

    CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 200), 1);
    CHECK(weir_wheel_node_is_armed(&other.entry.node));
    CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 201), 1);
    check_log((const int[]){1, 2}, 2);
}

WEIR_TEST(wheel, a_callback_that_arms_in_the_past_fires_once_an_advance)
{
    const int64_t deadlines_ns[] = {INT64_MIN, 0, start_ns, start_ns + 100, start_ns + 200};

    for (int i = 0; i < 5; i++) {
        weir_wheel wheel;
        actor self = {.entry.number = 1, .wheel = &wheel, .deadline_ns = deadlines_ns[i]};

        weir_wheel_init(&wheel, start_ns);
        weir_wheel_arm(&wheel, &self.entry.node, start_ns + 100, arm_again);

        CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 200), 1);
        CHECK_EQ(weir_wheel_next_ns(&wheel), start_ns + 200);
        CHECK_EQ(weir_wheel_advance(&wheel, start_ns + 200), 1);
        check_log((const int[]){1, 1}, 2);
    }
}

WEIR_ABORT_TEST(wheel, a_node_is_not_armed_twice)
{
    weir_wheel wheel;
    entry one = {0};

    weir_wheel_init(&wheel, start_ns);
    arm(&wheel, &one, 1, start_ns + 1);
    arm(&wheel, &one, 1, start_ns + 2);
}

WEIR_ABORT_TEST(wheel, a_node_that_is_not_armed_is_not_cancelled)
{
    weir_wheel wheel;
    entry one = {0};

    weir_wheel_init(&wheel, start_ns);
    weir_wheel_cancel(&wheel, &one.node);
}

WEIR_ABORT_TEST(wheel, a_lone_node_is_not_cancelled_on_another_wheel)
{
    weir_wheel wheels[2];
    entry one = {0};

    weir_wheel_init(&wheels[0], start_ns);
    weir_wheel_init(&wheels[1], start_ns);
    arm(&wheels[0], &one, 1, start_ns + 1);
    weir_wheel_cancel(&wheels[1], &one.node);
}

WEIR_ABORT_TEST(wheel, a_callback_does_not_advance)
{
    weir_wheel wheel;
    actor self = {.wheel = &wheel};

    weir_wheel_init(&wheel, start_ns);
    weir_wheel_arm(&wheel, &self.entry.node, start_ns, advance_again);
    weir_wheel_advance(&wheel, start_ns);
}

WEIR_ABORT_TEST(wheel, a_wheel_does_not_start_before_time)
{
    weir_wheel wheel;

    weir_wheel_init(&wheel, -1);
}

/*
 * The model: what each timer was armed with and when, in an array. An advance is checked as it
 * fires (never early, in order, nothing armed during it) and after it (nothing lost).
 */
enum {
    TIMERS = 150,
    ROUNDS = 60000,
    LONGEST_STEP_BITS = 47, /* A day and a half. */
};

typedef struct model model;

typedef struct timer {
    weir_wheel_node node;
    model *model;
    bool is_armed;
    int64_t deadline_ns;
    int64_t tick; /* Of the deadline; -1 if it had passed when the timer was armed. */
    uint64_t order;
} timer;

struct model {
    weir_wheel wheel;
    timer timers[TIMERS];
    uint64_t random_state;
    uint64_t next_order; /* Counts arms. */
    int64_t now_ns;
    bool is_meddling; /* Callbacks arm and cancel. */

    /* Of the advance under way. */
    uint64_t first_order; /* Timers armed from here on are not to fire. */
    const timer *last;    /* The timer that fired before, as it was armed then. */
    timer last_copy;
    size_t fired;
};

/* xorshift, from a fixed seed: a failure can be had again. */
static uint64_t random_below(model *self, uint64_t limit)
{
    self->random_state ^= self->random_state << 13;
    self->random_state ^= self->random_state >> 7;
    self->random_state ^= self->random_state << 17;
    return self->random_state % limit;
}

/* A duration with every length of number equally likely. */
static int64_t random_duration(model *self, unsigned max_bits)
{
    unsigned bits = (unsigned)random_below(self, max_bits + 1);

    return (int64_t)random_below(self, UINT64_C(1) << bits);
}

/* Mostly ahead; sometimes behind, crowded on a few ticks, or never. */
static int64_t random_deadline(model *self)
{
    switch (random_below(self, 16)) {
    case 0:
        return self->now_ns - random_duration(self, 40);
    case 1:
        return INT64_MAX;
    case 2:
    case 3:
    case 4:
        return (self->now_ns | 0xfffff) + (int64_t)random_below(self, (uint64_t)4 * TICK_NS);
    case 5:
        return self->now_ns + random_duration(self, 61);
    default:
        return self->now_ns + random_duration(self, LONGEST_STEP_BITS);
    }
}

static void timer_fired(weir_wheel_node *node);

static void timer_toggle(timer *self)
{
    model *all = self->model;

    CHECK_EQ(weir_wheel_node_is_armed(&self->node), self->is_armed);
    if (self->is_armed) {
        weir_wheel_cancel(&all->wheel, &self->node);
        self->is_armed = false;
        return;
    }
    self->deadline_ns = random_deadline(all);
    self->tick = self->deadline_ns <= all->now_ns ? -1 : self->deadline_ns / TICK_NS;
    self->order = all->next_order++;
    self->is_armed = true;
    weir_wheel_arm(&all->wheel, &self->node, self->deadline_ns, timer_fired);
}

static void toggle_some(model *self, uint64_t most)
{
    for (uint64_t count = random_below(self, most + 1); count > 0; count--)
        timer_toggle(&self->timers[random_below(self, TIMERS)]);
}

static void timer_fired(weir_wheel_node *node)
{
    timer *self = WEIR_CONTAINER_OF(node, timer, node);
    model *all = self->model;

    CHECK(!weir_wheel_node_is_armed(node));
    CHECK(self->is_armed);
    CHECK(self->deadline_ns <= all->now_ns);
    CHECK(self->order < all->first_order);
    if (all->last) {
        CHECK(self->tick >= all->last->tick);
        CHECK(self->tick > all->last->tick || self->order > all->last->order);
    }

    self->is_armed = false;
    all->fired++;
    all->last_copy = *self;
    all->last = &all->last_copy;
    if (all->is_meddling)
        toggle_some(all, 3);
}

/* What next_ns owes: progress, and no deadline overslept by more than the rest of its tick. */
static void check_next(const model *self)
{
    int64_t next_ns = weir_wheel_next_ns(&self->wheel);
    bool is_empty = true;

    for (int i = 0; i < TIMERS; i++) {
        const timer *each = &self->timers[i];

        if (!each->is_armed)
            continue;
        is_empty = false;
        if (each->tick < 0)
            CHECK_EQ(next_ns, self->now_ns);
        else
            CHECK(next_ns <= (each->deadline_ns | (TICK_NS - 1)));
    }
    CHECK(next_ns >= self->now_ns);
    CHECK(!is_empty || next_ns == INT64_MAX);
    CHECK_EQ(weir_wheel_is_empty(&self->wheel), is_empty);
}

static void model_advance(model *self, int64_t now_ns)
{
    size_t returned;

    self->now_ns = now_ns;
    self->first_order = self->next_order;
    self->last = NULL;
    self->fired = 0;

    returned = weir_wheel_advance(&self->wheel, now_ns);

    CHECK_EQ(returned, self->fired);
    for (int i = 0; i < TIMERS; i++) {
        const timer *each = &self->timers[i];

        CHECK_EQ(weir_wheel_node_is_armed(&each->node), each->is_armed);
        CHECK(!each->is_armed || each->order >= self->first_order || each->deadline_ns > now_ns);
    }
}

/* A random step from nothing to days, or to just where next_ns says. */
static int64_t random_time(model *self)
{
    int64_t next_ns = weir_wheel_next_ns(&self->wheel);

    if (random_below(self, 2) && next_ns - self->now_ns < INT64_C(1) << LONGEST_STEP_BITS)
        return next_ns;
    return self->now_ns + random_duration(self, LONGEST_STEP_BITS);
}

static void model_run(uint64_t seed, bool is_meddling)
{
    static model self;
    size_t fired = 0;

    self = (model){.random_state = seed, .now_ns = start_ns, .is_meddling = is_meddling};
    weir_wheel_init(&self.wheel, start_ns);
    for (int i = 0; i < TIMERS; i++)
        self.timers[i].model = &self;

    for (int round = 0; round < ROUNDS; round++) {
        toggle_some(&self, 12);
        check_next(&self);
        model_advance(&self, random_time(&self));
        check_next(&self);
        fired += self.fired;
    }
    CHECK(fired > ROUNDS);
}

WEIR_TEST(wheel, random_histories_agree_with_a_model)
{
    model_run(0x9e3779b97f4a7c15, false);
}

WEIR_TEST(wheel, random_histories_agree_with_a_model_when_callbacks_arm_and_cancel)
{
    model_run(0xd1b54a32d192ed03, true);
}
