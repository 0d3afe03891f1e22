/* SPDX-License-Identifier: MIT */
/* The backends of a build for Linux, best first: the only place that names them all. */
#include "backend.h"
#include "epoll.h"
#include "uring.h"

const struct weir_backend_ops *const weir_backends[] = {
    &weir_uring_backend,
    &weir_epoll_backend,
    NULL,
};
