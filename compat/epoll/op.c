/* SPDX-License-Identifier: MIT */
/* Operations: cancelled. What completes them is an event: see wait.c. */
#include "epoll.h"

void weir_epoll_cancel(weir_backend *backend, weir_operation *operation)
{
    weir_reactor_cancel(&weir_epoll_of(backend)->reactor, operation);
}
