/* SPDX-License-Identifier: MIT */
/* when_any: who wins under each policy, what the losers keep, stops, and combinators
 * in each other. */
#include <weir/group.h>

#include <errno.h>

#include <weir/stop.h>

#include "crew.h"
#include "test.h"

enum { THREE = 3 };

/* First to complete. */

WEIR_TEST(when_any, the_first_to_complete_wins_and_stops_the_others)
{
    for (size_t winner = 0; winner < THREE; winner++) {
        struct crew crew;

        crew_init(&crew, ANY_COMPLETES, THREE);
        crew_launch(&crew);
        crew_open(&crew, winner, 0, 40 + winner);
        crew_finish(&crew, 0, winner);
        CHECK(weir_group_chosen(&crew.team.group) == crew.children[winner]);
        for (size_t i = 0; i < THREE; i++)
            crew_check_member(&crew, i, i == winner ? 0 : WEIR_CANCELLED, i == winner ? 40 + i : 0);
    }
}

WEIR_TEST(when_any, under_first_to_complete_an_error_wins)
{
    struct crew crew;

    crew_init(&crew, ANY_COMPLETES, THREE);
    crew_launch(&crew);
    crew_open(&crew, 1, -EIO, 0);
    crew_finish(&crew, -EIO, 1);
    crew_check_member(&crew, 0, WEIR_CANCELLED, 0);
}

WEIR_TEST(when_any, it_waits_for_the_losers)
{
    struct crew crew;

    crew_init(&crew, ANY_COMPLETES, THREE);
    crew.members[0].gate.ignores_stop = true;
    crew_launch(&crew);
    crew_open(&crew, 2, 0, 0);
    CHECK(!crew.tree.is_done);
    CHECK_EQ(crew.members[0].gate.bits, WEIR_STOP_REQUESTED);
    crew_open(&crew, 0, 0, 0);
    crew_finish(&crew, 0, 2);
}

WEIR_TEST(when_any, losers_report_the_bytes_they_had)
{
    struct crew crew;

    crew_init(&crew, ANY_COMPLETES, THREE);
    crew.members[0].bytes = 1000;
    crew.members[2].bytes = 12;
    crew.members[2].salvages = true;
    crew_launch(&crew);
    crew_open(&crew, 1, 0, 1);
    crew_finish(&crew, 0, 1);
    crew_check_member(&crew, 0, WEIR_CANCELLED, 1000);
    crew_check_member(&crew, 2, 0, 12);
}

WEIR_TEST(when_any, of_those_ready_in_one_turn_the_first_wins)
{
    struct crew crew;

    crew_init(&crew, ANY_COMPLETES, THREE);
    crew_launch(&crew);
    gate_open(&crew.members[2].gate, 0, 102);
    gate_open(&crew.members[0].gate, 0, 100);
    gate_open(&crew.members[1].gate, 0, 101);
    tree_settle(&crew.tree);
    crew_finish(&crew, 0, 2);
    for (size_t i = 0; i < THREE; i++)
        crew_check_member(&crew, i, 0, 100 + i);
}

WEIR_TEST(when_any, a_child_that_returns_at_once_wins_before_the_others_begin)
{
    struct crew crew;

    crew_init(&crew, ANY_COMPLETES, THREE);
    crew.members[0].is_prompt = true;
    crew_launch(&crew);
    crew_finish(&crew, 0, 0);
    CHECK_EQ(crew.journal.begun_count, THREE);
    CHECK_EQ(crew.members[2].gate.wait_count, 0);
}

WEIR_TEST(when_any, of_one_is_that_one)
{
    struct crew crew;

    crew_init(&crew, ANY_COMPLETES, 1);
    crew_launch(&crew);
    crew_open(&crew, 0, -EIO, 3);
    crew_finish(&crew, -EIO, 0);
    crew_check_member(&crew, 0, -EIO, 3);
}

WEIR_TEST(when_any, of_a_thousand_the_last_may_win)
{
    struct crew crew;

    crew_init(&crew, ANY_COMPLETES, CREW_MAX);
    crew_launch(&crew);
    crew_open(&crew, CREW_MAX - 1, 0, 0);
    crew_finish(&crew, 0, CREW_MAX - 1);
    CHECK_EQ(crew.journal.ended_count, CREW_MAX);
    crew_check_member(&crew, 0, WEIR_CANCELLED, 0);
}

/* First to succeed. */

