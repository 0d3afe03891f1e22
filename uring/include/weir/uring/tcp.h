/* SPDX-License-Identifier: MIT */
#ifndef WEIR_URING_TCP_H
#define WEIR_URING_TCP_H

/*
 * The native layer: TCP sockets on io_uring, without a table in between.
 *
 * Each function here starts what the function of its name in <weir/stream.h> or
 * <weir/buffer_source.h> starts, on the same objects and with the same contract: results, overlap,
 * stops, what is borrowed. The two may be mixed on one socket. What is different is that the
 * compiler puts all of it into the coroutine that awaits, down to the filling of the submission
 * entry.
 *
 * They are for sockets of loops that run on io_uring, which is asserted, but for a pull that only
 * has to wait: that is the same everywhere. weir_uring_is tells; a program that is to run elsewhere
 * too has a second coroutine:
 *
 *      weir_task_init(&self->task, weir_uring_is(loop) ? native_resume : portable_resume);
 *
 * What is not usual is left to the library: the task is stopped, the socket closed, the submission
 * queue full, the ring so quiet that a send is tried without an entry, the buffer empty, or so
 * large that it may be sent without a copy. Code that includes this header links only with a
 * library of the same minor version. docs/guide/08-native.md says what it gains.
 *
 * Source: uring/native/native.c. Tests: tests/native/.
 */

#include <weir/uring/engine.h>

WEIR_C_BEGIN

/** Whether the loop runs on io_uring: whether its sockets may be used with what stands here. */
static inline bool weir_uring_is(const weir_loop *loop)
{
    return weir_uring_engine_of(loop)->ops == WEIR_URING_ABI.backend;
}

/** weir_read_some. */
WEIR_MUST_USE static inline weir_task *weir_uring_read_some(weir_task *task,
                                                            weir_tcp_socket *socket,
                                                            weir_buffer buffer)
{
    struct weir_uring_entry *entry =
        weir_uring_start(task, socket, WEIR_READING, buffer.size, false);

    if (WEIR_UNLIKELY(!entry))
        return WEIR_URING_ABI.read_some_slowly(task, socket, buffer);
    return weir_uring_transfer(task, socket, WEIR_READING, WEIR_URING_ABI.read_some, entry,
                               buffer.data, buffer.size);
}

/** weir_read: fill the whole buffer. */
WEIR_MUST_USE static inline weir_task *weir_uring_read(weir_task *task, weir_tcp_socket *socket,
                                                       weir_buffer buffer)
{
    struct weir_uring_entry *entry =
        weir_uring_start(task, socket, WEIR_READING, buffer.size, false);

    if (WEIR_UNLIKELY(!entry))
        return WEIR_URING_ABI.read_slowly(task, socket, buffer);
    socket->rest[WEIR_READING].in = buffer;
    task->error = 0;
    task->count = 0;
    return weir_uring_transfer(task, socket, WEIR_READING, WEIR_URING_ABI.read, entry, buffer.data,
                               buffer.size);
}

/** weir_write_some. */
WEIR_MUST_USE static inline weir_task *weir_uring_write_some(weir_task *task,
                                                             weir_tcp_socket *socket,
                                                             weir_const_buffer buffer)
{
    struct weir_uring_entry *entry =
        weir_uring_start(task, socket, WEIR_WRITING, buffer.size, false);

    if (WEIR_UNLIKELY(!entry))
        return WEIR_URING_ABI.write_some_slowly(task, socket, buffer);
    return weir_uring_transfer(task, socket, WEIR_WRITING, WEIR_URING_ABI.write_some, entry,
                               buffer.data, buffer.size);
}

/** weir_write: send the whole buffer. */
WEIR_MUST_USE static inline weir_task *weir_uring_write(weir_task *task, weir_tcp_socket *socket,
                                                        weir_const_buffer buffer)
{
    struct weir_uring_entry *entry =
        weir_uring_start(task, socket, WEIR_WRITING, buffer.size, true);

    if (WEIR_UNLIKELY(!entry))
        return WEIR_URING_ABI.write_slowly(task, socket, buffer);
    socket->rest[WEIR_WRITING].out = buffer;
    task->error = 0;
    task->count = 0;
    return weir_uring_transfer(task, socket, WEIR_WRITING, WEIR_URING_ABI.write, entry, buffer.data,
                               buffer.size);
}

/**
 * weir_buffer_source_pull, of a socket's source. Consume with weir_buffer_source_consume.
 *
 * Only the waiting is inline, which is usual: no entry is filled, for the receive stays armed.
 */
WEIR_MUST_USE static inline weir_task *weir_uring_pull(weir_task *task, weir_tcp_source *source,
                                                       weir_const_buffer *ret_buffers, size_t max)
{
    const weir_tcp_socket *socket = weir_tcp_source_socket(source);
    uintptr_t odd = (uintptr_t)source->puller | (uintptr_t)source->first | task->stop;

    if (WEIR_UNLIKELY(odd || !source->receiving || max == 0 ||
                      socket->handle.loop != task->environment->loop))
        return WEIR_URING_ABI.pull_slowly(task, source, ret_buffers, max);
    task->scratch[WEIR_URING_WORD_OPS] = (uintptr_t)WEIR_URING_ABI.pull;
    task->scratch[WEIR_URING_WORD_OBJECT] = (uintptr_t)source;
    task->scratch[WEIR_URING_WORD_BUFFERS] = (uintptr_t)ret_buffers;
    task->scratch[WEIR_URING_WORD_MAX] = max;
    source->puller = task;
    return weir_task_suspend(task, (weir_wait *)(void *)task->scratch);
}

WEIR_C_END

#endif
