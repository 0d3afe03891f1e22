/* SPDX-License-Identifier: MIT */
/*
 * Signal sets: a signal is a post.
 *
 * The handler walks a fixed table of open sets, marks the number in each that wants it and posts
 * that set's courier. It takes no lock and allocates nothing. A slot counts the handlers inside it,
 * so that closing a set can wait until none touches it: a handler never blocks, so the wait is
 * short, and one that interrupts the closing thread itself has returned before that thread looks
 * again.
 */
#include <weir/signal.h>

#include <errno.h>

#include "loop.h"
#include "sys.h"

static struct {
    weir_signal_set *set; /* __atomic, seq_cst against users. */
    uint32_t users;       /* Handlers that may hold the set. __atomic. */
} table[WEIR_SIGNAL_SETS_MAX];

/* Protects the slots' being taken, and caught_count. Never taken by the handler. */
static weir_sys_lock table_lock;
static uint32_t caught_count[WEIR_SIGNAL_NUMBER_MAX + 1]; /* Sets that hold a number. */

static uint64_t bit_of(int number)
{
    return UINT64_C(1) << (number - 1);
}

/* Async-signal-safe. */
static void tell(weir_signal_set *set, int number)
{
    if (!(__atomic_load_n(&set->numbers, __ATOMIC_ACQUIRE) & bit_of(number)))
        return;
    __atomic_fetch_or(&set->pending, bit_of(number), __ATOMIC_RELEASE);
    if (!__atomic_exchange_n(&set->posted, 1, __ATOMIC_ACQ_REL))
        weir_loop_post_from_signal(set->loop, &set->courier);
}

static void caught(int number)
{
    int slot;

    for (slot = 0; slot < WEIR_SIGNAL_SETS_MAX; slot++) {
        weir_signal_set *set;

        __atomic_fetch_add(&table[slot].users, 1, __ATOMIC_SEQ_CST);
        set = __atomic_load_n(&table[slot].set, __ATOMIC_SEQ_CST);
        if (set)
            tell(set, number);
        __atomic_fetch_sub(&table[slot].users, 1, __ATOMIC_SEQ_CST);
    }
}

/* Take the lowest number that came, or 0. */
static int take_pending(weir_signal_set *set)
{
    uint64_t pending = __atomic_load_n(&set->pending, __ATOMIC_ACQUIRE) & set->numbers;
    int number = 1;

    if (!pending)
        return 0;
    while (!(pending & bit_of(number)))
        number++;
    __atomic_fetch_and(&set->pending, ~bit_of(number), __ATOMIC_ACQ_REL);
    return number;
}

/* Arrive on the loop. Once posted is 0 the handler may post the courier again, so its header is not
 * touched after that. */
static weir_task *courier_resume(weir_task *task)
{
    weir_signal_set *set = WEIR_CONTAINER_OF(task, weir_signal_set, courier);
    weir_task *waiter = set->waiter;
    int number;

    /* Order: an exchange, so that it also acquires what a handler marked before it
     * saw posted set. */
    (void)__atomic_exchange_n(&set->posted, 0, __ATOMIC_ACQ_REL);
    if (set->closer) {
        weir_loop *loop = set->loop;

        set->loop = NULL;
        /* The last touch of the set: its closer may free it. */
        weir_loop_wake_task(loop, set->closer, 0, 0);
        return NULL;
    }
    number = waiter ? take_pending(set) : 0;
    if (number) {
        set->waiter = NULL;
        weir_loop_wake_task(set->loop, waiter, 0, (size_t)number);
    }
    return NULL;
}

static void wait_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_signal_set *set = WEIR_CONTAINER_OF(wait, weir_signal_set, wait);

    (void)bits;
    if (set->waiter != task)
        return; /* A close: the courier is on its way in any case. */
    set->waiter = NULL;
    weir_loop_wake_task(set->loop, task, weir_task_stop_error(task), 0);
}

static const struct weir_wait_ops wait_ops = {
    .name = "signal",
    .stop = wait_stop,
    .dump = weir_wait_dump_nothing,
};

static int take_slot(weir_signal_set *set)
{
    int slot = 0;

    weir_sys_lock_take(&table_lock);
    while (slot < WEIR_SIGNAL_SETS_MAX && __atomic_load_n(&table[slot].set, __ATOMIC_RELAXED))
        slot++;
    if (slot < WEIR_SIGNAL_SETS_MAX)
        __atomic_store_n(&table[slot].set, set, __ATOMIC_SEQ_CST);
    weir_sys_lock_give(&table_lock);
    return slot < WEIR_SIGNAL_SETS_MAX ? slot : -ENOSPC;
}