WEIR_TEST(when_any, the_first_to_succeed_wins_after_failures)
{
    struct crew crew;

    crew_init(&crew, ANY_SUCCEEDS, 4);
    crew_launch(&crew);
    crew_open(&crew, 0, -EIO, 0);
    crew_open(&crew, 2, -EPIPE, 0);
    CHECK_EQ(crew.members[1].gate.stop_count, 0);
    crew_open(&crew, 1, 0, 0);
    crew_finish(&crew, 0, 1);
    CHECK(weir_group_chosen(&crew.team.group) == crew.children[1]);
    crew_check_member(&crew, 0, -EIO, 0);
    crew_check_member(&crew, 3, WEIR_CANCELLED, 0);
}

WEIR_TEST(when_any, when_nobody_succeeds_the_first_to_fail_is_reported)
{
    struct crew crew;

    crew_init(&crew, ANY_SUCCEEDS, THREE);
    crew_launch(&crew);
    crew_open(&crew, 1, -EPIPE, 0);
    crew_open(&crew, 2, -EIO, 0);
    crew_open(&crew, 0, -ENOENT, 0);
    crew_finish(&crew, -EPIPE, 1);
    CHECK(weir_group_chosen(&crew.team.group) == crew.children[1]);
}

WEIR_TEST(when_any, a_loser_that_succeeds_although_it_was_stopped_does_not_win)
{
    struct crew crew;

    crew_init(&crew, ANY_SUCCEEDS, THREE);
    crew.members[0].salvages = true;
    crew.members[0].bytes = 5;
    crew_launch(&crew);
    crew_open(&crew, 1, 0, 0);
    crew_finish(&crew, 0, 1);
    crew_check_member(&crew, 0, 0, 5);
}

/* Stops of the one who waits. */

static const unsigned all_bits[] = {WEIR_STOP_REQUESTED, WEIR_STOP_EXPIRED, WEIR_STOP_HARD};

enum { BITS = sizeof all_bits / sizeof all_bits[0] };

static int stopped(unsigned bits)
{
    return bits == WEIR_STOP_EXPIRED ? WEIR_TIMED_OUT : WEIR_CANCELLED;
}

/* Step 0: before the await. Step 1: all children wait. Step 1 + n: n have failed, from first on. */
static void stop_at_step(size_t step, size_t first, unsigned bits)
{
    struct crew crew;
    size_t failed = step > 0 ? step - 1 : 0;

    crew_init(&crew, ANY_SUCCEEDS, THREE);
    if (step == 0)
        crew.team.stop_first = bits;
    crew_launch(&crew);
    for (size_t i = 0; i < failed; i++)
        crew_open(&crew, (first + i) % THREE, -EIO, 10);
    if (step > 0 && failed < THREE)
        crew_stop(&crew, bits);

    if (failed > 0)
        crew_finish(&crew, -EIO, first);
    else
        crew_finish(&crew, stopped(bits), 0);
    for (size_t i = 0; i < THREE; i++) {
        size_t index = (first + i) % THREE;

        crew_check_member(&crew, index, i < failed ? -EIO : stopped(bits), i < failed ? 10 : 0);
    }
}

WEIR_TEST(when_any, a_stop_reaches_exactly_those_that_live_at_every_step)
{
    for (size_t step = 0; step <= 1 + THREE; step++)
        for (size_t first = 0; first < THREE; first++)
            for (size_t i = 0; i < BITS; i++)
                stop_at_step(step, first, all_bits[i]);
}

/* Whatever the order in which children learn of a stop, the one with bytes is the winner. */
static void succeed_when_stopped(enum combinator combinator, size_t index, unsigned bits,
                                 bool is_early)
{
    struct crew crew;

    crew_init(&crew, combinator, THREE);
    crew.members[index].salvages = true;
    crew.members[index].bytes = 77;
    if (is_early)
        crew.team.stop_first = bits;
    crew_launch(&crew);
    if (!is_early)
        crew_stop(&crew, bits);
    crew_finish(&crew, 0, index);
    crew_check_member(&crew, index, 0, 77);
}

WEIR_TEST(when_any, a_child_that_succeeds_although_the_task_was_stopped_wins)
{
    for (size_t index = 0; index < THREE; index++) {
        for (size_t i = 0; i < BITS; i++) {
            succeed_when_stopped(ANY_COMPLETES, index, all_bits[i], false);
            succeed_when_stopped(ANY_COMPLETES, index, all_bits[i], true);
            succeed_when_stopped(ANY_SUCCEEDS, index, all_bits[i], false);
            succeed_when_stopped(ANY_SUCCEEDS, index, all_bits[i], true);
        }
    }
}

