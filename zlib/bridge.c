/* SPDX-License-Identifier: MIT */
/* zlib's memory, and its words for things. */
#include "bridge.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* Memory. zlib releases blocks without their size, so that stands in front of them. */

union block_header {
    size_t size; /* Of the block, with this. */
    max_align_t aligned;
};

static void *allocate(weir_memory *memory, size_t size)
{
    union block_header *header = memory->allocate(memory, sizeof *header + size);

    if (!header)
        return NULL;
    header->size = sizeof *header + size;
    return header + 1;
}

static void release(weir_memory *memory, void *block)
{
    union block_header *header = (union block_header *)block - 1;

    memory->release(memory, header, header->size);
}

static voidpf zlib_allocate(voidpf opaque, uInt items, uInt size)
{
    if (size > 0 && items > (SIZE_MAX - sizeof(union block_header)) / size)
        return Z_NULL;
    return allocate(opaque, (size_t)items * size);
}

static void zlib_release(voidpf opaque, voidpf block)
{
    release(opaque, block);
}

z_stream *weir_zlib_open(weir_memory *memory)
{
    static const z_stream nothing;
    z_stream *zlib;

    if (!memory)
        memory = &weir_memory_heap;
    zlib = allocate(memory, sizeof *zlib);
    if (!zlib)
        return NULL;
    *zlib = nothing;
    zlib->zalloc = zlib_allocate;
    zlib->zfree = zlib_release;
    zlib->opaque = memory;
    return zlib;
}

void weir_zlib_close(z_stream *zlib)
{
    release(zlib->opaque, zlib);
}

/* Words. */

int weir_zlib_window_bits(enum weir_zlib_format format)
{
    if (format == WEIR_ZLIB_RAW)
        return -MAX_WBITS;
    return format == WEIR_ZLIB_GZIP ? MAX_WBITS + 16 : MAX_WBITS;
}

int weir_zlib_init_error(int code)
{
    if (code == Z_OK)
        return 0;
    return code == Z_MEM_ERROR ? -ENOMEM : -ENOTSUP;
}

uInt weir_zlib_size(size_t size)
{
    return size < UINT_MAX ? (uInt)size : UINT_MAX;
}

void weir_zlib_claim(weir_task *child, weir_resume_fn *resume)
{
    WEIR_ASSERT(child->state == WEIR_TASK_NEW || child->state == WEIR_TASK_DONE,
                "one operation at a time is in flight on a filter");

    weir_task_init(child, resume);
}
