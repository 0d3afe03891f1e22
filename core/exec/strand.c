/* SPDX-License-Identifier: MIT */
/*
 * Strands: an inbox for everybody, a queue for the one thread whose turn it is, and one courier.
 *
 * The courier is the token: who runs it holds the turn, and with it every field but `inbox`. It is
 * on its way from the post that finds the strand idle until the turn that leaves it idle, so it is
 * never posted twice. The inbox says which: it holds
 *
 *      the courier    it is at home: nothing is queued, nobody holds the turn
 *      NULL           a turn is due or taken, and nobody posted meanwhile
 *      a task         the newest of a stack by down.next
 *
 * A push is acq_rel: it releases its task to the take-over, and when it finds the courier at home
 * it has acquired what the last turn released by sending it there, and hands that on through the
 * inner executor. Who did not find the courier at home touches nothing after the push, and who did
 * touches nothing after its post; a turn touches nothing after it sent the courier home or away. So
 * a strand may end as soon as it is seen idle.
 */
#include <weir/strand.h>

#include <errno.h>

#include <weir/context.h>

#include "ready.h"
#include "strand.h"
#include "sys.h"
#include "thread.h"

/* A turn that a thread is taking (weir_thread.turns): one, but for strands on strands. */
struct weir_strand_turn {
    weir_strand *strand;
    struct weir_strand_turn *outer;
};

bool weir_strand_is_inside(const weir_strand *strand)
{
    const struct weir_strand_turn *turn = weir_thread.turns;

    while (turn && turn->strand != strand)
        turn = turn->outer;
    return turn != NULL;
}

/* The inbox. */

/* Returns whether the courier was at home: then it is the caller's to post. */
static bool inbox_push(weir_strand *strand, weir_task *task)
{
    weir_task *const home = &strand->courier;
    weir_task *top = __atomic_load_n(&strand->inbox, __ATOMIC_RELAXED);

    task->state = WEIR_TASK_READY;
    weir_interleave();
    do {
        task->down.next = top == home ? NULL : top;
    } while (!__atomic_compare_exchange_n(&strand->inbox, &top, task, true, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED));
    return top == home;
}

/* Whether somebody posted since the last take-over. For who holds the turn. */
static bool inbox_has_tasks(const weir_strand *strand)
{
    return __atomic_load_n(&strand->inbox, __ATOMIC_RELAXED) != NULL;
}

/* Whether nothing waits for its turn. For who holds it. */
static bool is_drained(const weir_strand *strand)
{
    return !strand->ready.first && !inbox_has_tasks(strand);
}

/* Send the courier home, unless somebody posts at this moment. Releases the strand, to who finds
 * the courier there: inbox_push and is_idle. */
