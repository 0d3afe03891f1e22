/* SPDX-License-Identifier: MIT */
/*
 * Waiting: submit, block and reap in one system call; and being woken.
 *
 * A loop wakes another by a message from its own ring, which goes out with its next submission. Who
 * has no ring, or is a signal handler, writes the eventfd that each ring reads. A message can fail
 * (-ENOMEM in the kernel): its sender's completion then names the target by a number that is looked
 * up among the rings that live, and the eventfd is written instead. So it is for messages that the
 * kernel did not take when it was asked to, for the sender may not ask again. A wake is never lost.
 */
#define _GNU_SOURCE

#include "uring.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys.h"

/* All rings of the process. Rarely touched: when a ring is made or ends, or a message failed. */
static weir_sys_lock rings_lock;
static struct uring *rings;
static uint32_t last_identity;

void weir_uring_register(struct uring *uring)
{
    weir_sys_lock_take(&rings_lock);
    uring->identity = ++last_identity;
    uring->next = rings;
    rings = uring;
    weir_sys_lock_give(&rings_lock);
}

void weir_uring_unregister(struct uring *uring)
{
    struct uring **link = &rings;

    weir_sys_lock_take(&rings_lock);
    while (*link != uring)
        link = &(*link)->next;
    *link = uring->next;
    weir_sys_lock_give(&rings_lock);
}

/* With rings_lock. NULL: it is gone. */
static struct uring *find_ring(uint32_t identity)
{
    struct uring *ring = rings;

    while (ring && ring->identity != identity)
        ring = ring->next;
    return ring;
}

static bool is_gone(uint32_t identity)
{
    bool result;

    weir_sys_lock_take(&rings_lock);
    result = !find_ring(identity);
    weir_sys_lock_give(&rings_lock);
    return result;
}

/* Registered descriptors: a thread has a few slots for them. A slot outlives its ring unless it is
 * given back, and keeps it in the kernel; but not its thread, which alone can give it back. */

/* The most that the kernel gives a thread (IO_RINGFD_REG_MAX). */
enum { SLOTS = 16 };

/* Whose they are, by identity; 0: nobody's. */
static _Thread_local uint32_t slots[SLOTS];

/* Another thread has closed their rings. */
static void give_back_slots(const struct uring *uring)
{
    struct io_uring_rsrc_update update = {0};

    for (; update.offset < SLOTS; update.offset++) {
        if (!slots[update.offset] || !is_gone(slots[update.offset]))
            continue;
        (void)syscall(__NR_io_uring_register, uring->ring.ring_fd, IORING_UNREGISTER_RING_FDS,
                      &update, 1);
        slots[update.offset] = 0;
    }
}

/* With more rings than slots, the plain descriptor does. */
void weir_uring_register_descriptor(struct uring *uring)
{
    give_back_slots(uring);
    if (io_uring_register_ring_fd(&uring->ring) != 1)
        return;
    if (uring->ring.enter_ring_fd >= SLOTS) { /* Of a kernel that has more. */
        (void)io_uring_unregister_ring_fd(&uring->ring);
        return;
    }
    uring->has_registered_descriptor = true;
    slots[uring->ring.enter_ring_fd] = uring->identity;
}

void weir_uring_unregister_descriptor(struct uring *uring)
{
    if (!uring->has_registered_descriptor || slots[uring->ring.enter_ring_fd] != uring->identity)
        return; /* This thread's slot of that number is another ring's. */
    slots[uring->ring.enter_ring_fd] = 0;
    (void)io_uring_unregister_ring_fd(&uring->ring);
}

/* Async-signal-safe. An eventfd takes the write unless its count is about to overflow, and then it
 * is readable anyway. */
static void write_wake(int descriptor)
{
    static const uint64_t one = 1;
    int kept_errno = errno;

    while (write(descriptor, &one, sizeof one) < 0 && errno == EINTR) {
    }
    errno = kept_errno;
}

