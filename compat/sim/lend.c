/* SPDX-License-Identifier: MIT */
/*
 * The buffers that a loop lends.
 *
 * One is taken when bytes have come, and not before; the bytes appear in it when the completion is
 * reaped. What a holder is shown is compared when he gives it back, with what is behind it; a
 * buffer at home is filled, and looked at when it is taken again.
 *
 * A receive that finds none, because all are lent or the seed wants it, waits until its loop looks
 * again and there is one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum { FILL_HOME = 0xb5 };

static bool is_filled(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == FILL_HOME && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Life. */

void weir_sim_lending_init(sim_kernel *kernel, const weir_backend_options *options)
{
    weir_lending_init(&kernel->lending.buffers, options->lent_buffer_bytes,
                      options->lent_bytes_max);
    weir_list_init(&kernel->lending.starved);
}

void weir_sim_lending_drop(sim_kernel *kernel)
{
    struct sim_lending *self = &kernel->lending;
    uint32_t i;

    for (i = 0; i < self->watched_count; i++)
        free(self->watched[i].bytes);
    free(self->watched);
    self->buffers.taken = 0;
    weir_lending_fini(&self->buffers);
}

void weir_sim_lending_fini(sim_kernel *kernel)
{
    SIM_CHECK(kernel->sim, kernel->lending.buffers.taken == 0,
              "a loop ends when all that it lent has been given back");
    weir_sim_lending_drop(kernel);
}

/* Taking. */

/* There are more buffers than are watched. */
static void watch_more(sim_kernel *kernel)
{
    struct sim_lending *self = &kernel->lending;
    struct sim_lent *watched = weir_sim_allocate(self->buffers.count * sizeof *watched);

    if (self->watched_count > 0)
        memcpy(watched, self->watched, self->watched_count * sizeof *watched);
    free(self->watched);
    self->watched = watched;
    self->watched_count = self->buffers.count;
}

static weir_lent *take(sim_kernel *kernel)
{
    struct sim_lending *self = &kernel->lending;
    weir_lent *lent = weir_lending_take(&self->buffers);

    if (!lent)
        return NULL;
    if (self->watched_count < self->buffers.count)
        watch_more(kernel);
    if (self->watched[lent->index].state == SIM_LENT_NEW)
        memset(lent->data, FILL_HOME, self->buffers.buffer_bytes);
    SIM_CHECK(kernel->sim, is_filled(lent->data, self->buffers.buffer_bytes),
              "nobody writes to a lent buffer that was given back");
    return lent;
}

/* Starving. */

bool weir_sim_lending_can_feed(const sim_kernel *kernel)
{
    const struct sim_lending *self = &kernel->lending;

    return !weir_list_is_empty(&self->starved) &&
           (self->buffers.free || self->buffers.count < self->buffers.count_max);
}

static void starve(sim_operation *operation)
{
    sim_kernel *kernel = operation->kernel;

    weir_sim_trace_at(sim_kernel_host(kernel), SIM_STARVED, operation->attached->descriptor, 0);
    operation->is_starved = true;
    weir_list_push(&kernel->lending.starved, &operation->starved_link);
    kernel->lending.starved_count++;
    kernel->statistics->lent_starved++;
    if (kernel->is_waiting && weir_sim_lending_can_feed(kernel))
        weir_sim_program_ready(kernel->program);
}

void weir_sim_operation_unstarve(sim_operation *operation)
{
    if (!operation->is_starved)
        return;
    operation->is_starved = false;
    weir_list_remove(&operation->starved_link);
    operation->kernel->lending.starved_count--;
}

/* Receiving. */

/* What came is the kernel's until the completion is reaped. */
static void complete(sim_operation *operation, const weir_lent *lent, uint8_t *bytes, size_t size)
{
    sim_kernel *kernel = operation->kernel;
    struct sim_lent *watched = &kernel->lending.watched[lent->index];
    unsigned flags = WEIR_OPERATION_LENT | lent->index << WEIR_OPERATION_LENT_SHIFT;

    watched->state = SIM_LENT_FILLED;
    watched->bytes = bytes;
    watched->size = size;
    if (!weir_sim_fault_at(sim_kernel_host(kernel), kernel->sim->options.faults.multishot_end,
                           SIM_FAULT_MULTISHOT_END))
        flags |= WEIR_OPERATION_MORE;
    weir_sim_operation_complete(operation, (int64_t)size, flags);
}

