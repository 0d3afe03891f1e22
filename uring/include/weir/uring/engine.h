/* SPDX-License-Identifier: MIT */
#ifndef WEIR_URING_ENGINE_H
#define WEIR_URING_ENGINE_H

/*
 * Private: what the inline code of <weir/uring/tcp.h> knows of the library's inside.
 * Not for programs.
 *
 * It may change with every minor version. So a program that was compiled with this header links
 * only with a library of the same minor version: all that the inline code uses of the library
 * stands in one table, whose name has the version.
 *
 * No operating system header is needed: a submission entry is a struct of this header, and
 * uring/native/native.c asserts that it is the kernel's, and that all else here is as the
 * library has it.
 */

#include <stdint.h>
#include <string.h>

#include <weir/tcp.h>
#include <weir/tcp_source.h>

WEIR_C_BEGIN

struct weir_backend_ops;

/** A submission entry: struct io_uring_sqe. */
struct weir_uring_entry {
    uint8_t opcode;
    uint8_t flags;
    uint16_t priority;
    int32_t descriptor;
    uint64_t offset;
    uint64_t address;
    uint32_t length;
    uint32_t operation_flags;
    uint64_t user_data;
    uint64_t rest[3];
};

/** How the engine of a loop begins. */
struct weir_uring_engine {
    const struct weir_backend_ops *ops;
    const void *lending;  /* The library's. */
    uint32_t *queue_tail; /* Up to where entries are filled. */
    struct weir_uring_entry *entries;
    uint32_t limit; /* Up to where they may be taken without a look at the library; or behind. */
    uint32_t entry_mask;
    unsigned at_once; /* Sends that the library is to try without an entry. */
};

/** How a loop begins. */
struct weir_uring_loop {
    struct weir_uring_engine *engine; /* Or another backend. */
    size_t zero_copy_bytes;           /* Whole writes of so many bytes may do without a copy. */
};

/** What the inline code writes where the library reads it. */
enum {
    WEIR_URING_STATE_OPEN = 2,            /* weir_tcp_socket.state. */
    WEIR_URING_SEND = 26,                 /* IORING_OP_SEND */
    WEIR_URING_RECEIVE = 27,              /* IORING_OP_RECV */
    WEIR_URING_NO_SIGNAL = 0x4000,        /* MSG_NOSIGNAL */
    WEIR_URING_TRANSFER_MAX = 0x7ffff000, /* What is larger is for the library to cut. */
};

/** The words of a task's scratch that an operation has, and those that a pull has. */
enum {
    WEIR_URING_WORD_OPS = 0,
    WEIR_URING_WORD_OBJECT = 1,
    WEIR_URING_WORD_STATE = 7, /* 0: submitted, and plain. */
    WEIR_URING_WORD_BUFFERS = 2,
    WEIR_URING_WORD_MAX = 3,
};

/** All that the inline code uses of the library. */
struct weir_uring_abi {
    const struct weir_backend_ops *backend; /* Of loops that run on io_uring. */
    const struct weir_operation_ops *read_some;
    const struct weir_operation_ops *read;
    const struct weir_operation_ops *write_some;
    const struct weir_operation_ops *write;
    const struct weir_wait_ops *pull;

    /* The starters of the streams' tables, for all that is not usual. */
    weir_task *(*read_some_slowly)(weir_task *task, weir_tcp_socket *socket, weir_buffer buffer);
    weir_task *(*read_slowly)(weir_task *task, weir_tcp_socket *socket, weir_buffer buffer);
    weir_task *(*write_some_slowly)(weir_task *task, weir_tcp_socket *socket,
                                    weir_const_buffer buffer);
    weir_task *(*write_slowly)(weir_task *task, weir_tcp_socket *socket, weir_const_buffer buffer);
    weir_task *(*pull_slowly)(weir_task *task, weir_tcp_source *source,
                              weir_const_buffer *ret_buffers, size_t max);
};

#define WEIR_URING_ABI weir_uring_abi_0_1

