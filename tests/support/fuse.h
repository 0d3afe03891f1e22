/* SPDX-License-Identifier: MIT */
#ifndef TEST_FUSE_H
#define TEST_FUSE_H

/*
 * Fuses: the n-th call of a function fails, as the kernel or the heap could have it fail.
 *
 * The functions are those that the library calls, wrapped by the linker (fuse.link lists them), in
 * the program that links this. To try every place, count n up until a run ends and nothing blew:
 *
 *     do {
 *         fuse_light(FUSE_RECV, ECONNRESET, ++n, 1);
 *         run();
 *     } while (fuse_put_out() > 0);
 *
 * A fuse belongs to the thread that lights it, and only that thread's calls count.
 */

#include <stdbool.h>

struct io_uring;

/** What can fail. Those that no comment explains fail without having been called. */
enum fuse_call {
    FUSE_ACCEPT4,
    FUSE_BIND,
    FUSE_CLOSE, /* Closes, then reports the error, as Linux does. */
    FUSE_CONNECT,
    FUSE_EPOLL_CREATE1,
    FUSE_EPOLL_CTL,
    FUSE_EPOLL_PWAIT2,
    FUSE_EPOLL_WAIT,
    FUSE_EVENTFD,
    FUSE_GETPEERNAME,
    FUSE_GETSOCKNAME,
    FUSE_GETSOCKOPT,
    FUSE_LISTEN,
    FUSE_MEMORY, /* malloc, calloc, realloc and aligned_alloc; pages for slabs. */
    FUSE_POLL,
    FUSE_PTHREAD_CREATE,
    FUSE_RECV,
    FUSE_RECVMSG,
    FUSE_SEND,
    FUSE_SENDMSG,
    FUSE_SETSOCKOPT,
    FUSE_SHUTDOWN,
    FUSE_SIGACTION,
    FUSE_SOCKET,
    FUSE_SYSCALL,
    FUSE_WRITE,

    FUSE_RING_SET_UP,       /* io_uring_queue_init_params. */
    FUSE_RING_SUBMIT,       /* Every call that would submit something. */
    FUSE_RING_SUBMIT_SHORT, /* The same take only the first entry; the error is not used. */
    FUSE_RING_WAIT,         /* Every call that would block. */
    FUSE_RING_GET_EVENTS,
    FUSE_RING_REGISTER,       /* io_uring_register_ring_fd. */
    FUSE_RING_REGISTER_FILES, /* io_uring_register_files_sparse. */
    FUSE_RING_BUFFERS,        /* io_uring_register_buf_ring. */
    FUSE_RING_PROBE,          /* io_uring_get_probe_ring: no memory. */

    /* Submission entries: the kernel completes them with the error, having done nothing. */
    FUSE_ENTRY_ACCEPT,
    FUSE_ENTRY_CONNECT,
    FUSE_ENTRY_RECV,
    FUSE_ENTRY_SEND,
    FUSE_ENTRY_SEND_ZERO_COPY,
    FUSE_ENTRY_RECVMSG,
    FUSE_ENTRY_SENDMSG,
    FUSE_ENTRY_READ,
    FUSE_ENTRY_POLL,
    FUSE_ENTRY_MESSAGE,
    FUSE_ENTRY_CLOSE, /* Closes, then reports the error. */

    FUSE_NONE,
};

/** No end to it, for times. */
#define FUSE_FOREVER 0xffffffffu

/** From the nth call on, counted from 1, so many calls in a row fail with this errno. */
void fuse_light(enum fuse_call call, int error, unsigned nth, unsigned times);

/** No more failures. Returns how many calls have failed. */
unsigned fuse_put_out(void);

/** For a wrapper: 0, or the errno this call is to fail with. */
int fuse_burn(enum fuse_call call);

/** What the fuse is for, to be told when a run does not end. */
const char *fuse_name(enum fuse_call call);

/** From now on, rings lack an operation, and features. */
void fuse_hide_operation(int opcode);
void fuse_hide_features(unsigned features);

#endif
