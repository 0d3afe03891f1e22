/* SPDX-License-Identifier: MIT */
/*
 * Stopping: the walk down a tree, shields, and the source that other threads use.
 *
 * A request from another thread sets its bits in the source's word and, unless the courier is
 * already on its way, posts it. The courier takes the bits on the tree's own thread. CLOSED and
 * IN_FLIGHT share the word with the bits, so that exactly one side sees the other first.
 */
#include <weir/stop.h>

#include <weir/executor.h>

#include "stop_walk.h"
#include "thread.h"

enum {
    STOP_BITS = WEIR_STOP_REQUESTED | WEIR_STOP_EXPIRED | WEIR_STOP_HARD,
    SOURCE_CLOSED = 1 << 8,
    SOURCE_IN_FLIGHT = 1 << 9,
};

/* What of a stop gets through the task's shield; the rest is kept for weir_shield_end. */
static unsigned pass_shield(weir_task *task, unsigned bits)
{
    unsigned soft = bits & (WEIR_STOP_REQUESTED | WEIR_STOP_EXPIRED);

    task->stop_deferred = (uint8_t)(task->stop_deferred | soft);
    if (soft & WEIR_STOP_EXPIRED) {
        WEIR_ASSERT(task->expired_deferred < UINT8_MAX, "at most 255 deadlines cover a task");
        task->expired_deferred++;
    }
    return bits & WEIR_STOP_HARD;
}

/* Stop the task, and what it waits for. Bits that a shield held back are already gone. */
static void stop_walk(weir_task *task, unsigned bits)
{
    while (bits) {
        task->stop = (uint8_t)(task->stop | bits);
        if (bits & WEIR_STOP_EXPIRED) {
            WEIR_ASSERT(task->expired < UINT8_MAX, "at most 255 deadlines cover a task");
            task->expired++;
        }
        if (task->state != WEIR_TASK_CALLING)
            break;
        task = task->down.child;
        if (task->flags & WEIR_TASK_SHIELDED)
            bits = pass_shield(task, bits);
    }
    if (bits && task->state == WEIR_TASK_WAITING)
        task->down.wait->ops->stop(task->down.wait, task, bits);
}

void weir_task_stop(weir_task *task, unsigned bits)
{
    WEIR_ASSERT(bits && !(bits & ~(unsigned)STOP_BITS), "a stop has bits of WEIR_STOP_");

    if (task->flags & WEIR_TASK_SHIELDED)
        bits = pass_shield(task, bits);
    stop_walk(task, bits);
}

void weir_task_stop_inside_shield(weir_task *task, unsigned bits)
{
    stop_walk(task, bits);
}

/* What of a request is news. An expiry from outside is never taken back, and who is called or
 * joined after it inherits it, so that the first counts for all. */
static unsigned news_of(weir_stop_source *source, unsigned bits)
{
    unsigned known = source->has_expired ? WEIR_STOP_EXPIRED : 0;

    if (bits & WEIR_STOP_EXPIRED)
        source->has_expired = true;
    return bits & ~known;
}

/* Arrive on the tree's thread. From the moment IN_FLIGHT is cleared another thread may post the
 * courier again, so its header is not touched after that. */
static weir_task *courier_resume(weir_task *task)
{
    weir_stop_source *source = WEIR_CONTAINER_OF(task, weir_stop_source, courier);
    uint32_t word = __atomic_fetch_and(&source->word, ~(uint32_t)(SOURCE_IN_FLIGHT | STOP_BITS),
                                       __ATOMIC_ACQ_REL);
    unsigned news;

    if (!(word & SOURCE_CLOSED)) {
        news = news_of(source, word & STOP_BITS);
        if (news)
            weir_task_stop(source->target, news);
        return NULL;
    }
    /* The last touch of the source: its closer may free it. */
    if (source->closer)
        weir_task_wake(source->closer, 0, 0);
    return NULL;
}

static void close_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    /* The courier is on its way in any case. */
    (void)wait;
    (void)task;
    (void)bits;
}

static const struct weir_wait_ops close_wait_ops = {
    .name = "close of a stop source",
    .stop = close_stop,
    .dump = weir_wait_dump_nothing,
};

void weir_stop_source_open(weir_stop_source *source, weir_task *target)
{
    weir_task_init(&source->courier, courier_resume);
    source->environment = target->environment;
    source->courier.environment = target->environment;
    source->target = target;
    source->closer = NULL;
    source->has_expired = false;
    source->wait.ops = &close_wait_ops;
    source->word = 0;
}

void weir_stop_source_request(weir_stop_source *source, unsigned bits)
{
    uint32_t word;

    WEIR_ASSERT(bits && !(bits & ~(unsigned)STOP_BITS), "a stop has bits of WEIR_STOP_");

    word = __atomic_load_n(&source->word, __ATOMIC_ACQUIRE);
    weir_interleave();
    do {
        if (word & SOURCE_CLOSED)
            return;
    } while (!__atomic_compare_exchange_n(&source->word, &word, word | bits | SOURCE_IN_FLIGHT,
                                          true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    weir_interleave();
    if (!(word & SOURCE_IN_FLIGHT))
        weir_executor_post(source->environment->executor, &source->courier);
}

weir_task *weir_stop_source_close(weir_task *task, weir_stop_source *source)
{
    uint32_t word = __atomic_fetch_or(&source->word, SOURCE_CLOSED, __ATOMIC_ACQ_REL);

    WEIR_ASSERT(!(word & SOURCE_CLOSED), "a stop source is closed once");
    if (!(word & SOURCE_IN_FLIGHT))
        return weir_task_complete(task, 0, 0);
    source->closer = task;
    return weir_task_suspend(task, &source->wait);
}
