/* SPDX-License-Identifier: MIT */
/* Sockets: the system call each operation attempts. */
#define _GNU_SOURCE

#include "epoll.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "sys.h"

/* The most one call transfers: MAX_RW_COUNT of the kernel. */
enum { TRANSFER_MAX = 0x7ffff000 };

/* Connections in a row that were lost before they were accepted. */
enum { LOST_MAX = 64 };

_Static_assert(sizeof(struct msghdr) <= sizeof(weir_message), "a message holds a msghdr");
_Static_assert(sizeof(weir_sys_address) <= sizeof(weir_message), "or an address");

static size_t clamp(size_t size)
{
    return size < TRANSFER_MAX ? size : TRANSFER_MAX;
}

/* Handles. */

int weir_epoll_attach(weir_backend *backend, weir_handle *handle)
{
    struct weir_epoll *epoll = weir_epoll_of(backend);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET};
    uint32_t generation;
    int error = weir_reactor_attach(&epoll->reactor, handle, &generation);

    if (error)
        return error;
    event.data.u64 = (uint64_t)generation << 32 | (uint32_t)handle->native;
    if (epoll_ctl(epoll->descriptor, EPOLL_CTL_ADD, (int)handle->native, &event) < 0) {
        error = -errno;
        weir_reactor_detach(&epoll->reactor, handle);
        return error;
    }
    return 0;
}

void weir_epoll_detach(weir_backend *backend, weir_handle *handle)
{
    struct weir_epoll *epoll = weir_epoll_of(backend);

    /* Closing would do it too, but not while a child process still holds the same socket. */
    (void)epoll_ctl(epoll->descriptor, EPOLL_CTL_DEL, (int)handle->native, NULL);
    weir_reactor_detach(&epoll->reactor, handle);
}

/* Attempts. */

/* The sockets are non-blocking; MSG_DONTWAIT holds the loop harmless if somebody who shares one
 * has changed that. EAGAIN is EWOULDBLOCK on Linux. */
static inline int outcome(ssize_t result)
{
    if (result >= 0)
        return (int)result;
    return errno == EAGAIN ? WEIR_IN_FLIGHT : -errno;
}

static inline int attempt_receive(int descriptor, void *data, size_t size)
{
    ssize_t result;

    do {
        result = recv(descriptor, data, size, MSG_DONTWAIT);
    } while (result < 0 && errno == EINTR);
    return outcome(result);
}

