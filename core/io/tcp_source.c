/* SPDX-License-Identifier: MIT */
/*
 * Sources on TCP sockets.
 *
 * The multishot receive is armed when a pull finds nothing, and stays armed, so that a connection
 * that talks pays for it once. What it completes stands in a queue of lent buffers. When that is
 * long, because nobody consumes, the receive is cancelled, and the kernel's own buffer holds the
 * rest.
 *
 *      IDLE --a pull finds nothing--> ARMED --queue is long--> PAUSING --cancelled--> IDLE
 *                                       '--end, failure--> ENDED
 */
#include <errno.h>

#include "tcp.h"

enum { HELD_MAX = 8 };

/* What an idle connection costs is a promise: see docs/adr/0030-idle-connections.md. */
_Static_assert(sizeof(void *) != 8 || sizeof(weir_tcp_source) == 104, "thirteen words");
_Static_assert(sizeof(struct tcp_pull) <= sizeof(((weir_task *)0)->scratch), "fits");

static weir_tcp_source *self_of(weir_buffer_source *source)
{
    return WEIR_CONTAINER_OF(source, weir_tcp_source, source);
}

static weir_tcp_socket *socket_of(const weir_tcp_source *self)
{
    return weir_tcp_source_socket(self);
}

static weir_backend *backend_of(const weir_tcp_source *self)
{
    return tcp_backend_of(socket_of(self));
}

/* What is held: the first, and how many behind it. Links are read as far as that counts, so that a
 * buffer that is alone, as most are, needs neither. */

/* The buffer of a completion with so many bytes. */
static weir_lent *lent_of(const weir_tcp_source *self, int result, unsigned flags)
{
    weir_lent *lent = weir_backend_lent(backend_of(self), flags);

    lent->size = (uint32_t)result;
    return lent;
}

static size_t held_count(const weir_tcp_source *self)
{
    return self->first ? 1 + (size_t)self->behind_count : 0;
}

/* The last of several is the socket's to remember, which has room: it is not read otherwise. */
static weir_lent **last_of(weir_tcp_source *self)
{
    return &socket_of(self)->rest[WEIR_READING].last;
}

static void hold(weir_tcp_source *self, weir_lent *lent)
{
    if (!self->first) {
        self->first = lent;
        return;
    }
    if (self->behind_count == 0)
        self->first->next = lent;
    else
        (*last_of(self))->next = lent;
    *last_of(self) = lent;
    self->behind_count++;
}

static void give_back_first(weir_tcp_source *self)
{
    weir_lent *lent = self->first;

    self->first = NULL;
    if (self->behind_count > 0) {
        self->first = lent->next;
        self->behind_count--;
    }
    self->consumed = 0;
    backend_of(self)->ops->give_back(backend_of(self), lent);
}

/* Show what is held. Returns in how many buffers. */
static size_t show(weir_tcp_source *self, weir_const_buffer *ret_buffers, size_t max)
{
    const weir_lent *lent = self->first;
    size_t count = max < held_count(self) ? max : held_count(self);
    size_t i;

    ret_buffers[0] = weir_const_buffer_of(lent->data + self->consumed, lent->size - self->consumed);
    self->pulled = ret_buffers[0].size;
    for (i = 1; i < count; i++) {
        lent = lent->next;
        ret_buffers[i] = weir_const_buffer_of(lent->data, lent->size);
        self->pulled += lent->size;
    }
    return count;
}

/* Pulls. */

static const struct tcp_pull *pull_of(const weir_task *task)
{
    return (const struct tcp_pull *)(const void *)task->scratch;
}

static void wake_puller(weir_tcp_source *self, int error, size_t count)
{
    weir_task *task = self->puller;

    self->puller = NULL;
    weir_loop_wake_task(socket_of(self)->handle.loop, task, error, count);
}

static void pull_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)bits;
    wake_puller(((struct tcp_pull *)(void *)wait)->source, weir_task_stop_error(task), 0);
}

const struct weir_wait_ops weir_tcp_pull_ops = {
    .name = "pull",
    .stop = pull_stop,
    .dump = weir_wait_dump_nothing,
};

/* What a pull gives behind what is held. */
static int why_no_more(const weir_tcp_source *self)
{
    return socket_of(self)->has_ended ? WEIR_EOF : socket_of(self)->failure;
}

