/* SPDX-License-Identifier: MIT */
/* when_all: order, the first error, what a stop does at every step, and the dump. */
#include <weir/group.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/dump.h>
#include <weir/stop.h>

#include "crew.h"
#include "test.h"

enum { THREE = 3 };

static const unsigned all_bits[] = {WEIR_STOP_REQUESTED, WEIR_STOP_EXPIRED, WEIR_STOP_HARD};

enum { BITS = sizeof all_bits / sizeof all_bits[0] };

/* What an await returns after this stop. */
static int stopped(unsigned bits)
{
    return bits == WEIR_STOP_EXPIRED ? WEIR_TIMED_OUT : WEIR_CANCELLED;
}

/* Order. */

WEIR_TEST(when_all, children_begin_in_the_order_of_the_arguments)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    crew_launch(&crew);
    CHECK_EQ(crew.journal.begun_count, THREE);
    for (int i = 0; i < THREE; i++)
        CHECK_EQ(crew.journal.begun[i], i);

    for (size_t i = THREE; i-- > 0;)
        crew_open(&crew, i, 0, 0);
    crew_finish(&crew, 0, THREE);
}

WEIR_TEST(when_all, results_stand_in_the_order_of_the_arguments)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    crew_launch(&crew);
    crew_open(&crew, 2, 0, 12);
    crew_open(&crew, 0, 0, 10);
    crew_open(&crew, 1, 0, 11);
    crew_finish(&crew, 0, THREE);
    for (size_t i = 0; i < THREE; i++)
        crew_check_member(&crew, i, 0, 10 + i);
}

WEIR_TEST(when_all, it_waits_for_the_last_child)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    crew_launch(&crew);
    crew_open(&crew, 0, 0, 0);
    crew_open(&crew, 2, 0, 0);
    CHECK(!crew.tree.is_done);
    crew_open(&crew, 1, 0, 0);
    crew_finish(&crew, 0, THREE);
}

WEIR_TEST(when_all, of_nobody_completes_at_once)
{
    struct crew crew;

    crew_init(&crew, ALL, 0);
    crew_launch(&crew);
    crew_finish(&crew, 0, 0);
    CHECK(!weir_group_chosen(&crew.team.group));
}

WEIR_TEST(when_all, of_one_is_that_one)
{
    struct crew crew;

    crew_init(&crew, ALL, 1);
    crew_launch(&crew);
    crew_open(&crew, 0, -EIO, 7);
    crew_finish(&crew, -EIO, 0);
    crew_check_member(&crew, 0, -EIO, 7);
}

WEIR_TEST(when_all, children_may_return_without_waiting)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    for (size_t i = 0; i < THREE; i++) {
        crew.members[i].is_prompt = true;
        crew.members[i].outcome = weir_result_of(0, i);
    }
    crew_launch(&crew);
    crew_finish(&crew, 0, THREE);
}

WEIR_TEST(when_all, children_may_all_finish_in_one_turn)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    crew_launch(&crew);
    for (size_t i = 0; i < THREE; i++)
        gate_open(&crew.members[i].gate, 0, i);
    tree_settle(&crew.tree);
    crew_finish(&crew, 0, THREE);
}

WEIR_TEST(when_all, a_thousand_children_are_joined)
{
    struct crew crew;

    crew_init(&crew, ALL, CREW_MAX);
    crew_launch(&crew);
    for (size_t i = 0; i < CREW_MAX; i += 2)
        crew_open(&crew, i, 0, i);
    for (size_t i = 1; i < CREW_MAX; i += 2)
        crew_open(&crew, i, 0, i);
    crew_finish(&crew, 0, CREW_MAX);
    for (size_t i = 0; i < CREW_MAX; i++)
        crew_check_member(&crew, i, 0, i);
}

/* The forms without an array, and a group used again. */

