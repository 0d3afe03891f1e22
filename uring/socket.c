/* SPDX-License-Identifier: MIT */
/* Sockets: what each operation says in its submission entry. */
#define _GNU_SOURCE

#include "uring.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "sys.h"

enum { AT_ONCE_BYTES = 16 * 1024 };

/* The most one call transfers: MAX_RW_COUNT of the kernel. */
enum { TRANSFER_MAX = 0x7ffff000 };

_Static_assert(sizeof(struct msghdr) <= sizeof(weir_message), "a message holds a msghdr");
_Static_assert(sizeof(struct sockaddr_in6) <= sizeof(weir_message), "or an address");

static uint32_t clamp(size_t size)
{
    return WEIR_LIKELY(size < TRANSFER_MAX) ? (uint32_t)size : TRANSFER_MAX;
}

int weir_uring_attach(weir_backend *backend, weir_handle *handle)
{
    (void)backend;
    weir_uring_direct_aim(handle);
    return 0;
}

void weir_uring_detach(weir_backend *backend, weir_handle *handle)
{
    (void)backend;
    (void)handle;
}

int weir_uring_accept(weir_backend *backend, weir_operation *operation, weir_handle *handle)
{
    struct uring_request request = {
        .opcode = IORING_OP_ACCEPT,
        .target = uring_target_of(handle),
        .flags = SOCK_CLOEXEC | SOCK_NONBLOCK,
        .priority = IORING_ACCEPT_MULTISHOT,
    };

    if (uring_of(backend)->direct.size)
        return weir_uring_direct_accept(uring_of(backend), operation, handle);
    return uring_submit(uring_of(backend), operation, &request);
}

int weir_uring_connect(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                       weir_message *message, const weir_endpoint *peer)
{
    struct uring_request request = {
        .opcode = IORING_OP_CONNECT,
        .address = (uintptr_t)message->words,
    };
    weir_sys_address address;

    if (uring_of(backend)->direct.size)
        weir_uring_direct_adopt(uring_of(backend), handle);
    request.target = uring_target_of(handle);
    weir_sys_address_of(peer, &address);
    memcpy(message->words, address.words, sizeof address.words);
    request.offset = address.length;
    return uring_submit(uring_of(backend), operation, &request);
}

int weir_uring_receive(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                       weir_buffer buffer)
{
    struct uring_request request = {
        .opcode = IORING_OP_RECV,
        .target = uring_target_of(handle),
        .address = (uintptr_t)buffer.data,
        .length = clamp(buffer.size),
    };

    return uring_submit(uring_of(backend), operation, &request);
}

static inline int send_by_entry(struct uring *uring, weir_operation *operation, weir_handle *handle,
                                weir_const_buffer buffer)
{
    struct uring_request request = {
        .opcode = IORING_OP_SEND,
        .target = uring_target_of(handle),
        .address = (uintptr_t)buffer.data,
        .length = clamp(buffer.size),
        .flags = MSG_NOSIGNAL,
    };

    return uring_submit(uring, operation, &request);
}

/*
 * A socket mostly has room for what is sent. Where many completions come at a time, their sends
 * share one system call; where few do, a call of its own costs less than an entry, a completion and
 * one more turn of the loop.
 */
WEIR_NOINLINE static int send_at_once(struct uring *uring, weir_operation *operation,
                                      weir_handle *handle, weir_const_buffer buffer)
{
    ssize_t sent;

    if (buffer.size > AT_ONCE_BYTES || weir_uring_is_direct(handle->native))
        return send_by_entry(uring, operation, handle, buffer);
    uring->at_once--;
    sent = send((int)handle->native, buffer.data, buffer.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0)
        return (int)sent;
    if (errno != EAGAIN && errno != EINTR)
        return -errno;
    return send_by_entry(uring, operation, handle, buffer);
}

int weir_uring_send(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                    weir_const_buffer buffer)
{
    struct uring *uring = uring_of(backend);

    if (WEIR_UNLIKELY(uring->at_once > 0))
        return send_at_once(uring, operation, handle, buffer);
    return send_by_entry(uring, operation, handle, buffer);
}

/* Describe a sequence in the message, which lives until the completion as the kernel demands. */
static uint64_t fill_message(weir_message *message, const void *buffers, size_t count)
{
    struct msghdr *header = (struct msghdr *)(void *)message->words;

    memset(header, 0, sizeof *header);
    /* The layout of a sequence is that of iovec (core/sys asserts it); the kernel only reads it. */
    header->msg_iov = (struct iovec *)(uintptr_t)buffers;
    header->msg_iovlen = count;
    return (uintptr_t)header;
}

int weir_uring_receive_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                         weir_message *message, const weir_buffer *buffers, size_t count)
{
    struct uring_request request = {
        .opcode = IORING_OP_RECVMSG,
        .target = uring_target_of(handle),
        .address = fill_message(message, buffers, count),
        .length = 1,
    };

    return uring_submit(uring_of(backend), operation, &request);
}

int weir_uring_send_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                      weir_message *message, const weir_const_buffer *buffers, size_t count)
{
    struct uring_request request = {
        .opcode = IORING_OP_SENDMSG,
        .target = uring_target_of(handle),
        .address = fill_message(message, buffers, count),
        .length = 1,
        .flags = MSG_NOSIGNAL,
    };

    return uring_submit(uring_of(backend), operation, &request);
}

int weir_uring_poll(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                    enum weir_direction direction)
{
    struct uring_request request = {
        .opcode = IORING_OP_POLL_ADD,
        .target = uring_target_of(handle),
        .flags = direction == WEIR_READING ? POLLIN | POLLRDHUP : POLLOUT,
    };

    return uring_submit(uring_of(backend), operation, &request);
}

/* The kernel hands a shutdown to one of its worker threads, always: it is left out where nothing is
 * in flight, for then closing says the same to the peer. */
int weir_uring_close_socket(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                            bool shut_down)
{
    struct uring_request request = {
        .opcode = IORING_OP_CLOSE,
        .target = uring_target_of(handle),
        .kind = shut_down ? URING_SHUT_DOWN_FIRST : URING_PLAIN,
    };

    if (weir_uring_is_direct(handle->native))
        request.kind = shut_down ? URING_SHUT_DOWN_DIRECT_FIRST : URING_CLOSE_DIRECT;
    return weir_uring_submit_slowly(uring_of(backend), operation, &request);
}
