/* SPDX-License-Identifier: MIT */
#ifndef TEST_DRIVER_H
#define TEST_DRIVER_H

/*
 * Drivers: threads with an executor of their own, that run one tree each, to its end.
 *
 * All drivers of a test are joined before the first is ended, so none posts to one that is gone.
 */

#include <pthread.h>
#include <sched.h>

#include <weir/manual.h>
#include <weir/run.h>

#include "test.h"

struct driver {
    weir_manual manual;
    weir_root root;
    weir_task *main; /* In. */
    bool done;       /* Driver's thread. */
    pthread_t thread;
};

static inline void driver_done(weir_root *root, weir_result result)
{
    struct driver *self = root->user;

    CHECK_EQ(result.error, 0);
    self->done = true;
}

static inline void *driver_run(void *argument)
{
    struct driver *self = argument;

    weir_run_async(weir_manual_executor(&self->manual), &self->root, self->main, driver_done, self);
    while (!self->done) {
        if (!weir_manual_poll(&self->manual))
            sched_yield();
    }
    return NULL;
}

/** Run a tree on a thread of its own; it ends without an error. */
static inline void driver_start(struct driver *driver, weir_task *main)
{
    weir_manual_init(&driver->manual, NULL);
    driver->main = main;
    driver->done = false;
    CHECK_EQ(pthread_create(&driver->thread, NULL, driver_run, driver), 0);
}

static inline void driver_join(struct driver *driver)
{
    CHECK_EQ(pthread_join(driver->thread, NULL), 0);
}

static inline void driver_fini(struct driver *driver)
{
    weir_manual_fini(&driver->manual);
}

#endif
