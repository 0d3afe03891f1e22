/* SPDX-License-Identifier: MIT */
/* What the tests of dynamic buffers share. */
#include "buffer_subject.h"

#include <stdlib.h>

#include "test.h"

static void *ration_allocate(weir_memory *memory, size_t size)
{
    struct ration *self = WEIR_CONTAINER_OF(memory, struct ration, memory);

    CHECK(size > 0);
    self->asked_count++;
    if (self->is_dry || self->asked_count == self->fail_at)
        return NULL;
    if (self->mood && random_below(&self->mood, 3) == 0)
        return NULL;
    self->live_count++;
    self->live_bytes += size;
    return malloc(size);
}

static void ration_release(weir_memory *memory, void *block, size_t size)
{
    struct ration *self = WEIR_CONTAINER_OF(memory, struct ration, memory);

    self->live_count--;
    self->live_bytes -= size;
    free(block);
}

void subject_init(struct subject *self, enum kind kind, size_t size_max)
{
    *self = (struct subject){.kind = kind, .ration = {.memory = {ration_allocate, ration_release}}};
    self->dynamic = &self->as.flat.dynamic; /* It is the first member of each. */

    switch (kind) {
    case FLAT_FIXED:
        self->storage = malloc(size_max);
        weir_flat_buffer_init_fixed(&self->as.flat, self->storage, size_max);
        break;
    case CIRCULAR_FIXED:
        self->storage = malloc(size_max);
        weir_circular_buffer_init_fixed(&self->as.circular, self->storage, size_max);
        break;
    case FLAT_GROWING:
        weir_flat_buffer_init_growing(&self->as.flat, &self->ration.memory, size_max);
        break;
    case CIRCULAR_GROWING:
        weir_circular_buffer_init_growing(&self->as.circular, &self->ration.memory, size_max);
        break;
    default:
        weir_segmented_buffer_init(&self->as.segmented, &self->ration.memory,
                                   sizeof(void *) + SEGMENT, size_max);
    }
}

void subject_fini(struct subject *self)
{
    if (self->kind == FLAT_FIXED || self->kind == FLAT_GROWING)
        weir_flat_buffer_fini(&self->as.flat);
    else if (self->kind == CIRCULAR_FIXED || self->kind == CIRCULAR_GROWING)
        weir_circular_buffer_fini(&self->as.circular);
    else
        weir_segmented_buffer_fini(&self->as.segmented);
    CHECK_EQ(self->ration.live_count, 0);
    CHECK_EQ(self->ration.live_bytes, 0);
    free(self->storage);
}

size_t pieces_of(enum kind kind, size_t size)
{
    if (kind == FLAT_FIXED || kind == FLAT_GROWING)
        return 1;
    return kind == SEGMENTED ? size / SEGMENT + 2 : 2;
}

const char *place_of(const weir_dynamic_buffer *buffer, size_t offset)
{
    weir_const_buffer piece;

    CHECK_EQ(weir_dynamic_buffer_data(buffer, offset, &piece, 1), 1);
    return piece.data;
}