struct fixed {
    weir_task task;
    struct journal *journal; /* In. */
    struct member members[WEIR_GROUP_FEW];
    weir_group group; /* All zeroes. */
    size_t counts[WEIR_GROUP_FEW + 1];
};

static void fixed_prepare(struct fixed *self)
{
    for (int i = 0; i < WEIR_GROUP_FEW; i++) {
        member_init(&self->members[i], i, self->journal);
        self->members[i].is_prompt = true;
    }
}

static weir_task *fixed_resume(weir_task *task)
{
    struct fixed *self = WEIR_TASK_SELF(task, struct fixed);
    weir_result r;

    WEIR_BEGIN(task);
    fixed_prepare(self);
    WEIR_AWAIT(task, r,
               weir_when_all_2(task, &self->group, &self->members[0].task, &self->members[1].task));
    self->counts[2] = r.count;
    fixed_prepare(self);
    WEIR_AWAIT(task, r,
               weir_when_all_3(task, &self->group, &self->members[0].task, &self->members[1].task,
                               &self->members[2].task));
    self->counts[3] = r.count;
    fixed_prepare(self);
    WEIR_AWAIT(task, r,
               weir_when_all_4(task, &self->group, &self->members[0].task, &self->members[1].task,
                               &self->members[2].task, &self->members[3].task));
    self->counts[4] = r.count;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(when_all, a_group_of_two_three_or_four_needs_no_array_and_is_used_again)
{
    static struct journal journal;
    struct fixed fixed = {.journal = &journal};
    struct tree tree;

    weir_task_init(&fixed.task, fixed_resume);
    tree_launch(&tree, &fixed.task);
    tree_finish(&tree, 0, 0);
    for (size_t count = 2; count <= WEIR_GROUP_FEW; count++)
        CHECK_EQ(fixed.counts[count], count);
    CHECK_EQ(journal.begun_count, 2 + 3 + 4);
    CHECK_EQ(journal.begun[8], 3);
}

/* Failure. */

WEIR_TEST(when_all, the_first_error_stops_the_others_and_all_are_joined)
{
    for (size_t failing = 0; failing < THREE; failing++) {
        struct crew crew;

        crew_init(&crew, ALL, THREE);
        crew_launch(&crew);
        crew_open(&crew, failing, -EIO, 5);
        crew_finish(&crew, -EIO, 0);
        CHECK(weir_group_chosen(&crew.team.group) == crew.children[failing]);
        for (size_t i = 0; i < THREE; i++)
            crew_check_member(&crew, i, i == failing ? -EIO : WEIR_CANCELLED, i == failing ? 5 : 0);
    }
}

WEIR_TEST(when_all, an_error_waits_for_a_child_that_does_not_mind_the_stop)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    crew.members[2].gate.ignores_stop = true;
    crew_launch(&crew);
    crew_open(&crew, 0, -EIO, 0);
    CHECK(!crew.tree.is_done);
    CHECK_EQ(crew.members[2].gate.stop_count, 1);
    CHECK_EQ(crew.members[2].gate.bits, WEIR_STOP_REQUESTED);
    crew_open(&crew, 2, 0, 99);
    crew_finish(&crew, -EIO, 1);
    crew_check_member(&crew, 2, 0, 99);
}

WEIR_TEST(when_all, the_first_error_is_the_first_in_time)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    crew.members[0].gate.ignores_stop = true;
    crew_launch(&crew);
    crew_open(&crew, 2, -EPIPE, 0);
    crew_open(&crew, 0, -EIO, 0);
    crew_finish(&crew, -EPIPE, 0);
    CHECK(weir_group_chosen(&crew.team.group) == crew.children[2]);
}

WEIR_TEST(when_all, the_first_error_of_one_turn_is_the_first_that_was_ready)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    crew_launch(&crew);
    gate_open(&crew.members[1].gate, -EPIPE, 0);
    gate_open(&crew.members[0].gate, -EIO, 0);
    tree_settle(&crew.tree);
    crew_finish(&crew, -EPIPE, 0);
    crew_check_member(&crew, 0, -EIO, 0);
}

