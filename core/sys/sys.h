/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SYS_H
#define WEIR_SYS_H

/*
 * What core needs of an operating system besides completions: clock, threads, sockets, signals.
 *
 * No operating system type appears here. Descriptors are intptr_t; errors are negative errnos.
 * A world stands in for all of it but signals: then clock and threads are the simulator's.
 *
 * Source: posix_clock.c, posix_thread.c, posix_fiber.c, posix_memory.c, posix_socket.c,
 * posix_signal.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/endpoint.h>
#include <weir/memory.h>

#include "thread.h"

/* Clock. */

/** Nanoseconds of the monotonic clock. */
int64_t weir_sys_now_ns(void);

/* Threads. */

/** Tell the processor that this is a spin. */
static inline void weir_sys_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/** Whether memory errors are being watched by a sanitizer: then frames are not recycled. */
bool weir_sys_is_sanitized(void);

/** Overwrite the unused stack, so that a local that is used across a suspension shows. */
#if defined(WEIR_DEBUG)
void weir_sys_scribble_stack(void);
#else
static inline void weir_sys_scribble_stack(void)
{
}
#endif

/** How many processors the machine runs. */
int weir_sys_processor_count(void);

/** Prepare the calling thread for running a loop: its waits end when they should, not when the
 * system finds it convenient (timer slack, 50 us by default on Linux). */
void weir_sys_prepare_thread(void);

/** Let another thread run. */
void weir_sys_yield(void);

/* Opaque: words in which the system's own type fits. In place while in use. */

typedef struct weir_sys_mutex {
    uint64_t words[8];
} weir_sys_mutex;

typedef struct weir_sys_condition {
    uint64_t words[8];
} weir_sys_condition;

typedef void weir_sys_thread_fn(void *argument);

typedef struct weir_sys_thread {
    uint64_t words[1];
    weir_sys_thread_fn *function;
    void *argument;
} weir_sys_thread;

/** Start a thread that takes no signals but those of its own faults. -EAGAIN: the
 * system has no more. */
int weir_sys_thread_start(weir_sys_thread *thread, weir_sys_thread_fn *function, void *argument);

/** Wait until the thread has ended. */
void weir_sys_thread_join(weir_sys_thread *thread);

/** Name the calling thread, for debuggers; what is too long for the system is cut off. */
void weir_sys_thread_name(const char *name);

void weir_sys_mutex_init(weir_sys_mutex *mutex);
void weir_sys_mutex_fini(weir_sys_mutex *mutex);
void weir_sys_mutex_lock(weir_sys_mutex *mutex);

/** Who locks the mutex after this may end it at once. */
void weir_sys_mutex_unlock(weir_sys_mutex *mutex);

void weir_sys_condition_init(weir_sys_condition *condition);
void weir_sys_condition_fini(weir_sys_condition *condition);

/** Release the mutex until the condition is signalled, or for no reason. */
void weir_sys_condition_wait(weir_sys_condition *condition, weir_sys_mutex *mutex);

/** Wake one thread that waits, or all. */
void weir_sys_condition_signal(weir_sys_condition *condition);
void weir_sys_condition_broadcast(weir_sys_condition *condition);

/* A lock, for what is rare and not on the path of an operation. */
typedef struct weir_sys_lock {
    uint32_t taken; /* __atomic: acquire to take, release to give. */
} weir_sys_lock;

void weir_sys_lock_take(weir_sys_lock *lock);
void weir_sys_lock_give(weir_sys_lock *lock);

/* Memory. */

/** Zeroed pages that stand apart from the heap, so that freeing them never hands them to another
 * use while a kernel still reads them. NULL: no memory. */
void *weir_sys_pages_new(size_t size);
void weir_sys_pages_free(void *pages, size_t size);

/** Zeroed pages that begin at a multiple of their size, a power of two; likewise. A child
 * inherits them. */
void *weir_sys_pages_new_aligned(size_t size);

/* Fibers: threads of control that share one thread, and hand it to each other. */

typedef struct weir_sys_fiber weir_sys_fiber;

typedef void weir_sys_fiber_fn(void *argument);

/** A fiber that runs function when it is first switched to, which must not return: the last thing
 * it does is to switch away for good. NULL: no memory. */
weir_sys_fiber *weir_sys_fiber_new(size_t stack_bytes, weir_sys_fiber_fn *function, void *argument);

/** The calling thread, as one that fibers can switch to. NULL: no memory. */
weir_sys_fiber *weir_sys_fiber_adopt(void);