static void wake_failed(uint32_t identity)
{
    struct uring *target;

    weir_sys_lock_take(&rings_lock);
    target = find_ring(identity);
    if (target)
        write_wake(target->wake_descriptor);
    weir_sys_lock_give(&rings_lock);
}

void weir_uring_arm_wake(struct uring *uring)
{
    struct uring_request request = {
        .opcode = IORING_OP_READ,
        .target = uring_target_plain(uring->wake_descriptor),
        .address = (uintptr_t)&uring->wake_value,
        .length = sizeof uring->wake_value,
    };

    (void)uring_submit(uring, &uring->wake_operation, &request);
}

/* A completion that is no operation's. */
static void deliver_tagged(struct uring *uring, uint64_t user_data)
{
    if (user_data == URING_WAKE)
        uring->statistics->wakeups++;
    else if ((user_data & URING_TAG_MASK) == URING_WAKE_SENT)
        wake_failed((uint32_t)(user_data >> URING_TAG_BITS));
    else if (user_data == URING_SHUT_DOWN)
        uring->direct.shutdown_count--;
}

static inline void deliver(struct uring *uring, const struct io_uring_cqe *completion)
{
    uint64_t user_data = completion->user_data;

    if (WEIR_LIKELY(!(user_data & 1)))
        uring_complete(uring, (weir_operation *)(uintptr_t)user_data, completion->res,
                       completion->flags);
    else
        deliver_tagged(uring, user_data);
}

/* Few completions at a time, and for how many sends that is worth a system call of their own. */
enum { FEW = 2, SENDS_AT_ONCE = 16 };

/* Deliver so many that stand side by side. */
static void deliver_run(struct uring *uring, const struct io_uring_cqe *first, unsigned count)
{
    const struct io_uring_cqe *end = first + count;

    for (; first < end; first++)
        deliver(uring, first);
}

/* Deliver what is there now. The entries are given back together, after their owners are told: what
 * an owner submits in turn that completes while it is being submitted finds room behind them, or
 * the kernel keeps it. */
static void reap(struct uring *uring)
{
    const struct io_uring_cqe *completions = uring->ring.cq.cqes;
    unsigned first = *uring->ring.cq.khead & *uring->ring.cq.kring_mask;
    unsigned before_wrap = *uring->ring.cq.kring_entries - first;
    unsigned count = io_uring_cq_ready(&uring->ring);

    if (count > 0)
        uring->at_once = count <= FEW ? SENDS_AT_ONCE : 0;
    uring->statistics->completions += count;
    uring->is_reaping = true;
    if (WEIR_LIKELY(count <= before_wrap)) {
        deliver_run(uring, completions + first, count);
    } else {
        deliver_run(uring, completions + first, before_wrap);
        deliver_run(uring, completions, count - before_wrap);
    }
    uring->is_reaping = false;
    io_uring_cq_advance(&uring->ring, count);
}

/* The kernel's flags. Order: the kernel sets them before we are woken; a stale look costs one more
 * iteration. */
static unsigned kernel_flags(const struct uring *uring)
{
    return __atomic_load_n(uring->ring.sq.kflags, __ATOMIC_RELAXED);
}

static void count_overflow(struct uring *uring)
{
    bool is_overflowing = kernel_flags(uring) & IORING_SQ_CQ_OVERFLOW;

    if (is_overflowing && !uring->is_overflowing)
        uring->statistics->overflows++;
    uring->is_overflowing = is_overflowing;
}

/* Count a call. What it may answer, and why nothing is lost: -EINTR and -ETIME end the wait; -EBUSY
 * and -EAGAIN leave the entries in the queue for the next call. Such a call has not looked for
 * completions either, and those may be what gives the kernel its memory back. */
static void check(struct uring *uring, int result)
{
    uring->statistics->enters++;
    if (WEIR_LIKELY(result >= 0) || result == -EINTR || result == -ETIME)
        return;
    WEIR_ASSERT(result == -EBUSY || result == -EAGAIN,
                "io_uring_enter fails only in ways that have a policy");
    uring->statistics->enters++;
    (void)io_uring_get_events(&uring->ring);
}

