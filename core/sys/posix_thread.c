/* SPDX-License-Identifier: MIT */
/* Threads, and what the build knows of its own instrumentation. */
#define _GNU_SOURCE

#include "sys.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(weir_sys_mutex), "fits");
_Static_assert(sizeof(pthread_cond_t) <= sizeof(weir_sys_condition), "fits");
_Static_assert(sizeof(pthread_t) <= sizeof(((weir_sys_thread *)0)->words), "fits");
_Static_assert(_Alignof(pthread_mutex_t) <= _Alignof(weir_sys_mutex), "aligned");
_Static_assert(_Alignof(pthread_cond_t) <= _Alignof(weir_sys_condition), "aligned");

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
    long online = weir_thread.world ? 2 : sysconf(_SC_NPROCESSORS_ONLN);

    return online > 0 ? (int)online : 1;
}

void weir_sys_prepare_thread(void)
{
    /* Fails on nothing that matters: then deadlines are late by the default slack. */
    if (!weir_thread.world)
        (void)prctl(PR_SET_TIMERSLACK, 1UL);
}

void weir_sys_yield(void)
{
    if (weir_thread.world)
        weir_thread.world->yield();
    else
        (void)sched_yield();
}

void weir_sys_lock_take(weir_sys_lock *lock)
{
    weir_interleave();
    while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE))
        weir_sys_yield();
}

void weir_sys_lock_give(weir_sys_lock *lock)
{
    __atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}

/* Threads. */

static void *thread_main(void *argument)
{
    const weir_sys_thread *thread = argument;

    thread->function(thread->argument);
    return NULL;
}

/* All but what a thread does to itself, and what a profiler sends to the thread that it means. */
static void fill_with_foreign_signals(sigset_t *set)
{
    static const int own[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGPROF, SIGSEGV, SIGSYS, SIGTRAP};
    size_t i;

    (void)sigfillset(set);
    for (i = 0; i < sizeof own / sizeof own[0]; i++)
        (void)sigdelset(set, own[i]);
}

/* A thread inherits the mask: a signal then interrupts the program's own threads and no others. */
int weir_sys_thread_start(weir_sys_thread *thread, weir_sys_thread_fn *function, void *argument)
{
    sigset_t foreign;
    sigset_t before;
    pthread_t handle;
    int error;

    if (weir_thread.world)
        return weir_thread.world->thread_start(thread, function, argument);
    thread->function = function;
    thread->argument = argument;
    fill_with_foreign_signals(&foreign);
    (void)pthread_sigmask(SIG_BLOCK, &foreign, &before);
    error = pthread_create(&handle, NULL, thread_main, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return -error;
    memcpy(thread->words, &handle, sizeof handle);
    return 0;
}

void weir_sys_thread_join(weir_sys_thread *thread)
{
    pthread_t handle;

    if (weir_thread.world) {
        weir_thread.world->thread_join(thread);
        return;
    }
    memcpy(&handle, thread->words, sizeof handle);
    (void)pthread_join(handle, NULL);
}

void weir_sys_thread_name(const char *name)
{
    if (!weir_thread.world)
        (void)prctl(PR_SET_NAME, name);
}

/* Mutexes and conditions. With default attributes their calls fail on misuse only. */

static pthread_mutex_t *mutex_of(weir_sys_mutex *mutex)
{
    return (pthread_mutex_t *)(void *)mutex->words;
}

static pthread_cond_t *condition_of(weir_sys_condition *condition)
{
    return (pthread_cond_t *)(void *)condition->words;
}

void weir_sys_mutex_init(weir_sys_mutex *mutex)
{
    if (weir_thread.world)
        weir_thread.world->mutex_init(mutex);
    else
        (void)pthread_mutex_init(mutex_of(mutex), NULL);
}

void weir_sys_mutex_fini(weir_sys_mutex *mutex)
{
    if (weir_thread.world)
        weir_thread.world->mutex_fini(mutex);
    else
        (void)pthread_mutex_destroy(mutex_of(mutex));
}

void weir_sys_mutex_lock(weir_sys_mutex *mutex)
{
    if (weir_thread.world)
        weir_thread.world->mutex_lock(mutex);
    else
        (void)pthread_mutex_lock(mutex_of(mutex));
}

void weir_sys_mutex_unlock(weir_sys_mutex *mutex)
{
    if (weir_thread.world)
        weir_thread.world->mutex_unlock(mutex);
    else
        (void)pthread_mutex_unlock(mutex_of(mutex));
}

void weir_sys_condition_init(weir_sys_condition *condition)
{
    if (weir_thread.world)
        weir_thread.world->condition_init(condition);
    else
        (void)pthread_cond_init(condition_of(condition), NULL);
}

void weir_sys_condition_fini(weir_sys_condition *condition)
{
    if (weir_thread.world)
        weir_thread.world->condition_fini(condition);
    else
        (void)pthread_cond_destroy(condition_of(condition));
}

void weir_sys_condition_wait(weir_sys_condition *condition, weir_sys_mutex *mutex)
{
    if (weir_thread.world)
        weir_thread.world->condition_wait(condition, mutex);
    else
        (void)pthread_cond_wait(condition_of(condition), mutex_of(mutex));
}

void weir_sys_condition_signal(weir_sys_condition *condition)
{
    if (weir_thread.world)
        weir_thread.world->condition_wake(condition, false);
    else
        (void)pthread_cond_signal(condition_of(condition));
}

void weir_sys_condition_broadcast(weir_sys_condition *condition)
{
    if (weir_thread.world)
        weir_thread.world->condition_wake(condition, true);
    else
        (void)pthread_cond_broadcast(condition_of(condition));
}
