/* SPDX-License-Identifier: MIT */
#ifndef TEST_THREADS_H
#define TEST_THREADS_H

/*
 * Threads of a test's own: those of the system it runs on, so programs of the world inside one.
 * They take no signals: a sanitizer loses one that comes to a thread that ends.
 */

#include "sys.h"
#include "test.h"
#include "thread.h"

static inline void thread_start(weir_sys_thread *thread, weir_sys_thread_fn *function,
                                void *argument)
{
    CHECK_EQ(weir_sys_thread_start(thread, function, argument), 0);
}

static inline void thread_join(weir_sys_thread *thread)
{
    weir_sys_thread_join(thread);
}

/** Who waits goes on when somebody has posted. Nobody else waits for it. */
struct semaphore {
    weir_sys_mutex mutex;
    weir_sys_condition condition;
    int count; /* Under the mutex. */
};

static inline void semaphore_init(struct semaphore *semaphore)
{
    weir_sys_mutex_init(&semaphore->mutex);
    weir_sys_condition_init(&semaphore->condition);
    semaphore->count = 0;
}

static inline void semaphore_fini(struct semaphore *semaphore)
{
    weir_sys_condition_fini(&semaphore->condition);
    weir_sys_mutex_fini(&semaphore->mutex);
}

/** Who waited may end the semaphore at once. */
static inline void semaphore_post(struct semaphore *semaphore)
{
    weir_sys_mutex_lock(&semaphore->mutex);
    semaphore->count++;
    weir_sys_condition_signal(&semaphore->condition);
    weir_sys_mutex_unlock(&semaphore->mutex);
}

static inline void semaphore_wait(struct semaphore *semaphore)
{
    weir_sys_mutex_lock(&semaphore->mutex);
    while (semaphore->count == 0)
        weir_sys_condition_wait(&semaphore->condition, &semaphore->mutex);
    semaphore->count--;
    weir_sys_mutex_unlock(&semaphore->mutex);
}

#endif
