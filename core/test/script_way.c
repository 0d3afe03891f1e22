/* SPDX-License-Identifier: MIT */
/*
 * What scripted streams, sources and sinks have in common: a way is a state of its own; what an
 * operation does to it is a function that is called when the operation completes: in its starter,
 * by a courier, or by the test.
 */
#include "script_way.h"

#include <weir/executor.h>
#include <weir/test/fail.h>

/* What is written. */

static void compare_byte(const weir_script_way *way, size_t position, unsigned char written)
{
    const unsigned char *expected = way->script.bytes.data;

    if (written != expected[position])
        weir_test_fail("byte %zu that was written is 0x%02x, where the script expects 0x%02x",
                       position, written, expected[position]);
}

static void compare(const weir_script_way *way, weir_const_buffer_slice written)
{
    size_t position = way->position;
    size_t i;

    while (!weir_const_buffer_slice_is_empty(written)) {
        weir_const_buffer front = weir_const_buffer_slice_front(written);

        for (i = 0; i < front.size; i++)
            compare_byte(way, position + i, ((const unsigned char *)front.data)[i]);
        position += front.size;
        written = weir_const_buffer_slice_after(written, front.size);
    }
}

void weir_script_way_take(weir_script_way *way, size_t size)
{
    weir_const_buffer_slice written = weir_const_buffer_slice_prefix(way->slice.out, size);

    if (way->script.capture.data) {
        weir_buffer rest = weir_buffer_after(way->script.capture, way->position);

        (void)weir_buffer_slice_copy(weir_buffer_slice_of(&rest, 1), written);
    } else {
        compare(way, written);
    }
    way->position += size;
}

/* When operations do what they do. */

static weir_result perform(weir_script_way *way)
{
    return way->failure ? weir_result_of(way->failure, way->taken) : way->move(way);
}

static void complete(weir_script_way *way, weir_result result)
{
    weir_task *waiter = way->waiter;

    way->waiter = NULL;
    weir_task_wake(waiter, result.error, result.count);
}

static weir_task *courier_resume(weir_task *task)
{
    weir_script_way *way = WEIR_CONTAINER_OF(task, weir_script_way, courier);

    complete(way, way->stop_error ? weir_result_of(way->stop_error, way->taken) : perform(way));
    return NULL;
}

/* A stop of what is posted arrives with the courier, as the answer to a cancellation does. */
static void script_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    weir_script_way *way = WEIR_CONTAINER_OF(wait, weir_script_way, wait);

    (void)bits;
    if (!way->waiter || way->script.stops_late)
        return;
    way->is_cut = true;
    way->stop_error = weir_task_stop_error(task);
    if (way->script.pace == WEIR_SCRIPT_HELD)
        complete(way, weir_result_of(way->stop_error, way->taken));
}

static const struct weir_wait_ops script_wait_ops = {
    .name = "a script",
    .stop = script_stop,
    .dump = weir_wait_dump_nothing,
};

static weir_task *suspend(weir_task *task, weir_script_way *way)
{
    way->wait.ops = &script_wait_ops;
    way->waiter = task;
    way->stop_error = 0;
    (void)weir_task_suspend(task, &way->wait);
    if (way->script.pace == WEIR_SCRIPT_POSTED) {
        weir_task_init(&way->courier, courier_resume);
        weir_executor_post(task->environment->executor, &way->courier);
    }
    return NULL;
}

weir_task *weir_script_way_start(weir_task *task, weir_script_way *way,
                                 weir_result (*move)(weir_script_way *way))
{
    int error = weir_task_stop_error(task);
    weir_result result;

    WEIR_ASSERT(!way->waiter, "one operation is in flight in each way of a script");
    if (error) {
        way->is_cut = true;
        return weir_task_complete(task, error, way->taken);
    }
    error = weir_fuse_blow(way->script.fuse);
    if (error)
        way->failure = error;
    way->move = move;
    if (way->script.pace != WEIR_SCRIPT_AT_ONCE)
        return suspend(task, way);
    result = perform(way);
    return weir_task_complete(task, result.error, result.count);
}

bool weir_script_release(weir_script_way *way)
{
    WEIR_ASSERT(way->script.pace == WEIR_SCRIPT_HELD, "only what is held can be released");

    if (!way->waiter)
        return false;
    complete(way, perform(way));
    return true;
}

/* Life. */

void weir_script_way_init(weir_script_way *way, const weir_script *script)
{
    static const weir_script_way blank;

    *way = blank;
    if (script)
        way->script = *script;
}

bool weir_script_way_is_excused(const weir_script_way *way)
{
    return way->is_cut || (way->script.fuse && weir_fuse_is_blown(way->script.fuse));
}

void weir_script_way_check_moved(const weir_script_way *way, const char *verb)
{
    size_t total = way->script.bytes.size;

    if (!way->script.capture.data && way->position < total)
        weir_test_fail("%zu of the script's %zu bytes were not %s", total - way->position, total,
                       verb);
}
