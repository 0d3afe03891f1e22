/* SPDX-License-Identifier: MIT */
#ifndef TEST_CREW_H
#define TEST_CREW_H

/*
 * Crews: what the tests of combinators run, on the manual executor.
 *
 * A member is a child that waits at its gate until the test opens it, and may be stubborn, shielded
 * or prompt. A team is a task that awaits its children in one group; teams nest. A crew is a team
 * of members with the journal of who began and ended when. Each step of a test (launch, open, stop)
 * runs until nothing is ready.
 */

#include <stdbool.h>
#include <stddef.h>

#include <weir/group.h>
#include <weir/manual.h>
#include <weir/run.h>

#include "gate.h"

enum { CREW_MAX = 1000 };

/** How a team awaits its children. */
enum combinator { ALL, ANY_COMPLETES, ANY_SUCCEEDS };

/** Who began and ended, in order. */
struct journal {
    int begun[CREW_MAX];
    int ended[CREW_MAX];
    size_t begun_count;
    size_t ended_count;
};

struct member {
    weir_task task;
    int id; /* In, as all up to the gate. */
    struct journal *journal;
    bool is_prompt;      /* Returns its outcome at once, without waiting. */
    bool is_shielded;    /* Waits inside a shield. */
    bool salvages;       /* Stopped, it succeeds all the same, with its bytes. */
    size_t bytes;        /* What it has transferred when it is stopped. */
    weir_result outcome; /* Of a prompt one. */
    struct gate gate;    /* ignores_stop: a stubborn member. */
};

struct team {
    weir_task task;
    enum combinator combinator; /* In, as all up to the group. */
    weir_task *const *children;
    size_t count;
    unsigned stop_first; /* Bits that it stops itself with before it awaits; 0: none. */
    weir_group group;
};

/** A tree on a manual executor. */
struct tree {
    weir_manual manual;
    weir_root root;
    bool is_done;
    weir_result result;
};

struct crew {
    struct tree tree;
    struct team team;
    struct journal journal;
    weir_task *children[CREW_MAX];
    struct member members[CREW_MAX];
};

void member_init(struct member *member, int id, struct journal *journal);
void team_init(struct team *team, enum combinator combinator, weir_task *const *children,
               size_t count);

/** Launch the tree and let it go as far as it goes. */
void tree_launch(struct tree *tree, weir_task *main);

/** Run until nothing is ready. */
void tree_settle(struct tree *tree);

/** Check that the tree has ended with this result. */
void tree_finish(struct tree *tree, int error, size_t count);

/** Prepare a crew of members that wait; tests change them before the launch. */
void crew_init(struct crew *crew, enum combinator combinator, size_t count);

/** Launch a crew of so many. */
void crew_launch(struct crew *crew);

/** Open the gate of a member, and settle. */
void crew_open(struct crew *crew, size_t index, int error, size_t count);

/** Stop the team, and settle. */
void crew_stop(struct crew *crew, unsigned bits);

/** Check what a member returned. */
void crew_check_member(const struct crew *crew, size_t index, int error, size_t count);

/** Check that the crew has ended with this result. */
void crew_finish(struct crew *crew, int error, size_t count);

#endif
