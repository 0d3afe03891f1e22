/* SPDX-License-Identifier: MIT */

/*
 * Open descriptors as /proc/self/fd lists them, and LeakSanitizer's verdict where it is linked.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leaks.h"
#include "test.h"

/* Part of AddressSanitizer's run-time library: NULL in a build without it. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

void test_descriptors_list(struct test_descriptors *ret_descriptors)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;

    CHECK(directory);
    memset(ret_descriptors, 0, sizeof *ret_descriptors);
    while ((entry = readdir(directory))) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);

        if (end != entry->d_name && fd != dirfd(directory) && fd < TEST_DESCRIPTORS_MAX)
            ret_descriptors->is_open[fd] = true;
    }
    closedir(directory);
}

int test_descriptor_count(void)
{
    struct test_descriptors now;
    int count = 0;

    test_descriptors_list(&now);
    for (int fd = 0; fd < TEST_DESCRIPTORS_MAX; fd++)
        count += now.is_open[fd];
    return count;
}

static void report(int fd)
{
    char link[64];
    char target[256] = "";

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, target, sizeof target - 1) < 0)
        snprintf(target, sizeof target, "?");
    fprintf(stderr, "leaked descriptor %d: %s\n", fd, target);
}

void test_descriptors_check(const struct test_descriptors *before)
{
    struct test_descriptors now;
    int leaked = 0;

    test_descriptors_list(&now);
    for (int fd = 0; fd < TEST_DESCRIPTORS_MAX; fd++) {
        if (!now.is_open[fd] || before->is_open[fd])
            continue;
        report(fd);
        leaked++;
    }
    CHECK_EQ(leaked, 0);
}

static bool memory_is_lost;

void test_memory_lost(void)
{
    memory_is_lost = true;
}

void test_memory_check(void)
{
    if (!memory_is_lost && __lsan_do_recoverable_leak_check)
        CHECK_EQ(__lsan_do_recoverable_leak_check(), 0);
}