/* 0 or why not. */
static int arm(weir_tcp_source *self)
{
    int result;

    if (self->armed)
        return 0;
    result = backend_of(self)->ops->receive_lent(backend_of(self), &self->receive,
                                                 &socket_of(self)->handle);
    self->armed = result == WEIR_IN_FLIGHT;
    self->receiving = self->armed;
    return self->armed ? 0 : result;
}

static void stop_receiving(weir_tcp_source *self)
{
    if (!self->armed || self->pausing)
        return;
    self->pausing = true;
    backend_of(self)->ops->cancel(backend_of(self), &self->receive);
}

/* Something has come for the task that waits, or the receive has ended and is begun
 * again for it. */
static void serve(weir_tcp_source *self)
{
    int error;
    const struct tcp_pull *pull = pull_of(self->puller);

    if (self->first) {
        wake_puller(self, 0, show(self, pull->ret_buffers, pull->max));
        return;
    }
    error = self->has_more ? arm(self) : why_no_more(self);
    if (error)
        wake_puller(self, error, 0);
}

static weir_task *wait_for_bytes(weir_task *task, weir_tcp_source *self,
                                 weir_const_buffer *ret_buffers, size_t max)
{
    struct tcp_pull *pull = (struct tcp_pull *)(void *)task->scratch;

    pull->wait.ops = &weir_tcp_pull_ops;
    pull->source = self;
    pull->ret_buffers = ret_buffers;
    pull->max = max;
    self->puller = task;
    return weir_task_suspend(task, &pull->wait);
}

/* This and the next one are apart, so that what is usual needs no frame. */
WEIR_NOINLINE static weir_task *pull_held(weir_task *task, weir_tcp_source *self,
                                          weir_const_buffer *ret_buffers, size_t max)
{
    return weir_task_complete(task, 0, show(self, ret_buffers, max));
}

WEIR_NOINLINE static weir_task *pull_otherwise(weir_task *task, weir_tcp_source *self,
                                               weir_const_buffer *ret_buffers, size_t max)
{
    int error = weir_task_stop_error(task);

    WEIR_ASSERT(!self->puller, "one pull of a source is in flight");
    if (error)
        return weir_task_complete(task, error, 0);
    if (socket_of(self)->state != TCP_OPEN)
        return weir_task_complete(task, WEIR_CLOSED, 0);
    WEIR_ASSERT(socket_of(self)->source == self, "a socket has one source, and both stay in place");
    weir_loop_assert_own(socket_of(self)->handle.loop, task);
    if (self->first)
        return pull_held(task, self, ret_buffers, max);
    error = self->has_more ? arm(self) : why_no_more(self);
    if (error)
        return weir_task_complete(task, error, 0);
    return wait_for_bytes(task, self, ret_buffers, max);
}

/* Usual is that the receive is armed, which it is on an open socket that knows the source, and that
 * nothing has come meanwhile. */
static weir_task *source_pull(weir_task *task, weir_buffer_source *source,
                              weir_const_buffer *ret_buffers, size_t max)
{
    weir_tcp_source *self = self_of(source);

    if (WEIR_UNLIKELY(((uintptr_t)self->puller | task->stop) != 0 || !self->receiving ||
                      socket_of(self)->handle.loop != task->environment->loop))
        return pull_otherwise(task, self, ret_buffers, max);
    if (self->first)
        return pull_held(task, self, ret_buffers, max);
    return wait_for_bytes(task, self, ret_buffers, max);
}

WEIR_NOINLINE static void consume_parts(weir_tcp_source *self, size_t size)
{
    while (size > 0) {
        size_t left = self->first->size - self->consumed;

        if (size < left) {
            self->consumed += (uint32_t)size;
            return;
        }
        size -= left;
        give_back_first(self);
    }
}

/* Usual is one buffer, whole, and none behind it. */
static void source_consume(weir_buffer_source *source, size_t size)
{
    weir_tcp_source *self = self_of(source);

    WEIR_ASSERT(size <= self->pulled, "what is consumed has been pulled");
    self->pulled -= size;
    if (WEIR_LIKELY(size == self->first->size - self->consumed && self->behind_count == 0))
        give_back_first(self);
    else
        consume_parts(self, size);
}

