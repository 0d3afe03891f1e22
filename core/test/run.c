/* SPDX-License-Identifier: MIT */
/* Running to the end, with or without a stop on the way, and what is left then. */
#include <weir/test/run.h>

#include <stdio.h>

#include <weir/run.h>
#include <weir/test/fail.h>

/* So little that no frame is held back: each is a point of a fuse, and ASan sees each one freed. */
enum { RETAIN_NOTHING = 1 };

struct run {
    weir_manual manual;
    weir_root root;
    weir_result result;
    bool is_done;
};

static void run_done(weir_root *root, weir_result result)
{
    struct run *run = root->user;

    run->result = result;
    run->is_done = true;
}

static void begin(struct run *run, const weir_manual_options *options, weir_task *main)
{
    run->is_done = false;
    weir_manual_init(&run->manual, options);
    weir_run_async(weir_manual_executor(&run->manual), &run->root, main, run_done, run);
}

/* Nothing is ready: let time pass to what is due next. */
static void jump(weir_manual *manual)
{
    int64_t next_ns = weir_manual_next_ns(manual);
    int64_t now_ns = manual->clock.now_ns(&manual->clock);

    if (next_ns == INT64_MAX) {
        (void)weir_context_dump(weir_manual_context(manual), stderr);
        weir_test_fail("nothing is ready and no deadline is armed: the task would never end");
    }
    if (next_ns > now_ns)
        weir_manual_advance(manual, next_ns - now_ns);
}

static void step_once(struct run *run)
{
    if (!weir_manual_poll(&run->manual))
        jump(&run->manual);
}

static weir_result finish(struct run *run)
{
    while (!run->is_done)
        step_once(run);
    while (weir_manual_poll(&run->manual))
        ;
    weir_test_check_idle(&run->manual);
    weir_manual_fini(&run->manual);
    return run->result;
}

weir_result weir_test_run_with(weir_memory *frames, weir_task *main)
{
    weir_manual_options options = {.frames = frames, .frames_retained_bytes_max = RETAIN_NOTHING};
    struct run run;

    begin(&run, &options, main);
    return finish(&run);
}

weir_result weir_test_run(weir_task *main)
{
    return weir_test_run_with(NULL, main);
}

bool weir_test_run_stopped(weir_task *main, size_t step, unsigned bits, weir_result *ret_result)
{
    weir_manual_options options = {.frames_retained_bytes_max = RETAIN_NOTHING, .budget = 1};
    struct run run;
    bool is_stopped;

    begin(&run, &options, main);
    while (step-- > 0 && !run.is_done)
        step_once(&run);
    is_stopped = !run.is_done;
    if (is_stopped)
        weir_task_stop(&run.root.task, bits);
    *ret_result = finish(&run);
    return is_stopped;
}

static bool is_ready(const weir_manual *manual)
{
    return manual->ready.first || __atomic_load_n(&manual->inbox, __ATOMIC_ACQUIRE);
}

bool weir_test_is_idle(weir_manual *manual)
{
    weir_context *context = weir_manual_context(manual);

    return !weir_context_is_busy(context) && weir_frame_live_count(&context->frames) == 0 &&
           !is_ready(manual) && weir_manual_next_ns(manual) == INT64_MAX;
}

void weir_test_check_idle(weir_manual *manual)
{
    weir_context *context = weir_manual_context(manual);

    if (weir_test_is_idle(manual))
        return;
    (void)weir_context_dump(context, stderr);
    weir_test_fail("an executor is not idle: %zu trees live, %zu frames are out, %zu works keep it"
                   "%s%s",
                   context->root_count, weir_frame_live_count(&context->frames),
                   __atomic_load_n(&context->work_count, __ATOMIC_ACQUIRE),
                   is_ready(manual) ? ", tasks are ready" : "",
                   weir_manual_next_ns(manual) == INT64_MAX ? "" : ", a deadline is armed");
}
