/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TASK_H
#define WEIR_TASK_H

/*
 * Tasks: stackless coroutines.
 *
 * A task is a struct whose first member is a weir_task, and a function that resumes it. What must
 * survive a suspension is a field of that struct; nothing else survives. A task waits for one thing
 * at a time: a child, or a record (weir_wait), which may live in the scratch words of its header.
 *
 *      weir_task_init --> NEW --weir_call--> RUNNING --await--> CALLING  (waits for a child)
 *                                              ^  ^  `-await--> WAITING  (waits for a record)
 *                                              |  '--resume--> READY <--' completion, post
 *                                              '---- the child is done, or transfer
 *                                            RUNNING --return--> DONE
 *
 * An awaitable is a function that starts something for a task and returns the task to run next: the
 * task itself (the result is already there), another task (run that one: symmetric transfer), or
 * NULL (suspended). A starter never resumes anything. The resume point is stored before it is
 * called, and once it has returned NULL or another task the frame is not touched.
 *
 * A tree of tasks is serial: it belongs to one executor and only that executor's thread touches its
 * headers. ARCHITECTURE.md says which field who may touch in which state.
 *
 * Source: core/task/task.c. Tests: tests/unit/test_task.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/assert.h>
#include <weir/error.h>
#include <weir/export.h>

WEIR_C_BEGIN

typedef struct weir_task weir_task;
typedef struct weir_wait weir_wait;
typedef struct weir_join weir_join;
typedef struct weir_environment weir_environment;
struct weir_dump;
struct weir_executor;
struct weir_frame_allocator;
struct weir_list;
struct weir_loop;

/** Run the task from its resume point to its next suspension; returns the task to run next. */
typedef weir_task *weir_resume_fn(weir_task *task);

/** Where a coroutine stands in the source: for dumps and assertions. */
typedef struct weir_source {
    const char *function;
    const char *file;
} weir_source;

/** Where a task is in its life. */
enum weir_task_state {
    WEIR_TASK_NEW,     /* Initialised; nobody runs it yet. */
    WEIR_TASK_RUNNING, /* Its resume function runs, or is next by symmetric transfer. */
    WEIR_TASK_READY,   /* On its executor's queue, by down.next. */
    WEIR_TASK_CALLING, /* Suspended until down.child is done. */
    WEIR_TASK_WAITING, /* Suspended until down.wait completes. */
    WEIR_TASK_DONE,    /* Finished; the result stays in the header. */
};

/** Reasons to stop, bits of weir_task.stop. See <weir/stop.h>. */
enum {
    WEIR_STOP_REQUESTED = 1 << 0, /* Somebody asked. A shield holds it back. */
    WEIR_STOP_EXPIRED = 1 << 1,   /* A deadline passed. A shield holds it back. */
    WEIR_STOP_HARD = 1 << 2,      /* The grace is over: no shield holds it back. */
};

/** Bits of weir_task.flags. */
enum {
    WEIR_TASK_JOINED = 1 << 0,   /* continuation.join, not continuation.task. */
    WEIR_TASK_SHIELDED = 1 << 1, /* Between weir_shield_begin and weir_shield_end. */
    WEIR_TASK_HELD = 1 << 4, /* From here up: its scopes with children and its armed deadlines. */
};

/** The scratch words of a header: the record of what the task waits for lives here. */
enum { WEIR_TASK_SCRATCH_WORDS = 8 };

/**
 * The header of every task: the first member of its frame. 128 bytes on 64-bit machines.
 *
 * Fields are private. It must not move from its start until it is done. Their order lets compilers
 * merge what a call stores: a child inherits stop and expired together; and what a shield looks at:
 * one word from stop to flags.
 */
struct weir_task {
    weir_resume_fn *resume;    /* What runs it. */
    const weir_source *source; /* Set by WEIR_BEGIN; NULL before. */
    union {
        weir_task *task; /* The parent, suspended in CALLING. */
        weir_join *join; /* With WEIR_TASK_JOINED: who counts this child. */
    } continuation;
    union {
        weir_task *next;                     /* READY: the one behind it on the queue. */
        weir_task *child;                    /* CALLING. */
        weir_wait *wait;                     /* WAITING. */
        struct weir_frame_allocator *frames; /* NEW, of weir_frame_new: where it came from. */
    } down;
    const weir_environment *environment; /* The parent's; outlives the task. */
    uint8_t stop;             /* WEIR_STOP_ bits in force: the byte a starter looks at. */
    uint8_t expired;          /* How many deadlines that cover this task have passed. */
    uint8_t stop_deferred;    /* Of stop: what a shield holds back. */
    uint8_t flags;            /* WEIR_TASK_ bits, and a count above them. */
    uint8_t state;            /* enum weir_task_state. */
    uint8_t expired_deferred; /* Of expired: what a shield holds back. */
    uint16_t frame_units;     /* Size of an allocated frame, in units (frame.h); 0: embedded. */
    int error;                /* With count: the result of the latest await, or of the task. */
    uint32_t line;            /* Resume point: a source line; 0: the beginning. */
    size_t count;
    uintptr_t scratch[WEIR_TASK_SCRATCH_WORDS]; /* Of what is awaited. */
};

