/* SPDX-License-Identifier: MIT */
/* Waiting: one system call that blocks and collects; and being woken. */
#define _GNU_SOURCE

#include "epoll.h"

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"

/* Milliseconds are rounded up: a deadline is never woken for too early, to wait
 * again for nothing. */
static int to_timeout_ms(int64_t left_ns)
{
    int64_t left_ms = left_ns / 1000000 + (left_ns % 1000000 > 0);

    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

/* Block for so long, or until there are events. */
static int wait_for_ns(struct weir_epoll *epoll, int64_t left_ns)
{
    struct timespec timeout = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};

    if (epoll->is_precise)
        return epoll_pwait2(epoll->descriptor, epoll->events, WEIR_EPOLL_EVENTS_MAX, &timeout,
                            NULL);
    return epoll_wait(epoll->descriptor, epoll->events, WEIR_EPOLL_EVENTS_MAX,
                      to_timeout_ms(left_ns));
}

static int wait_until(struct weir_epoll *epoll, int64_t deadline_ns)
{
    int timeout_ms = 0;

    if (deadline_ns == WEIR_WAIT_FOREVER) {
        timeout_ms = -1;
    } else if (deadline_ns != WEIR_WAIT_POLL) {
        int64_t now_ns = weir_sys_now_ns();

        if (deadline_ns > now_ns)
            return wait_for_ns(epoll, deadline_ns - now_ns);
    }
    return epoll_wait(epoll->descriptor, epoll->events, WEIR_EPOLL_EVENTS_MAX, timeout_ms);
}

/*
 * What an event says about each direction.
 *
 * Behind EPOLLRDHUP, EPOLLHUP and EPOLLERR there is an end of stream or an error to be found, which
 * has no edge of its own once this one is spent. EPOLLPRI: TCP cuts a read short at urgent data
 * even if there is more behind it, so a short read does not mean that the socket is empty; a peer
 * could stall the connection with one urgent byte.
 */
static inline unsigned ready_of(uint32_t events)
{
    unsigned ready = 0;

    if (events & EPOLLIN)
        ready |= WEIR_REACTOR_READABLE;
    if (events & EPOLLOUT)
        ready |= WEIR_REACTOR_WRITABLE;
    if (WEIR_LIKELY(!(events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))))
        return ready;
    if (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ready |= WEIR_REACTOR_READABLE | WEIR_REACTOR_READABLE_LASTING;
    if (events & (EPOLLHUP | EPOLLERR))
        ready |= WEIR_REACTOR_WRITABLE | WEIR_REACTOR_WRITABLE_LASTING;
    return ready;
}

/* Complete what an event is about. Returns whether it was a wake. */
static inline bool dispatch(struct weir_epoll *epoll, const struct epoll_event *event)
{
    uint64_t data = event->data.u64;

    if (data == WEIR_EPOLL_WAKE) {
        epoll->statistics->wakeups++;
        return true;
    }
    weir_reactor_event(&epoll->reactor, (uint32_t)data, (uint32_t)(data >> 32),
                       ready_of(event->events));
    return false;
}

/* Wait, and complete what there is. Returns whether there was something. */
static bool collect(struct weir_epoll *epoll, int64_t deadline_ns)
{
    uint64_t before = epoll->reactor.completions;
    bool is_woken = false;
    int count = wait_until(epoll, deadline_ns);
    int i;

    /* A signal ends the wait like a wake: its handler may have posted something. */
    WEIR_ASSERT(count >= 0 || errno == EINTR, "waiting fails only by interruption");
    weir_reactor_deliver(&epoll->reactor);
    for (i = 0; i < count; i++)
        is_woken |= dispatch(epoll, &epoll->events[i]);
    epoll->statistics->enters++;
    epoll->statistics->completions += epoll->reactor.completions - before;
    return is_woken || epoll->reactor.completions != before;
}

void weir_epoll_wait(weir_backend *backend, int64_t deadline_ns)
{
    struct weir_epoll *epoll = weir_epoll_of(backend);

    if (weir_reactor_is_pending(&epoll->reactor))
        deadline_ns = WEIR_WAIT_POLL;
    (void)collect(epoll, deadline_ns);
}

bool weir_epoll_peek(weir_backend *backend)
{
    return collect(weir_epoll_of(backend), WEIR_WAIT_POLL);
}

/* Async-signal-safe, whoever the sender is. The count cannot overflow in practice, so the write is
 * always an edge; edges that come before the next wait are one event. */
void weir_epoll_wake(weir_backend *backend, weir_backend *sender)
{
    static const uint64_t one = 1;
    int kept_errno = errno;

    (void)sender;
    while (write(weir_epoll_of(backend)->wake_descriptor, &one, sizeof one) < 0 && errno == EINTR) {
    }
    errno = kept_errno;
}
