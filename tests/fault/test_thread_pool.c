/* SPDX-License-Identifier: MIT */
/* Thread pools where the system has no more threads, or no memory: all of a pool, or nothing. */
#include <weir/thread_pool.h>

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "fuse.h"
#include "test.h"

enum { THREADS = 4 };

#define NAME "fault-pool"

/* Whether a thread of this process still has the name of the pool's. */
static bool is_left(const char *id)
{
    char path[300];
    char name[32] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%s/comm", id);
    file = fopen(path, "r");
    if (!file)
        return false;
    (void)fgets(name, sizeof name, file);
    fclose(file);
    return strcmp(name, NAME "\n") == 0;
}

static int threads_left(void)
{
    DIR *directory = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;

    CHECK(directory);
    while ((entry = readdir(directory)))
        count += is_left(entry->d_name);
    closedir(directory);
    return count;
}

static int make(weir_thread_pool **ret_pool)
{
    weir_thread_pool_options options = {.threads = THREADS, .name = NAME};

    return weir_thread_pool_new(&options, ret_pool);
}

WEIR_TEST(fault_thread_pool, whichever_thread_fails_none_is_left)
{
    for (unsigned nth = 1; nth <= THREADS; nth++) {
        weir_thread_pool *pool = NULL;

        fuse_light(FUSE_PTHREAD_CREATE, EAGAIN, nth, 1);
        CHECK_EQ(make(&pool), -EAGAIN);
        CHECK_EQ(fuse_put_out(), 1);
        CHECK(!pool);
        while (threads_left() > 0) /* One that was joined may be listed for a moment more. */
            sched_yield();
    }
}

WEIR_TEST(fault_thread_pool, without_memory_there_is_none)
{
    weir_thread_pool *pool = NULL;

    fuse_light(FUSE_MEMORY, ENOMEM, 1, 1);
    CHECK_EQ(make(&pool), -ENOMEM);
    CHECK_EQ(fuse_put_out(), 1);
    CHECK(!pool);
}

/* Where the machine has one processor, the fuse does not blow. */
WEIR_TEST(fault_thread_pool, the_process_makes_do_with_one_thread)
{
    fuse_light(FUSE_PTHREAD_CREATE, EAGAIN, 2, 1);
    CHECK(weir_system_context());
    (void)fuse_put_out();
}

WEIR_ABORT_TEST(fault_thread_pool, the_process_aborts_without_a_thread)
{
    fuse_light(FUSE_PTHREAD_CREATE, EAGAIN, 1, FUSE_FOREVER);
    (void)weir_system_context();
}
