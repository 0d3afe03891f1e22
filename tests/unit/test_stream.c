/* SPDX-License-Identifier: MIT */
/*
 * Streams over a script: what the inline wrappers and the composed transfers make of each part.
 *
 * The stream below moves bytes of a sequence in steps that the test writes: how many bytes, with
 * what error, and whether the part completes at once, by a post, or not before it is stopped.
 */
#include <weir/stream.h>

#include <errno.h>
#include <string.h>

#include <weir/run.h>
#include <weir/scope.h>
#include <weir/stop.h>

#include "fake_backend.h"
#include "test.h"

enum { SIZE_MAX_TRIED = 9, STEPS_MAX = 1200 };

enum how {
    AT_ONCE,
    POSTED,
    HELD, /* Until a stop: then it completes with the stop's error and the step's bytes. */
};

struct step {
    size_t size; /* Bytes it may move. */
    int error;
    enum how how;
};

/* When the stream stops its user's task, as the world does at any moment. */
enum moment { NEVER, BEFORE, AFTER };

struct script {
    weir_stream stream;
    struct step steps[STEPS_MAX];
    size_t step_count; /* Behind them the stream fails the test. */
    size_t taken;      /* Steps begun. */
    size_t position;   /* Bytes moved: the sequence goes on from here. */
    enum moment moment;
    size_t stop_at; /* The step it is about. */
    unsigned bits;
    weir_task *target; /* Whom to stop. */
    weir_wait wait;
    weir_task *waiter; /* Of a held step. */
    weir_result outcome;
};

static uint8_t byte_at(size_t position)
{
    return (uint8_t)(position * 7 + 1);
}

static void move_in(struct script *script, weir_buffer buffer, size_t count)
{
    uint8_t *to = buffer.data;
    size_t i;

    CHECK(count <= buffer.size);
    for (i = 0; i < count; i++)
        to[i] = byte_at(script->position++);
}

static void move_out(struct script *script, weir_const_buffer buffer, size_t count)
{
    const uint8_t *from = buffer.data;
    size_t i;

    CHECK(count <= buffer.size);
    for (i = 0; i < count; i++)
        CHECK_EQ(from[i], byte_at(script->position++));
}

static void held_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    struct script *script = WEIR_CONTAINER_OF(wait, struct script, wait);

    (void)bits;
    CHECK(script->waiter == task);
    script->waiter = NULL;
    weir_task_wake(task, weir_task_stop_error(task), script->outcome.count);
}

static const struct weir_wait_ops held_ops = {
    .name = "a script",
    .stop = held_stop,
    .dump = weir_wait_dump_nothing,
};

static void stop_when(struct script *script, enum moment moment)
{
    if (script->moment != moment || script->taken != script->stop_at)
        return;
    script->moment = NEVER;
    weir_task_stop(script->target, script->bits);
}

static weir_task *finish_step(weir_task *task, struct script *script, enum how how)
{
    weir_result outcome = script->outcome;

    if (how == AT_ONCE) {
        stop_when(script, AFTER);
        script->taken++;
        return weir_task_complete(task, outcome.error, outcome.count);
    }
    script->wait.ops = &held_ops;
    script->waiter = task;
    (void)weir_task_suspend(task, &script->wait);
    if (how == POSTED) {
        script->waiter = NULL;
        weir_task_wake(task, outcome.error, outcome.count);
        stop_when(script, AFTER);
    }
    script->taken++;
    return NULL;
}

/* The step that comes, or why not to take it. */
static int take_step(weir_task *task, struct script *script, size_t room, struct step *ret_step)
{
    int error;

    CHECK(room > 0);
    stop_when(script, BEFORE);
    error = weir_task_stop_error(task);
    if (error)
        return error;
    CHECK(script->taken < script->step_count);
    *ret_step = script->steps[script->taken];
    if (ret_step->size > room)
        ret_step->size = room;
    script->outcome = weir_result_of(ret_step->error, ret_step->size);
    return 0;
}

static weir_task *script_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    struct script *script = WEIR_CONTAINER_OF(in, struct script, stream.in);
    struct step step;
    int error = take_step(task, script, buffer.size, &step);

    if (error)
        return weir_task_complete(task, error, 0);
    move_in(script, buffer, step.size);
    return finish_step(task, script, step.how);
}