/* Submit, and let the kernel finish what is due, without blocking; no call when
 * neither is needed. */
static void flush(struct uring *uring)
{
    if (io_uring_sq_ready(&uring->ring) > 0)
        check(uring, io_uring_submit_and_get_events(&uring->ring));
    else if (kernel_flags(uring) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
        check(uring, io_uring_get_events(&uring->ring));
}

static void block(struct uring *uring, int64_t deadline_ns)
{
    struct io_uring_cqe *completion;
    struct __kernel_timespec timeout;
    int64_t left_ns;
    int64_t now_ns;

    if (deadline_ns == WEIR_WAIT_FOREVER) {
        check(uring, io_uring_submit_and_wait(&uring->ring, 1));
        return;
    }
    now_ns = weir_sys_now_ns();
    if (deadline_ns <= now_ns) {
        flush(uring);
        return;
    }
    left_ns = deadline_ns - now_ns;
    timeout.tv_sec = left_ns / 1000000000;
    timeout.tv_nsec = left_ns % 1000000000;
    check(uring, io_uring_submit_and_wait_timeout(&uring->ring, &completion, 1, &timeout, NULL));
}

/* The kernel has not taken all entries. Those that wake others are done by hand; the messages still
 * go out when it takes them, and wake once more. */
WEIR_NOINLINE static void wake_by_hand(const struct uring *uring)
{
    const struct io_uring_sq *queue = &uring->ring.sq;
    unsigned count = io_uring_sq_ready(&uring->ring);
    unsigned i;

    for (i = queue->sqe_tail - count; i != queue->sqe_tail; i++) {
        uint64_t user_data = queue->sqes[i & *queue->kring_mask].user_data;

        if ((user_data & URING_TAG_MASK) == URING_WAKE_SENT)
            wake_failed((uint32_t)(user_data >> URING_TAG_BITS));
    }
}

void weir_uring_wait(weir_backend *backend, int64_t deadline_ns)
{
    struct uring *uring = uring_of(backend);

    /* First: a receive that goes on may find no room. */
    if (uring->lending.ring && weir_uring_lending_refill(uring))
        deadline_ns = WEIR_WAIT_POLL;
    if (WEIR_UNLIKELY(uring->deferred_first != NULL)) {
        if (weir_uring_submit_deferred(uring) || uring->deferred_first)
            deadline_ns = WEIR_WAIT_POLL;
    }
    if (deadline_ns == WEIR_WAIT_POLL || io_uring_cq_ready(&uring->ring))
        flush(uring);
    else
        block(uring, deadline_ns);
    if (WEIR_UNLIKELY(io_uring_sq_ready(&uring->ring) > 0))
        wake_by_hand(uring);
    if (WEIR_UNLIKELY(uring->is_overflowing || (kernel_flags(uring) & IORING_SQ_CQ_OVERFLOW)))
        count_overflow(uring);
    reap(uring);
}

bool weir_uring_peek(weir_backend *backend)
{
    struct uring *uring = uring_of(backend);

    return io_uring_cq_ready(&uring->ring) > 0 ||
           (kernel_flags(uring) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}

void weir_uring_wake(weir_backend *backend, weir_backend *sender)
{
    struct uring *target = uring_of(backend);
    struct io_uring_sqe *entry = NULL;

    if (sender && uring_of(sender)->is_message_able && target->is_message_able)
        entry = weir_uring_get_entry(uring_of(sender));
    if (!entry) {
        write_wake(target->wake_descriptor);
        return;
    }
    io_uring_prep_msg_ring(entry, target->ring.ring_fd, 0, URING_WAKE, 0);
    io_uring_sqe_set_flags(entry, IOSQE_CQE_SKIP_SUCCESS);
    io_uring_sqe_set_data64(entry, (uint64_t)target->identity << URING_TAG_BITS | URING_WAKE_SENT);
}
