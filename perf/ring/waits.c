/* SPDX-License-Identifier: MIT */
/*
 * Waits that differ in how they are told when to end.
 *
 * With deferred task work one call reaps some twenty completions, or as many as it waits for.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "choices.h"
#include "ring.h"

/* What liburing 2.3 does not know. Linux 6.13: io_uring_register(2), io_uring_enter(2). */

enum {
    REGISTER_MEMORY_REGION = 34,
    ENTER_REGISTERED_ARGUMENT = 1 << 6,
    REGION_IS_OURS = 1,
    REGION_HOLDS_WAITS = 1,
    WAIT_HAS_TIMEOUT = 1,
};

struct region {
    uint64_t address;
    uint64_t size;
    uint32_t flags;
    uint32_t id;
    uint64_t offset;
    uint64_t reserved[4];
};

struct region_registration {
    uint64_t region;
    uint64_t flags;
    uint64_t reserved[2];
};

struct registered_wait {
    struct __kernel_timespec timeout;
    uint32_t least_wait_us;
    uint32_t flags;
    uint64_t signal_mask;
    uint32_t signal_mask_bytes;
    uint32_t padding[3];
    uint64_t more_padding[2];
};
_Static_assert(sizeof(struct registered_wait) == 64, "the kernel's layout");

enum { PAGE = 4096 };

/* How a wait is told of its timeout: choice.number. */
enum told { NO_TIMEOUT, IN_THE_CALL, REGISTERED };

/* 0, or -EINVAL on kernels that register no waits. */
static int wait_register(struct io_uring *ring, struct registered_wait *wait)
{
    struct region region = {
        .address = (uintptr_t)wait,
        .size = PAGE,
        .flags = REGION_IS_OURS,
    };
    struct region_registration registration = {
        .region = (uintptr_t)&region,
        .flags = REGION_HOLDS_WAITS,
    };

    wait->flags = WAIT_HAS_TIMEOUT;
    wait->timeout.tv_sec = 1;
    if (!syscall(__NR_io_uring_register, ring->ring_fd, REGISTER_MEMORY_REGION, &registration, 1))
        return 0;
    if (errno != EINVAL)
        weir_peer_die("io_uring_register", errno);
    return -EINVAL;
}

/* Disabled at first: so the kernel wants it of a ring whose waits are registered. */
static void told_open(struct io_uring *ring)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED,
    };
    int error = io_uring_queue_init_params(64, ring, &params);

    if (error)
        weir_peer_die("io_uring_setup", -error);
}

static void told_enable(struct io_uring *ring)
{
    int registered;

    if (syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0))
        weir_peer_die("io_uring_register", errno);
    registered = io_uring_register_ring_fd(ring);
    if (registered != 1)
        weir_peer_die("io_uring_register_ring_fd", -registered);
}

/* Submit one entry and wait for its completion, which is there when the call looks. */
static void told_turn(struct io_uring *ring, enum told told)
{
    struct __kernel_timespec timeout = {.tv_sec = 1};
    struct io_uring_getevents_arg argument = {.ts = (uintptr_t)&timeout};
    unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING;
    void *where = NULL;
    size_t size = 0;

    if (told == IN_THE_CALL) {
        flags |= IORING_ENTER_EXT_ARG;
        where = &argument;
        size = sizeof argument;
    } else if (told == REGISTERED) {
        flags |= IORING_ENTER_EXT_ARG | ENTER_REGISTERED_ARGUMENT;
        size = sizeof(struct registered_wait); /* At offset 0 of the region. */
    }
    if (syscall(__NR_io_uring_enter, ring->enter_ring_fd, 1, 1, flags, where, size) != 1)
        weir_peer_die("io_uring_enter", errno);
    io_uring_cq_advance(ring, 1);
}

static double measure_turns(struct io_uring *ring, enum told told)
{
    enum { TURNS = 10000 };
    int64_t cpu_ns = 0;
    int64_t turns = 0;

    while (!ring_is_enough(cpu_ns)) {
        int64_t begin_ns = ring_cpu_ns();
        int i;

        for (i = 0; i < TURNS; i++) {
            io_uring_prep_nop(io_uring_get_sqe(ring));
            /* What io_uring_submit does before the call. */
            __atomic_store_n(ring->sq.ktail, ++ring->sq.sqe_head, __ATOMIC_RELEASE);
            told_turn(ring, told);
        }
        cpu_ns += ring_cpu_ns() - begin_ns;
        turns += TURNS;
    }
    return (double)cpu_ns / (double)turns;
}

static double measure_told(const struct experiment *load, unsigned number)
{
    struct registered_wait *wait = ring_memory(PAGE);
    struct io_uring ring;
    double result = RING_NOT_HERE;

    (void)load;
    told_open(&ring);
    if (number != REGISTERED || !wait_register(&ring, wait)) {
        told_enable(&ring);
        result = measure_turns(&ring, (enum told)number);
    }
    io_uring_queue_exit(&ring);
    ring_memory_free(wait, PAGE);
    return result;
}

/* Many connections become readable at once: how many completions to wait for. */

enum { NOTHING = -1 };

