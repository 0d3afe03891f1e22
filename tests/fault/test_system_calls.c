/* SPDX-License-Identifier: MIT */

/*
 * Every system call that the library makes, failing in turn: at its first use, its second, and so
 * on until an exchange ends in which nothing failed, with each error that its manual page gives.
 *
 * After each exchange nothing has crashed, hung or leaked, every error was a result or was retried,
 * and no connection but the one that failed has lost a byte.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weir/loop.h>

#include "exchange.h"
#include "fuse.h"
#include "test.h"

/* Who may be hurt by one failure. */
enum damage {
    NONE,       /* Retried, or harmless: the exchange goes on as if nothing had been. */
    CONNECTION, /* At most one connection. */
    SET_UP,     /* The loop or the listener, which then reports this error; or one connection. */
};

struct fault {
    enum fuse_call call;
    enum damage damage;
    int errors[8]; /* Ends with 0. */
};

enum { PLACES_MAX = 400, PLACES_DENSE = 24 };

static char what[128];

static void hung(int number)
{
    (void)number;
    (void)!write(STDERR_FILENO, what, strlen(what));
    _exit(1);
}

/* An exchange takes milliseconds; retries after a delay, a second at most. */
static void watch(const char *backend, const struct fault *fault, int error, unsigned nth)
{
    snprintf(what, sizeof what, "hung: %s, %s, errno %d, call %u\n", backend,
             fuse_name(fault->call), error, nth);
    (void)signal(SIGALRM, hung);
    (void)alarm(10);
}

static void check_damage(const struct exchange *exchange, const struct fault *fault, int error)
{
    int failed = exchange_failed_clients(exchange);
    int set_up_error = exchange->loop_error ? exchange->loop_error : exchange->listen_error;

    CHECK_EQ(exchange->accept_error, 0);
    if (fault->damage == NONE) {
        CHECK_EQ(set_up_error, 0);
        CHECK_EQ(failed, 0);
        CHECK_EQ(exchange->session_errors, 0);
    } else if (fault->damage == CONNECTION) {
        CHECK_EQ(set_up_error, 0);
        CHECK(failed <= 1);
        CHECK(exchange->session_errors <= 1);
    } else if (set_up_error) {
        CHECK_EQ(set_up_error, -error);
    } else {
        CHECK(failed <= 1);
    }
}

/* Returns whether the place was reached. */
static bool fails_once(const char *backend, const struct fault *fault, int error, unsigned nth)
{
    struct exchange exchange;
    unsigned blown;

    watch(backend, fault, error, nth);
    fuse_light(fault->call, error, nth, 1);
    exchange_run(&exchange, backend);
    blown = fuse_put_out();
    check_damage(&exchange, fault, error);
    return blown > 0;
}

/* Every place at first, then ever fewer: what is called thousands of times is
 * called in few ways. */
static unsigned next_place(unsigned nth)
{
    return nth < PLACES_DENSE ? nth + 1 : nth + nth / 4;
}

static void fails_everywhere(const char *backend, const struct fault *fault)
{
    const int *error;
    unsigned nth;

    for (error = fault->errors; *error; error++) {
        nth = 1;
        while (nth < PLACES_MAX && fails_once(backend, fault, *error, nth))
            nth = next_place(nth);
        CHECK(nth > 1); /* Or the exchange does not exercise it. */
    }
    (void)alarm(0);
}

static void all_fail(const char *backend, const struct fault *faults, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        fails_everywhere(backend, &faults[i]);
}

#define ALL_FAIL(backend, faults) all_fail(backend, faults, sizeof(faults) / sizeof(faults)[0])

WEIR_SOCKET_TEST(fault, nothing_fails_when_nothing_does)
{
    struct exchange exchange;

    exchange_run(&exchange, backend);
    CHECK_EQ(exchange.loop_error, 0);
    CHECK_EQ(exchange.listen_error, 0);
    CHECK_EQ(exchange_failed_clients(&exchange), 0);
    CHECK_EQ(exchange.session_errors, 0);
    CHECK_EQ(exchange.accept_error, 0);
}

/* Of both backends, outside of operations. */

WEIR_SOCKET_TEST(fault, sockets_that_cannot_be_set_up)
{
    static const struct fault faults[] = {
        {FUSE_SOCKET, SET_UP, {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT}},
        {FUSE_BIND, SET_UP, {EADDRINUSE, EACCES, EADDRNOTAVAIL}},
        {FUSE_LISTEN, SET_UP, {EADDRINUSE, EOPNOTSUPP}},
        {FUSE_SETSOCKOPT, SET_UP, {ENOPROTOOPT, EINVAL, ENOMEM, EPERM}},
        {FUSE_GETSOCKNAME, SET_UP, {ENOBUFS}},
        {FUSE_EVENTFD, SET_UP, {EMFILE, ENFILE, ENOMEM, ENODEV}},
    };

    ALL_FAIL(backend, faults);
}

