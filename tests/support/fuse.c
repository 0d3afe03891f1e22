/* SPDX-License-Identifier: MIT */

/*
 * The fuse, and the wrappers of libc. Threads: the state is each thread's own.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuse.h"

static _Thread_local struct {
    enum fuse_call call;
    int error;
    unsigned before; /* Calls that still succeed. */
    unsigned times;  /* Calls that then fail. */
    unsigned blown;
} fuse = {.call = FUSE_NONE};

static const char *const names[] = {
    [FUSE_ACCEPT4] = "accept4",
    [FUSE_BIND] = "bind",
    [FUSE_CLOSE] = "close",
    [FUSE_CONNECT] = "connect",
    [FUSE_EPOLL_CREATE1] = "epoll_create1",
    [FUSE_EPOLL_CTL] = "epoll_ctl",
    [FUSE_EPOLL_PWAIT2] = "epoll_pwait2",
    [FUSE_EPOLL_WAIT] = "epoll_wait",
    [FUSE_EVENTFD] = "eventfd",
    [FUSE_GETPEERNAME] = "getpeername",
    [FUSE_GETSOCKNAME] = "getsockname",
    [FUSE_GETSOCKOPT] = "getsockopt",
    [FUSE_LISTEN] = "listen",
    [FUSE_MEMORY] = "malloc",
    [FUSE_POLL] = "poll",
    [FUSE_PTHREAD_CREATE] = "pthread_create",
    [FUSE_RECV] = "recv",
    [FUSE_RECVMSG] = "recvmsg",
    [FUSE_SEND] = "send",
    [FUSE_SENDMSG] = "sendmsg",
    [FUSE_SETSOCKOPT] = "setsockopt",
    [FUSE_SHUTDOWN] = "shutdown",
    [FUSE_SIGACTION] = "sigaction",
    [FUSE_SOCKET] = "socket",
    [FUSE_SYSCALL] = "syscall",
    [FUSE_WRITE] = "write",
    [FUSE_RING_SET_UP] = "ring: set-up",
    [FUSE_RING_SUBMIT] = "ring: submit",
    [FUSE_RING_SUBMIT_SHORT] = "ring: submit short",
    [FUSE_RING_WAIT] = "ring: wait",
    [FUSE_RING_GET_EVENTS] = "ring: get events",
    [FUSE_RING_REGISTER] = "ring: register",
    [FUSE_RING_REGISTER_FILES] = "ring: register files",
    [FUSE_RING_BUFFERS] = "ring: buffers",
    [FUSE_RING_PROBE] = "ring: probe",
    [FUSE_ENTRY_ACCEPT] = "entry: accept",
    [FUSE_ENTRY_CONNECT] = "entry: connect",
    [FUSE_ENTRY_RECV] = "entry: recv",
    [FUSE_ENTRY_SEND] = "entry: send",
    [FUSE_ENTRY_SEND_ZERO_COPY] = "entry: send without a copy",
    [FUSE_ENTRY_RECVMSG] = "entry: recvmsg",
    [FUSE_ENTRY_SENDMSG] = "entry: sendmsg",
    [FUSE_ENTRY_READ] = "entry: read",
    [FUSE_ENTRY_POLL] = "entry: poll",
    [FUSE_ENTRY_MESSAGE] = "entry: message",
    [FUSE_ENTRY_CLOSE] = "entry: close",
    [FUSE_NONE] = "nothing",
};

const char *fuse_name(enum fuse_call call)
{
    return names[call];
}

void fuse_light(enum fuse_call call, int error, unsigned nth, unsigned times)
{
    fuse.call = call;
    fuse.error = error;
    fuse.before = nth - 1;
    fuse.times = times;
    fuse.blown = 0;
}

unsigned fuse_put_out(void)
{
    fuse.call = FUSE_NONE;
    return fuse.blown;
}

int fuse_burn(enum fuse_call call)
{
    if (fuse.call != call || fuse.times == 0)
        return 0;
    if (fuse.before > 0) {
        fuse.before--;
        return 0;
    }
    if (fuse.times != FUSE_FOREVER)
        fuse.times--;
    fuse.blown++;
    return fuse.error;
}

/* The wrapper of a function that reports its failure through errno. */
#define WRAP(type, name, call, failure, parameters, arguments) \
    type __real_##name parameters;                             \
    type __wrap_##name parameters;                             \
    type __wrap_##name parameters                              \
    {                                                          \
        int error = fuse_burn(call);                           \
                                                               \
        if (!error)                                            \
            return __real_##name arguments;                    \
        errno = error;                                         \
        return failure;                                        \
    }

WRAP(int, accept4, FUSE_ACCEPT4, -1,
     (int socket, struct sockaddr *address, socklen_t *length, int flags),
     (socket, address, length, flags))
