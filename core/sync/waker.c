/* SPDX-License-Identifier: MIT */
/*
 * Wakers: a token, and a courier that carries it to a task that waits.
 *
 * A task's header is touched only on the thread of its own executor, so who wakes posts the waker's
 * courier there, and the courier wakes the waiter. All that the threads share is one word, so that
 * exactly one of two that meet sees the other first. Every change of it is a read-modify-write,
 * acq_rel on both sides: who takes the token has acquired from all who left it, also from those who
 * found it there already.
 */
#include <weir/waker.h>

#include <weir/executor.h>

#include "thread.h"
#include "waiter.h"

/* Bits of weir_waker.word. */
enum {
    TOKEN = 1 << 0,     /* Somebody woke, and no wait has taken it. */
    WAITED = 1 << 1,    /* A task waits: a wake posts the courier. */
    IN_FLIGHT = 1 << 2, /* The courier is posted and has not arrived. Its header is the poster's. */
    CLOSED = 1 << 3,    /* No wake changes the word any more. */
};

static bool replace(weir_waker *waker, uint32_t *word, uint32_t wanted)
{
    return __atomic_compare_exchange_n(&waker->word, word, wanted, true, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static uint32_t look(const weir_waker *waker)
{
    return __atomic_load_n(&waker->word, __ATOMIC_ACQUIRE);
}

/* The courier is needed by a task that waits, unless it is on its way already. */
static uint32_t word_after_wake(uint32_t word)
{
    return word | TOKEN | (word & WAITED ? IN_FLIGHT : 0);
}

void weir_waker_wake(weir_waker *waker)
{
    uint32_t word = look(waker);

    weir_interleave();
    do {
        if (word & CLOSED)
            return;
    } while (!replace(waker, &word, word_after_wake(word)));
    weir_interleave();
    if ((word & WAITED) && !(word & IN_FLIGHT))
        weir_executor_post(waker->executor, &waker->courier);
}

/* Land the courier, for the waiter with a token if there are both. Returns the word before. From
 * here on another thread may post the courier again, so its header is not touched any more. */
static uint32_t land(weir_waker *waker)
{
    uint32_t word = look(waker);
    uint32_t wanted;

    weir_interleave();
    do {
        wanted = word & ~(uint32_t)IN_FLIGHT;
        if (waker->waiter && (word & TOKEN))
            wanted &= ~(uint32_t)(TOKEN | WAITED);
    } while (!replace(waker, &word, wanted));
    return word;
}

static weir_task *courier_resume(weir_task *task)
{
    weir_waker *waker = WEIR_CONTAINER_OF(task, weir_waker, courier);
    uint32_t word = land(waker);
    weir_task *woken = waker->closer;

    if (!woken && waker->waiter && (word & TOKEN)) {
        woken = waker->waiter;
        waker->waiter = NULL;
    }
    return woken ? weir_waiter_arrive(woken, 0, 0) : NULL;
}

/* End the wait, on the waiter's thread. A token that is on its way stays. */
static void end_wait(weir_waker *waker, int error)
{
    weir_task *waiter = waker->waiter;

    waker->waiter = NULL;
    (void)__atomic_fetch_and(&waker->word, ~(uint32_t)WAITED, __ATOMIC_ACQ_REL);
    weir_task_wake(waiter, error, 0);
}

static void wait_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_waker *waker = WEIR_CONTAINER_OF(wait, weir_waker, wait);

    (void)bits;
    if (waker->waiter == task) /* Not a close: there the courier is on its way in any case. */
        end_wait(waker, weir_task_stop_error(task));
}

static const struct weir_wait_ops wait_ops = {
    .name = "a waker",
    .stop = wait_stop,
    .dump = weir_wait_dump_nothing,
};

void weir_waker_open(weir_waker *waker, const weir_task *task)
{
    weir_task_init(&waker->courier, courier_resume);
    waker->executor = task->environment->executor;
    waker->wait.ops = &wait_ops;
    waker->waiter = NULL;
    waker->closer = NULL;
    waker->word = 0;
}

static void assert_usable(const weir_waker *waker, const weir_task *task)
{
    WEIR_ASSERT(waker->executor == task->environment->executor,
                "a waker is awaited by the tasks of the executor that opened it");
    WEIR_ASSERT(!(look(waker) & CLOSED), "a waker is closed once, and awaited before");
}

/* Take the token, or tell the wakers that a task waits. Returns whether there was a token. */
static bool take_token(weir_waker *waker)
{
    uint32_t word = look(waker);
    uint32_t wanted;

    weir_interleave();
    do {
        wanted = word & TOKEN ? word & ~(uint32_t)TOKEN : word | WAITED;
    } while (!replace(waker, &word, wanted));
    return word & TOKEN;
}

weir_task *weir_waker_wait(weir_task *task, weir_waker *waker)
{
    int error = weir_task_stop_error(task);

    assert_usable(waker, task);
    WEIR_ASSERT(!waker->waiter, "one task waits for a waker at a time");
    if (error || take_token(waker))
        return weir_task_complete(task, error, 0);
    waker->waiter = task;
    return weir_task_suspend(task, &waker->wait);
}

weir_task *weir_waker_close(weir_task *task, weir_waker *waker)
{
    uint32_t word;

    assert_usable(waker, task);
    word = __atomic_fetch_or(&waker->word, CLOSED, __ATOMIC_ACQ_REL);
    if (waker->waiter)
        end_wait(waker, WEIR_CLOSED);
    if (!(word & IN_FLIGHT))
        return weir_task_complete(task, 0, 0);
    waker->closer = task;
    return weir_task_suspend(task, &waker->wait);
}
