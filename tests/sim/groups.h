/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_GROUPS_H
#define WEIR_TEST_SIM_GROUPS_H

/* The nodes of a tree of combinators: what all have in common, and the leaves. */

#include "play.h"

enum { NODE_MAX = 160, ANNEX_MAX = 8, CHILD_MAX = 4, DEPTH_MAX = 7 };

enum kind {
    SLEEP,
    YIELDS,
    FAIL,
    EVENT,
    SABOTAGE,
    LEAF_COUNT,

    ALL = LEAF_COUNT,
    ANY,
    SCOPE,
    CALL,
    TIMEOUT,
    SHIELD,
    FRAMES, /* A subtree with frames of its own, */
    STOP,   /* or with a stop source. */
    KIND_COUNT,
};

struct tree;
struct carrier;

struct node {
    weir_task task;
    struct tree *tree;
    struct node *parent;
    struct annex *annex;
    enum kind kind;
    unsigned depth;
    bool has_shield;      /* Somewhere in it soft stops are held back. */
    bool is_sabotaged;    /* Somebody stopped just this node. */
    uint64_t begun;       /* Stamps; 0: not yet. */
    uint64_t ended;       /* */
    unsigned parent_bits; /* The parent's stop when this one ended. */
    int64_t begun_ns;
    int64_t duration_ns; /* Of a sleep, a pause, a limit. */
    size_t left;         /* Yields or children still to do. */
    enum weir_any_policy policy;
    struct node *children[CHILD_MAX];
    weir_task *tasks[CHILD_MAX];
    size_t count;        /* Of children. */
    unsigned bits;       /* Its own stop, before, */
    unsigned start_bits; /* and what it has to inherit of a scope. */
    bool is_joining;     /* A scope's owner. */
    weir_result outcome;
    struct carrier *carrier; /* That calls its child: an allocated frame. */
    weir_group group;
    weir_scope scope;
    weir_scope_child records[CHILD_MAX];
    weir_timeout_frame timeout;
    weir_deadline deadline;
};

/* What few nodes need. */
struct annex {
    weir_subtree subtree;
    weir_stop_source source;
    bool is_open; /* The child that the source stops is running. */
    bool is_over; /* Subtree and source are poisoned. */
    weir_frame_allocator frames;
    struct play_memory memory; /* Few. */
};

struct tree {
    weir_task task;
    weir_sim *sim;
    bool frames_fail; /* By a fault. */
    int64_t prompt_ns;
    struct play_stopper stopper;
    uint64_t stamp;
    size_t used;
    size_t annex_used;
    weir_scope scope;
    weir_scope_child records[2];
    struct ticker {
        weir_task task;
        struct tree *tree;
        size_t left;
    } ticker;
    weir_event event;
    struct node nodes[NODE_MAX];
    struct annex annexes[ANNEX_MAX];
};

/** Stamp the beginning. The first thing that a node does. */
void groups_begin(struct node *self);

/** Stamp the end, and check what is known of stops. The last thing that it does. Returns result. */
weir_result groups_end(struct node *self, weir_result result);

/** The stop of what called this node: the parent, or the frame of its timeout. */
unsigned groups_callers_bits(const struct node *self);

/** Start one more child in the scope of a node that joins it. */
void groups_recruit(struct node *self);

/** How the leaves are resumed, by kind. */
extern weir_resume_fn *const groups_leaves[LEAF_COUNT];

#endif