#ifdef __cplusplus
static_assert(sizeof(void *) != 8 || sizeof(weir_task) == 128, "two cache lines");
#else
_Static_assert(sizeof(void *) != 8 || sizeof(weir_task) == 128, "two cache lines");
#endif

/** What a tree of tasks inherits, from parent to child. Set by the launcher; outlives the tree. */
struct weir_environment {
    struct weir_executor *executor;
    struct weir_frame_allocator *frames;
    struct weir_loop *loop;   /* Whose I/O objects the tree may await; NULL: none. */
    struct weir_list *scopes; /* weir_scope.link: the tree's that have children, for dumps. */
    struct weir_clock *clock; /* What its deadlines and sleeps stand on; NULL: it has none. */
};

/**
 * What a WAITING task waits for: the first member of every record that completes a task.
 *
 * The record belongs to whoever completes it until then. It completes the task exactly once.
 */
struct weir_wait {
    const struct weir_wait_ops *ops;
};

/**
 * Ask what the task waits for to end early. It completes with WEIR_CANCELLED or WEIR_TIMED_OUT (see
 * weir_task_stop_error), or as it would have; at once or later, but never inside this call's
 * caller: the task is made ready, not resumed. May be called again, with more bits.
 */
typedef void weir_wait_stop_fn(weir_wait *wait, weir_task *task, unsigned bits);

/** Print the tasks this record waits for, if any, with weir_dump_task(). */
typedef void weir_wait_dump_fn(weir_wait *wait, struct weir_dump *dump);

/** What a record of waiting must provide. Every slot is required. */
struct weir_wait_ops {
    const char *name; /* "receive", "timer": for dumps. */
    weir_wait_stop_fn *stop;
    weir_wait_dump_fn *dump; /* weir_wait_dump_nothing for a leaf. */
};

/** The dump of a record that waits for no task. */
WEIR_PUBLIC weir_wait_dump_fn weir_wait_dump_nothing;

/**
 * Who counts a finished child that nobody called: a scope. The child is done and still holds its
 * result; its frame belongs to the callee. Returns the task to run next, or NULL.
 */
typedef weir_task *weir_join_finished_fn(weir_join *join, weir_task *child);

struct weir_join {
    weir_join_finished_fn *finished;
};

/* Life. */

/**
 * weir_task_init of a frame of so many units from an allocator; 0: an embedded one. The links, the
 * environment and the count are left to those who set them before anybody reads them.
 */
static inline void weir_task_init_allocated(weir_task *task, weir_resume_fn *resume, size_t units)
{
    task->resume = resume;
    task->source = NULL;
    task->stop = 0;
    task->expired = 0;
    task->stop_deferred = 0;
    task->expired_deferred = 0;
    task->state = WEIR_TASK_NEW;
    task->flags = 0;
    task->frame_units = (uint16_t)units;
    task->error = 0;
    task->line = 0;
}

/** Prepare a task that starts at the beginning of resume. */
static inline void weir_task_init(weir_task *task, weir_resume_fn *resume)
{
    weir_task_init_allocated(task, resume, 0);
}

/**
 * Await a child: run it in this task's environment, and go on when it is done.
 *
 * Completes  when the child returns; without suspending if it never suspends
 * Result     what the child returned
 * Takes      an allocated child's frame: freed when it is done
 * Cancel     a stop of the task stops the child
 *
 * @child  initialised and not started; an embedded one stays in place until it is done
 */
WEIR_MUST_USE static inline weir_task *weir_call(weir_task *task, weir_task *child)
{
    const weir_environment *environment = task->environment;
    uint8_t stop = task->stop;
    uint8_t expired = task->expired;

    WEIR_ASSERT(child->state == WEIR_TASK_NEW, "a task is initialised, then started once");
    WEIR_ASSERT(child->frame_units == 0 || child->down.frames == environment->frames,
                "an allocated frame is called where frames come from its allocator");

    child->stop = stop;
    child->expired = expired;
    child->continuation.task = task;
    child->environment = environment;
    child->state = WEIR_TASK_RUNNING;
    task->down.child = child;
    task->state = WEIR_TASK_CALLING;
    return child;
}

/** The result of the latest await; of a task that is done: what it returned. */
static inline weir_result weir_task_result(const weir_task *task)
{
    return weir_result_of(task->error, task->count);
}

