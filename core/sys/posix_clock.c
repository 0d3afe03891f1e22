/* SPDX-License-Identifier: MIT */
/* The monotonic clock. */
#define _POSIX_C_SOURCE 200809L

#include "sys.h"

#include <time.h>

int64_t weir_sys_now_ns(void)
{
    struct timespec now;

    if (weir_thread.world)
        return weir_thread.world->now_ns();
    /* Cannot fail: the clock exists and the pointer is good. */
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
