/* SPDX-License-Identifier: MIT */
/*
 * What belongs to the kernel while an operation is in flight, and what was freed: whether somebody
 * touched it all the same.
 *
 * The words of a record that are the backend's are marked, and so is the memory of a receive, whose
 * bytes come only when it is reaped. What a send takes is compared with what it was. Frames that
 * were freed are filled, and looked at before their memory goes back.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum {
    GUARDED_BYTES = 1024 * 1024, /* Of one operation's memory, at most. */
    FREED_BYTES = 256 * 1024,    /* Of frames that are kept to be looked at. */
    FILL_RECEIVE = 0xa7,
    FILL_NEW = 0xcd,
    FILL_FREED = 0xdd,
};

static const uintptr_t MARK = (uintptr_t)UINT64_C(0x51b9d2f3a64c7e85);

static void mark(uintptr_t *words, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        words[i] = MARK + i;
}

static bool is_marked(const uintptr_t *words, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (words[i] != MARK + i)
            return false;
    }
    return true;
}

static bool is_filled(const uint8_t *bytes, size_t size, uint8_t fill)
{
    size_t i;

    for (i = 0; i < size; i++) {
        if (bytes[i] != fill)
            return false;
    }
    return true;
}

/* Records. The first word of scratch is the backend's own. */

void weir_sim_operation_mark(sim_operation *operation)
{
    weir_operation *original = operation->operation;

    original->scratch[0] = (uintptr_t)operation;
    mark(original->scratch + 1, WEIR_OPERATION_SCRATCH_WORDS - 1);
    operation->copy = *original;
    if (operation->guard.message)
        mark(operation->guard.message->words, WEIR_MESSAGE_WORDS);
}

void weir_sim_operation_check(sim_operation *operation)
{
    weir_sim *sim = operation->kernel->sim;
    const weir_operation *original = operation->operation;

    SIM_CHECK(sim,
              original->ops == operation->copy.ops && original->object == operation->copy.object &&
                  original->scratch[0] == (uintptr_t)operation &&
                  is_marked(original->scratch + 1, WEIR_OPERATION_SCRATCH_WORDS - 1),
              "the record of an operation in flight is the kernel's");
    SIM_CHECK(sim,
              !operation->guard.message ||
                  is_marked(operation->guard.message->words, WEIR_MESSAGE_WORDS),
              "the message header of an operation in flight is the kernel's");
    if (operation->attached)
        weir_sim_attached_check(operation->attached);
}

void weir_sim_attached_mark(sim_attached *attached)
{
    attached->handle->scratch[0] = (uintptr_t)attached;
    mark(attached->handle->scratch + 1, WEIR_HANDLE_SCRATCH_WORDS - 1);
}

void weir_sim_attached_unmark(sim_attached *attached)
{
    attached->handle->scratch[0] = 0;
    attached->handle->scratch[1] = 0;
}

sim_attached *weir_sim_attached_marked(const weir_handle *handle)
{
    if (!is_marked(handle->scratch + 1, WEIR_HANDLE_SCRATCH_WORDS - 1))
        return NULL;
    return (sim_attached *)handle->scratch[0];
}

void weir_sim_attached_check(const sim_attached *attached)
{
    const weir_handle *handle = attached->handle;

    SIM_CHECK(attached->kernel->sim,
              handle->native == attached->descriptor && handle->scratch[0] == (uintptr_t)attached &&
                  is_marked(handle->scratch + 1, WEIR_HANDLE_SCRATCH_WORDS - 1),
              "a socket stays as it is while it is open");
}

/* Memory. */

static bool is_receive(const sim_operation *operation)
{
    return operation->kind == SIM_RECEIVE_OPERATION;
}

/* Call visit for each piece of the guarded memory, with the place of what was saved of it. */
typedef void visit_fn(const sim_operation *operation, uint8_t *bytes, uint8_t *saved, size_t size);

static void visit_pieces(sim_operation *operation, visit_fn *visit)
{
    const struct sim_guard *guard = &operation->guard;
    size_t done = 0;
    size_t i;

    for (i = 0; i < guard->count && done < guard->saved_size; i++) {
        size_t size = guard->buffers[i].size;

        if (size > guard->saved_size - done)
            size = guard->saved_size - done;
        if (size > 0)
            visit(operation, guard->buffers[i].data, guard->saved + done, size);
        done += size;
    }
}

static void take_piece(const sim_operation *operation, uint8_t *bytes, uint8_t *saved, size_t size)
{
    memcpy(saved, bytes, size);
    if (is_receive(operation))
        memset(bytes, FILL_RECEIVE, size);
}

static void give_piece(const sim_operation *operation, uint8_t *bytes, uint8_t *saved, size_t size)
{
    weir_sim *sim = operation->kernel->sim;

    if (is_receive(operation)) {
        SIM_CHECK(sim, is_filled(bytes, size, FILL_RECEIVE),
                  "nobody writes to the memory of a receive in flight");
        memcpy(bytes, saved, size);
    } else {
        SIM_CHECK(sim, memcmp(bytes, saved, size) == 0,
                  "nobody writes to the memory of a send in flight");
    }
}

static void save(sim_operation *operation)
{
    struct sim_guard *guard = &operation->guard;

    guard->saved_size = guard->size < GUARDED_BYTES ? guard->size : GUARDED_BYTES;
    if (guard->saved_size == 0)
        return;
    guard->saved = weir_sim_allocate(guard->saved_size);
    visit_pieces(operation, take_piece);
}