WEIR_TEST(when_any, a_stop_after_the_win_changes_nothing_but_reaches_the_losers)
{
    struct crew crew;

    crew_init(&crew, ANY_COMPLETES, 2);
    crew.members[0].is_shielded = true;
    crew_launch(&crew);
    crew_open(&crew, 1, -EIO, 0);
    CHECK_EQ(crew.members[0].gate.stop_count, 0);
    crew_stop(&crew, WEIR_STOP_HARD);
    CHECK_EQ(crew.members[0].gate.bits, WEIR_STOP_HARD);
    crew_finish(&crew, -EIO, 1);
}

WEIR_TEST(when_any, every_expiry_is_counted_in_the_children)
{
    struct crew crew;

    crew_init(&crew, ANY_COMPLETES, 1);
    crew.team.stop_first = WEIR_STOP_EXPIRED;
    crew.members[0].is_shielded = true;
    crew_launch(&crew);
    crew_stop(&crew, WEIR_STOP_EXPIRED);
    CHECK(!crew.tree.is_done);
    CHECK_EQ(crew.members[0].task.expired_deferred, 2);
    crew_open(&crew, 0, 0, 6);
    CHECK_EQ(crew.members[0].task.expired, 2);
    crew_finish(&crew, 0, 0);
}

/* The forms without an array. */

struct fixed {
    weir_task task;
    struct journal *journal; /* In. */
    struct member members[WEIR_GROUP_FEW];
    weir_group group; /* All zeroes. */
    size_t winners[WEIR_GROUP_FEW + 1];
};

/* Only the last of so many returns at once. */
static void fixed_prepare(struct fixed *self, int count)
{
    for (int i = 0; i < count; i++) {
        member_init(&self->members[i], i, self->journal);
        self->members[i].is_prompt = i == count - 1;
    }
}