WEIR_SOCKET_TEST(fault, memory_that_runs_out)
{
    static const struct fault faults[] = {{FUSE_MEMORY, SET_UP, {ENOMEM}}};

    ALL_FAIL(backend, faults);
}

WEIR_SOCKET_TEST(fault, closing_and_shutting_down)
{
    static const struct fault faults[] = {
        {FUSE_CLOSE, NONE, {EINTR, EIO, EDQUOT}},
        {FUSE_SHUTDOWN, CONNECTION, {ENOTCONN, ENOBUFS}},
    };

    ALL_FAIL(backend, faults);
}

/* Each failure waits twice as long as the one before, from 5 ms on: a system that forbids accepting
 * does not make the loop spin. */
static void backs_off(const char *backend, enum fuse_call call)
{
    static const int errors[] = {EMFILE, ENOBUFS, EPERM, EINVAL};
    struct exchange exchange;
    size_t i;

    test_require_backend(backend);
    for (i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        int64_t begin_ns = weir_now_ns();

        fuse_light(call, errors[i], 1, 4);
        exchange_run(&exchange, backend);
        CHECK_EQ(fuse_put_out(), 4);
        CHECK_EQ(exchange_failed_clients(&exchange), 0);
        CHECK(weir_now_ns() - begin_ns >= INT64_C(5000000) * (1 + 2 + 4 + 8));
    }
}

/* epoll. */

static void on_epoll(const struct fault *faults, size_t count)
{
    test_require_backend("epoll");
    all_fail("epoll", faults, count);
}

#define ON_EPOLL(faults) on_epoll(faults, sizeof(faults) / sizeof(faults)[0])

WEIR_TEST(fault_epoll, interruptions_are_retried)
{
    static const struct fault faults[] = {
        {FUSE_RECV, NONE, {EINTR}},       {FUSE_SEND, NONE, {EINTR}},
        {FUSE_RECVMSG, NONE, {EINTR}},    {FUSE_SENDMSG, NONE, {EINTR}},
        {FUSE_ACCEPT4, NONE, {EINTR}},    {FUSE_CONNECT, NONE, {EINTR}},
        {FUSE_EPOLL_WAIT, NONE, {EINTR}}, {FUSE_EPOLL_PWAIT2, NONE, {EINTR}},
    };

    ON_EPOLL(faults);
}

WEIR_TEST(fault_epoll, transfers_that_fail)
{
    static const struct fault faults[] = {
        {FUSE_RECV, CONNECTION, {ECONNRESET, ETIMEDOUT, ENOMEM, ENOTCONN}},
        {FUSE_SEND, CONNECTION, {EPIPE, ECONNRESET, ENOBUFS, ENOMEM}},
        {FUSE_RECVMSG, CONNECTION, {ECONNRESET, ENOMEM}},
        {FUSE_SENDMSG, CONNECTION, {EPIPE, ENOBUFS, EMSGSIZE}},
    };

    ON_EPOLL(faults);
}

WEIR_TEST(fault_epoll, connects_that_fail)
{
    static const struct fault faults[] = {
        {FUSE_CONNECT,
         CONNECTION,
         {ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL, EAGAIN, EPERM}},
    };

    ON_EPOLL(faults);
}

