/* SPDX-License-Identifier: MIT */
/*
 * Buffer sinks on TCP sockets.
 *
 * A sink holds chunks of the loop's: those whose bytes are committed and not sent, and at the end
 * the one that is prepared. A commit is a child task that sends them one by one: small ones by a
 * plain write, and large ones by the chunk's own operation, whose result wakes the task; the
 * notification only sends the chunk home, and finds neither sink nor socket.
 */
#include <weir/tcp_sink.h>

#include "record.h"
#include "tcp.h"
#include "tcp_zero_copy.h"

_Static_assert((int)WEIR_TCP_SINK_PREPARED_MAX == (int)WEIR_CHUNK_BYTES, "a chunk at a time");

/* The record of a wait for memory, in the scratch of the commit's task. */
struct memory_wait {
    weir_wait wait;
    weir_list_node waiting; /* weir_zero_copy.waiters. */
};

_Static_assert(sizeof(struct memory_wait) <= sizeof(((weir_task *)0)->scratch), "fits");

static weir_tcp_sink *self_of(weir_buffer_sink *sink)
{
    return WEIR_CONTAINER_OF(sink, weir_tcp_sink, sink);
}

static weir_tcp_sink *sink_of(weir_task *work)
{
    return WEIR_CONTAINER_OF(work, weir_tcp_sink, work);
}

static weir_zero_copy *pool_of(const weir_tcp_sink *self)
{
    return weir_zero_copy_of(self->socket->handle.loop);
}

/* Whether no commit is in flight. */
static bool is_idle(const weir_tcp_sink *self)
{
    return self->work.state == WEIR_TASK_NEW || self->work.state == WEIR_TASK_DONE;
}

/* Chunks. */

static void add(weir_tcp_sink *self, weir_chunk *chunk)
{
    if (self->first)
        self->last->next = chunk;
    else
        self->first = chunk;
    self->last = chunk;
}

static void let_first_go(weir_tcp_sink *self)
{
    weir_chunk *chunk = self->first;

    self->first = chunk->next;
    weir_chunk_let_go(chunk);
}

static weir_const_buffer bytes_of(const weir_chunk *chunk)
{
    return weir_const_buffer_of(chunk->data + chunk->begin, chunk->end - chunk->begin);
}

static bool has_bytes(const weir_tcp_sink *self)
{
    return self->first && self->first->begin < self->first->end;
}

/* Whether the next bytes go behind the last. */
static bool has_room(const weir_tcp_sink *self)
{
    return self->first && self->last->end < WEIR_CHUNK_BYTES;
}

/* Bytes of the first chunk have gone. */
static void count_sent(weir_tcp_sink *self, size_t count)
{
    self->first->begin += (uint32_t)count;
    if (self->first->begin == self->first->end)
        let_first_go(self);
}

/* Sending without a copy. */

static void end_wait(weir_tcp_sink *self, int error, size_t count)
{
    weir_tcp_socket *socket = self->socket;

    socket->pending[WEIR_WRITING] = NULL;
    weir_loop_wake_task(socket->handle.loop, &self->work, error, count);
    if (WEIR_UNLIKELY(socket->closer != NULL))
        weir_tcp_socket_advance_closing(socket);
}

static void told_result(weir_tcp_sink *self, weir_chunk *chunk, int result)
{
    enum weir_peer_class peer_class = (enum weir_peer_class)chunk->peer_class;
    weir_result outcome;

    if (weir_zero_copy_is_refused(chunk->home, peer_class, result)) {
        chunk->is_refused = true;
        end_wait(self, 0, 0);
        return;
    }
    if (result > 0) {
        chunk->sent_bytes = (uint32_t)result;
        chunk->home->loop->statistics.zero_copy_sends++;
    }
    outcome = weir_tcp_write_result(&self->work, self->socket, result);
    end_wait(self, outcome.error, outcome.count);
}

static void chunk_completed(weir_operation *operation, int result, unsigned flags)
{
    weir_chunk *chunk = WEIR_CONTAINER_OF(operation, weir_chunk, operation);

    if (chunk->state == WEIR_CHUNK_LENT) {
        if (chunk->sent_bytes > 0) /* Else it says nothing. */
            weir_zero_copy_notified(chunk->home, (enum weir_peer_class)chunk->peer_class,
                                    result == WEIR_SEND_COPIED);
        weir_chunk_is_back(chunk);
        return;
    }
    if (flags & WEIR_OPERATION_MORE)
        chunk->state = WEIR_CHUNK_LENT;
    else
        weir_chunk_is_back(chunk);
    told_result(operation->object, chunk, result);
}