static bool inbox_close(weir_strand *strand)
{
    weir_task *nobody = NULL;

    weir_interleave();
    return __atomic_compare_exchange_n(&strand->inbox, &nobody, &strand->courier, false,
                                       __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* Acquires what inbox_close released. */
static bool is_idle(const weir_strand *strand)
{
    return __atomic_load_n(&strand->inbox, __ATOMIC_ACQUIRE) == &strand->courier;
}

/* The executor. */

static weir_strand *strand_of(weir_executor *executor)
{
    return WEIR_CONTAINER_OF(executor, weir_strand, executor);
}

/* No locked instruction, unless others posted: they came first, so they go first. */
static void post_from_inside(weir_strand *strand, weir_task *task)
{
    WEIR_ASSERT(!strand->ended, "nothing is posted to a strand after its end");
    weir_inbox_drain(&strand->inbox, &strand->ready);
    weir_ready_push(&strand->ready, task);
}

static void strand_post(weir_executor *executor, weir_task *task)
{
    weir_strand *strand = strand_of(executor);

    if (weir_strand_is_inside(strand))
        post_from_inside(strand, task);
    else if (inbox_push(strand, task))
        weir_executor_post(strand->inner, &strand->courier);
}

/* Only to the innermost strand: the task of an outer one is in the middle of something. */
static weir_task *strand_dispatch(weir_executor *executor, weir_task *task)
{
    if (weir_thread.turns && weir_thread.turns->strand == strand_of(executor) &&
        executor->budget > 0) {
        executor->budget--;
        task->state = WEIR_TASK_RUNNING;
        return task;
    }
    strand_post(executor, task);
    return NULL;
}

static weir_context *strand_context(weir_executor *executor)
{
    return weir_executor_context(strand_of(executor)->inner);
}

const struct weir_executor_ops weir_strand_executor_ops = {
    .name = "strand",
    .is_serial = true,
    .post = strand_post,
    .dispatch = strand_dispatch,
    .context = strand_context,
};

/* Turns. */

/* Run what is queued, and what arrives meanwhile, within the budget. That of operations that
 * complete without waiting begins anew with each arrival, so a turn has at most a slice of them a
 * resumption. */
static void take_turn(weir_strand *strand)
{
    int left = strand->budget;

    __atomic_store_n(&strand->is_due, 0, __ATOMIC_RELAXED);
    do {
        weir_inbox_drain(&strand->inbox, &strand->ready);
        left -= weir_ready_run(&strand->ready, &strand->executor, left);
    } while (left > 0 && !strand->ready.first && !strand->ended && inbox_has_tasks(strand));
}

/* The turn is over: the strand is touched no more, once the courier has gone home or away. */
static void leave(weir_strand *strand)
{
    if (strand->ended) {
        WEIR_ASSERT(!inbox_has_tasks(strand), "nothing is posted to a strand after its end");
        strand->ended(strand);
        return;
    }
    if (!strand->ready.first && inbox_close(strand))
        return;
    __atomic_store_n(&strand->is_due, 1, __ATOMIC_RELAXED);
    weir_executor_post(strand->inner, &strand->courier);
}

static weir_task *courier_resume(weir_task *courier)
{
    weir_strand *strand = WEIR_CONTAINER_OF(courier, weir_strand, courier);
    struct weir_strand_turn turn = {.strand = strand, .outer = weir_thread.turns};

    weir_thread.turns = &turn;
    take_turn(strand);
    weir_thread.turns = turn.outer;
    leave(strand);
    return NULL;
}

/* Life. */

void weir_strand_init(weir_strand *strand, weir_executor *inner)
{
    strand->executor.ops = &weir_strand_executor_ops;
    strand->executor.budget = 0;
    strand->inner = weir_strand_lasting(inner);
    strand->ready.first = NULL;
    strand->ready.last = NULL;
    weir_task_init(&strand->courier, courier_resume);
    strand->inbox = &strand->courier;
    strand->ended = NULL;
    strand->budget = WEIR_STRAND_BUDGET;
    strand->is_of_tree = false;
    strand->is_due = 0;
}

void weir_strand_init_of_tree(weir_strand *strand, weir_executor *inner)
{
    weir_strand_init(strand, inner);
    strand->is_of_tree = true;
}

weir_executor *weir_strand_lasting(weir_executor *executor)
{
    if (executor->ops != &weir_strand_executor_ops || !strand_of(executor)->is_of_tree)
        return executor;
    return strand_of(executor)->inner;
}

void weir_strand_set_budget(weir_strand *strand, int budget)
{
    WEIR_ASSERT(budget > 0, "a turn resumes at least one task");
    strand->budget = budget;
}

void weir_strand_fini(weir_strand *strand)
{
    WEIR_ASSERT(!weir_strand_is_inside(strand), "a strand is not ended by its own tasks");
    while (!is_idle(strand)) {
        weir_task *top = __atomic_load_n(&strand->inbox, __ATOMIC_RELAXED);

        WEIR_ASSERT((!top || top == &strand->courier) &&
                        !__atomic_load_n(&strand->is_due, __ATOMIC_RELAXED),
                    "a strand does not end while a task is queued on it");
        weir_sys_yield();
    }
}

void weir_strand_end(weir_strand *strand, void (*ended)(weir_strand *strand))
{
    WEIR_ASSERT(weir_thread.turns && weir_thread.turns->strand == strand,
                "a strand is ended by its own last task");
    WEIR_ASSERT(is_drained(strand), "the last task of a strand has none behind it");
    strand->ended = ended;
}

/* Strands that are referred to. */

struct heap_strand {
    weir_strand strand;
    weir_executor_owner owner;
    weir_any_executor inner;
    weir_memory *memory;
    weir_task farewell; /* Posted when the last reference has gone. */
};

static void heap_strand_free(weir_strand *strand)
{
    struct heap_strand *self = WEIR_CONTAINER_OF(strand, struct heap_strand, strand);
    weir_any_executor inner = self->inner;

    self->memory->release(self->memory, self, sizeof *self);
    weir_any_executor_unref(&inner);
}

/* Only the strand's own tasks can post any more: let them all go first. */
static weir_task *farewell_resume(weir_task *task)
{
    weir_strand *strand = &WEIR_CONTAINER_OF(task, struct heap_strand, farewell)->strand;

    if (is_drained(strand))
        weir_strand_end(strand, heap_strand_free);
    else
        post_from_inside(strand, task);
    return NULL;
}

static void heap_strand_destroy(weir_executor_owner *owner)
{
    struct heap_strand *self = WEIR_CONTAINER_OF(owner, struct heap_strand, owner);

    if (is_idle(&self->strand))
        heap_strand_free(&self->strand);
    else
        weir_executor_post(&self->strand.executor, &self->farewell);
}

int weir_strand_new(weir_any_executor inner, weir_memory *memory, weir_any_executor *ret_strand)
{
    struct heap_strand *self;

    memory = memory ? memory : &weir_memory_heap;
    self = memory->allocate(memory, sizeof *self);
    if (!self)
        return -ENOMEM;
    weir_strand_init(&self->strand, inner.executor);
    weir_task_init(&self->farewell, farewell_resume);
    self->inner = weir_any_executor_ref(inner);
    self->memory = memory;
    weir_executor_owner_init(&self->owner, heap_strand_destroy);
    *ret_strand = weir_any_executor_own(&self->strand.executor, &self->owner);
    return 0;
}