static weir_task *fixed_resume(weir_task *task)
{
    struct fixed *self = WEIR_TASK_SELF(task, struct fixed);
    weir_result r;

    WEIR_BEGIN(task);
    fixed_prepare(self, 2);
    WEIR_AWAIT(task, r,
               weir_when_any_2(task, &self->group, WEIR_FIRST_TO_COMPLETE, &self->members[0].task,
                               &self->members[1].task));
    self->winners[2] = r.count;
    fixed_prepare(self, 3);
    WEIR_AWAIT(task, r,
               weir_when_any_3(task, &self->group, WEIR_FIRST_TO_COMPLETE, &self->members[0].task,
                               &self->members[1].task, &self->members[2].task));
    self->winners[3] = r.count;
    fixed_prepare(self, 4);
    WEIR_AWAIT(task, r,
               weir_when_any_4(task, &self->group, WEIR_FIRST_TO_SUCCEED, &self->members[0].task,
                               &self->members[1].task, &self->members[2].task,
                               &self->members[3].task));
    self->winners[4] = r.count;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(when_any, a_group_of_two_three_or_four_needs_no_array_and_is_used_again)
{
    static struct journal journal;
    struct fixed fixed = {.journal = &journal};
    struct tree tree;

    weir_task_init(&fixed.task, fixed_resume);
    tree_launch(&tree, &fixed.task);
    tree_finish(&tree, 0, 0);
    for (size_t count = 2; count <= WEIR_GROUP_FEW; count++)
        CHECK_EQ(fixed.winners[count], count - 1);
    CHECK_EQ(journal.begun_count, 2 + 3 + 4);
}

/* A race that member 1 wins, one that member 0 is the first to lose, and nothing. */
static weir_task *thrice_resume(weir_task *task)
{
    struct fixed *self = WEIR_TASK_SELF(task, struct fixed);
    weir_result r;

    WEIR_BEGIN(task);
    fixed_prepare(self, 2);
    WEIR_AWAIT(task, r,
               weir_when_any_2(task, &self->group, WEIR_FIRST_TO_SUCCEED, &self->members[0].task,
                               &self->members[1].task));
    CHECK(weir_group_chosen(&self->group) == &self->members[1].task);
    fixed_prepare(self, 2);
    self->members[0].is_prompt = true;
    self->members[0].outcome = weir_result_of(-EIO, 0);
    self->members[1].outcome = weir_result_of(-EPIPE, 0);
    WEIR_AWAIT(task, r,
               weir_when_any_2(task, &self->group, WEIR_FIRST_TO_SUCCEED, &self->members[0].task,
                               &self->members[1].task));
    CHECK_EQ(r.error, -EIO);
    CHECK_EQ(r.count, 0);
    WEIR_AWAIT(task, r, weir_when_all(task, &self->group, NULL, 0));
    CHECK(!weir_group_chosen(&self->group));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(when_any, a_group_remembers_nothing_of_its_last_use)
{
    static struct journal journal;
    struct fixed fixed = {.journal = &journal};
    struct tree tree;

    weir_task_init(&fixed.task, thrice_resume);
    tree_launch(&tree, &fixed.task);
    tree_finish(&tree, 0, 0);
}

/* In each other: all(any(all(0, 1), 2), 3). */

struct nest {
    struct tree tree;
    struct journal journal;
    struct member members[4];
    struct team inner;
    struct team middle;
    struct team outer;
    weir_task *of_inner[2];
    weir_task *of_middle[2];
    weir_task *of_outer[2];
};

static void nest_launch(struct nest *nest)
{
    nest->journal.begun_count = 0;
    nest->journal.ended_count = 0;
    for (int i = 0; i < 4; i++)
        member_init(&nest->members[i], i, &nest->journal);
    nest->of_inner[0] = &nest->members[0].task;
    nest->of_inner[1] = &nest->members[1].task;
    nest->of_middle[0] = &nest->inner.task;
    nest->of_middle[1] = &nest->members[2].task;
    nest->of_outer[0] = &nest->middle.task;
    nest->of_outer[1] = &nest->members[3].task;
    team_init(&nest->inner, ALL, nest->of_inner, 2);
    team_init(&nest->middle, ANY_SUCCEEDS, nest->of_middle, 2);
    team_init(&nest->outer, ALL, nest->of_outer, 2);
    tree_launch(&nest->tree, &nest->outer.task);
}

static void nest_open(struct nest *nest, int index, int error)
{
    gate_open(&nest->members[index].gate, error, 0);
    tree_settle(&nest->tree);
}

static void nest_check(const struct nest *nest, int index, int error)
{
    CHECK_EQ(weir_task_result(&nest->members[index].task).error, error);
}

WEIR_TEST(nested, a_winner_stops_a_whole_subtree)
{
    struct nest nest;

    nest_launch(&nest);
    nest_open(&nest, 2, 0);
    nest_check(&nest, 0, WEIR_CANCELLED);
    nest_check(&nest, 1, WEIR_CANCELLED);
    CHECK_EQ(weir_task_result(&nest.middle.task).count, 1);
    nest_open(&nest, 3, 0);
    tree_finish(&nest.tree, 0, 2);
}

WEIR_TEST(nested, a_subtree_wins_when_all_of_it_has_succeeded)
{
    struct nest nest;

    nest_launch(&nest);
    nest_open(&nest, 0, 0);
    nest_open(&nest, 3, 0);
    nest_open(&nest, 1, 0);
    nest_check(&nest, 2, WEIR_CANCELLED);
    CHECK_EQ(weir_task_result(&nest.middle.task).count, 0);
    tree_finish(&nest.tree, 0, 2);
}

WEIR_TEST(nested, a_subtree_that_fails_leaves_the_race_to_the_others)
{
    struct nest nest;

    nest_launch(&nest);
    nest_open(&nest, 1, -EIO);
    nest_check(&nest, 0, WEIR_CANCELLED);
    CHECK_EQ(weir_task_result(&nest.inner.task).error, -EIO);
    CHECK_EQ(nest.members[2].gate.stop_count, 0);
    nest_open(&nest, 2, 0);
    nest_open(&nest, 3, 0);
    tree_finish(&nest.tree, 0, 2);
}

WEIR_TEST(nested, a_failure_at_the_top_stops_every_leaf)
{
    struct nest nest;

    nest_launch(&nest);
    nest_open(&nest, 3, -EIO);
    for (int i = 0; i < 3; i++)
        nest_check(&nest, i, WEIR_CANCELLED);
    tree_finish(&nest.tree, -EIO, 0);
}

WEIR_TEST(nested, a_deadline_at_the_top_reaches_every_leaf)
{
    struct nest nest;

    nest_launch(&nest);
    weir_task_stop(&nest.outer.task, WEIR_STOP_EXPIRED);
    tree_settle(&nest.tree);
    for (int i = 0; i < 4; i++)
        nest_check(&nest, i, WEIR_TIMED_OUT);
    tree_finish(&nest.tree, WEIR_TIMED_OUT, 0);
}
