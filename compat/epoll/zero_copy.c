/* SPDX-License-Identifier: MIT */
/* Sending without a copy: not here. MSG_ZEROCOPY tells of its notifications on the socket's error
 * queue, which costs a system call each, and what it saves begins above what is sent at a time. */
#include "epoll.h"

#include <errno.h>

int weir_epoll_register_memory(weir_backend *backend, weir_buffer region)
{
    (void)backend;
    (void)region;
    return -EOPNOTSUPP;
}

int weir_epoll_send_zero_copy(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                              weir_const_buffer buffer, bool is_registered)
{
    (void)backend;
    (void)operation;
    (void)handle;
    (void)buffer;
    (void)is_registered;
    return -EOPNOTSUPP;
}
