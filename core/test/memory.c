/* SPDX-License-Identifier: MIT */
/* Memories that count and that fail. A counted block has a label in front of it. */
#include <weir/test/memory.h>

#include <stdint.h>

#include <weir/assert.h>
#include <weir/test/fail.h>

/* In front of each counted block, as large as keeps it aligned. */
union label {
    struct {
        size_t size;
        const weir_counting_memory *owner;
    } of;
    max_align_t aligned;
};

static weir_counting_memory *counting_of(weir_memory *memory)
{
    return WEIR_CONTAINER_OF(memory, weir_counting_memory, memory);
}

static void *counting_allocate(weir_memory *memory, size_t size)
{
    weir_counting_memory *self = counting_of(memory);
    union label *label;

    if (size > SIZE_MAX - sizeof *label)
        return NULL;
    label = self->under->allocate(self->under, sizeof *label + size);
    if (!label)
        return NULL;
    label->of.size = size;
    label->of.owner = self;
    self->live_count++;
    self->live_bytes += size;
    self->total_count++;
    self->total_bytes += size;
    if (self->live_bytes > self->peak_bytes)
        self->peak_bytes = self->live_bytes;
    return label + 1;
}

static void counting_release(weir_memory *memory, void *block, size_t size)
{
    weir_counting_memory *self = counting_of(memory);
    union label *label = (union label *)block - 1;

    if (label->of.owner != self)
        weir_test_fail("a block of %zu bytes was released to a memory that it is not of", size);
    if (label->of.size != size)
        weir_test_fail("a block of %zu bytes was released as one of %zu", label->of.size, size);
    label->of.owner = NULL;
    self->live_count--;
    self->live_bytes -= size;
    self->under->release(self->under, label, sizeof *label + size);
}

void weir_counting_memory_init(weir_counting_memory *memory, weir_memory *under)
{
    memory->memory.allocate = counting_allocate;
    memory->memory.release = counting_release;
    memory->under = under ? under : &weir_memory_heap;
    memory->live_count = 0;
    memory->live_bytes = 0;
    memory->peak_bytes = 0;
    memory->total_count = 0;
    memory->total_bytes = 0;
}

void weir_counting_memory_fini(weir_counting_memory *memory)
{
    if (memory->live_count > 0)
        weir_test_fail("%zu of %zu blocks were not released: %zu bytes", memory->live_count,
                       memory->total_count, memory->live_bytes);
}

static void *fuse_allocate(weir_memory *memory, size_t size)
{
    weir_fuse_memory *self = WEIR_CONTAINER_OF(memory, weir_fuse_memory, memory);

    if (weir_fuse_blow(self->fuse))
        return NULL;
    return self->under->allocate(self->under, size);
}

static void fuse_release(weir_memory *memory, void *block, size_t size)
{
    weir_fuse_memory *self = WEIR_CONTAINER_OF(memory, weir_fuse_memory, memory);

    self->under->release(self->under, block, size);
}

void weir_fuse_memory_init(weir_fuse_memory *memory, weir_fuse *fuse, weir_memory *under)
{
    memory->memory.allocate = fuse_allocate;
    memory->memory.release = fuse_release;
    memory->under = under ? under : &weir_memory_heap;
    memory->fuse = fuse;
}