WRAP(int, bind, FUSE_BIND, -1, (int socket, const struct sockaddr *address, socklen_t length),
     (socket, address, length))
WRAP(int, connect, FUSE_CONNECT, -1, (int socket, const struct sockaddr *address, socklen_t length),
     (socket, address, length))
WRAP(int, epoll_create1, FUSE_EPOLL_CREATE1, -1, (int flags), (flags))
WRAP(int, epoll_ctl, FUSE_EPOLL_CTL, -1,
     (int epoll, int operation, int descriptor, struct epoll_event *event),
     (epoll, operation, descriptor, event))
WRAP(int, epoll_pwait2, FUSE_EPOLL_PWAIT2, -1,
     (int epoll, struct epoll_event *events, int count, const struct timespec *timeout,
      const sigset_t *mask),
     (epoll, events, count, timeout, mask))
WRAP(int, epoll_wait, FUSE_EPOLL_WAIT, -1,
     (int epoll, struct epoll_event *events, int count, int timeout),
     (epoll, events, count, timeout))
WRAP(int, eventfd, FUSE_EVENTFD, -1, (unsigned count, int flags), (count, flags))
WRAP(int, getpeername, FUSE_GETPEERNAME, -1,
     (int socket, struct sockaddr *address, socklen_t *length), (socket, address, length))
WRAP(int, getsockname, FUSE_GETSOCKNAME, -1,
     (int socket, struct sockaddr *address, socklen_t *length), (socket, address, length))
WRAP(int, getsockopt, FUSE_GETSOCKOPT, -1,
     (int socket, int level, int name, void *value, socklen_t *length),
     (socket, level, name, value, length))
WRAP(int, listen, FUSE_LISTEN, -1, (int socket, int backlog), (socket, backlog))
WRAP(int, poll, FUSE_POLL, -1, (struct pollfd * descriptors, nfds_t count, int timeout),
     (descriptors, count, timeout))
WRAP(ssize_t, recv, FUSE_RECV, -1, (int socket, void *data, size_t size, int flags),
     (socket, data, size, flags))
WRAP(ssize_t, recvmsg, FUSE_RECVMSG, -1, (int socket, struct msghdr *message, int flags),
     (socket, message, flags))
WRAP(ssize_t, send, FUSE_SEND, -1, (int socket, const void *data, size_t size, int flags),
     (socket, data, size, flags))
WRAP(ssize_t, sendmsg, FUSE_SENDMSG, -1, (int socket, const struct msghdr *message, int flags),
     (socket, message, flags))
WRAP(int, setsockopt, FUSE_SETSOCKOPT, -1,
     (int socket, int level, int name, const void *value, socklen_t length),
     (socket, level, name, value, length))
WRAP(int, shutdown, FUSE_SHUTDOWN, -1, (int socket, int how), (socket, how))
WRAP(int, sigaction, FUSE_SIGACTION, -1,
     (int number, const struct sigaction *action, struct sigaction *ret_previous),
     (number, action, ret_previous))
WRAP(int, socket, FUSE_SOCKET, -1, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(ssize_t, write, FUSE_WRITE, -1, (int descriptor, const void *data, size_t size),
     (descriptor, data, size))

WRAP(void *, aligned_alloc, FUSE_MEMORY, NULL, (size_t alignment, size_t size), (alignment, size))
WRAP(void *, calloc, FUSE_MEMORY, NULL, (size_t count, size_t size), (count, size))
WRAP(void *, malloc, FUSE_MEMORY, NULL, (size_t size), (size))
WRAP(void *, weir_sys_pages_new_aligned, FUSE_MEMORY, NULL, (size_t size), (size))
WRAP(void *, realloc, FUSE_MEMORY, NULL, (void *memory, size_t size), (memory, size))

/* It returns its error. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *argument)
{
    int error = fuse_burn(FUSE_PTHREAD_CREATE);

    return error ? error : __real_pthread_create(thread, attributes, function, argument);
}

int __real_close(int descriptor);
int __wrap_close(int descriptor);

int __wrap_close(int descriptor)
{
    int result = __real_close(descriptor);
    int error = fuse_burn(FUSE_CLOSE);

    if (!error)
        return result;
    errno = error;
    return -1;
}

/* Of the ways to call it, the library uses this one: io_uring_register. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    int error = fuse_burn(FUSE_SYSCALL);
    uintptr_t words[6];
    va_list arguments;
    int i;

    if (error) {
        errno = error;
        return -1;
    }
    va_start(arguments, number);
    for (i = 0; i < 6; i++)
        words[i] = va_arg(arguments, uintptr_t);
    va_end(arguments);
    return __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}