static weir_task *script_write_some(weir_task *task, weir_write_stream *out,
                                    weir_const_buffer buffer)
{
    struct script *script = WEIR_CONTAINER_OF(out, struct script, stream.out);
    struct step step;
    int error = take_step(task, script, buffer.size, &step);

    if (error)
        return weir_task_complete(task, error, 0);
    move_out(script, buffer, step.size);
    return finish_step(task, script, step.how);
}

static const struct weir_read_stream_ops script_in_ops = {
    .name = "script",
    .read_some = script_read_some,
    .read_some_v = weir_stream_read_first,
    .read = weir_stream_read_composed,
};

static const struct weir_write_stream_ops script_out_ops = {
    .name = "script",
    .write_some = script_write_some,
    .write_some_v = weir_stream_write_first,
    .write = weir_stream_write_composed,
    .finish = weir_stream_finish_nothing,
};

static void script_init(struct script *script)
{
    memset(script, 0, sizeof *script);
    weir_stream_init(&script->stream, &script_in_ops, &script_out_ops);
}

static void script_add(struct script *script, size_t size, int error, enum how how)
{
    CHECK(script->step_count < STEPS_MAX);
    script->steps[script->step_count++] = (struct step){size, error, how};
}

/* Parts of one size, enough for so many bytes. */
static void script_add_parts(struct script *script, size_t bytes, size_t part, enum how how)
{
    size_t at;

    for (at = 0; at < bytes; at += part)
        script_add(script, part, 0, how);
}

/* A task that makes one transfer, chosen by its start function, and keeps the result. */
struct mover;

typedef weir_task *mover_start_fn(weir_task *task, struct mover *mover);

struct mover {
    weir_task task;
    struct script *script;
    mover_start_fn *start;
    size_t size;
    uint8_t data[STEPS_MAX];
    weir_result result;
    bool is_done;
};

static weir_task *mover_resume(weir_task *task)
{
    struct mover *self = WEIR_TASK_SELF(task, struct mover);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, self->start(task, self));
    self->result = r;
    self->is_done = true;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *start_read(weir_task *task, struct mover *mover)
{
    return weir_read(task, &mover->script->stream.in, weir_buffer_of(mover->data, mover->size));
}

static weir_task *start_write(weir_task *task, struct mover *mover)
{
    return weir_write(task, &mover->script->stream.out,
                      weir_const_buffer_of(mover->data, mover->size));
}

static weir_task *start_read_some(weir_task *task, struct mover *mover)
{
    return weir_read_some(task, &mover->script->stream.in,
                          weir_buffer_of(mover->data, mover->size));
}

static weir_task *start_write_some(weir_task *task, struct mover *mover)
{
    return weir_write_some(task, &mover->script->stream.out,
                           weir_const_buffer_of(mover->data, mover->size));
}

static mover_start_fn *const whole_starts[] = {start_read, start_write};
static mover_start_fn *const some_starts[] = {start_read_some, start_write_some};

/* Data that a write finds in order when the stream stands at its position now. */
static void mover_init(struct mover *mover, struct script *script, mover_start_fn *start,
                       size_t size)
{
    size_t i;

    memset(mover, 0, sizeof *mover);
    weir_task_init(&mover->task, mover_resume);
    mover->script = script;
    mover->start = start;
    mover->size = size;
    script->target = &mover->task;
    if (start != start_write && start != start_write_some)
        return;
    for (i = 0; i < size; i++)
        mover->data[i] = byte_at(script->position + i);
}

static bool stop_the_held(fake_backend *fake, int64_t deadline_ns, void *user)
{
    struct script *script = user;

    (void)fake;
    (void)deadline_ns;
    CHECK(script->waiter);
    weir_task_stop(script->target, script->bits);
    return true;
}

/* Run it on a loop of its own; what is held is stopped when nothing else is to do. */
static weir_result mover_run(struct mover *mover)
{
    weir_loop *loop = fake_loop_new(NULL);
    weir_result result;

    fake_backend_on_sleep(fake_backend_of(loop), stop_the_held, mover->script);
    result = weir_run(loop, &mover->task);
    weir_loop_free(loop);
    CHECK(mover->is_done);
    return result;
}

