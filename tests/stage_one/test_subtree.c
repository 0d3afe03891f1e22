/* SPDX-License-Identifier: MIT */
/* Children with frames or stops of their own. */
#include <weir/subtree.h>

#include <weir/manual.h>
#include <weir/run.h>

#include "gate.h"
#include "test.h"

/* A memory that counts. */
struct counting {
    weir_memory memory;
    size_t taken;
    size_t live;
};

static void *counting_allocate(weir_memory *memory, size_t size)
{
    struct counting *self = WEIR_CONTAINER_OF(memory, struct counting, memory);

    self->taken++;
    self->live++;
    return weir_memory_heap.allocate(&weir_memory_heap, size);
}

static void counting_release(weir_memory *memory, void *block, size_t size)
{
    struct counting *self = WEIR_CONTAINER_OF(memory, struct counting, memory);

    self->live--;
    weir_memory_heap.release(&weir_memory_heap, block, size);
}

static struct counting counting_make(void)
{
    return (struct counting){.memory = {counting_allocate, counting_release}};
}

/* Recursion: each level is a frame of the environment's allocator. */
struct level {
    weir_task task;
    int depth; /* In: how many below. */
    struct level *child;
};

static weir_task *level_resume(weir_task *task)
{
    struct level *self = WEIR_TASK_SELF(task, struct level);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->depth == 0)
        WEIR_RETURN(task, weir_result_of(0, 0));
    self->child = weir_frame_new(task, sizeof *self->child, level_resume);
    if (!self->child)
        WEIR_RETURN(task, weir_result_of(-12, 0));
    self->child->depth = self->depth - 1;
    WEIR_AWAIT(task, r, weir_call(task, &self->child->task));
    WEIR_RETURN(task, weir_result_of(r.error, r.count + 1));
    WEIR_END(task);
}

struct framed {
    weir_task task;
    weir_frame_allocator *frames; /* In. */
    weir_subtree subtree;
    struct level inside;
    struct level outside;
    size_t inside_count;
};

static weir_task *framed_resume(weir_task *task)
{
    struct framed *self = WEIR_TASK_SELF(task, struct framed);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_init(&self->inside.task, level_resume);
    WEIR_AWAIT(task, r,
               weir_call_with_frames(task, &self->subtree, &self->inside.task, self->frames));
    self->inside_count = r.count;
    weir_task_init(&self->outside.task, level_resume);
    WEIR_AWAIT(task, r, weir_call(task, &self->outside.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(subtree, frames_below_it_come_from_its_allocator_and_others_do_not)
{
    struct counting ours = counting_make();
    struct counting theirs = counting_make();
    weir_manual_options options = {.frames = &ours.memory};
    weir_frame_allocator frames;
    weir_manual manual;
    struct framed framed = {.inside = {.depth = 5}, .outside = {.depth = 3}};

    weir_manual_init(&manual, &options);
    weir_frame_allocator_init(&frames, &theirs.memory, 0);
    framed.frames = &frames;
    weir_task_init(&framed.task, framed_resume);
    CHECK_EQ(weir_manual_run(&manual, &framed.task).count, 3);
    CHECK_EQ(framed.inside_count, 5);
    CHECK_EQ(theirs.taken, 5);
    CHECK_EQ(ours.taken, 3);
    weir_frame_allocator_fini(&frames);
    weir_manual_fini(&manual);
    CHECK_EQ(theirs.live + ours.live, 0);
}

/* Stops. */

struct stoppable {
    weir_task task;
    struct gate gate;
};

static weir_task *stoppable_resume(weir_task *task)
{
    struct stoppable *self = WEIR_TASK_SELF(task, struct stoppable);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, gate_wait(task, &self->gate));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct caller {
    weir_task task;
    weir_stop_source source;
    weir_subtree subtree;
    struct stoppable child;
    weir_result got;
    unsigned bits_after;
};

static weir_task *caller_resume(weir_task *task)
{
    struct caller *self = WEIR_TASK_SELF(task, struct caller);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_init(&self->child.task, stoppable_resume);
    WEIR_AWAIT(task, r,
               weir_call_with_stop(task, &self->subtree, &self->child.task, &self->source));
    self->got = r;
    self->bits_after = weir_task_stop_bits(task);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct tree {
    weir_manual manual;
    weir_root root;
    struct caller caller;
};

static void turn(struct tree *tree)
{
    while (weir_manual_poll(&tree->manual))
        continue;
}

static void launch(struct tree *tree)
{
    tree->caller = (struct caller){.got = {1, 1}};
    weir_manual_init(&tree->manual, NULL);
    weir_task_init(&tree->caller.task, caller_resume);
    weir_run_async(weir_manual_executor(&tree->manual), &tree->root, &tree->caller.task, NULL,
                   NULL);
    turn(tree);
    CHECK(tree->caller.child.gate.waiter);
}

WEIR_TEST(subtree, its_own_source_stops_it_and_nobody_else)
{
    struct tree tree;

    launch(&tree);
    weir_stop_source_request(&tree.caller.source, WEIR_STOP_REQUESTED);
    turn(&tree);
    CHECK_EQ(tree.caller.got.error, WEIR_CANCELLED);
    CHECK_EQ(tree.caller.bits_after, 0);
    weir_manual_fini(&tree.manual);
}

WEIR_TEST(subtree, a_stop_of_the_caller_does_not_reach_it_but_the_caller)
{
    struct tree tree;

    launch(&tree);
    weir_root_stop(&tree.root, WEIR_STOP_REQUESTED);
    turn(&tree);
    CHECK_EQ(tree.caller.child.gate.stop_count, 0);
    gate_open(&tree.caller.child.gate, 0, 42);
    turn(&tree);
    CHECK_EQ(tree.caller.got.error, 0);
    CHECK_EQ(tree.caller.got.count, 42);
    CHECK_EQ(tree.caller.bits_after, WEIR_STOP_REQUESTED);
    weir_manual_fini(&tree.manual);
}

WEIR_TEST(subtree, a_hard_stop_of_the_caller_reaches_it_all_the_same)
{
    struct tree tree;

    launch(&tree);
    weir_root_stop(&tree.root, WEIR_STOP_HARD);
    turn(&tree);
    CHECK_EQ(tree.caller.got.error, WEIR_CANCELLED);
    weir_manual_fini(&tree.manual);
}

WEIR_TEST(subtree, a_request_that_is_on_its_way_when_the_child_ends_is_waited_for)
{
    struct tree tree;

    launch(&tree);
    gate_open(&tree.caller.child.gate, 0, 9);
    weir_stop_source_request(&tree.caller.source, WEIR_STOP_REQUESTED);
    turn(&tree);
    CHECK_EQ(tree.caller.got.error, 0);
    CHECK_EQ(tree.caller.got.count, 9);
    weir_manual_fini(&tree.manual);
}
