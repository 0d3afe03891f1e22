/* SPDX-License-Identifier: MIT */
/* Pages. */
#define _GNU_SOURCE

#include <stdint.h>
#include <sys/mman.h>

#include "sys.h"

static void *map(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return pages == MAP_FAILED ? NULL : pages;
}

/* Not inherited: while a page is pinned, a child's copy of it would be on this
 * process's account. */
void *weir_sys_pages_new(size_t size)
{
    void *pages = map(size);

    if (pages)
        (void)madvise(pages, size, MADV_DONTFORK);
    return pages;
}

void weir_sys_pages_free(void *pages, size_t size)
{
    (void)munmap(pages, size);
}

static size_t excess_of(const uint8_t *pages, size_t size)
{
    return (size_t)((uintptr_t)pages & (size - 1));
}

/* Twice as much has what is wanted in it. */
static void *map_and_trim(size_t size)
{
    uint8_t *pages = map(2 * size);
    size_t before;

    if (!pages)
        return NULL;
    before = size - excess_of(pages, size);
    (void)munmap(pages, before);
    if (before < size)
        (void)munmap(pages + before + size, size - before);
    return pages + before;
}

/* Linux puts a mapping below the last, so that mostly the first is the only one that is trimmed. */
void *weir_sys_pages_new_aligned(size_t size)
{
    void *pages = map(size);

    if (!pages || excess_of(pages, size) == 0)
        return pages;
    (void)munmap(pages, size);
    return map_and_trim(size);
}
