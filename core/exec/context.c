/* SPDX-License-Identifier: MIT */
/* Contexts: services in order, and the roots that live. */
#include <weir/context.h>

#include <weir/dump.h>
#include <weir/run.h>

void weir_context_init(weir_context *context, weir_memory *source,
                       size_t frames_retained_bytes_max, struct weir_loop *loop)
{
    weir_list_init(&context->services);
    weir_list_init(&context->roots);
    weir_list_init(&context->scopes);
    context->root_count = 0;
    weir_frame_allocator_init(&context->frames, source, frames_retained_bytes_max);
    context->loop = loop;
}

void weir_context_fini(weir_context *context)
{
    WEIR_ASSERT(context->root_count == 0, "stop, join, destroy: a context ends after its tasks");

    while (!weir_list_is_empty(&context->services)) {
        weir_list_node *last = context->services.head.prev;
        weir_service *service = WEIR_CONTAINER_OF(last, weir_service, link);

        weir_list_remove(last);
        service->ops->shutdown(service);
    }
    weir_frame_allocator_fini(&context->frames);
}

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

    for (; node; node = weir_list_next(&context->roots, node)) {
        weir_root *root = WEIR_CONTAINER_OF(node, weir_root, link);

        /* The root is weir's own: what it runs is what the user knows. */
        if (root->task.state == WEIR_TASK_CALLING)
            weir_dump_task(&dump, root->main);
    }
    return dump.task_count;
}