void weir_sim_guard_take(sim_operation *operation, const weir_buffer *buffers, size_t count,
                         const void *sequence)
{
    struct sim_guard *guard = &operation->guard;
    size_t i;

    guard->sequence = sequence;
    guard->count = count;
    guard->buffers = weir_sim_allocate((count ? count : 1) * sizeof *guard->buffers);
    for (i = 0; i < count; i++) {
        guard->buffers[i] = buffers[i];
        guard->size += buffers[i].size;
    }
    save(operation);
}

static bool is_same_sequence(const struct sim_guard *guard)
{
    const weir_buffer *sequence = guard->sequence;
    size_t i;

    for (i = 0; sequence && i < guard->count; i++) {
        if (sequence[i].data != guard->buffers[i].data ||
            sequence[i].size != guard->buffers[i].size)
            return false;
    }
    return true;
}

/* Move what a receive got to where it goes. */
static void deliver(const struct sim_guard *guard, const uint8_t *bytes, size_t left)
{
    size_t i;

    for (i = 0; left > 0; i++) {
        size_t size = guard->buffers[i].size < left ? guard->buffers[i].size : left;

        if (size > 0)
            memcpy(guard->buffers[i].data, bytes, size);
        bytes += size;
        left -= size;
    }
}

void weir_sim_guard_give(sim_operation *operation, int result)
{
    struct sim_guard *guard = &operation->guard;

    SIM_CHECK(operation->kernel->sim, is_same_sequence(guard),
              "the buffer sequence of an operation in flight stays as it is");
    visit_pieces(operation, give_piece);
    if (operation->received && result > 0)
        deliver(guard, operation->received, (size_t)result);
    weir_sim_guard_drop(operation);
}

void weir_sim_guard_drop(sim_operation *operation)
{
    free(operation->received);
    free(operation->guard.saved);
    free(operation->guard.buffers);
}

/* Frames. */

/* In front of each frame. */
struct sim_frame {
    _Alignas(max_align_t) weir_list_node link; /* sim_frames.live. What follows suits any type. */
    struct sim_frame *next;                    /* Freed ones, oldest first. */
    const weir_sim_host *host;                 /* Whose program allocated it. */
    size_t size;
    uintptr_t mark;
};

static uint8_t *bytes_of(struct sim_frame *frame)
{
    return (uint8_t *)(frame + 1);
}

static void *frames_allocate(weir_memory *memory, size_t size)
{
    struct sim_frames *frames = WEIR_CONTAINER_OF(memory, struct sim_frames, memory);
    weir_sim *sim = frames->sim;
    struct sim_frame *frame;

    if (weir_sim_fault(sim, sim->options.faults.no_frames, SIM_FAULT_NO_FRAMES))
        return NULL;
    frame = weir_sim_allocate(sizeof *frame + size);
    frame->next = NULL;
    frame->size = size;
    frame->mark = MARK;
    frame->host = sim->running ? sim->running->host : NULL;
    weir_list_push(&frames->live, &frame->link);
    memset(bytes_of(frame), FILL_NEW, size);
    frames->live_count++;
    return bytes_of(frame);
}

static void give_back_oldest(struct sim_frames *frames)
{
    struct sim_frame *frame = frames->freed_first;

    SIM_CHECK(frames->sim, is_filled(bytes_of(frame), frame->size, FILL_FREED),
              "nobody writes to a frame that was freed");
    frames->freed_first = frame->next;
    frames->freed_bytes -= frame->size;
    free(frame);
}

static void frames_release(weir_memory *memory, void *block, size_t size)
{
    struct sim_frames *frames = WEIR_CONTAINER_OF(memory, struct sim_frames, memory);
    struct sim_frame *frame = (struct sim_frame *)block - 1;

    SIM_CHECK(frames->sim, frame->mark == MARK && frame->size == size,
              "a frame is released once, with the size it was allocated with");
    frames->live_count--;
    weir_list_remove(&frame->link);
    if (weir_sys_is_sanitized()) { /* Which tells sooner. */
        free(frame);
        return;
    }
    frame->mark = 0;
    memset(bytes_of(frame), FILL_FREED, size);
    if (frames->freed_first)
        frames->freed_last->next = frame;
    else
        frames->freed_first = frame;
    frames->freed_last = frame;
    frames->freed_bytes += size;
    while (frames->freed_bytes > FREED_BYTES)
        give_back_oldest(frames);
}

void weir_sim_frames_init(struct sim_frames *frames, weir_sim *sim)
{
    frames->memory.allocate = frames_allocate;
    frames->memory.release = frames_release;
    frames->sim = sim;
    weir_list_init(&frames->live);
}

void weir_sim_frames_drop(struct sim_frames *frames, const weir_sim_host *host)
{
    weir_list_node *node = weir_list_first(&frames->live);

    while (node) {
        struct sim_frame *frame = WEIR_CONTAINER_OF(node, struct sim_frame, link);

        node = weir_list_next(&frames->live, node);
        if (frame->host != host)
            continue;
        weir_list_remove(&frame->link);
        frames->live_count--;
        free(frame);
    }
}

void weir_sim_frames_fini(struct sim_frames *frames)
{
    while (frames->freed_first)
        give_back_oldest(frames);
}