static weir_result move(struct script *script, mover_start_fn *start, size_t size)
{
    size_t from = script->position;
    struct mover mover;
    weir_result result;
    size_t i;

    mover_init(&mover, script, start, size);
    result = mover_run(&mover);
    CHECK_EQ(result.count, script->position - from);
    for (i = 0; i < result.count; i++)
        CHECK_EQ(mover.data[i], byte_at(from + i));
    for (; i < size && start == start_read; i++)
        CHECK_EQ(mover.data[i], 0);
    return result;
}

/* Whole transfers. */

static void move_whole_in_parts(mover_start_fn *start, size_t size, size_t part, enum how how)
{
    struct script script;
    weir_result r;

    script_init(&script);
    script_add_parts(&script, size, part, how);
    r = move(&script, start, size);

    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, size);
    CHECK_EQ(script.taken, script.step_count);
}

static void move_whole_in_all_parts(mover_start_fn *start)
{
    size_t size;
    size_t part;

    for (size = 1; size <= SIZE_MAX_TRIED; size++) {
        for (part = 1; part <= size + 1; part++) {
            move_whole_in_parts(start, size, part, AT_ONCE);
            move_whole_in_parts(start, size, part, POSTED);
        }
    }
}

WEIR_TEST(stream, a_read_fills_the_buffer_whatever_the_parts)
{
    move_whole_in_all_parts(start_read);
}

WEIR_TEST(stream, a_write_sends_the_buffer_whatever_the_parts)
{
    move_whole_in_all_parts(start_write);
}

WEIR_TEST(stream, a_whole_transfer_mixes_parts_that_suspend_and_parts_that_do_not)
{
    for (size_t i = 0; i < 2; i++) {
        for (unsigned mix = 0; mix < 1u << SIZE_MAX_TRIED; mix++) {
            struct script script;
            weir_result r;

            script_init(&script);
            for (size_t bit = 0; bit < SIZE_MAX_TRIED; bit++)
                script_add(&script, 1, 0, mix >> bit & 1 ? POSTED : AT_ONCE);
            r = move(&script, whole_starts[i], SIZE_MAX_TRIED);

            CHECK_EQ(r.error, 0);
            CHECK_EQ(r.count, SIZE_MAX_TRIED);
        }
    }
}

/* An error in the step behind so many full parts of two bytes, with bytes of its own. */
static void fail_behind(mover_start_fn *start, size_t parts, size_t bytes, int error, enum how how)
{
    struct script script;
    weir_result r;

    script_init(&script);
    script_add_parts(&script, 2 * parts, 2, how);
    script_add(&script, bytes, error, how);
    r = move(&script, start, 2 * parts + 2);

    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, 2 * parts + bytes);
    CHECK_EQ(script.taken, parts + 1);
}

static void fail_everywhere(int error)
{
    for (size_t i = 0; i < 2; i++) {
        for (size_t parts = 0; parts < 5; parts++) {
            for (size_t bytes = 0; bytes < 2; bytes++) {
                fail_behind(whole_starts[i], parts, bytes, error, AT_ONCE);
                fail_behind(whole_starts[i], parts, bytes, error, POSTED);
            }
        }
    }
}

WEIR_TEST(stream, an_error_comes_with_the_bytes_before_it)
{
    fail_everywhere(-ECONNRESET);
}

WEIR_TEST(stream, an_end_comes_with_the_bytes_before_it)
{
    fail_everywhere(WEIR_EOF);
}

WEIR_TEST(stream, a_long_transfer_takes_turns_with_other_tasks)
{
    for (size_t i = 0; i < 2; i++) {
        weir_loop_options options = fake_loop_options();
        struct script script;
        struct mover mover;
        weir_loop *loop;
        weir_result r;

        options.budget = 3;
        loop = fake_loop_new(&options);
        script_init(&script);
        script_add_parts(&script, STEPS_MAX, 1, AT_ONCE);
        mover_init(&mover, &script, whole_starts[i], STEPS_MAX);
        r = weir_run(loop, &mover.task);

        CHECK_EQ(r.error, 0);
        CHECK_EQ(r.count, STEPS_MAX);
        CHECK(weir_loop_statistics_get(loop).iterations >= STEPS_MAX / 4);
        weir_loop_free(loop);
    }
}