/* From here on no handler finds the set, and none that found it is still inside. */
static void give_slot(weir_signal_set *set)
{
    __atomic_store_n(&table[set->slot].set, NULL, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&table[set->slot].users, __ATOMIC_SEQ_CST) > 0)
        weir_sys_yield();
}

/* The sets of a loop are gone without having been closed. */
static void forget_sets(weir_loop *loop)
{
    int slot;
    int number;

    for (slot = 0; slot < WEIR_SIGNAL_SETS_MAX; slot++) {
        weir_signal_set *set = __atomic_load_n(&table[slot].set, __ATOMIC_ACQUIRE);

        if (!set || set->loop != loop)
            continue;
        for (number = 1; number <= WEIR_SIGNAL_NUMBER_MAX; number++)
            weir_signal_remove(set, number);
        give_slot(set);
    }
}

int weir_signal_open(weir_signal_set *set, weir_loop *loop)
{
    int slot;

    weir_task_init(&set->courier, courier_resume);
    set->loop = loop;
    set->waiter = NULL;
    set->wait.ops = &wait_ops;
    set->closer = NULL;
    set->numbers = 0;
    set->pending = 0;
    set->posted = 0;
    slot = take_slot(set);
    if (slot < 0) {
        set->loop = NULL;
        return slot;
    }
    set->slot = slot;
    loop->handle_count++;
    loop->abandon = forget_sets;
    return 0;
}

int weir_signal_add(weir_signal_set *set, int number)
{
    int error = 0;

    WEIR_ASSERT(set->loop, "a signal set is open when it is used");
    if (number < 1 || number > WEIR_SIGNAL_NUMBER_MAX)
        return -EINVAL;
    if (set->numbers & bit_of(number))
        return 0;

    weir_sys_lock_take(&table_lock);
    __atomic_fetch_or(&set->numbers, bit_of(number), __ATOMIC_RELEASE);
    if (caught_count[number] == 0)
        error = weir_sys_signal_catch(number, caught);
    if (error)
        __atomic_fetch_and(&set->numbers, ~bit_of(number), __ATOMIC_RELEASE);
    else
        caught_count[number]++;
    weir_sys_lock_give(&table_lock);
    return error;
}

void weir_signal_remove(weir_signal_set *set, int number)
{
    WEIR_ASSERT(set->loop, "a signal set is open when it is used");
    if (number < 1 || number > WEIR_SIGNAL_NUMBER_MAX || !(set->numbers & bit_of(number)))
        return;

    weir_sys_lock_take(&table_lock);
    if (--caught_count[number] == 0)
        weir_sys_signal_restore(number);
    __atomic_fetch_and(&set->numbers, ~bit_of(number), __ATOMIC_RELEASE);
    __atomic_fetch_and(&set->pending, ~bit_of(number), __ATOMIC_RELEASE);
    weir_sys_lock_give(&table_lock);
}

weir_task *weir_signal_wait(weir_task *task, weir_signal_set *set)
{
    int error = weir_task_stop_error(task);
    int number;

    WEIR_ASSERT(set->loop, "a signal set is open when it is used");
    weir_loop_assert_own(set->loop, task);
    WEIR_ASSERT(!set->waiter, "one task waits for a signal set at a time");
    if (error)
        return weir_task_complete(task, error, 0);

    number = take_pending(set);
    if (number)
        return weir_task_complete(task, 0, (size_t)number);
    set->waiter = task;
    return weir_task_suspend(task, &set->wait);
}

weir_task *weir_signal_close(weir_task *task, weir_signal_set *set)
{
    weir_loop *loop = set->loop;
    int number;

    if (!loop)
        return weir_task_complete(task, 0, 0);
    weir_loop_assert_own(loop, task);
    WEIR_ASSERT(!set->closer, "a signal set is closed once");

    for (number = 1; number <= WEIR_SIGNAL_NUMBER_MAX; number++)
        weir_signal_remove(set, number);
    give_slot(set);
    if (set->waiter) {
        weir_loop_wake_task(loop, set->waiter, WEIR_CANCELLED, 0);
        set->waiter = NULL;
    }
    loop->handle_count--;
    if (!__atomic_load_n(&set->posted, __ATOMIC_SEQ_CST)) {
        set->loop = NULL;
        return weir_task_complete(task, 0, 0);
    }
    set->closer = task;
    return weir_task_suspend(task, &set->wait);
}