/** Free a fiber that does not run. What stands on its stack is gone. */
void weir_sys_fiber_free(weir_sys_fiber *fiber);

/** Go from the running fiber to another; returns when another switches back. */
void weir_sys_fiber_switch(weir_sys_fiber *from, weir_sys_fiber *to);

/** The same, and from is not switched to again. */
WEIR_NORETURN void weir_sys_fiber_leave(weir_sys_fiber *from, weir_sys_fiber *to);

/* Sockets. */

struct weir_backend;
struct weir_tcp_listen_options;

/** What is done with sockets at once: nothing of it waits. A backend names the table it goes with,
 * and is told to it: a descriptor may be one of its own. The system's table takes no backend
 * (NULL). */
struct weir_sys_sockets {
    /* A non-blocking, non-inheritable TCP socket for endpoints of this family.
     * -EAFNOSUPPORT: none. */
    int (*open)(const weir_endpoint *endpoint, intptr_t *ret_descriptor);
    /* A TCP socket that listens. */
    int (*listen)(const weir_endpoint *local, const struct weir_tcp_listen_options *options,
                  intptr_t *ret_descriptor);
    /* End one direction (0: reads, 1: writes, 2: both), as enum weir_tcp_direction. */
    int (*shutdown)(struct weir_backend *backend, intptr_t descriptor, int direction);
    /* Break a connection off: the peer sees a reset. */
    void (*reset)(struct weir_backend *backend, intptr_t descriptor);
    int (*local)(struct weir_backend *backend, intptr_t descriptor, weir_endpoint *ret_endpoint);
    int (*peer)(struct weir_backend *backend, intptr_t descriptor, weir_endpoint *ret_endpoint);
    /* option is an enum weir_tcp_option. */
    int (*option_set)(struct weir_backend *backend, intptr_t descriptor, int option, int value);
    int (*option_get)(struct weir_backend *backend, intptr_t descriptor, int option,
                      int *ret_value);
    void (*close)(struct weir_backend *backend, intptr_t descriptor);
};

/** Those of the system. */
extern const struct weir_sys_sockets weir_sys_sockets;

/** An address as the kernel wants it. */
typedef struct weir_sys_address {
    uint64_t words[4];
    uint32_t length; /* Bytes. */
} weir_sys_address;

void weir_sys_address_of(const weir_endpoint *endpoint, weir_sys_address *ret_address);

/** Above every descriptor of the system, so that a backend's own are never taken for one: Linux
 * keeps no table that large, and knows the number as bad. */
#define WEIR_SYS_DESCRIPTOR_END (1 << 30)

void weir_sys_close(intptr_t descriptor);

/** Whether a transfer that fails so has lost its connection, in both directions. */
bool weir_sys_ends_connection(int error);

/** Whether an accept failed so for one connection that is gone: the next may succeed at once. */
bool weir_sys_is_lost_connection(int error);

/* Worlds. */

/**
 * What stands in for the system under a thread (weir_thread.world): a simulator's clock, threads
 * and kernel. The slots do what the functions of the same name do; condition_wake signals, or
 * broadcasts.
 */
struct weir_sys_world {
    int64_t (*now_ns)(void);
    void (*yield)(void);
    int (*thread_start)(weir_sys_thread *thread, weir_sys_thread_fn *function, void *argument);
    void (*thread_join)(weir_sys_thread *thread);
    void (*mutex_init)(weir_sys_mutex *mutex);
    void (*mutex_fini)(weir_sys_mutex *mutex);
    void (*mutex_lock)(weir_sys_mutex *mutex);
    void (*mutex_unlock)(weir_sys_mutex *mutex);
    void (*condition_init)(weir_sys_condition *condition);
    void (*condition_fini)(weir_sys_condition *condition);
    void (*condition_wait)(weir_sys_condition *condition, weir_sys_mutex *mutex);
    void (*condition_wake)(weir_sys_condition *condition, bool all);
    const struct weir_backend_ops *backend; /* The kernel of its loops. */
    weir_memory *(*frames)(void);           /* Where their frames come from by default. */
};

/* Signals. */

/** Called by the handler of a signal, on whatever thread it interrupts. */
typedef void weir_sys_signal_fn(int number);

/** Send a signal to the function. 0 or -EINVAL: no such signal, or one that cannot be caught. */
int weir_sys_signal_catch(int number, weir_sys_signal_fn *function);

/** Restore the disposition that stood before weir_sys_signal_catch. */
void weir_sys_signal_restore(int number);

#endif
