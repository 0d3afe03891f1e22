/* SPDX-License-Identifier: MIT */
/* Threads, and what the build knows of its own instrumentation. */
#define _GNU_SOURCE

#include "sys.h"

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

bool weir_sys_is_sanitized(void)
{
    return IS_SANITIZED;
}

#if defined(WEIR_DEBUG)
__attribute__((noinline, no_sanitize_address, no_sanitize_thread)) void weir_sys_scribble_stack(
    void)
{
    volatile uint64_t stack[512];
    size_t i;

    for (i = 0; i < sizeof stack / sizeof stack[0]; i++)
        stack[i] = UINT64_C(0xa5a5a5a5a5a5a5a5);
}
#endif

/* Those of the machine: a thread that is pinned to one still has its peers on the others. */
int weir_sys_processor_count(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    return online > 0 ? (int)online : 1;
}

void weir_sys_prepare_thread(void)
{
    /* Fails on nothing that matters: then deadlines are late by the default slack. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
}

void weir_sys_yield(void)
{
    (void)sched_yield();
}

void weir_sys_lock_take(weir_sys_lock *lock)
{
    while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE))
        weir_sys_yield();
}

void weir_sys_lock_give(weir_sys_lock *lock)
{
    __atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}