static void chunk_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_operation *operation = (weir_operation *)(void *)wait;
    weir_backend *backend = tcp_backend_of(sink_of(task)->socket);

    (void)bits;
    backend->ops->cancel(backend, operation);
}

static const struct weir_operation_ops chunk_ops = {
    .wait = {.name = "send from a sink", .stop = chunk_stop, .dump = weir_wait_dump_nothing},
    .completed = chunk_completed,
};

static bool is_worth_it(const weir_tcp_sink *self, const weir_chunk *chunk)
{
    const weir_zero_copy *pool = chunk->home;
    size_t least = pool->loop->zero_copy_bytes;

    if (pool->is_registered)
        least -= least / 2;
    if (bytes_of(chunk).size < least || chunk->state != WEIR_CHUNK_IDLE || chunk->is_refused ||
        self->socket->state != TCP_OPEN)
        return false;
    if (weir_chunk_may_be_lent(pool))
        return true;
    pool->loop->statistics.zero_copy_capped++;
    return false;
}

/* Returns WEIR_IN_FLIGHT, or that it is to be sent as a copy. */
static int lend(weir_tcp_sink *self, weir_chunk *chunk)
{
    enum weir_peer_class peer_class = weir_tcp_peer_class(self->socket);
    weir_backend *backend = tcp_backend_of(self->socket);
    int result;

    if (!weir_zero_copy_is_wanted(chunk->home, peer_class))
        return -EOPNOTSUPP;
    weir_chunk_lend(chunk);
    chunk->peer_class = (uint8_t)peer_class;
    chunk->sent_bytes = 0;
    chunk->operation.ops = &chunk_ops;
    chunk->operation.object = self;
    result = backend->ops->send_zero_copy(backend, &chunk->operation, &self->socket->handle,
                                          bytes_of(chunk), chunk->home->is_registered);
    if (result != WEIR_IN_FLIGHT) {
        weir_chunk_is_back(chunk);
        weir_zero_copy_give_up(chunk->home);
    }
    return result;
}

static weir_task *send_first(weir_task *task, weir_tcp_sink *self)
{
    weir_tcp_socket *socket = self->socket;
    weir_chunk *chunk = self->first;

    if (is_worth_it(self, chunk)) {
        int error = weir_tcp_check_write(task, socket);

        if (error)
            return weir_task_complete(task, error, 0);
        if (lend(self, chunk) == WEIR_IN_FLIGHT) {
            socket->pending[WEIR_WRITING] = task;
            return weir_task_suspend(task, (weir_wait *)(void *)&chunk->operation);
        }
    }
    return weir_tcp_write_copied(task, &socket->stream.out, bytes_of(chunk));
}

/* Waiting for memory. */

static void memory_given(weir_list_node *waiting, weir_chunk *chunk)
{
    struct memory_wait *wait = WEIR_CONTAINER_OF(waiting, struct memory_wait, waiting);
    weir_tcp_sink *self = sink_of(WEIR_CONTAINER_OF(wait, weir_task, scratch));

    add(self, chunk);
    end_wait(self, 0, 0);
}

static void memory_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    int error = weir_task_stop_error(task);

    (void)bits;
    weir_list_remove(&((struct memory_wait *)(void *)wait)->waiting);
    end_wait(sink_of(task), error ? error : WEIR_CANCELLED, 0);
}

static const struct weir_wait_ops memory_ops = {
    .name = "memory of a sink",
    .stop = memory_stop,
    .dump = weir_wait_dump_nothing,
};

static weir_task *wait_for_memory(weir_task *task, weir_tcp_sink *self)
{
    struct memory_wait *wait = (struct memory_wait *)(void *)task->scratch;
    int error = weir_tcp_check_write(task, self->socket);
    weir_zero_copy *pool;

    if (error)
        return weir_task_complete(task, error, 0);
    pool = pool_of(self);
    if (!pool || !weir_zero_copy_has_region(pool))
        return weir_task_complete(task, -ENOMEM, 0);
    if (has_room(self) || weir_chunk_is_there(pool))
        return weir_task_complete(task, 0, 0);
    wait->wait.ops = &memory_ops;
    wait->waiting = (weir_list_node){NULL, NULL};
    weir_chunk_wait(pool, &wait->waiting, memory_given);
    self->socket->pending[WEIR_WRITING] = task;
    return weir_task_suspend(task, &wait->wait);
}

/* The table. */

