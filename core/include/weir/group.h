/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GROUP_H
#define WEIR_GROUP_H

/*
 * Combinators: await a fixed number of children that run beside each other.
 *
 * weir_when_all goes on when all have succeeded, or one has failed; weir_when_any when one has won.
 * Whatever decides, the children that are still alive are then stopped, and both wait for all of
 * them, losers too: no child outlives the await. What each child returned stays in its own header,
 * so weir_task_result of each gives the results in the order of the arguments, also those of the
 * losers: bytes that a loser transferred are there.
 *
 *      IDLE --weir_when_x--> undecided --first to fail, to win--> decided --last child--> IDLE
 *                                `-----------last child------------------------------------^
 *
 * "First" is by completion, which is serial in a tree: there are no ties. Children are posted in
 * the order of the arguments, in the environment of the task, and inherit its stop. They run also
 * when the task was stopped before, as with weir_call: a child may own what it has to close. What
 * they await completes as cancelled then, without I/O. A child that succeeds all the same has
 * succeeded.
 *
 * A child is an embedded task, initialised and not started, and stands in a group once. A group
 * needs no memory for a child. For a number of children that grows see <weir/scope.h>.
 *
 * Source: core/task/group.c. Tests: tests/stage_one/test_when_all.c, test_when_any.c, test_group.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/task.h>

WEIR_C_BEGIN

/** Which child wins a weir_when_any. */
enum weir_any_policy {
    WEIR_FIRST_TO_COMPLETE, /* Success or failure; once the task is stopped, only a success. */
    WEIR_FIRST_TO_SUCCEED,  /* A failure neither wins nor stops the others. */
};

/** How many children stand in the group itself, for the forms without an array. */
enum { WEIR_GROUP_FEW = 4 };

/** Embed in the frame of the task that awaits. Fields are private. */
typedef struct weir_group {
    weir_wait wait;             /* The waiter's record. */
    weir_join join;             /* That of every child. */
    weir_task *waiter;          /* NULL: the group is idle. */
    weir_task *chosen;          /* The child whose error is the result's. */
    weir_task *const *children; /* Borrowed, or few. */
    size_t count;
    size_t live_count;    /* Children that have not finished. */
    size_t success_count; /* Children that have, without an error. */
    weir_task *few[WEIR_GROUP_FEW];
    uint8_t policy;  /* enum weir_any_policy, or that of when_all. */
    bool is_decided; /* Nothing changes the result any more; the live children are stopped. */
} weir_group;

/** Prepare an idle group. Memory that is all zeroes is one, too. It may be used again and again. */
static inline void weir_group_init(weir_group *group)
{
    group->waiter = NULL;
    group->chosen = NULL;
}

/**
 * Run the children beside each other until all have succeeded, or one fails: it stops the others.
 *
 * Completes  when every child is done; at once when there are none
 * Result     the error of the first child to fail, and how many succeeded
 * Borrows    group, children and what it points at, in place, until then
 * Overlap    one await at a time on a group
 * Cancel     a stop goes to every live child; the result is still theirs: 0 if all succeed
 *
 * @children[count]  in the order in which they start
 * See               weir_group_chosen() for the child that failed
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_when_all(weir_task *task, weir_group *group,
                                                   weir_task *const *children, size_t count);

/**
 * Run the children beside each other until one has won: it stops the others.
 *
 * Completes  when every child is done
 * Result     the winner's error, and its index. Without a winner: those of the first to fail
 * Borrows    group, children and what it points at, in place, until then
 * Overlap    one await at a time on a group
 * Cancel     a stop goes to every live child, and from then on, under either policy, only a success
 *            wins: a child that was merely told sooner does not hide one that has bytes to report
 *
 * @children[count]  in the order in which they start; at least one, for somebody has to win
 */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_when_any(weir_task *task, weir_group *group,
                                                   enum weir_any_policy policy,
                                                   weir_task *const *children, size_t count);

/**
 * The child whose error is the latest result: the winner, or the first to fail; when none of
 * weir_when_all's failed, the first to finish. NULL: there was none.
 */
static inline weir_task *weir_group_chosen(const weir_group *group)
{
    return group->chosen;
}

/* The same for two, three and four children, without an array. */

WEIR_MUST_USE static inline weir_task *weir_when_all_2(weir_task *task, weir_group *group,
                                                       weir_task *a, weir_task *b)
{
    group->few[0] = a;
    group->few[1] = b;
    return weir_when_all(task, group, group->few, 2);
}

WEIR_MUST_USE static inline weir_task *weir_when_all_3(weir_task *task, weir_group *group,
                                                       weir_task *a, weir_task *b, weir_task *c)
{
    group->few[0] = a;
    group->few[1] = b;
    group->few[2] = c;
    return weir_when_all(task, group, group->few, 3);
}

WEIR_MUST_USE static inline weir_task *weir_when_all_4(weir_task *task, weir_group *group,
                                                       weir_task *a, weir_task *b, weir_task *c,
                                                       weir_task *d)
{
    group->few[0] = a;
    group->few[1] = b;
    group->few[2] = c;
    group->few[3] = d;
    return weir_when_all(task, group, group->few, 4);
}

WEIR_MUST_USE static inline weir_task *weir_when_any_2(weir_task *task, weir_group *group,
                                                       enum weir_any_policy policy, weir_task *a,
                                                       weir_task *b)
{
    group->few[0] = a;
    group->few[1] = b;
    return weir_when_any(task, group, policy, group->few, 2);
}

WEIR_MUST_USE static inline weir_task *weir_when_any_3(weir_task *task, weir_group *group,
                                                       enum weir_any_policy policy, weir_task *a,
                                                       weir_task *b, weir_task *c)
{
    group->few[0] = a;
    group->few[1] = b;
    group->few[2] = c;
    return weir_when_any(task, group, policy, group->few, 3);
}

WEIR_MUST_USE static inline weir_task *weir_when_any_4(weir_task *task, weir_group *group,
                                                       enum weir_any_policy policy, weir_task *a,
                                                       weir_task *b, weir_task *c, weir_task *d)
{
    group->few[0] = a;
    group->few[1] = b;
    group->few[2] = c;
    group->few[3] = d;
    return weir_when_any(task, group, policy, group->few, 4);
}

WEIR_C_END

#endif
