/* SPDX-License-Identifier: MIT */
/* Pages. */
#define _GNU_SOURCE

#include <sys/mman.h>

#include "sys.h"

/* Not inherited: while a page is pinned, a child's copy of it would be on this process's account. */
void *weir_sys_pages_new(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        return NULL;
    (void)madvise(pages, size, MADV_DONTFORK);
    return pages;
}

void weir_sys_pages_free(void *pages, size_t size)
{
    (void)munmap(pages, size);
}
