/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STRAND_H
#define WEIR_STRAND_H

/*
 * Strands: one task after the other, on top of any executor.
 *
 * What is posted to a strand runs strictly first in, first out, never two tasks at a time and never
 * one inside another, on whatever thread the inner executor lends; each task sees what the one
 * before it wrote. A strand shares nothing with other strands, and may itself lie on a strand.
 *
 * It runs in turns: after a number of resumptions (64, see weir_strand_set_budget) it queues up
 * behind the other work of the inner executor. Posting allocates nothing and takes no lock: a
 * courier, part of the strand, is posted to the inner executor when the first task arrives, and
 * comes home when none is left.
 *
 *      weir_strand_init --> idle --post--> a turn is due --> takes turns --> idle
 *                           idle --> weir_strand_fini
 *
 * A strand gives each tree that must share state with others the same place in line; a tree alone
 * is serial already. Over a loop, an I/O operation of a task completes on the loop's thread: still
 * never beside the strand's other tasks, but not in line with what is posted.
 *
 * Thread: posting from any; the rest says so.
 *
 * Source: core/exec/strand.c. Tests: tests/stage_one/test_strand.c,
 * tests/misuse/test_misuse_exec.c.
 */

#include <weir/any_executor.h>
#include <weir/executor.h>
#include <weir/memory.h>

WEIR_C_BEGIN

typedef struct weir_strand weir_strand;

enum { WEIR_STRAND_BUDGET = 64 }; /* Resumptions in a turn, by default. */

/** Caller's memory; in place from init to fini. Fields are private. */
struct weir_strand {
    weir_executor executor;
    weir_executor *inner;
    weir_ready ready;  /* Who holds the turn. */
    weir_task courier; /* On the inner executor's queue when a turn is due. */
    weir_task *inbox;  /* Stack by down.next, newest first; the courier itself: idle. __atomic: see
                          core/exec/strand.c. */
    void (*ended)(weir_strand *strand); /* After its last task. Who holds the turn. */
    int budget;
    bool is_of_tree; /* Embedded in a root: it goes with its tree. */
    uint32_t is_due; /* A turn was left with work undone. __atomic, relaxed: for an assertion. */
};

/** @inner  any executor, serial or not, that outlives the strand */
WEIR_PUBLIC void weir_strand_init(weir_strand *strand, weir_executor *inner);

/**
 * End an idle strand. Waits for a thread that leaves it at this moment. Asserts that nothing is
 * queued and that it is not called from inside.
 */
WEIR_PUBLIC void weir_strand_fini(weir_strand *strand);

/** How many tasks a turn resumes at most, from 1. Before the first post, or from inside. */
WEIR_PUBLIC void weir_strand_set_budget(weir_strand *strand, int budget);

/** Its context is that of the inner executor. */
static inline weir_executor *weir_strand_executor(weir_strand *strand)
{
    return &strand->executor;
}

/** Whether the calling thread runs a task of this strand. */
WEIR_PUBLIC bool weir_strand_is_inside(const weir_strand *strand);

/**
 * A strand that lives as long as somebody refers to it.
 *
 * When the last reference goes, what is queued still runs first; a task of the strand may be the
 * one to let it go. What waits for something else meanwhile is not queued: who launches a tree on
 * the strand refers to it until the tree has ended.
 *
 * Returns 0 or -ENOMEM.
 *
 * @inner   what it runs on; the strand refers to it on its own
 * @memory  where the strand is from; given back on any thread; NULL: the heap
 */
WEIR_PUBLIC int weir_strand_new(weir_any_executor inner, weir_memory *memory,
                                weir_any_executor *ret_strand);

/** For weir_any_executor_target(): the executor is then the first member of a weir_strand. */
WEIR_PUBLIC extern const struct weir_executor_ops weir_strand_executor_ops;

WEIR_C_END

#endif