static void let_all_go(weir_tcp_sink *self)
{
    while (self->first)
        let_first_go(self);
}

/* What was committed for another connection does not go to this one's peer. What is prepared stays
 * so. */
static void meet_connection(weir_tcp_sink *self)
{
    if (WEIR_LIKELY(self->opening == self->socket->opening))
        return;
    self->opening = self->socket->opening;
    self->has_ended = false;
    if (self->prepared == 0) {
        let_all_go(self);
        return;
    }
    while (self->first != self->last)
        let_first_go(self);
    self->last->begin = self->last->end;
}

static size_t sink_prepare(weir_buffer_sink *sink, weir_buffer *ret_buffers, size_t max)
{
    weir_tcp_sink *self = self_of(sink);
    weir_zero_copy *pool;
    weir_chunk *chunk;

    (void)max;
    WEIR_ASSERT(is_idle(self), "nothing is prepared while a commit is in flight");
    meet_connection(self);
    WEIR_ASSERT(!self->has_ended, "after the end nothing is prepared");
    if (!has_room(self)) {
        pool = self->socket->handle.loop ? pool_of(self) : NULL;
        chunk = pool ? weir_chunk_take(pool) : NULL;
        if (!chunk)
            return 0;
        add(self, chunk);
    }
    self->prepared = WEIR_CHUNK_BYTES - self->last->end;
    ret_buffers[0] = weir_buffer_of(self->last->data + self->last->end, self->prepared);
    return 1;
}

static weir_task *finish(weir_task *task, weir_tcp_socket *socket)
{
    return socket->stream.out.ops->finish(task, &socket->stream.out);
}

/* It returns now, and the socket knows it no more. Gives its result. */
static weir_result ended(weir_tcp_sink *self, int error, size_t count)
{
    self->socket->stream.out.composed = NULL;
    return weir_result_of(error, count);
}

static weir_task *commit_resume(weir_task *task)
{
    weir_tcp_sink *self = sink_of(task);
    weir_result r;

    WEIR_BEGIN(task);
    while (has_bytes(self)) {
        WEIR_AWAIT(task, r, send_first(task, self));
        count_sent(self, r.count);
        if (r.error)
            WEIR_RETURN(task, ended(self, r.error, self->committed));
    }
    if (self->is_last) {
        let_all_go(self);
        WEIR_AWAIT(task, r, finish(task, self->socket));
        self->has_ended = r.error == 0;
        WEIR_RETURN(task, ended(self, r.error, self->committed));
    }
    if (self->committed > 0)
        WEIR_RETURN(task, ended(self, 0, self->committed));
    WEIR_AWAIT(task, r, wait_for_memory(task, self));
    WEIR_RETURN(task, ended(self, r.error, r.count));
    WEIR_END(task);
}

static weir_task *take(weir_task *task, weir_buffer_sink *sink, size_t size, bool is_last)
{
    weir_tcp_sink *self = self_of(sink);

    WEIR_ASSERT(size <= self->prepared, "what is committed has been prepared");
    WEIR_ASSERT(!self->socket->stream.out.composed,
                "one read and one write may be in flight on a stream");

    weir_stream_claim(&self->work, commit_resume);
    meet_connection(self);
    self->socket->stream.out.composed = &self->work; /* Also between two chunks. */
    if (size > 0)
        self->last->end += (uint32_t)size;
    self->prepared = 0;
    self->committed = size;
    self->is_last = is_last;
    return weir_call(task, &self->work);
}

static weir_task *sink_commit(weir_task *task, weir_buffer_sink *sink, size_t size)
{
    return take(task, sink, size, false);
}

static weir_task *sink_commit_eof(weir_task *task, weir_buffer_sink *sink, size_t size)
{
    return take(task, sink, size, true);
}

static const struct weir_buffer_sink_ops sink_ops = {
    .name = "tcp",
    .prepare = sink_prepare,
    .commit = sink_commit,
    .commit_eof = sink_commit_eof,
};

void weir_tcp_sink_init(weir_tcp_sink *self, weir_tcp_socket *socket)
{
    self->sink.ops = &sink_ops;
    weir_task_init(&self->work, NULL);
    self->socket = socket;
    self->first = NULL;
    self->prepared = 0;
    self->opening = 0;
    self->has_ended = false;
}

void weir_tcp_sink_fini(weir_tcp_sink *self)
{
    WEIR_ASSERT(is_idle(self), "a sink is ended when no commit is in flight");

    let_all_go(self);
    self->prepared = 0;
}
