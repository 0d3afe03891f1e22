/* SPDX-License-Identifier: MIT */
/*
 * The recycling frame allocator.
 *
 * Free lists are per size class, last in, first out, and touched only by the owner's thread. The
 * stack of frames freed elsewhere is pushed by any thread and taken whole by the owner, so it has
 * no ABA.
 */
#include <weir/frame.h>

#include "thread.h"

/* Size classes of a doubling above WEIR_FRAME_CLASSES units. */
enum { STEPS = 16 };

/* What the memory of a free frame holds. */
struct free_frame {
    struct free_frame *next;
    size_t units; /* On the stack of frames freed elsewhere. */
};

/* The size class of a frame: its free list (0: too large to be held back), and the size that all
 * frames of the class have. */
struct bin {
    size_t index;
    size_t units;
};

/* Up to 1 KiB each multiple of a unit is a class; above, a doubling has sixteen, which wastes at
 * most one part in sixteen. */
static struct bin bin_of(size_t units)
{
    size_t index = WEIR_FRAME_CLASSES;
    size_t octave = WEIR_FRAME_CLASSES; /* Units: the power of two below. */
    size_t steps;

    if (units <= WEIR_FRAME_CLASSES)
        return (struct bin){units, units};
    while (2 * octave < units) {
        octave *= 2;
        index += STEPS;
    }
    steps = (units - octave + octave / STEPS - 1) / (octave / STEPS);
    index += steps;
    if (index > WEIR_FRAME_CLASSES + WEIR_FRAME_LARGE_CLASSES)
        index = 0;
    return (struct bin){index, octave + steps * (octave / STEPS)};
}

void weir_frame_allocator_init(weir_frame_allocator *frames, weir_memory *source,
                               size_t retained_bytes_max)
{
    size_t i;

    for (i = 0; i < sizeof frames->free / sizeof frames->free[0]; i++)
        frames->free[i] = NULL;
    frames->source = source ? source : &weir_memory_heap;
    frames->freed_elsewhere = NULL;
    frames->owner = NULL;
    frames->small_bytes = 0;
    frames->small_bytes_max = retained_bytes_max;
    frames->large_bytes = 0;
    frames->small_share_bytes = retained_bytes_max;
    frames->retained_bytes_max = retained_bytes_max;
    frames->handed_out_count = 0;
    frames->taken_back_count = 0;
    frames->fresh_count = 0;
    frames->is_shared = false;
}

/* The free lists stay empty and the bound is zero, so that the inline paths come
 * here every time. */
void weir_frame_allocator_init_shared(weir_frame_allocator *frames, weir_memory *source)
{
    weir_frame_allocator_init(frames, source, 0);
    frames->is_shared = true;
}

void weir_frame_allocator_bind(weir_frame_allocator *frames)
{
    frames->owner = weir_thread_identity();
}

static void set_large(weir_frame_allocator *frames, size_t large_bytes)
{
    size_t left_bytes = frames->retained_bytes_max - large_bytes;

    frames->large_bytes = large_bytes;
    frames->small_bytes_max =
        frames->small_share_bytes < left_bytes ? frames->small_share_bytes : left_bytes;
}

void weir_frame_allocator_set_small_share(weir_frame_allocator *frames, size_t bytes)
{
    frames->small_share_bytes = bytes;
    set_large(frames, frames->large_bytes);
}

/* Count a frame as held back. Returns false when it must not be. */
static bool retain(weir_frame_allocator *frames, struct bin bin)
{
    size_t bytes = bin.units * WEIR_FRAME_UNIT;

    if (bin.units <= WEIR_FRAME_CLASSES) {
        if (frames->small_bytes + bytes > frames->small_bytes_max)
            return false;
        frames->small_bytes += bytes;
        return true;
    }
    if (bin.index == 0 || weir_frame_retained_bytes(frames) + bytes > frames->retained_bytes_max)
        return false;
    set_large(frames, frames->large_bytes + bytes);
    return true;
}

static void let_go(weir_frame_allocator *frames, struct bin bin)
{
    size_t bytes = bin.units * WEIR_FRAME_UNIT;

    if (bin.units <= WEIR_FRAME_CLASSES)
        frames->small_bytes -= bytes;
    else
        set_large(frames, frames->large_bytes - bytes);
}