static void receive_into(sim_operation *operation, weir_lent *lent)
{
    sim_kernel *kernel = operation->kernel;
    size_t limit = weir_sim_operation_limit(operation, kernel->lending.buffers.buffer_bytes);
    uint8_t *bytes = weir_sim_allocate(limit);
    weir_buffer buffer = weir_buffer_of(bytes, limit);
    int64_t result = weir_sim_socket_receive(operation->socket, &buffer, 1, limit);

    if (result > 0) {
        complete(operation, lent, bytes, (size_t)result);
        return;
    }
    free(bytes);
    kernel->lending.watched[lent->index].state = SIM_LENT_HOME;
    weir_lending_put(&kernel->lending.buffers, lent);
    weir_sim_operation_complete(operation, result, 0);
}

/* A socket may be closed behind the cancel of its receive, which is on its way: until it arrives
 * the receive holds the socket, and nothing comes. */
static bool is_closed(const sim_operation *operation)
{
    const sim_attached *attached = operation->attached;

    return weir_sim_socket_at(sim_kernel_host(operation->kernel), attached->descriptor) !=
           operation->socket;
}

static void receive_one(sim_operation *operation)
{
    sim_kernel *kernel = operation->kernel;
    const weir_sim_faults *faults = &kernel->sim->options.faults;
    weir_lent *lent = NULL;

    if (!weir_sim_fault_at(sim_kernel_host(kernel), faults->no_buffers, SIM_FAULT_NO_BUFFERS))
        lent = take(kernel);
    if (lent)
        receive_into(operation, lent);
    else
        starve(operation);
}

static bool has_come(const sim_operation *operation)
{
    return !is_closed(operation) && weir_sim_socket_is_readable(operation->socket);
}

void weir_sim_operation_receive_lent(sim_operation *operation)
{
    const weir_list *starved = &operation->kernel->lending.starved;

    while (operation->state == SIM_INSIDE && !operation->is_starved && has_come(operation)) {
        if (weir_list_is_empty(starved))
            receive_one(operation);
        else
            starve(operation);
    }
}

/* One buffer each, in the order in which they came; who wants more is the last in line. */
void weir_sim_lending_feed(sim_kernel *kernel)
{
    weir_list *starved = &kernel->lending.starved;
    size_t left = kernel->lending.starved_count;

    for (; left > 0 && weir_sim_lending_can_feed(kernel); left--) {
        sim_operation *operation =
            WEIR_CONTAINER_OF(weir_list_first(starved), sim_operation, starved_link);

        weir_sim_operation_unstarve(operation);
        if (has_come(operation))
            receive_one(operation);
        weir_sim_operation_try_soon(operation);
    }
}

int weir_sim_kernel_receive_lent(weir_backend *backend, weir_operation *operation,
                                 weir_handle *handle)
{
    return weir_sim_operation_queue(weir_sim_operation_new(sim_kernel_of(backend), operation,
                                                           handle, SIM_RECEIVE_LENT_OPERATION));
}

/* Showing and giving back. */

static struct sim_lent *watched_of(sim_kernel *kernel, const weir_lent *lent)
{
    return &kernel->lending.watched[lent->index];
}

void weir_sim_lending_show(sim_kernel *kernel, unsigned flags)
{
    weir_lent *lent = weir_backend_lent(&kernel->base, flags);
    struct sim_lent *watched = watched_of(kernel, lent);

    SIM_CHECK(kernel->sim, is_filled(lent->data, kernel->lending.buffers.buffer_bytes),
              "nobody writes to a lent buffer before its bytes have come");
    memcpy(lent->data, watched->bytes, watched->size);
    watched->state = SIM_LENT_HELD;
}

void weir_sim_kernel_give_back(weir_backend *backend, weir_lent *lent)
{
    sim_kernel *kernel = sim_kernel_of(backend);
    weir_lending *buffers = &kernel->lending.buffers;
    struct sim_lent *watched = watched_of(kernel, lent);

    SIM_CHECK(kernel->sim, watched->state == SIM_LENT_HELD,
              "a lent buffer is given back once, by its holder");
    SIM_CHECK(kernel->sim,
              memcmp(lent->data, watched->bytes, watched->size) == 0 &&
                  is_filled(lent->data + watched->size, buffers->buffer_bytes - watched->size),
              "nobody writes to a lent buffer");
    memset(lent->data, FILL_HOME, watched->size);
    free(watched->bytes);
    watched->bytes = NULL;
    watched->state = SIM_LENT_HOME;
    weir_lending_put(buffers, lent);
}
