/* SPDX-License-Identifier: MIT */
/* Faults, loops, memory and stops that scenarios share. */
#include "play.h"

#include <string.h>

void play_forgo_failures(weir_sim_faults *faults)
{
    faults->lost_connection = 0;
    faults->refused_connection = 0;
    faults->reset_connection = 0;
    faults->no_descriptors = 0;
    faults->no_kernel_memory = 0;
    faults->no_frames = 0;
    faults->stalled_program = 0;
    faults->late_notification = 0; /* What is stopped meanwhile is reset. */
}

weir_result play_run(weir_task *main)
{
    weir_loop *loop = kit_loop_new();
    weir_result result = weir_run(loop, main);

    kit_loop_free(loop);
    return result;
}

static void *allocate(weir_memory *memory, size_t size)
{
    struct play_memory *self = WEIR_CONTAINER_OF(memory, struct play_memory, memory);

    if (size > self->left)
        return NULL;
    self->left -= size;
    return weir_memory_heap.allocate(&weir_memory_heap, size);
}

static void release(weir_memory *memory, void *block, size_t size)
{
    WEIR_CONTAINER_OF(memory, struct play_memory, memory)->left += size;
    weir_memory_heap.release(&weir_memory_heap, block, size);
}

void play_memory_init(struct play_memory *memory, size_t size)
{
    memory->memory = (weir_memory){.allocate = allocate, .release = release};
    memory->left = size;
}

enum { POISON = 0xa5 };

void play_poison(void *memory, size_t size)
{
    memset(memory, POISON, size);
}

bool play_is_poisoned(const void *memory, size_t size)
{
    const unsigned char *bytes = memory;

    while (size > 0 && bytes[size - 1] == POISON)
        size--;
    return size == 0;
}

void play_stopper_open(weir_sim *sim, struct play_stopper *stopper, weir_task *task)
{
    stopper->sim = sim;
    stopper->is_open = true;
    weir_stop_source_open(&stopper->source, task);
    if (stopper->early)
        weir_task_stop(task, stopper->early);
}

void play_stop(weir_sim *sim, struct play_stopper *stopper, unsigned bits)
{
    if (!stopper->asked)
        stopper->asked_ns = weir_sim_outcome_get(sim).time_ns;
    stopper->asked |= bits;
    if (stopper->is_open)
        weir_stop_source_request(&stopper->source, bits);
    else
        stopper->early |= bits;
}

static void ask(weir_sim *sim, void *argument)
{
    struct play_stopper *stopper = argument;

    play_stop(sim, stopper, stopper->later_bits);
}

void play_stop_at(weir_sim *sim, struct play_stopper *stopper, unsigned bits, int64_t at_ns)
{
    stopper->later_bits = bits;
    weir_sim_at(sim, at_ns, ask, stopper);
}

bool play_is_stopped(const struct play_stopper *stopper, int error)
{
    return error == WEIR_CANCELLED &&
           (stopper->asked & (unsigned)(WEIR_STOP_REQUESTED | WEIR_STOP_HARD));
}
