/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONTEXT_H
#define WEIR_CONTEXT_H

/*
 * Contexts: what owns executors, and the services and roots that go with them.
 *
 * A loop is a context. A service is an object that lives as long as its context, found by a key (the
 * address of its ops table); shutting the context down calls the services in the reverse order of
 * their registration. A context asserts that no task lives when it ends: stop, join, destroy.
 *
 * Thread: that of the context's executor.
 *
 * Source: core/exec/context.c. Tests: tests/unit/test_context.c.
 */

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
    weir_list scopes;   /* weir_scope.link: those of the trees that have children. */
    size_t root_count;
    weir_frame_allocator frames; /* Of the trees that live here. */
    struct weir_loop *loop;      /* The context's loop, or NULL. */
} weir_context;

/**
 * Prepare a context. A loop does it for its own.
 *
 * @source                     where frames come from; NULL: the heap
 * @frames_retained_bytes_max  bound of the memory held back for frames
 * @loop                       the context's loop, or NULL: its trees await no I/O
 */
WEIR_PUBLIC void weir_context_init(weir_context *context, weir_memory *source,
                                   size_t frames_retained_bytes_max, struct weir_loop *loop);

/** Shut the services down, last registered first. Asserts that no tree lives. */
WEIR_PUBLIC void weir_context_fini(weir_context *context);

/** Add a service. The context calls its shutdown once. Asserts that the key is new. */
WEIR_PUBLIC void weir_context_add_service(weir_context *context, weir_service *service);

/** The service with this key, or NULL. */
WEIR_PUBLIC weir_service *weir_context_find_service(weir_context *context,
                                                    const struct weir_service_ops *key);

/** Print every tree of the context. Returns how many tasks were printed. */
WEIR_PUBLIC size_t weir_context_dump(weir_context *context, FILE *stream);

WEIR_C_END

#endif