WEIR_TEST(when_all, siblings_that_have_not_begun_when_one_fails_begin_stopped)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    crew.members[0].is_prompt = true;
    crew.members[0].outcome = weir_result_of(-EIO, 0);
    crew_launch(&crew);
    crew_finish(&crew, -EIO, 0);
    CHECK_EQ(crew.journal.begun_count, THREE);
    for (size_t i = 1; i < THREE; i++) {
        CHECK_EQ(crew.members[i].gate.wait_count, 0);
        crew_check_member(&crew, i, WEIR_CANCELLED, 0);
    }
}

WEIR_TEST(when_all, siblings_that_are_stopped_report_the_bytes_they_had)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    crew.members[1].bytes = 4096;
    crew.members[2].bytes = 17;
    crew.members[2].salvages = true;
    crew_launch(&crew);
    crew_open(&crew, 0, WEIR_EOF, 0);
    crew_finish(&crew, WEIR_EOF, 1);
    crew_check_member(&crew, 1, WEIR_CANCELLED, 4096);
    crew_check_member(&crew, 2, 0, 17);
}

/* Stops of the one who waits. */

/* Step 0: before the await. Step 1: all children wait. Step 1 + n: n have succeeded. */
static void stop_at_step(size_t step, size_t first, unsigned bits)
{
    struct crew crew;
    size_t opened = step > 0 ? step - 1 : 0;

    crew_init(&crew, ALL, THREE);
    for (size_t i = 0; i < THREE; i++)
        crew.members[i].bytes = 100 + i;
    if (step == 0)
        crew.team.stop_first = bits;
    crew_launch(&crew);
    for (size_t i = 0; i < opened; i++)
        crew_open(&crew, (first + i) % THREE, 0, 10);
    if (step > 0 && opened < THREE)
        crew_stop(&crew, bits);

    crew_finish(&crew, opened < THREE ? stopped(bits) : 0, opened);
    for (size_t i = 0; i < THREE; i++) {
        size_t index = (first + i) % THREE;

        if (i < opened)
            crew_check_member(&crew, index, 0, 10);
        else if (step == 0 && index > 0) /* The failure of child 0 has stopped it as well. */
            crew_check_member(&crew, index, WEIR_CANCELLED, 100 + index);
        else
            crew_check_member(&crew, index, stopped(bits), 100 + index);
    }
}

WEIR_TEST(when_all, a_stop_reaches_exactly_those_that_live_at_every_step)
{
    for (size_t step = 0; step <= 1 + THREE; step++)
        for (size_t first = 0; first < THREE; first++)
            for (size_t i = 0; i < BITS; i++)
                stop_at_step(step, first, all_bits[i]);
}

WEIR_TEST(when_all, children_of_a_task_that_was_stopped_run_but_wait_for_nothing)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    crew.team.stop_first = WEIR_STOP_HARD;
    crew.members[1].is_prompt = true;
    crew.members[1].outcome = weir_result_of(0, 64);
    crew_launch(&crew);
    crew_finish(&crew, WEIR_CANCELLED, 1);
    CHECK_EQ(crew.journal.begun_count, THREE);
    CHECK_EQ(crew.members[0].gate.wait_count, 0);
    crew_check_member(&crew, 1, 0, 64);
}

WEIR_TEST(when_all, a_deadline_that_has_passed_covers_the_children)
{
    struct crew crew;

    crew_init(&crew, ALL, 1);
    crew.team.stop_first = WEIR_STOP_EXPIRED;
    crew_launch(&crew);
    CHECK_EQ(crew.members[0].task.expired, 1);
    crew_finish(&crew, WEIR_TIMED_OUT, 0);
}