void weir_frame_release_here(weir_frame_allocator *frames, void *memory, size_t units)
{
    struct bin bin = bin_of(units);
    size_t bytes = bin.units * WEIR_FRAME_UNIT;

    if (frames->is_shared) {
        frames->source->release(frames->source, memory, bytes);
        __atomic_add_fetch(&frames->taken_back_count, 1, __ATOMIC_RELEASE);
        return;
    }
    frames->taken_back_count++;
    if (!retain(frames, bin)) {
        frames->source->release(frames->source, memory, bytes);
        return;
    }
    *(void **)memory = frames->free[bin.index];
    frames->free[bin.index] = memory;
}

/* Order: the exchange acquires what the pushing thread wrote before its release. */
static void take_home(weir_frame_allocator *frames)
{
    struct free_frame *frame =
        __atomic_exchange_n(&frames->freed_elsewhere, NULL, __ATOMIC_ACQUIRE);

    while (frame) {
        struct free_frame *next = frame->next;

        weir_frame_release_here(frames, frame, frame->units);
        frame = next;
    }
}

/* Order: the release publishes frame->next and units to take_home. */
static void send_home(weir_frame_allocator *frames, void *memory, size_t units)
{
    struct free_frame *frame = memory;
    void *top = __atomic_load_n(&frames->freed_elsewhere, __ATOMIC_RELAXED);

    frame->units = units;
    weir_interleave();
    do {
        frame->next = top;
    } while (!__atomic_compare_exchange_n(&frames->freed_elsewhere, &top, frame, true,
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

void weir_frame_release(weir_frame_allocator *frames, void *memory, size_t units)
{
    if (frames->owner && frames->owner != weir_thread.identity)
        send_home(frames, memory, units);
    else
        weir_frame_release_here(frames, memory, units);
}

/* Order: the release of taken_back_count pairs with its acquire in weir_frame_live_count. */
static void *allocate_shared(weir_frame_allocator *frames, size_t bytes)
{
    void *memory = frames->source->allocate(frames->source, bytes);

    if (memory) {
        __atomic_add_fetch(&frames->handed_out_count, 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&frames->fresh_count, 1, __ATOMIC_RELAXED);
    }
    return memory;
}

void *weir_frame_allocate_slowly(weir_frame_allocator *frames, size_t units)
{
    struct bin bin = bin_of(units);
    void *memory;

    WEIR_ASSERT(units > 0, "a frame has a size");
    WEIR_ASSERT(units <= WEIR_FRAME_SIZE_MAX / WEIR_FRAME_UNIT, "a frame is at most 2 MiB");

    if (frames->is_shared)
        return allocate_shared(frames, bin.units * WEIR_FRAME_UNIT);
    if (__atomic_load_n(&frames->freed_elsewhere, __ATOMIC_RELAXED))
        take_home(frames);
    memory = bin.index ? frames->free[bin.index] : NULL;
    if (memory) {
        frames->free[bin.index] = *(void **)memory;
        let_go(frames, bin);
    } else {
        memory = frames->source->allocate(frames->source, bin.units * WEIR_FRAME_UNIT);
        frames->fresh_count += memory != NULL;
    }
    frames->handed_out_count += memory != NULL;
    return memory;
}

/* Order: what is back was out, so it is counted first. */
size_t weir_frame_live_count(const weir_frame_allocator *frames)
{
    size_t taken_back_count = __atomic_load_n(&frames->taken_back_count, __ATOMIC_ACQUIRE);

    return __atomic_load_n(&frames->handed_out_count, __ATOMIC_RELAXED) - taken_back_count;
}

/* Give a whole free list back; units is any size of its class. */
static void empty_bin(weir_frame_allocator *frames, size_t index, size_t units)
{
    while (frames->free[index]) {
        void *memory = frames->free[index];

        frames->free[index] = *(void **)memory;
        frames->source->release(frames->source, memory, units * WEIR_FRAME_UNIT);
    }
}

void weir_frame_allocator_fini(weir_frame_allocator *frames)
{
    size_t units = 1;

    take_home(frames);
    WEIR_ASSERT(weir_frame_live_count(frames) == 0,
                "every frame is back before its allocator ends");
    while (bin_of(units).index > 0) {
        struct bin bin = bin_of(units);

        empty_bin(frames, bin.index, bin.units);
        units = bin.units + 1;
    }
}

void weir_frame_discard(weir_task *task, weir_task *child)
{
    WEIR_ASSERT(child->state == WEIR_TASK_NEW, "only a frame that was not started is discarded");
    WEIR_ASSERT(child->frame_units > 0, "only a frame of weir_frame_new is discarded");
    WEIR_ASSERT(child->down.frames == task->environment->frames,
                "a frame is discarded where frames come from its allocator");
    weir_frame_release(task->environment->frames, child, child->frame_units);
}