static void poll_arm(struct io_uring *ring, const struct pair *pairs, unsigned connection)
{
    struct io_uring_sqe *entry = ring_sqe(ring);

    io_uring_prep_poll_multishot(entry, pairs[connection].server, POLLIN);
    io_uring_sqe_set_data64(entry, connection);
}

static void enter(struct io_uring *ring, unsigned least)
{
    int result = io_uring_submit_and_wait(ring, least);

    if (result < 0 && result != -EINTR)
        weir_peer_die("io_uring_enter", -result);
}

/* Reap what is there. Returns how many; polls that have ended are armed again. */
static unsigned reap(struct io_uring *ring, const struct pair *pairs)
{
    struct io_uring_cqe *completion;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(ring, head, completion)
    {
        if (completion->res < 0)
            weir_peer_die("poll", -completion->res);
        if (!(completion->flags & IORING_CQE_F_MORE))
            poll_arm(ring, pairs, (unsigned)completion->user_data);
        count++;
    }
    io_uring_cq_advance(ring, count);
    return count;
}

static void polls_end(struct io_uring *ring, unsigned armed)
{
    struct io_uring_sqe *entry = ring_sqe(ring);
    struct io_uring_cqe *completion;

    io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(entry, (uint64_t)NOTHING);
    io_uring_submit(ring);
    while (armed > 0) {
        if (io_uring_wait_cqe(ring, &completion))
            continue;
        armed -= completion->user_data != (uint64_t)NOTHING;
        io_uring_cqe_seen(ring, completion);
    }
    io_uring_queue_exit(ring);
}

static void servers_read(const struct pair *pairs, unsigned count)
{
    char byte;
    unsigned i;

    for (i = 0; i < count; i++)
        if (recv(pairs[i].server, &byte, 1, 0) != 1)
            weir_peer_die("recv", errno);
}

static double measure_number(const struct experiment *load, unsigned number)
{
    const struct pair *pairs = ring_pairs(load->connections);
    struct io_uring ring;
    int64_t cpu_ns = 0;
    int64_t completions = 0;
    unsigned i;

    ring_open(&ring);
    for (i = 0; i < load->connections; i++)
        poll_arm(&ring, pairs, i);
    (void)io_uring_submit(&ring);
    while (!ring_is_enough(cpu_ns)) {
        unsigned left = load->connections;
        int64_t begin_ns;

        ring_clients_send(pairs, load->connections, 1);
        begin_ns = ring_cpu_ns();
        while (left > 0) {
            enter(&ring, left < number ? left : number);
            left -= reap(&ring, pairs);
        }
        cpu_ns += ring_cpu_ns() - begin_ns;
        completions += load->connections;
        servers_read(pairs, load->connections);
    }
    polls_end(&ring, load->connections);
    return (double)cpu_ns / (double)completions;
}

/* To ask for more than there is, and not to wait long for it. */

static int64_t wall_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static double measure_more(const struct experiment *load, unsigned number)
{
    enum { ROUNDS = 100 };
    const struct pair *pairs = ring_pairs(load->connections);
    struct io_uring ring;
    int64_t spent_ns = 0;
    unsigned i;

    ring_open(&ring);
    for (i = 0; i < load->connections; i++)
        poll_arm(&ring, pairs, i);
    (void)io_uring_submit(&ring);
    for (i = 0; i < ROUNDS; i++) {
        struct __kernel_timespec timeout = {.tv_nsec = 1000};
        struct io_uring_cqe *completion;
        unsigned left = load->connections;
        int64_t begin_ns;

        ring_clients_send(pairs, load->connections, 1);
        begin_ns = wall_ns();
        while (left > 0) {
            (void)io_uring_submit_and_wait_timeout(&ring, &completion, number, &timeout, NULL);
            left -= reap(&ring, pairs);
        }
        spent_ns += wall_ns() - begin_ns;
        servers_read(pairs, load->connections);
    }
    polls_end(&ring, load->connections);
    return (double)spent_ns / ROUNDS;
}

static const struct choice tellings[] = {
    {"for as long as it takes", measure_told, NO_TIMEOUT},
    {"a timeout in the call", measure_told, IN_THE_CALL},
    {"a timeout in registered memory", measure_told, REGISTERED},
};

static const struct choice numbers_small[] = {
    {"for 1", measure_number, 1},
    {"for all 32", measure_number, 32},
};

static const struct choice numbers[] = {
    {"for 1", measure_number, 1},
    {"for 32", measure_number, 32},
    {"for 256", measure_number, 256},
    {"for 1,024", measure_number, 1024},
};

static const struct choice more[] = {
    {"for 1", measure_more, 1},
    {"for 17, at most 1 us", measure_more, 17},
};

#define NUMBERS "how many to wait for, a completion of those that are there"

const struct experiment ring_waits[] = {
    {"wait-told", "how to say when to end, a wait that need not sleep", 0, 0,
     RING_CHOICES(tellings)},
    {"wait-32", NUMBERS, 32, 0, RING_CHOICES(numbers_small)},
    {"wait-1000", NUMBERS, 1000, 0, RING_CHOICES(numbers)},
    {"wait-8000", NUMBERS, 8000, 0, RING_CHOICES(numbers)},
    {"wait-more", "how many to wait for, the wall time of those that are there", 16, 0,
     RING_CHOICES(more)},
};
const size_t ring_waits_count = sizeof ring_waits / sizeof ring_waits[0];