/* Stops. */

struct stopping {
    unsigned bits;
    int error;
};

static const struct stopping stoppings[] = {
    {WEIR_STOP_REQUESTED, WEIR_CANCELLED},
    {WEIR_STOP_HARD, WEIR_CANCELLED},
    {WEIR_STOP_EXPIRED, WEIR_TIMED_OUT},
    {WEIR_STOP_EXPIRED | WEIR_STOP_REQUESTED, WEIR_CANCELLED},
};

enum { PARTS = 4, PART_BYTES = 2, WHOLE_BYTES = PARTS * PART_BYTES };

static weir_result stop_at(struct script *script, mover_start_fn *start, enum how how,
                           enum moment moment, size_t part, unsigned bits)
{
    script_init(script);
    script_add_parts(script, WHOLE_BYTES, PART_BYTES, how);
    script->moment = moment;
    script->stop_at = part;
    script->bits = bits;
    return move(script, start, WHOLE_BYTES);
}

static void stop_before_each_part(mover_start_fn *start, enum how how, struct stopping stopping)
{
    for (size_t part = 0; part < PARTS; part++) {
        struct script script;
        weir_result r = stop_at(&script, start, how, BEFORE, part, stopping.bits);

        CHECK_EQ(r.error, stopping.error);
        CHECK_EQ(r.count, part * PART_BYTES);
        CHECK_EQ(script.taken, part);
    }
}

/* The result of the part is there when the stop comes: it counts, and the next is not begun. */
static void stop_after_each_part(mover_start_fn *start, enum how how, struct stopping stopping)
{
    for (size_t part = 0; part + 1 < PARTS; part++) {
        struct script script;
        weir_result r = stop_at(&script, start, how, AFTER, part, stopping.bits);

        CHECK_EQ(r.error, stopping.error);
        CHECK_EQ(r.count, (part + 1) * PART_BYTES);
        CHECK_EQ(script.taken, part + 1);
    }
}

static void stop_during(mover_start_fn *start, size_t part, size_t bytes, struct stopping stopping)
{
    struct script script;
    weir_result r;

    script_init(&script);
    script_add_parts(&script, part * PART_BYTES, PART_BYTES, AT_ONCE);
    script_add(&script, bytes, 0, HELD);
    script.bits = stopping.bits;
    r = move(&script, start, WHOLE_BYTES);

    CHECK_EQ(r.error, stopping.error);
    CHECK_EQ(r.count, part * PART_BYTES + bytes);
    CHECK_EQ(script.taken, part + 1);
}

static void for_each_stopping(mover_start_fn *start, enum how how,
                              void (*stop)(mover_start_fn *, enum how, struct stopping))
{
    for (size_t i = 0; i < sizeof stoppings / sizeof stoppings[0]; i++)
        stop(start, how, stoppings[i]);
}

WEIR_TEST(stream, a_stop_before_a_part_keeps_it_from_starting)
{
    for (size_t i = 0; i < 2; i++) {
        for_each_stopping(whole_starts[i], AT_ONCE, stop_before_each_part);
        for_each_stopping(whole_starts[i], POSTED, stop_before_each_part);
    }
}

WEIR_TEST(stream, a_stop_after_a_part_does_not_lose_its_bytes)
{
    for (size_t i = 0; i < 2; i++) {
        for_each_stopping(whole_starts[i], AT_ONCE, stop_after_each_part);
        for_each_stopping(whole_starts[i], POSTED, stop_after_each_part);
    }
}

static void stop_during_each_part(mover_start_fn *start, enum how how, struct stopping stopping)
{
    (void)how;
    for (size_t part = 0; part < PARTS; part++)
        for (size_t bytes = 0; bytes < PART_BYTES; bytes++)
            stop_during(start, part, bytes, stopping);
}

WEIR_TEST(stream, a_stop_during_a_part_counts_the_bytes_it_had)
{
    for (size_t i = 0; i < 2; i++)
        for_each_stopping(whole_starts[i], HELD, stop_during_each_part);
}