/* The connection is still in the backlog, as after an error of one that came before it. */
WEIR_TEST(fault_epoll, accepts_that_fail_lose_no_connection)
{
    static const struct fault faults[] = {
        {FUSE_ACCEPT4, NONE, {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
        {FUSE_ACCEPT4, NONE, {ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, EPERM, ENOSR}},
    };

    ON_EPOLL(faults);
}

WEIR_TEST(fault_epoll, accepts_that_fail_for_long_back_off)
{
    backs_off("epoll", FUSE_ACCEPT4);
}

WEIR_TEST(fault_epoll, instances_that_cannot_be_made)
{
    static const struct fault faults[] = {
        {FUSE_EPOLL_CREATE1, SET_UP, {EMFILE, ENFILE, ENOMEM}},
        {FUSE_EPOLL_CTL, SET_UP, {ENOMEM, ENOSPC}},
    };

    ON_EPOLL(faults);
}

/* Linux has epoll_pwait2 since 5.11, and containers may forbid it. */
WEIR_TEST(fault_epoll, works_without_epoll_pwait2)
{
    static const int errors[] = {ENOSYS, EPERM};
    struct exchange exchange;
    size_t i;

    for (i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fuse_light(FUSE_EPOLL_PWAIT2, errors[i], 1, FUSE_FOREVER);
        exchange_run(&exchange, "epoll");
        CHECK(fuse_put_out() > 0);
        CHECK_EQ(exchange.loop_error, 0);
        CHECK_EQ(exchange_failed_clients(&exchange), 0);
    }
}

/* io_uring. */

static void on_uring(const struct fault *faults, size_t count)
{
    test_require_backend("uring");
    all_fail("uring", faults, count);
}

#define ON_URING(faults) on_uring(faults, sizeof(faults) / sizeof(faults)[0])

WEIR_TEST(fault_uring, calls_that_are_refused_or_interrupted_are_made_again)
{
    static const struct fault faults[] = {
        {FUSE_RING_SUBMIT, NONE, {EAGAIN, EBUSY}},
        {FUSE_RING_WAIT, NONE, {EINTR, EAGAIN}},
        {FUSE_RING_SUBMIT_SHORT, NONE, {EAGAIN}},
        {FUSE_RING_REGISTER, NONE, {ENOMEM, EBUSY}},
    };

    ON_URING(faults);
}

/* One pull meets it, and the next one registers them. */
WEIR_TEST(fault_uring, buffers_that_cannot_be_registered)
{
    static const struct fault faults[] = {
        {FUSE_RING_BUFFERS, CONNECTION, {ENOMEM, EINVAL, EPERM}},
    };

    ON_URING(faults);
}

static void goes_on_all_the_time(enum fuse_call call, int error, unsigned times)
{
    struct exchange exchange;
    struct fault fault = {call, NONE, {error}};

    watch("uring", &fault, error, 0);
    test_require_backend("uring");
    fuse_light(call, error, 1, times);
    exchange_run(&exchange, "uring");
    CHECK(fuse_put_out() > 0);
    check_damage(&exchange, &fault, error);
    (void)alarm(0);
}

WEIR_TEST(fault_uring, submissions_that_are_always_short_lose_nothing)
{
    goes_on_all_the_time(FUSE_RING_SUBMIT_SHORT, EAGAIN, FUSE_FOREVER);
}

WEIR_TEST(fault_uring, submissions_that_are_refused_for_long_lose_nothing)
{
    goes_on_all_the_time(FUSE_RING_SUBMIT, EBUSY, 5000);
}

WEIR_TEST(fault_uring, rings_that_cannot_be_made)
{
    static const struct fault faults[] = {
        {FUSE_RING_SET_UP, SET_UP, {EPERM, ENOSYS, EMFILE, ENFILE}},
        {FUSE_RING_SET_UP, NONE, {EINVAL}},
        {FUSE_RING_GET_EVENTS, SET_UP, {EPERM, ENOSYS}},
    };

    ON_URING(faults);
}

WEIR_TEST(fault_uring, transfers_that_fail)
{
    static const struct fault faults[] = {
        {FUSE_ENTRY_RECV, CONNECTION, {ECONNRESET, ETIMEDOUT, ENOMEM, EINVAL}},
        {FUSE_ENTRY_SEND, CONNECTION, {EPIPE, ECONNRESET, ENOBUFS}},
        {FUSE_ENTRY_SEND_ZERO_COPY, CONNECTION, {EPIPE, ECONNRESET, ENOBUFS}},
        {FUSE_ENTRY_SEND_ZERO_COPY, NONE, {ENOMEM, EOPNOTSUPP, EINVAL}}, /* A copy does. */
        {FUSE_ENTRY_RECVMSG, CONNECTION, {ECONNRESET, ENOMEM}},
        {FUSE_ENTRY_SENDMSG, CONNECTION, {EPIPE, ENOBUFS}},
    };

    ON_URING(faults);
}

WEIR_TEST(fault_uring, connects_that_fail)
{
    static const struct fault faults[] = {
        {FUSE_ENTRY_CONNECT, CONNECTION, {ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL}},
    };

    ON_URING(faults);
}

WEIR_TEST(fault_uring, accepts_that_fail_lose_no_connection)
{
    static const struct fault faults[] = {
        {FUSE_ENTRY_ACCEPT, NONE, {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
        {FUSE_ENTRY_ACCEPT, NONE, {EINTR, ECONNABORTED, EPROTO, ENETDOWN, EPERM, ECANCELED}},
    };

    ON_URING(faults);
}

WEIR_TEST(fault_uring, accepts_that_fail_for_long_back_off)
{
    backs_off("uring", FUSE_ENTRY_ACCEPT);
}

WEIR_TEST(fault_uring, closing_and_waking)
{
    static const struct fault faults[] = {
        {FUSE_ENTRY_CLOSE, NONE, {EINTR, EIO, EDQUOT}},
        {FUSE_ENTRY_READ, NONE, {EINTR, ENOMEM}},
        {FUSE_ENTRY_MESSAGE, NONE, {ENOMEM, EINVAL, EOVERFLOW}},
    };

    ON_URING(faults);
}
