/* SPDX-License-Identifier: MIT */
#ifndef WEIR_THREAD_H
#define WEIR_THREAD_H

/*
 * What the library knows of the calling thread: all of its thread-locals that say
 * where a thread is.
 *
 * They stand together so that a simulator, which runs many threads of control on one of the
 * system's, can exchange them when it goes from one to the next.
 *
 * Source: core/base/thread.c.
 */

#include <stddef.h>

#include <weir/export.h>

struct weir_strand_turn;
struct weir_loop;
struct weir_manual;
struct weir_sys_world;
struct weir_thread_pool;

struct weir_thread {
    const void *identity;               /* Names the thread; NULL until weir_thread_identity. */
    struct weir_loop *loop;             /* The loop that it runs now, or NULL. */
    struct weir_manual *manual;         /* The manual executor that it runs now, or NULL. */
    struct weir_thread_pool *pool;      /* Whose thread it is, or NULL. */
    struct weir_strand_turn *turns;     /* The turns of strands that it takes, innermost first. */
    void (*interleave)(void);           /* Lets others run; NULL: they do anyway. */
    const struct weir_sys_world *world; /* What stands in for the system; NULL: nothing does. */
    void (*report)(void);               /* Tells more when an assertion fails; NULL: nobody does. */
};

/** The calling thread. */
extern _Thread_local struct weir_thread weir_thread;

/** A name for the calling thread, which no other has while it lives. */
static inline const void *weir_thread_identity(void)
{
    if (!weir_thread.identity)
        weir_thread.identity = &weir_thread;
    return weir_thread.identity;
}

/**
 * Another thread may run between what stands before and after this. So it may anywhere; a simulator
 * needs to be told where it matters: on paths that hand something to another thread, which are few.
 */
static inline void weir_interleave(void)
{
    if (WEIR_UNLIKELY(weir_thread.interleave != NULL))
        weir_thread.interleave();
}

#endif