/** Finish a task that has no plain parent, or whose frame cannot be held back. See
 * weir_task_finish. */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_task_finish_slowly(weir_task *task);

/** Hold the task's allocated frame back for reuse. Returns false when it must be released. */
static inline bool weir_task_recycle(weir_task *task);

/** Finish the running task; returns the task to run next. WEIR_RETURN calls it. */
WEIR_MUST_USE static inline weir_task *weir_task_finish(weir_task *task, weir_result result)
{
    weir_task *parent = task->continuation.task;

    task->error = result.error;
    task->count = result.count;
    task->state = WEIR_TASK_DONE;
    if (WEIR_UNLIKELY(task->flags))
        return weir_task_finish_slowly(task);

    parent->error = result.error;
    parent->count = result.count;
    parent->state = WEIR_TASK_RUNNING;
    if (task->frame_units && !weir_task_recycle(task))
        return weir_task_finish_slowly(task);
    return parent;
}

/** Abort: the task was resumed at a line that is no resume point. */
WEIR_PUBLIC WEIR_NORETURN void weir_task_bad_resume(const weir_task *task, const char *function);

/* For those who write awaitables. */

/** 0, or why a starter must not start: WEIR_CANCELLED or WEIR_TIMED_OUT. */
static inline int weir_task_stop_error(const weir_task *task)
{
    if (WEIR_LIKELY(task->stop == 0))
        return 0;
    return task->stop & (WEIR_STOP_REQUESTED | WEIR_STOP_HARD) ? WEIR_CANCELLED : WEIR_TIMED_OUT;
}

/** Suspend the running task until the record completes it; returns NULL, for the starter. */
static inline weir_task *weir_task_suspend(weir_task *task, weir_wait *wait)
{
    task->down.wait = wait;
    task->state = WEIR_TASK_WAITING;
    return NULL;
}

/**
 * End a starter whose result is known at once. Spends the executor's budget, by operations and by
 * bytes: where what is left does not suffice the task is posted instead, so that a task whose
 * operations never suspend cannot starve its loop.
 */
WEIR_MUST_USE static inline weir_task *weir_task_complete(weir_task *task, int error, size_t count);

/** Complete a WAITING task from its executor's thread: store the result and make it ready. */
WEIR_PUBLIC void weir_task_wake(weir_task *task, int error, size_t count);

/** Let the other ready tasks run first. Completes with {0, 0}. WEIR_YIELD calls it. */
WEIR_PUBLIC WEIR_MUST_USE weir_task *weir_task_yield(weir_task *task);

/* The words of a coroutine: the only macros that change control flow. */

/*
 * A label is the complement of the line, in 64 bits: a value that no 32-bit type holds, so that gcc
 * warns of an await inside a nested switch on such a type (and such a task aborts when it is
 * resumed), and yet one that an instruction holds as a small negative number.
 */
#define WEIR_RESUME_POINT(line) (~(unsigned long long)(line))

/** The frame that the header begins. */
#define WEIR_TASK_SELF(task, type) ((type *)(void *)(task))

/** Opens the body. Before it stand only self and r. */
#define WEIR_BEGIN(task)                                                  \
    switch (WEIR_RESUME_POINT((task)->line)) {                            \
    case WEIR_RESUME_POINT(0): {                                          \
        static const weir_source weir_source_here = {__func__, __FILE__}; \
        (task)->source = &weir_source_here;                               \
    }

/** Start something, suspend until it completes, and store its weir_result in r. Compilers are told
 * that it is used, for some tasks have nothing to do with any. */
#define WEIR_AWAIT(task, r, start)               \
    do {                                         \
        (task)->line = __LINE__;                 \
        {                                        \
            weir_task *weir_next_task = (start); \
            if (weir_next_task != (task))        \
                return weir_next_task;           \
        }                                        \
        WEIR_FALLTHROUGH;                        \
    case WEIR_RESUME_POINT(__LINE__):            \
        (r) = weir_task_result(task);            \
        (void)(r);                               \
    } while (0)

/** Let the other ready tasks run. */
#define WEIR_YIELD(task)               \
    do {                               \
        (task)->line = __LINE__;       \
        return weir_task_yield(task);  \
    case WEIR_RESUME_POINT(__LINE__):; \
    } while (0)

/** Finish with a weir_result. */
#define WEIR_RETURN(task, result) return weir_task_finish((task), (result))

/** Closes the body. Control never falls into it: gcc warns of a missing WEIR_RETURN. */
#define WEIR_END(task)                          \
    default:                                    \
        weir_task_bad_resume((task), __func__); \
        }

WEIR_C_END

#include <weir/executor.h>
#include <weir/frame.h>

#endif
