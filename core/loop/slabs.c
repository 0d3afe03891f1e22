/* SPDX-License-Identifier: MIT */
/*
 * Slabs. They begin at multiples of their size, so that a block finds its own.
 */
#include "slabs.h"

#include <stdint.h>

#include "sys.h"

/* At the beginning of its pages. */
struct slab {
    weir_list_node link; /* On its class, while it has room; on the list of empty ones. */
    void *free;          /* Blocks that came back, last first, by their first word. */
    uint32_t next;       /* Bytes to the first block that was never used. */
    uint32_t used_count; /* Blocks that are out. */
};

_Static_assert(sizeof(struct slab) <= WEIR_SLAB_FIRST, "blocks begin behind the header");

static size_t class_of(size_t size)
{
    return (size - 1) / WEIR_SLAB_UNIT;
}

static uint32_t block_bytes_of(size_t size)
{
    return (uint32_t)(class_of(size) + 1) * WEIR_SLAB_UNIT;
}

static struct slab *slab_of(void *block)
{
    return (struct slab *)((uintptr_t)block & ~(uintptr_t)(WEIR_SLAB_BYTES - 1));
}

static struct slab *first_of(const weir_list *list)
{
    weir_list_node *node = weir_list_first(list);

    return node ? WEIR_CONTAINER_OF(node, struct slab, link) : NULL;
}

static bool has_room(const struct slab *slab, uint32_t block_bytes)
{
    return slab->free || slab->next + block_bytes <= WEIR_SLAB_BYTES;
}

/* A slab without blocks in use, on no list; NULL: no memory. */
static struct slab *slab_new(weir_slabs *slabs)
{
    struct slab *slab = first_of(&slabs->empty);

    if (slab) {
        weir_list_remove(&slab->link);
        slabs->empty_count--;
    } else {
        slab = weir_sys_pages_new_aligned(WEIR_SLAB_BYTES);
        if (!slab)
            return NULL;
        slabs->slab_count++;
    }
    *slab = (struct slab){.next = WEIR_SLAB_FIRST};
    return slab;
}

static void slab_free(weir_slabs *slabs, struct slab *slab)
{
    slabs->slab_count--;
    weir_sys_pages_free(slab, WEIR_SLAB_BYTES);
}

static void *take(struct slab *slab, uint32_t block_bytes)
{
    void *block = slab->free;

    slab->used_count++;
    if (block) {
        slab->free = *(void **)block;
        return block;
    }
    block = (char *)slab + slab->next;
    slab->next += block_bytes;
    return block;
}

static void *slabs_allocate(weir_memory *memory, size_t size)
{
    weir_slabs *self = WEIR_CONTAINER_OF(memory, weir_slabs, memory);
    uint32_t block_bytes;
    struct slab *slab;
    void *block;

    if (size > WEIR_SLAB_BLOCK_MAX)
        return weir_memory_heap.allocate(&weir_memory_heap, size);
    block_bytes = block_bytes_of(size);
    slab = first_of(&self->classes[class_of(size)]);
    if (!slab) {
        slab = slab_new(self);
        if (!slab)
            return NULL;
        weir_list_push(&self->classes[class_of(size)], &slab->link);
    }
    block = take(slab, block_bytes);
    if (!has_room(slab, block_bytes))
        weir_list_remove(&slab->link);
    return block;
}

/* Its last block has come back. */
static void retire(weir_slabs *self, struct slab *slab)
{
    weir_list_remove(&slab->link);
    if (self->empty_count == self->empty_count_max) {
        slab_free(self, slab);
        return;
    }
    weir_list_insert_before(self->empty.head.next, &slab->link); /* Its pages are there: next. */
    self->empty_count++;
}

static void slabs_release(weir_memory *memory, void *block, size_t size)
{
    weir_slabs *self = WEIR_CONTAINER_OF(memory, weir_slabs, memory);
    struct slab *slab = slab_of(block);

    if (size > WEIR_SLAB_BLOCK_MAX) {
        weir_memory_heap.release(&weir_memory_heap, block, size);
        return;
    }
    *(void **)block = slab->free;
    slab->free = block;
    if (!weir_list_is_linked(&slab->link)) /* It was full: those with room before it go first. */
        weir_list_push(&self->classes[class_of(size)], &slab->link);
    if (--slab->used_count == 0)
        retire(self, slab);
}

void weir_slabs_init(weir_slabs *slabs, size_t empty_bytes_max)
{
    size_t i;

    *slabs = (weir_slabs){
        .memory = {.allocate = slabs_allocate, .release = slabs_release},
        .empty_count_max = empty_bytes_max / WEIR_SLAB_BYTES,
    };
    for (i = 0; i < WEIR_SLAB_CLASSES; i++)
        weir_list_init(&slabs->classes[i]);
    weir_list_init(&slabs->empty);
}

void weir_slabs_fini(weir_slabs *slabs)
{
    struct slab *slab;

    while ((slab = first_of(&slabs->empty))) {
        weir_list_remove(&slab->link);
        slab_free(slabs, slab);
    }
    WEIR_ASSERT(slabs->slab_count == 0, "every block is back before its slabs end");
}
