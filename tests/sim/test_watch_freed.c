/* SPDX-License-Identifier: MIT */
/* Frames that are used after they were freed: not built with sanitizers, which say it in
 * their own way. */
#include <weir/sim.h>
#include <weir/weir.h>

#include "test.h"

static void run_program(weir_sim_program_fn *main)
{
    weir_sim_options options = {.seed = 1};
    weir_sim *sim = weir_sim_new(&options);

    weir_sim_start(weir_sim_host_new(sim, "host"), "main", main, NULL);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    weir_sim_free(sim);
}

static void use_after_release(void *argument)
{
    weir_loop *loop;
    weir_memory *memory;
    uint8_t *frame;

    (void)argument;
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    memory = weir_loop_context(loop)->frames.source;
    frame = memory->allocate(memory, 256);
    memory->release(memory, frame, 256);
    frame[100] = 1;
    weir_loop_free(loop);
}

WEIR_ABORT_TEST(watch, a_frame_that_was_freed_stays_as_it_is)
{
    run_program(use_after_release);
}

static void release_twice(void *argument)
{
    weir_loop *loop;
    weir_memory *memory;
    void *frame;

    (void)argument;
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    memory = weir_loop_context(loop)->frames.source;
    frame = memory->allocate(memory, 256);
    memory->release(memory, frame, 256);
    memory->release(memory, frame, 256);
}

WEIR_ABORT_TEST(watch, a_frame_is_released_once)
{
    run_program(release_twice);
}
