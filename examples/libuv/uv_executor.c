/* SPDX-License-Identifier: MIT */
/*
 * libuv's loop as an executor.
 *
 * What becomes ready starts `hurry` and `turn`: an active idle handle keeps the loop from blocking,
 * and the check handle, which comes right behind the loop's I/O, runs the tasks. A turn has a
 * budget, so libuv's own callbacks are never starved, and the I/O of one turn of the loop is
 * answered in it.
 */
#include "uv_executor.h"

static const int64_t MILLISECOND_NS = 1000000;

static int64_t now_ns(void)
{
    return (int64_t)uv_hrtime();
}

/* Running what is ready. */

static void take_turn(uv_check_t *handle);

/* Nothing to be done: that it is active is what counts. */
static void hurry(uv_idle_t *handle)
{
    (void)handle;
}

static void run_soon(weir_uv *uv)
{
    (void)uv_idle_start(&uv->hurry, hurry);
    (void)uv_check_start(&uv->turn, take_turn);
}

static void timer_expired(uv_timer_t *handle)
{
    run_soon(handle->data);
}

/* The loop's time is uv_hrtime() in whole milliseconds as of its latest look, and its timers count
 * from there: a due time in milliseconds of the same clock is met whenever that look was. Rounded
 * up, or the loop would turn without rest for what is left of a millisecond. */
static void arm_timer(weir_uv *uv)
{
    int64_t next_ns = weir_manual_next_ns(&uv->manual);
    uint64_t now_ms = uv_now(uv->loop);
    uint64_t due_ms;

    if (next_ns == INT64_MAX) {
        (void)uv_timer_stop(&uv->timer);
        return;
    }
    due_ms = (uint64_t)(next_ns / MILLISECOND_NS) + 1;
    (void)uv_timer_start(&uv->timer, timer_expired, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

/* Trees live without an active handle while they wait for each other or for another thread. */
static void keep_loop(weir_uv *uv)
{
    if (weir_context_is_busy(weir_uv_context(uv)))
        uv_ref((uv_handle_t *)&uv->wake);
    else
        uv_unref((uv_handle_t *)&uv->wake);
}

static void take_turn(uv_check_t *handle)
{
    weir_uv *uv = handle->data;
    /* Mostly the second look finds nothing, and saves the loop a turn without rest. */
    bool more = weir_manual_poll(&uv->manual) && weir_manual_poll(&uv->manual);

    if (!more) {
        (void)uv_idle_stop(&uv->hurry);
        (void)uv_check_stop(&uv->turn);
    }
    arm_timer(uv);
    keep_loop(uv);
}

static void woken(uv_async_t *handle)
{
    run_soon(handle->data);
}

/* Only uv_async_send may be called by other threads; the loop's own needs no system call. */
static void wake(weir_manual *manual, void *user)
{
    weir_uv *uv = user;
    uv_thread_t here = uv_thread_self();

    (void)manual;
    if (uv_thread_equal(&here, &uv->thread))
        run_soon(uv);
    else
        (void)uv_async_send(&uv->wake);
}

/* Life. */

int weir_uv_open(weir_uv *uv, uv_loop_t *loop)
{
    weir_manual_options options = {.wake = wake, .user = uv, .now_ns = now_ns};
    int error = uv_async_init(loop, &uv->wake, woken);

    if (error)
        return error;
    uv->loop = loop;
    uv->thread = uv_thread_self();
    weir_manual_init(&uv->manual, &options);
    /* None of these can fail. */
    (void)uv_timer_init(loop, &uv->timer);
    (void)uv_idle_init(loop, &uv->hurry);
    (void)uv_check_init(loop, &uv->turn);
    uv->wake.data = uv;
    uv->timer.data = uv;
    uv->hurry.data = uv;
    uv->turn.data = uv;
    uv->handles_open = 4;
    keep_loop(uv);
    return 0;
}

static void handle_closed(uv_handle_t *handle)
{
    weir_uv *uv = handle->data;

    if (--uv->handles_open == 0 && uv->closed)
        uv->closed(uv);
}

void weir_uv_close(weir_uv *uv, weir_uv_closed_fn *closed)
{
    uv->closed = closed;
    weir_manual_fini(&uv->manual); /* From here on no thread is inside of wake. */
    uv_close((uv_handle_t *)&uv->wake, handle_closed);
    uv_close((uv_handle_t *)&uv->timer, handle_closed);
    uv_close((uv_handle_t *)&uv->hurry, handle_closed);
    uv_close((uv_handle_t *)&uv->turn, handle_closed);
}

weir_executor *weir_uv_executor(weir_uv *uv)
{
    return weir_manual_executor(&uv->manual);
}

weir_context *weir_uv_context(weir_uv *uv)
{
    return weir_manual_context(&uv->manual);
}
