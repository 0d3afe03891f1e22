/* SPDX-License-Identifier: MIT */
/*
 * What the inline code of <weir/uring/tcp.h> uses of the library, and the proof that what it knows
 * of its inside is so.
 */
#include <weir/uring/tcp.h>

#include <sys/socket.h>

#include "tcp.h"
#include "uring.h"

/* Two structs have a member of the same size in the same place. */
#define SAME_MEMBER(one, its, other, its_own)                                    \
    _Static_assert(offsetof(one, its) == offsetof(other, its_own) &&             \
                       sizeof(((one *)0)->its) == sizeof(((other *)0)->its_own), \
                   #one "." #its " is " #other "." #its_own)

SAME_MEMBER(struct weir_uring_entry, opcode, struct io_uring_sqe, opcode);
SAME_MEMBER(struct weir_uring_entry, flags, struct io_uring_sqe, flags);
SAME_MEMBER(struct weir_uring_entry, priority, struct io_uring_sqe, ioprio);
SAME_MEMBER(struct weir_uring_entry, descriptor, struct io_uring_sqe, fd);
SAME_MEMBER(struct weir_uring_entry, offset, struct io_uring_sqe, off);
SAME_MEMBER(struct weir_uring_entry, address, struct io_uring_sqe, addr);
SAME_MEMBER(struct weir_uring_entry, length, struct io_uring_sqe, len);
SAME_MEMBER(struct weir_uring_entry, operation_flags, struct io_uring_sqe, msg_flags);
SAME_MEMBER(struct weir_uring_entry, user_data, struct io_uring_sqe, user_data);
_Static_assert(sizeof(struct weir_uring_entry) == sizeof(struct io_uring_sqe), "an entry");

SAME_MEMBER(struct weir_uring_engine, ops, struct uring, base.ops);
SAME_MEMBER(struct weir_uring_engine, lending, struct uring, base.lending);
SAME_MEMBER(struct weir_uring_engine, queue_tail, struct uring, queue.tail);
SAME_MEMBER(struct weir_uring_engine, entries, struct uring, queue.entries);
SAME_MEMBER(struct weir_uring_engine, limit, struct uring, queue.limit);
SAME_MEMBER(struct weir_uring_engine, entry_mask, struct uring, queue.mask);
SAME_MEMBER(struct weir_uring_engine, at_once, struct uring, at_once);
SAME_MEMBER(struct weir_uring_loop, engine, struct weir_loop, backend);
SAME_MEMBER(struct weir_uring_loop, zero_copy_bytes, struct weir_loop, zero_copy_bytes);

_Static_assert((int)WEIR_URING_STATE_OPEN == (int)TCP_OPEN &&
                   (int)WEIR_URING_SEND == (int)IORING_OP_SEND &&
                   (int)WEIR_URING_RECEIVE == (int)IORING_OP_RECV &&
                   (int)WEIR_URING_NO_SIGNAL == (int)MSG_NOSIGNAL,
               "numbers");

/* Where a word of a task's scratch stands. */
#define WORD(index) ((size_t)(index) * sizeof(uintptr_t))

_Static_assert(offsetof(weir_operation, ops) == WORD(WEIR_URING_WORD_OPS) &&
                   offsetof(weir_operation, object) == WORD(WEIR_URING_WORD_OBJECT),
               "an operation");
_Static_assert(offsetof(weir_operation, scratch) + offsetof(struct uring_operation, state) ==
                       WORD(WEIR_URING_WORD_STATE) &&
                   sizeof(struct uring_operation) <=
                       offsetof(struct uring_operation, state) + WORD(1) &&
                   URING_SUBMITTED == 0 && URING_PLAIN == 0,
               "one word, 0, says that an operation is submitted and plain");
_Static_assert(offsetof(struct tcp_pull, wait) == WORD(WEIR_URING_WORD_OPS) &&
                   offsetof(struct tcp_pull, source) == WORD(WEIR_URING_WORD_OBJECT) &&
                   offsetof(struct tcp_pull, ret_buffers) == WORD(WEIR_URING_WORD_BUFFERS) &&
                   offsetof(struct tcp_pull, max) == WORD(WEIR_URING_WORD_MAX),
               "a pull");

/* A closed socket has no loop: the starters say that it is closed. */
static void assert_ours(const weir_tcp_socket *socket)
{
    WEIR_ASSERT(!socket->handle.loop || weir_uring_is(socket->handle.loop),
                "a native starter is for sockets of loops that run on io_uring");
}

static weir_task *read_some_slowly(weir_task *task, weir_tcp_socket *socket, weir_buffer buffer)
{
    assert_ours(socket);
    return weir_read_some(task, &socket->stream.in, buffer);
}

static weir_task *read_slowly(weir_task *task, weir_tcp_socket *socket, weir_buffer buffer)
{
    assert_ours(socket);
    return weir_read(task, &socket->stream.in, buffer);
}

static weir_task *write_some_slowly(weir_task *task, weir_tcp_socket *socket,
                                    weir_const_buffer buffer)
{
    assert_ours(socket);
    return weir_write_some(task, &socket->stream.out, buffer);
}

static weir_task *write_slowly(weir_task *task, weir_tcp_socket *socket, weir_const_buffer buffer)
{
    assert_ours(socket);
    return weir_write(task, &socket->stream.out, buffer);
}

static weir_task *pull_slowly(weir_task *task, weir_tcp_source *source,
                              weir_const_buffer *ret_buffers, size_t max)
{
    assert_ours(weir_tcp_source_socket(source));
    return weir_buffer_source_pull(task, &source->source, ret_buffers, max);
}

const struct weir_uring_abi WEIR_URING_ABI = {
    .backend = &weir_uring_backend,
    .read_some = &weir_tcp_read_some_ops,
    .read = &weir_tcp_read_ops,
    .write_some = &weir_tcp_write_some_ops,
    .write = &weir_tcp_write_ops,
    .pull = &weir_tcp_pull_ops,
    .read_some_slowly = read_some_slowly,
    .read_slowly = read_slowly,
    .write_some_slowly = write_some_slowly,
    .write_slowly = write_slowly,
    .pull_slowly = pull_slowly,
};
