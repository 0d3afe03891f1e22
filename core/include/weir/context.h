/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONTEXT_H
#define WEIR_CONTEXT_H

/*
 * Contexts: what owns executors, and the services and roots that go with them.
 *
 * A loop is a context. A service is an object that lives as long as its context, found by a key
 * (the address of its ops table); shutting the context down calls the services in the reverse order
 * of their registration. A context asserts that no task lives when it ends: stop, join, destroy.
 *
 * Thread: that of the context's executor.
 *
 * Source: core/exec/context.c. Tests: tests/unit/test_context.c.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/frame.h>
#include <weir/list.h>
#include <weir/task.h>

WEIR_C_BEGIN

typedef struct weir_service weir_service;

/** End the service: release what it holds. No task lives any more. */
typedef void weir_service_shutdown_fn(weir_service *service);

/** What a service must provide. The address of the table is the service's key. */
struct weir_service_ops {
    const char *name;
    weir_service_shutdown_fn *shutdown;
};

/** Embed as the first member of a service. */
struct weir_service {
    const struct weir_service_ops *ops;
    weir_list_node link; /* weir_context.services. */
};

/** Embed as a member of what owns an executor. Fields are private. */
typedef struct weir_context {
    weir_list services; /* weir_service.link, in order of registration. */
    weir_list roots;    /* weir_root.link: the trees that live. */
    size_t root_count;
    size_t work_count;           /* weir_work that has begun: __atomic. */
    weir_frame_allocator frames; /* Of the trees that live here. */
    struct weir_loop *loop;      /* The context's loop; NULL: its trees await no I/O. */
    struct weir_clock *clock;    /* NULL: its trees have no deadlines and no sleeps. */
    bool is_shared;              /* Several threads run its trees. */
    uint32_t lock;               /* Then: of roots and root_count. __atomic. */
} weir_context;

/**
 * Prepare a context that one thread runs. A loop or a manual executor does it for its own, and sets
 * loop and clock.
 *
 * @source                     where frames come from; NULL: the heap
 * @frames_retained_bytes_max  bound of the memory held back for frames
 */
WEIR_PUBLIC void weir_context_init(weir_context *context, weir_memory *source,
                                   size_t frames_retained_bytes_max);

/**
 * Prepare a context whose trees several threads run. Its frames are not recycled.
 *
 * @source  where frames come from, from any thread; NULL: the heap
 */
WEIR_PUBLIC void weir_context_init_shared(weir_context *context, weir_memory *source);

/** What a context holds back for frames by default: nothing where a sanitizer should
 * see each freed. */
WEIR_PUBLIC size_t weir_context_frames_bound(void);

/** Whether a tree lives on the context or work keeps it. */
WEIR_PUBLIC bool weir_context_is_busy(weir_context *context);

/** Shut the services down, last registered first. Asserts that no tree lives. */
WEIR_PUBLIC void weir_context_fini(weir_context *context);

/** Add a service. The context calls its shutdown once. Asserts that the key is new. */
WEIR_PUBLIC void weir_context_add_service(weir_context *context, weir_service *service);

/** The service with this key, or NULL. */
WEIR_PUBLIC weir_service *weir_context_find_service(weir_context *context,
                                                    const struct weir_service_ops *key);

/**
 * Print every tree of the context. Returns how many tasks were printed. On the context's thread;
 * asserts that it has one: the trees of a pool run while one looks.
 */
WEIR_PUBLIC size_t weir_context_dump(weir_context *context, FILE *stream);

/** Something outside of weir that will launch a tree: keeps a context running.
 * Fields are private. */
typedef struct weir_work {
    weir_task courier; /* Brings the end to the executor. */
    struct weir_executor *executor;
} weir_work;

/**
 * From here to weir_work_end the context of the executor counts as busy: weir_loop_run and the end
 * of a pool wait. In place until weir_work_end has arrived, which is when the context ends.
 *
 * Thread     any that knows that the context lives
 */
WEIR_PUBLIC void weir_work_begin(weir_work *work, struct weir_executor *executor);

/** The work is done. Any thread; once. */
WEIR_PUBLIC void weir_work_end(weir_work *work);

WEIR_C_END

#endif
