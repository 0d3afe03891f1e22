/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FRAME_H
#define WEIR_FRAME_H

/*
 * Frames of child tasks: embedded in the parent, or from the environment's allocator.
 *
 * An allocator recycles by size class: a freed frame is handed out again, last freed first, without
 * a lock, by the thread that runs the tree. What it holds back is bounded (retained_bytes_max); the
 * rest goes to a source, which a user can replace. A frame freed by another thread goes to a stack
 * that the owner empties when a class runs dry. Exhaustion is NULL for whoever starts the child,
 * never a crash.
 *
 * Source: core/task/frame.c. Tests: tests/unit/test_frame.c.
 */

#include <weir/memory.h>
#include <weir/task.h>

WEIR_C_BEGIN

typedef struct weir_frame_allocator weir_frame_allocator;

enum {
    WEIR_FRAME_UNIT = 32,                          /* Bytes: the step of the size classes. */
    WEIR_FRAME_CLASSES = 32,                       /* Small: up to 1 KiB, in steps of a unit. */
    WEIR_FRAME_LARGE_CLASSES = 112,                /* Sixteen a doubling, up to 128 KiB. */
    WEIR_FRAME_RETAINED_MAX = 4 << 20,             /* Bytes an allocator holds back by default. */
    WEIR_FRAME_SIZE_MAX = 65535 * WEIR_FRAME_UNIT, /* Bytes: the largest frame. */
};

/** Of one loop. Fields are private; statistics may be read by the owner's thread. */
struct weir_frame_allocator {
    void *free[WEIR_FRAME_CLASSES + WEIR_FRAME_LARGE_CLASSES + 1]; /* Linked by their first word. */
    weir_memory *source;
    void *freed_elsewhere; /* Stack, pushed by other threads: __atomic, release/acquire. */
    const void *owner;     /* Identity of the thread that runs the tree; NULL: any. */
    /* On the free lists, in bytes. */
    size_t small_bytes;
    size_t small_bytes_max; /* small_share_bytes, or what is left of the bound by large ones. */
    size_t large_bytes;
    size_t small_share_bytes;
    size_t retained_bytes_max;
    /* Counts of frames, ever: their difference is what lives. __atomic when shared. */
    size_t handed_out_count;
    size_t taken_back_count;
    size_t fresh_count; /* Of those handed out: from the source, not from a free list. */
    bool is_shared;     /* Trees on several threads use it: nothing is held back. */
};

/**
 * @source              where memory comes from; NULL: weir_memory_heap
 * @retained_bytes_max  bound of what is held back for reuse
 */
WEIR_PUBLIC void weir_frame_allocator_init(weir_frame_allocator *frames, weir_memory *source,
                                           size_t retained_bytes_max);

/**
 * Small frames may be so much of what is held back: for a source that keeps more memory for each.
 * Before the first frame is out.
 */
WEIR_PUBLIC void weir_frame_allocator_set_small_share(weir_frame_allocator *frames, size_t bytes);

/** What is held back now, in bytes. */
static inline size_t weir_frame_retained_bytes(const weir_frame_allocator *frames)
{
    return frames->small_bytes + frames->large_bytes;
}

/** For trees that run on several threads: every frame comes from the source and goes back to it. */
WEIR_PUBLIC void weir_frame_allocator_init_shared(weir_frame_allocator *frames,
                                                  weir_memory *source);

/** Give everything back to the source. Asserts that no frame is out. */
WEIR_PUBLIC void weir_frame_allocator_fini(weir_frame_allocator *frames);

/** The calling thread runs the trees from now on: frames freed by others go home
 * through a stack. */
WEIR_PUBLIC void weir_frame_allocator_bind(weir_frame_allocator *frames);

/** How many frames are out. One that another thread freed counts until the owner has
 * taken it home. */
WEIR_PUBLIC size_t weir_frame_live_count(const weir_frame_allocator *frames);

/** Memory of at least units * WEIR_FRAME_UNIT bytes when the class is dry; NULL: exhausted. */
WEIR_PUBLIC void *weir_frame_allocate_slowly(weir_frame_allocator *frames, size_t units);

/** Take back the memory of a frame, from any thread. */
WEIR_PUBLIC void weir_frame_release(weir_frame_allocator *frames, void *memory, size_t units);

static inline size_t weir_frame_units(size_t size_bytes)
{
    return (size_bytes + WEIR_FRAME_UNIT - 1) / WEIR_FRAME_UNIT;
}

static inline void *weir_frame_allocate(weir_frame_allocator *frames, size_t units)
{
    void *memory;

    if (WEIR_UNLIKELY(units > WEIR_FRAME_CLASSES || !frames->free[units]))
        return weir_frame_allocate_slowly(frames, units);

    memory = frames->free[units];
    frames->free[units] = *(void **)memory;
    frames->small_bytes -= units * WEIR_FRAME_UNIT;
    frames->handed_out_count++;
    return memory;
}

/** Take back the memory of a frame on the thread that runs the tree. */
WEIR_PUBLIC void weir_frame_release_here(weir_frame_allocator *frames, void *memory, size_t units);

/** Hold a frame back for reuse, likewise. Returns false when it must be released. */
static inline bool weir_frame_recycle(weir_frame_allocator *frames, void *memory, size_t units)
{
    size_t small_bytes = frames->small_bytes + units * WEIR_FRAME_UNIT;

    if (WEIR_UNLIKELY(units > WEIR_FRAME_CLASSES || small_bytes > frames->small_bytes_max))
        return false;
    frames->taken_back_count++;
    frames->small_bytes = small_bytes;
    *(void **)memory = frames->free[units];
    frames->free[units] = memory;
    return true;
}

static inline bool weir_task_recycle(weir_task *task)
{
    return weir_frame_recycle(task->environment->frames, task, task->frame_units);
}

/**
 * A child frame from the task's environment, initialised to start at resume; its other fields are
 * indeterminate. Fill in its inputs and weir_call() it, from this task or from another with the
 * same allocator: it is freed when it is done.
 *
 * Returns NULL when the allocator is exhausted: nothing was started and nothing is lost.
 *
 * @size  bytes of the frame, whose first member is a weir_task; at most WEIR_FRAME_SIZE_MAX
 */
static inline void *weir_frame_new(weir_task *task, size_t size, weir_resume_fn *resume)
{
    size_t units = weir_frame_units(size);
    weir_task *child;

    child = (weir_task *)weir_frame_allocate(task->environment->frames, units);
    if (!child)
        return NULL;
    weir_task_init_allocated(child, resume, units);
    child->down.frames = task->environment->frames;
    return child;
}

/** Give back a frame that was not started. task may be another one, with the same allocator. */
WEIR_PUBLIC void weir_frame_discard(weir_task *task, weir_task *child);

WEIR_C_END

#endif
