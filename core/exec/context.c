/* SPDX-License-Identifier: MIT */
/* Contexts: services in order, and the roots that live. */
#include <weir/context.h>

#include <weir/dump.h>
#include <weir/executor.h>
#include <weir/run.h>

#include "context.h"
#include "strand.h"
#include "sys.h"

static void init(weir_context *context, bool is_shared)
{
    weir_list_init(&context->services);
    weir_list_init(&context->roots);
    context->root_count = 0;
    context->work_count = 0;
    context->loop = NULL;
    context->clock = NULL;
    context->is_shared = is_shared;
    context->lock = 0;
}

static weir_memory *source_or_default(weir_memory *source)
{
    return source || !weir_thread.world ? source : weir_thread.world->frames();
}

void weir_context_init(weir_context *context, weir_memory *source, size_t frames_retained_bytes_max)
{
    init(context, false);
    weir_frame_allocator_init(&context->frames, source_or_default(source),
                              frames_retained_bytes_max);
}

void weir_context_init_shared(weir_context *context, weir_memory *source)
{
    init(context, true);
    weir_frame_allocator_init_shared(&context->frames, source_or_default(source));
}

size_t weir_context_frames_bound(void)
{
    return weir_sys_is_sanitized() || weir_thread.world ? 0 : WEIR_FRAME_RETAINED_MAX;
}

/* A lock, only where threads share the context. */

_Static_assert(sizeof(((weir_context *)0)->lock) == sizeof(weir_sys_lock), "it is one");

static weir_sys_lock *lock_of(weir_context *context)
{
    return (weir_sys_lock *)(void *)&context->lock;
}

static void lock(weir_context *context)
{
    if (context->is_shared)
        weir_sys_lock_take(lock_of(context));
}

static void unlock(weir_context *context)
{
    if (!context->is_shared)
        return;
    weir_interleave();
    weir_sys_lock_give(lock_of(context));
}

void weir_context_enter(weir_context *context, weir_root *root)
{
    lock(context);
    weir_list_push(&context->roots, &root->link);
    context->root_count++;
    unlock(context);
}

void weir_context_leave(weir_context *context, weir_root *root)
{
    lock(context);
    weir_list_remove(&root->link);
    context->root_count--;
    unlock(context);
}

bool weir_context_is_busy(weir_context *context)
{
    size_t root_count;

    lock(context);
    root_count = context->root_count;
    unlock(context);
    return root_count > 0 || __atomic_load_n(&context->work_count, __ATOMIC_ACQUIRE) > 0;
}

void weir_context_fini(weir_context *context)
{
    WEIR_ASSERT(context->root_count == 0, "stop, join, destroy: a context ends after its tasks");
    WEIR_ASSERT(context->work_count == 0, "a context ends when the work that keeps it has ended");

    while (!weir_list_is_empty(&context->services)) {
        weir_list_node *last = context->services.head.prev;
        weir_service *service = WEIR_CONTAINER_OF(last, weir_service, link);

        weir_list_remove(last);
        service->ops->shutdown(service);
    }
    weir_frame_allocator_fini(&context->frames);
}

/* Work. The end travels to the executor, so that what runs the context looks again. */

static weir_task *work_ended(weir_task *task)
{
    weir_work *work = WEIR_CONTAINER_OF(task, weir_work, courier);
    weir_context *context = weir_executor_context(work->executor);

    __atomic_sub_fetch(&context->work_count, 1, __ATOMIC_RELEASE);
    return NULL;
}

void weir_work_begin(weir_work *work, weir_executor *executor)
{
    weir_task_init(&work->courier, work_ended);
    work->executor = weir_strand_lasting(executor);
    __atomic_add_fetch(&weir_executor_context(executor)->work_count, 1, __ATOMIC_RELAXED);
}

void weir_work_end(weir_work *work)
{
    weir_executor_post(work->executor, &work->courier);
}

/* Services. */

void weir_context_add_service(weir_context *context, weir_service *service)
{
    WEIR_ASSERT(!weir_context_find_service(context, service->ops), "a service is added once");

    service->link.next = NULL;
    service->link.prev = NULL;
    weir_list_push(&context->services, &service->link);
}

weir_service *weir_context_find_service(weir_context *context, const struct weir_service_ops *key)
{
    weir_list_node *node = weir_list_first(&context->services);

    for (; node; node = weir_list_next(&context->services, node)) {
        weir_service *service = WEIR_CONTAINER_OF(node, weir_service, link);

        if (service->ops == key)
            return service;
    }
    return NULL;
}

size_t weir_context_dump(weir_context *context, FILE *stream)
{
    weir_dump dump = {.stream = stream, .depth = 0, .task_count = 0};
    weir_list_node *node = weir_list_first(&context->roots);

    WEIR_ASSERT(!context->is_shared, "the trees of a thread pool run while one looks at them");
    for (; node; node = weir_list_next(&context->roots, node)) {
        weir_root *root = WEIR_CONTAINER_OF(node, weir_root, link);

        /* The root is weir's own: what it runs is what the user knows. */
        if (root->task.state == WEIR_TASK_CALLING)
            weir_dump_task(&dump, root->main);
    }
    return dump.task_count;
}