WEIR_TEST(when_all, a_stop_that_nobody_minds_leaves_success)
{
    struct crew crew;

    crew_init(&crew, ALL, THREE);
    for (size_t i = 0; i < THREE; i++) {
        crew.members[i].salvages = true;
        crew.members[i].bytes = 10 + i;
    }
    crew_launch(&crew);
    crew_stop(&crew, WEIR_STOP_REQUESTED);
    crew_finish(&crew, 0, THREE);
    for (size_t i = 0; i < THREE; i++)
        crew_check_member(&crew, i, 0, 10 + i);
}

WEIR_TEST(when_all, a_shielded_child_withstands_a_soft_stop_but_not_a_hard_one)
{
    struct crew crew;

    crew_init(&crew, ALL, 2);
    crew.members[0].is_shielded = true;
    crew_launch(&crew);
    crew_stop(&crew, WEIR_STOP_REQUESTED);
    CHECK_EQ(crew.members[0].gate.stop_count, 0);
    crew_check_member(&crew, 1, WEIR_CANCELLED, 0);
    CHECK(!crew.tree.is_done);
    crew_stop(&crew, WEIR_STOP_HARD);
    CHECK_EQ(crew.members[0].gate.bits, WEIR_STOP_HARD);
    crew_finish(&crew, WEIR_CANCELLED, 0);
}

WEIR_TEST(when_all, a_stop_leaves_the_children_that_are_done_alone)
{
    struct crew crew;

    crew_init(&crew, ALL, 2);
    crew_launch(&crew);
    crew_open(&crew, 0, 0, 0);
    crew_stop(&crew, WEIR_STOP_REQUESTED);
    crew_finish(&crew, WEIR_CANCELLED, 1);
    CHECK_EQ(weir_task_stop_bits(crew.children[0]), 0);
    CHECK_EQ(weir_task_stop_bits(crew.children[1]), WEIR_STOP_REQUESTED);
}

/* The dump. */

/* A dump of the team, without the names of files; the caller frees it. */
static char *take_dump(struct team *team, size_t *ret_task_count)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    weir_dump dump = {.stream = stream};

    CHECK(stream);
    weir_dump_task(&dump, &team->task);
    CHECK_EQ(fclose(stream), 0);
    *ret_task_count = dump.task_count;
    return text;
}

static bool has_line(const char *text, int depth, const char *function, const char *waits_for)
{
    char begin[64];
    char end[64];
    const char *line = text;
    const char *stop;

    snprintf(begin, sizeof begin, "%*s%s at ", 2 * depth, "", function);
    snprintf(end, sizeof end, ", waits for %s\n", waits_for);
    for (; *line; line = stop + 1) {
        stop = strchr(line, '\n');
        if (strncmp(line, begin, strlen(begin)) == 0 &&
            strncmp(stop + 1 - strlen(end), end, strlen(end)) == 0)
            return true;
    }
    return false;
}

WEIR_TEST(when_all, a_dump_shows_the_live_children_under_their_parent)
{
    struct crew crew;
    struct team inner;
    struct member deep[2];
    weir_task *deep_tasks[] = {&deep[0].task, &deep[1].task};
    size_t task_count;
    char *text;

    crew_init(&crew, ALL, THREE);
    member_init(&deep[0], 10, &crew.journal);
    member_init(&deep[1], 11, &crew.journal);
    team_init(&inner, ANY_SUCCEEDS, deep_tasks, 2);
    crew.children[1] = &inner.task;
    crew_launch(&crew);
    crew_open(&crew, 0, 0, 0); /* Done: not shown. */

    text = take_dump(&crew.team, &task_count);
    CHECK_EQ(task_count, 5);
    CHECK(has_line(text, 0, "team_resume", "when_all"));
    CHECK(has_line(text, 1, "team_resume", "when_any"));
    CHECK(has_line(text, 2, "member_resume", "a gate"));
    CHECK(has_line(text, 1, "member_resume", "a gate"));
    free(text);

    crew_stop(&crew, WEIR_STOP_REQUESTED);
    crew_finish(&crew, WEIR_CANCELLED, 1);
}