static inline int attempt_send(int descriptor, void *data, size_t size)
{
    ssize_t result;

    do {
        result = send(descriptor, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (result < 0 && errno == EINTR);
    return outcome(result);
}

static int attempt_receive_v(int descriptor, void *data, size_t size)
{
    ssize_t result;

    (void)size;
    do {
        result = recvmsg(descriptor, data, MSG_DONTWAIT);
    } while (result < 0 && errno == EINTR);
    return outcome(result);
}

static int attempt_send_v(int descriptor, void *data, size_t size)
{
    ssize_t result;

    (void)size;
    do {
        result = sendmsg(descriptor, data, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (result < 0 && errno == EINTR);
    return outcome(result);
}

static int look(int descriptor, short events)
{
    struct pollfd pollfd = {.fd = descriptor, .events = events};
    int result;

    do {
        result = poll(&pollfd, 1, 0);
    } while (result < 0 && errno == EINTR);
    if (result < 0)
        return -errno;
    return result > 0 ? 0 : WEIR_IN_FLIGHT;
}

static int attempt_poll_reading(int descriptor, void *data, size_t size)
{
    (void)data;
    (void)size;
    return look(descriptor, POLLIN | POLLRDHUP);
}

static int attempt_poll_writing(int descriptor, void *data, size_t size)
{
    (void)data;
    (void)size;
    return look(descriptor, POLLOUT);
}

/* Errors of a connection, not of the listener, are passed over: it is gone with its error. */
static int attempt_accept(int descriptor, void *data, size_t size)
{
    int lost = 0;
    int accepted;

    (void)data;
    (void)size;
    do {
        accepted = accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (accepted < 0 && weir_sys_is_lost_connection(-errno) && ++lost < LOST_MAX);
    return outcome(accepted);
}

/* Connecting again asks what became of it, more exactly than SO_ERROR: that is 0 also before there
 * is an answer. EAGAIN, unlike elsewhere, is an error: there is no route or port for now. */
static int attempt_connect(int descriptor, void *data, size_t size)
{
    const weir_sys_address *address = data;
    int result;

    (void)size;
    do {
        result = connect(descriptor, (const struct sockaddr *)address->words, address->length);
    } while (result < 0 && errno == EINTR);
    if (result == 0)
        return 0;
    switch (errno) {
    case EINPROGRESS:
    case EALREADY:
        return WEIR_IN_FLIGHT;
    default:
        return -errno;
    }
}

/* Starters. */

int weir_epoll_accept(weir_backend *backend, weir_operation *operation, weir_handle *handle)
{
    weir_reactor_request request = {.attempt = attempt_accept};

    return weir_reactor_start_multishot(&weir_epoll_of(backend)->reactor, operation, handle,
                                        WEIR_READING, &request);
}

int weir_epoll_connect(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                       weir_message *message, const weir_endpoint *peer)
{
    weir_reactor_request request = {.attempt = attempt_connect, .data = message->words};

    weir_sys_address_of(peer, (weir_sys_address *)(void *)message->words);
    return weir_reactor_start(&weir_epoll_of(backend)->reactor, operation, handle, WEIR_WRITING,
                              &request);
}

static weir_reactor_request receive_request(weir_buffer buffer)
{
    return (weir_reactor_request){
        .attempt = attempt_receive,
        .data = buffer.data,
        .size = clamp(buffer.size),
    };
}

WEIR_NOINLINE static int receive_now(weir_reactor *reactor, weir_operation *operation,
                                     weir_handle *handle, weir_buffer buffer)
{
    weir_reactor_request request = receive_request(buffer);

    return weir_reactor_start(reactor, operation, handle, WEIR_READING, &request);
}

int weir_epoll_receive(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                       weir_buffer buffer)
{
    weir_reactor *reactor = &weir_epoll_of(backend)->reactor;
    weir_reactor_request request = receive_request(buffer);

    /* Mostly the last read left nothing behind. Apart, so that this way is a dozen stores. */
    if (WEIR_UNLIKELY(weir_reactor_is_believed_ready(weir_reactor_belief_of(handle), WEIR_READING)))
        return receive_now(reactor, operation, handle, buffer);
    weir_reactor_park(reactor, operation, handle, WEIR_READING, &request);
    return WEIR_IN_FLIGHT;
}

int weir_epoll_send(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                    weir_const_buffer buffer)
{
    weir_reactor_request request = {
        .attempt = attempt_send,
        .data = (void *)(uintptr_t)buffer.data,
        .size = clamp(buffer.size),
    };

    return weir_reactor_start(&weir_epoll_of(backend)->reactor, operation, handle, WEIR_WRITING,
                              &request);
}

/* Describe a sequence in the message. Returns the bytes it asks for. */
static size_t fill_message(weir_message *message, const void *buffers, size_t count)
{
    struct msghdr *header = (struct msghdr *)(void *)message->words;
    size_t size = 0;
    size_t i;

    memset(header, 0, sizeof *header);
    /* The layout of a sequence is that of iovec (core/sys asserts it); the kernel only reads it. */
    header->msg_iov = (struct iovec *)(uintptr_t)buffers;
    header->msg_iovlen = count;
    /* Neither term is above the clamp, so the sum does not wrap. */
    for (i = 0; i < count; i++)
        size = clamp(size + clamp(header->msg_iov[i].iov_len));
    return size;
}

int weir_epoll_receive_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                         weir_message *message, const weir_buffer *buffers, size_t count)
{
    weir_reactor_request request = {
        .attempt = attempt_receive_v,
        .data = message->words,
        .size = fill_message(message, buffers, count),
    };

    return weir_reactor_start(&weir_epoll_of(backend)->reactor, operation, handle, WEIR_READING,
                              &request);
}

int weir_epoll_send_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                      weir_message *message, const weir_const_buffer *buffers, size_t count)
{
    weir_reactor_request request = {
        .attempt = attempt_send_v,
        .data = message->words,
        .size = fill_message(message, buffers, count),
    };

    return weir_reactor_start(&weir_epoll_of(backend)->reactor, operation, handle, WEIR_WRITING,
                              &request);
}

int weir_epoll_receive_lent(weir_backend *backend, weir_operation *operation, weir_handle *handle)
{
    return weir_reactor_start_lent(&weir_epoll_of(backend)->reactor, operation, handle,
                                   attempt_receive);
}

void weir_epoll_give_back(weir_backend *backend, weir_lent *lent)
{
    weir_lending_put(&weir_epoll_of(backend)->reactor.lending.buffers, lent);
}

int weir_epoll_poll(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                    enum weir_direction direction)
{
    weir_reactor_request request = {
        .attempt = direction == WEIR_READING ? attempt_poll_reading : attempt_poll_writing,
    };

    return weir_reactor_start(&weir_epoll_of(backend)->reactor, operation, handle, direction,
                              &request);
}

int weir_epoll_close_socket(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                            bool shut_down)
{
    (void)operation;
    /* Fails on what was never connected, and then there is nothing to shut down. */
    if (shut_down)
        (void)shutdown((int)handle->native, SHUT_RDWR);
    weir_epoll_detach(backend, handle);
    weir_sys_close(handle->native);
    return 0;
}