static const struct weir_buffer_source_ops source_ops = {
    .name = "tcp",
    .pull = source_pull,
    .consume = source_consume,
};

/* The receive. */

/* What does not last, as a want of memory, is for the pull that waits: the next one tries again. */
static void note_end(weir_tcp_source *self, int result)
{
    if (result == -ECANCELED) /* Ours: it ends the receive and nothing else. */
        return;
    result = weir_tcp_lasting(socket_of(self), WEIR_READING, result);
    if (result == 0 || result == socket_of(self)->failure)
        self->has_more = false;
    else if (self->puller)
        wake_puller(self, result, 0);
}

/* Somebody waits, so nothing was held. All is read before the first store, behind which compilers
 * would read it again. */
static inline void serve_first(weir_tcp_source *self, int result, unsigned flags)
{
    weir_task *task = self->puller;
    weir_const_buffer *ret_buffer = pull_of(task)->ret_buffers;
    weir_loop *loop = socket_of(self)->handle.loop;
    weir_lent *lent = weir_backend_lent(loop->backend, flags);
    uint8_t *data = lent->data;

    lent->size = (uint32_t)result;
    self->first = lent;
    self->pulled = (size_t)result;
    self->puller = NULL;
    *ret_buffer = weir_const_buffer_of(data, (size_t)result);
    weir_loop_wake_task(loop, task, 0, 1);
}

/* Apart, so that what is usual needs no frame. */
WEIR_NOINLINE static void receive_completed_otherwise(weir_tcp_source *self, int result,
                                                      unsigned flags)
{
    if (!(flags & WEIR_OPERATION_MORE)) {
        self->armed = false;
        self->receiving = false;
        self->pausing = false;
    }
    if (flags & WEIR_OPERATION_LENT)
        hold(self, lent_of(self, result, flags));
    else
        note_end(self, result);
    if (socket_of(self)->state != TCP_OPEN)
        weir_tcp_socket_advance_closing(socket_of(self));
    else if (self->puller)
        serve(self);
    else if (held_count(self) >= HELD_MAX)
        stop_receiving(self);
}

static void receive_completed(weir_operation *operation, int result, unsigned flags)
{
    weir_tcp_source *self = WEIR_CONTAINER_OF(operation, weir_tcp_source, receive);
    unsigned usual = WEIR_OPERATION_LENT | WEIR_OPERATION_MORE;
    bool is_usual = (flags & usual) == usual;

    if (WEIR_LIKELY(is_usual && self->puller))
        serve_first(self, result, flags);
    else
        receive_completed_otherwise(self, result, flags);
}

static void nothing_to_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    /* No task waits for the receive itself. */
    (void)wait;
    (void)task;
    (void)bits;
}

static const struct weir_operation_ops receive_ops = {
    .wait = {.name = "receive", .stop = nothing_to_stop, .dump = weir_wait_dump_nothing},
    .completed = receive_completed,
};

/* Life. */

void weir_tcp_source_init(weir_tcp_source *source, weir_tcp_socket *socket)
{
    WEIR_ASSERT(socket->state == TCP_CLOSED, "a source is put on a closed socket");

    *source = (weir_tcp_source){.source.ops = &source_ops};
    source->receive.ops = &receive_ops;
    source->receive.object = socket;
    socket->source = source;
}

void weir_tcp_source_open(weir_tcp_source *self)
{
    self->has_more = true;
}

void weir_tcp_source_cancel(weir_tcp_source *self)
{
    if (self->puller)
        wake_puller(self, WEIR_CANCELLED, 0);
}

void weir_tcp_source_end(weir_tcp_source *self)
{
    self->receiving = false;
    stop_receiving(self);
}

bool weir_tcp_source_has_unread(const weir_tcp_source *self)
{
    size_t held = 0;
    size_t count = held_count(self);
    const weir_lent *lent;

    for (lent = self->first; count > 0; lent = lent->next, count--)
        held += lent->size;
    return held - self->consumed > self->pulled;
}

bool weir_tcp_source_is_receiving(const weir_tcp_source *self)
{
    return self->armed;
}

bool weir_tcp_source_is_holding(const weir_tcp_source *self)
{
    return self->first != NULL;
}

void weir_tcp_source_give_back(weir_tcp_source *self)
{
    while (self->first)
        give_back_first(self);
    self->pulled = 0;
}