/** Named after the version: what was compiled for another one does not link. */
WEIR_PUBLIC extern const struct weir_uring_abi WEIR_URING_ABI;

static inline const struct weir_uring_loop *weir_uring_loop_of(const weir_loop *loop)
{
    return (const struct weir_uring_loop *)(const void *)loop;
}

static inline const struct weir_uring_engine *weir_uring_engine_of(const weir_loop *loop)
{
    return weir_uring_loop_of(loop)->engine;
}

/** The next free entry, or NULL: this is no engine, it has no room, or it sends without one. */
static inline struct weir_uring_entry *weir_uring_next_entry(const struct weir_uring_engine *engine,
                                                             bool is_send)
{
    uint32_t tail;

    if (WEIR_UNLIKELY(engine->ops != WEIR_URING_ABI.backend || (is_send && engine->at_once)))
        return NULL;
    tail = *engine->queue_tail;
    if (WEIR_UNLIKELY((int32_t)(tail - engine->limit) >= 0))
        return NULL;
    *engine->queue_tail = tail + 1;
    return &engine->entries[tail & engine->entry_mask];
}

/** Whether the task may await the socket, and nothing has to be looked at more closely. */
static inline bool weir_uring_is_usual(const weir_task *task, const weir_tcp_socket *socket,
                                       enum weir_direction direction)
{
    uintptr_t odd = (uintptr_t)socket->pending[direction] | task->stop;

    if (direction == WEIR_READING)
        odd |= (uintptr_t)socket->source;
    return WEIR_LIKELY(!odd && socket->state == WEIR_URING_STATE_OPEN &&
                       socket->handle.self == &socket->handle &&
                       socket->handle.loop == task->environment->loop);
}

/**
 * An entry for a transfer of the task's, or NULL: the library is asked, which knows why.
 *
 * @is_whole_write  of these large ones may do without a copy
 */
static inline struct weir_uring_entry *weir_uring_start(const weir_task *task,
                                                        const weir_tcp_socket *socket,
                                                        enum weir_direction direction, size_t size,
                                                        bool is_whole_write)
{
    if (WEIR_UNLIKELY(!weir_uring_is_usual(task, socket, direction) ||
                      size - 1 >= WEIR_URING_TRANSFER_MAX))
        return NULL;
    if (is_whole_write &&
        WEIR_UNLIKELY(size >= weir_uring_loop_of(socket->handle.loop)->zero_copy_bytes))
        return NULL;
    return weir_uring_next_entry(weir_uring_engine_of(socket->handle.loop),
                                 direction == WEIR_WRITING);
}

/** Fill the entry with a transfer whose operation is the task's, and suspend the task. */
static inline weir_task *weir_uring_transfer(weir_task *task, weir_tcp_socket *socket,
                                             enum weir_direction direction,
                                             const struct weir_operation_ops *ops,
                                             struct weir_uring_entry *entry, const void *data,
                                             size_t size)
{
    bool is_read = direction == WEIR_READING;

    memcpy(entry, socket->handle.scratch, sizeof(uint64_t)); /* The descriptor and its kind. */
    entry->opcode = is_read ? WEIR_URING_RECEIVE : WEIR_URING_SEND;
    entry->offset = 0;
    entry->address = (uintptr_t)data;
    entry->length = (uint32_t)size;
    entry->operation_flags = is_read ? 0 : WEIR_URING_NO_SIGNAL;
    entry->user_data = (uintptr_t)task->scratch;
    entry->rest[0] = 0;
    entry->rest[1] = 0;
    entry->rest[2] = 0;

    task->scratch[WEIR_URING_WORD_OPS] = (uintptr_t)ops;
    task->scratch[WEIR_URING_WORD_OBJECT] = (uintptr_t)socket;
    task->scratch[WEIR_URING_WORD_STATE] = 0;
    socket->pending[direction] = task;
    return weir_task_suspend(task, (weir_wait *)(void *)task->scratch);
}

WEIR_C_END

#endif