WEIR_TEST(stream, a_stop_after_the_last_part_is_too_late)
{
    for (size_t i = 0; i < 2; i++) {
        for (enum how how = AT_ONCE; how <= POSTED; how++) {
            struct script script;
            weir_result r =
                stop_at(&script, whole_starts[i], how, AFTER, PARTS - 1, WEIR_STOP_REQUESTED);

            CHECK_EQ(r.error, 0);
            CHECK_EQ(r.count, WHOLE_BYTES);
        }
    }
}

/* Partial transfers. */

WEIR_TEST(stream, a_partial_transfer_is_one_part)
{
    for (size_t i = 0; i < 2; i++) {
        for (enum how how = AT_ONCE; how <= POSTED; how++) {
            struct script script;
            weir_result r;

            script_init(&script);
            script_add(&script, 3, 0, how);
            r = move(&script, some_starts[i], 5);

            CHECK_EQ(r.error, 0);
            CHECK_EQ(r.count, 3);
            CHECK_EQ(script.taken, 1);
        }
    }
}

/* Empty buffers: the script has no step, so a stream that is asked fails the test. */

static weir_task *start_read_empty_v(weir_task *task, struct mover *mover)
{
    static const weir_buffer buffers[2];

    return weir_read_some_v(task, &mover->script->stream.in, buffers, mover->size);
}

static weir_task *start_write_empty_v(weir_task *task, struct mover *mover)
{
    static const weir_const_buffer buffers[2];

    return weir_write_some_v(task, &mover->script->stream.out, buffers, mover->size);
}

static void check_is_empty(mover_start_fn *start, size_t size)
{
    struct script script;
    struct mover mover;
    weir_result r;

    script_init(&script);
    mover_init(&mover, &script, start, size);
    r = mover_run(&mover);

    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, 0);
}

WEIR_TEST(stream, an_empty_buffer_completes_at_once_with_nothing)
{
    for (size_t i = 0; i < 2; i++) {
        check_is_empty(whole_starts[i], 0);
        check_is_empty(some_starts[i], 0);
    }
}

WEIR_TEST(stream, a_sequence_of_empty_buffers_completes_at_once_with_nothing)
{
    for (size_t count = 0; count <= 2; count++) {
        check_is_empty(start_read_empty_v, count);
        check_is_empty(start_write_empty_v, count);
    }
}

/* Sequences: size empty buffers stand in front of two of three bytes. */

enum { FRONT_MAX = 3 };

static weir_task *start_read_v(weir_task *task, struct mover *mover)
{
    weir_buffer buffers[FRONT_MAX + 2] = {{NULL, 0}};

    buffers[mover->size] = weir_buffer_of(mover->data, 3);
    buffers[mover->size + 1] = weir_buffer_of(mover->data + 3, 3);
    return weir_read_some_v(task, &mover->script->stream.in, buffers, mover->size + 2);
}

static weir_task *start_write_v(weir_task *task, struct mover *mover)
{
    weir_const_buffer buffers[FRONT_MAX + 2] = {{NULL, 0}};

    buffers[mover->size] = weir_const_buffer_of(mover->data, 3);
    buffers[mover->size + 1] = weir_const_buffer_of(mover->data + 3, 3);
    return weir_write_some_v(task, &mover->script->stream.out, buffers, mover->size + 2);
}

WEIR_TEST(stream, empty_buffers_in_front_of_a_sequence_are_passed_over)
{
    for (size_t front = 0; front <= FRONT_MAX; front++) {
        struct script script;
        struct mover mover;
        weir_result r;

        script_init(&script);
        script_add(&script, 2, 0, AT_ONCE);
        mover_init(&mover, &script, start_read_v, front);
        r = mover_run(&mover);

        CHECK_EQ(r.error, 0);
        CHECK_EQ(r.count, 2);
        CHECK_EQ(mover.data[1], byte_at(1));
    }
}

WEIR_TEST(stream, a_stream_that_cannot_scatter_fills_the_first_buffer)
{
    struct script script;
    struct mover mover;
    weir_result r;

    script_init(&script);
    script_add(&script, 6, 0, AT_ONCE);
    mover_init(&mover, &script, start_read_v, 1);
    r = mover_run(&mover);

    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, 3);
    CHECK_EQ(mover.data[2], byte_at(2));
    CHECK_EQ(mover.data[3], 0);
}

