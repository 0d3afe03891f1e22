/* SPDX-License-Identifier: MIT */
/* Sending without a copy: when it is tried, and the loop's own memory to send from. */
#include "zero_copy.h"

#include <errno.h>
#include <stdlib.h>

#include "loop.h"
#include "sys.h"

enum {
    COPIED_MAX = 3,          /* In a row: then it is taken for granted. */
    COPIES_FIRST = 64,       /* Sends until the first probe, */
    COPIES_MAX = 256 * 1024, /* and at most. */
};

/* Life. */

static void start_copying(struct weir_zero_copy_class *class, uint32_t copies)
{
    class->copies = copies < COPIES_MAX ? copies : COPIES_MAX;
    class->copies_left = class->copies;
    class->is_probing = false;
}

weir_zero_copy *weir_zero_copy_of(weir_loop *loop)
{
    weir_zero_copy *self = loop->zero_copy;

    if (WEIR_LIKELY(self != NULL))
        return self;
    self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->loop = loop;
    self->limit_bytes = loop->zero_copy_bytes_max;
    start_copying(&self->classes[WEIR_PEER_LOCAL], COPIES_FIRST);
    weir_list_init(&self->waiters);
    loop->zero_copy = self;
    return self;
}

/* What is still lent of the region stays as it is as long as the kernel reads it: its pages are
 * freed only then, and nobody else gets them before. */
void weir_zero_copy_end(weir_loop *loop)
{
    weir_zero_copy *self = loop->zero_copy;

    if (!self)
        return;
    loop->zero_copy = NULL;
    if (self->region)
        weir_sys_pages_free(self->region, self->region_bytes);
    if (self->writes)
        self->writes_free(self->writes);
    free(self->chunks);
    free(self);
}

/* When. */

bool weir_zero_copy_is_wanted(weir_zero_copy *self, enum weir_peer_class peer_class)
{
    struct weir_zero_copy_class *class = &self->classes[peer_class];

    if (self->is_missing)
        return false;
    if (class->copies == 0)
        return true;
    if (class->copies_left-- > 1)
        return false;
    class->copies_left = class->copies;
    class->is_probing = true;
    return true;
}

static void raise_limit(weir_zero_copy *self)
{
    size_t most = self->loop->zero_copy_bytes_max;

    if (self->limit_bytes < most)
        self->limit_bytes += (most - self->limit_bytes + 15) / 16;
}

void weir_zero_copy_notified(weir_zero_copy *self, enum weir_peer_class peer_class, bool is_copied)
{
    struct weir_zero_copy_class *class = &self->classes[peer_class];

    raise_limit(self);
    if (!is_copied) {
        class->copied = 0;
        class->copies = 0;
        return;
    }
    self->loop->statistics.zero_copy_copied++;
    if (class->copies == 0) {
        if (++class->copied >= COPIED_MAX)
            start_copying(class, COPIES_FIRST);
    } else if (class->is_probing) {
        start_copying(class, 4 * class->copies);
    }
}

/* To send a byte a nanosecond and wait for it is good enough; so it is where the sending took most
 * of the time, because the network did. */
bool weir_zero_copy_is_late(size_t size, int64_t sending_ns, int64_t waiting_ns)
{
    return waiting_ns > (int64_t)size && waiting_ns > sending_ns / 4;
}

/* More memory than this process may lock. If less does not help, it is given a rest. */
static void lower_limit(weir_zero_copy *self, struct weir_zero_copy_class *class)
{
    if (self->limit_bytes / 2 >= WEIR_ZERO_COPY_LIMIT_LEAST)
        self->limit_bytes /= 2;
    else
        start_copying(class, COPIES_FIRST);
}

bool weir_zero_copy_is_refused(weir_zero_copy *self, enum weir_peer_class peer_class, int result)
{
    struct weir_zero_copy_class *class = &self->classes[peer_class];

    switch (-result) {
    case ENOMEM:
        lower_limit(self, class);
        break;
    case EINVAL:
    case EOPNOTSUPP:
        start_copying(class, COPIES_MAX);
        break;
    default:
        return false;
    }
    self->loop->statistics.zero_copy_refused++;
    return true;
}

void weir_zero_copy_give_up(weir_zero_copy *self)
{
    self->is_missing = true;
    self->loop->zero_copy_bytes = SIZE_MAX;
}

/* Chunks. */

static void push(weir_chunk *chunk)
{
    chunk->next = chunk->home->free;
    chunk->home->free = chunk;
}

static bool make_region(weir_zero_copy *self)
{
    size_t count = self->loop->sink_bytes / WEIR_CHUNK_BYTES;
    weir_backend *backend = self->loop->backend;

    self->chunk_count = count;
    self->region_bytes = count * WEIR_CHUNK_BYTES;
    self->chunks = calloc(count, sizeof *self->chunks);
    if (!self->chunks)
        return false;
    self->region = weir_sys_pages_new(self->region_bytes);
    if (!self->region) {
        free(self->chunks);
        self->chunks = NULL;
        return false;
    }
    while (count-- > 0) {
        self->chunks[count].home = self;
        self->chunks[count].data = self->region + count * WEIR_CHUNK_BYTES;
        push(&self->chunks[count]);
    }
    self->is_registered = backend->ops->register_memory(
                              backend, weir_buffer_of(self->region, self->region_bytes)) == 0;
    return true;
}

bool weir_zero_copy_has_region(weir_zero_copy *self)
{
    return self->region || make_region(self);
}

static void hold(weir_chunk *chunk)
{
    chunk->next = NULL;
    chunk->begin = 0;
    chunk->end = 0;
    chunk->is_held = true;
    chunk->is_refused = false;
    chunk->home->held_count++;
}

bool weir_chunk_is_there(weir_zero_copy *self)
{
    return weir_zero_copy_has_region(self) && self->free;
}

weir_chunk *weir_chunk_take(weir_zero_copy *self)
{
    weir_chunk *chunk;

    if (!weir_chunk_is_there(self))
        return NULL;
    chunk = self->free;
    self->free = chunk->next;
    hold(chunk);
    return chunk;
}

/* It is nobody's. While somebody waits the stack is empty, so nobody overtakes. */
static void come_home(weir_chunk *chunk)
{
    weir_list_node *waiting = weir_list_pop(&chunk->home->waiters);

    if (!waiting) {
        push(chunk);
        return;
    }
    hold(chunk);
    chunk->home->given(waiting, chunk);
}

void weir_chunk_let_go(weir_chunk *chunk)
{
    chunk->is_held = false;
    chunk->home->held_count--;
    if (chunk->state == WEIR_CHUNK_IDLE)
        come_home(chunk);
}

void weir_chunk_lend(weir_chunk *chunk)
{
    chunk->state = WEIR_CHUNK_SENDING;
    chunk->home->lent_count++;
}

void weir_chunk_is_back(weir_chunk *chunk)
{
    chunk->state = WEIR_CHUNK_IDLE;
    chunk->home->lent_count--;
    if (!chunk->is_held)
        come_home(chunk);
}

void weir_chunk_wait(weir_zero_copy *self, weir_list_node *waiting, weir_chunk_given_fn *given)
{
    WEIR_ASSERT(!self->free, "who waits for memory has found none");

    self->loop->statistics.sink_waits++;
    self->given = given;
    weir_list_push(&self->waiters, waiting);
}
