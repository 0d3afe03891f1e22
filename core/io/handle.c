/* SPDX-License-Identifier: MIT */
/* Open descriptors on a loop. */
#include "handle.h"

int weir_handle_open(weir_handle *handle, weir_loop *loop, intptr_t descriptor)
{
    int error;

    handle->loop = loop;
    handle->self = handle;
    handle->native = descriptor;
    error = loop->backend->ops->attach(loop->backend, handle);
    if (error) {
        handle->loop = NULL;
        return error;
    }
    loop->handle_count++;
    return 0;
}

void weir_handle_closed(weir_handle *handle)
{
    weir_loop *loop = handle->loop;
    weir_list_node *node = weir_list_first(&loop->watchers);
    weir_handle_watcher *watcher;

    handle->loop = NULL;
    loop->handle_count--;
    loop->closed_count++;
    if (WEIR_LIKELY(!node))
        return;
    watcher = WEIR_CONTAINER_OF(node, weir_handle_watcher, link);
    watcher->released(watcher);
}