WEIR_TEST(stream, a_stream_that_cannot_gather_sends_the_first_buffer)
{
    for (size_t front = 0; front <= FRONT_MAX; front++) {
        struct script script;
        struct mover mover;
        weir_result r;

        script_init(&script);
        script_add(&script, 6, 0, POSTED);
        mover_init(&mover, &script, start_write_v, front);
        for (size_t i = 0; i < 6; i++)
            mover.data[i] = byte_at(i);
        r = mover_run(&mover);

        CHECK_EQ(r.error, 0);
        CHECK_EQ(r.count, 3);
    }
}

/* The records. */

WEIR_TEST(stream, a_record_can_be_used_again_after_every_end)
{
    for (size_t i = 0; i < 2; i++) {
        struct script script;

        script_init(&script);
        script.bits = WEIR_STOP_REQUESTED;
        script_add(&script, 4, 0, AT_ONCE);
        script_add(&script, 4, 0, POSTED);
        script_add(&script, 1, WEIR_EOF, AT_ONCE);
        script_add(&script, 1, -EPIPE, POSTED);
        script_add(&script, 1, 0, HELD);
        script_add(&script, 4, 0, POSTED);

        CHECK_EQ(move(&script, whole_starts[i], 4).error, 0);
        CHECK_EQ(move(&script, whole_starts[i], 4).error, 0);
        CHECK_EQ(move(&script, whole_starts[i], 4).error, WEIR_EOF);
        CHECK_EQ(move(&script, whole_starts[i], 4).error, -EPIPE);
        CHECK_EQ(move(&script, whole_starts[i], 4).error, WEIR_CANCELLED);
        CHECK_EQ(move(&script, whole_starts[i], 4).count, 4);
    }
}

/* Two movers on one stream, side by side; the scripts of the directions are apart. */
struct both {
    weir_task task;
    weir_scope scope;
    weir_scope_child records[2];
    struct mover movers[2];
};

static weir_task *both_resume(weir_task *task)
{
    struct both *self = WEIR_TASK_SELF(task, struct both);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_scope_start_embedded(&self->scope, &self->records[0], &self->movers[0].task);
    weir_scope_start_embedded(&self->scope, &self->records[1], &self->movers[1].task);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Complete a part by a post, without moving bytes: reads and writes come in any order. */
static weir_task *post_part(weir_task *task, struct script *script)
{
    script->taken++;
    script->wait.ops = &held_ops;
    (void)weir_task_suspend(task, &script->wait);
    weir_task_wake(task, 0, 1);
    return NULL;
}

static weir_task *post_read(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    (void)buffer;
    return post_part(task, WEIR_CONTAINER_OF(in, struct script, stream.in));
}

static weir_task *post_write(weir_task *task, weir_write_stream *out, weir_const_buffer buffer)
{
    (void)buffer;
    return post_part(task, WEIR_CONTAINER_OF(out, struct script, stream.out));
}

static weir_result run_both(mover_start_fn *first, mover_start_fn *second)
{
    struct weir_read_stream_ops in_ops = script_in_ops;
    struct weir_write_stream_ops out_ops = script_out_ops;
    static struct both both;
    struct script script;

    script_init(&script);
    in_ops.read_some = post_read;
    out_ops.write_some = post_write;
    weir_stream_init(&script.stream, &in_ops, &out_ops);
    weir_task_init(&both.task, both_resume);
    mover_init(&both.movers[0], &script, first, 5);
    mover_init(&both.movers[1], &script, second, 3);
    return fake_run(&both.task);
}

WEIR_TEST(stream, a_read_and_a_write_may_be_in_flight_together)
{
    weir_result r = run_both(start_read, start_write);

    CHECK_EQ(r.error, 0);
    CHECK_EQ(r.count, 2);
}

WEIR_ABORT_TEST(stream_misuse, a_second_read_in_flight)
{
    (void)run_both(start_read, start_read);
}

WEIR_ABORT_TEST(stream_misuse, a_second_write_in_flight)
{
    (void)run_both(start_write, start_write);
}
