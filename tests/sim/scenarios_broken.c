/* SPDX-License-Identifier: MIT */
/* Scenarios of weir-sim-broken, which fail in every way that there is: for test_weir_sim.py. */
#include <stdlib.h>

#include <weir/weir.h>

#include "scenario.h"

static void start(weir_sim *sim, weir_sim_program_fn *main)
{
    weir_sim_start(weir_sim_host_new(sim, "host"), "program", main, sim);
}

/* A program that ends at once, in each world. */
static void do_nothing(void *argument)
{
    (void)argument;
}

static void build_good(weir_sim *sim, struct scenario_run *run)
{
    (void)run;
    start(sim, do_nothing);
}

static void break_rule(void *argument)
{
    weir_sim_fail(argument, "the rule of %s is broken", "the test");
}

static void build_rule(weir_sim *sim, struct scenario_run *run)
{
    (void)run;
    start(sim, break_rule);
}

static void break_assertion(void *argument)
{
    WEIR_ASSERT(!argument, "an assertion that fails");
}

static void build_assertion(weir_sim *sim, struct scenario_run *run)
{
    (void)run;
    start(sim, break_assertion);
}

static void touch_nothing(void *argument)
{
    volatile uintptr_t nowhere = 16;

    (void)argument;
    *(volatile char *)nowhere = 1;
}

static void build_segfault(weir_sim *sim, struct scenario_run *run)
{
    (void)run;
    start(sim, touch_nothing);
}

static void leave_process(void *argument)
{
    (void)argument;
    _Exit(7);
}

static void build_exit(weir_sim *sim, struct scenario_run *run)
{
    (void)run;
    start(sim, leave_process);
}

static void hang(void *argument)
{
    volatile const void *volatile for_ever = argument;

    while (for_ever) {
    }
}

static void build_hang(weir_sim *sim, struct scenario_run *run)
{
    (void)run;
    start(sim, hang);
}

/* A task that never ends. */
struct waiter {
    weir_task task;
    weir_event event;
};

static weir_task *wait_for_nothing(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    weir_event_init(&self->event);
    WEIR_AWAIT(task, r, weir_event_wait(task, &self->event));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *sleep_for_ever(weir_task *task)
{
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r, weir_sleep_for(task, INT64_C(1000000000)));
    } while (!r.error);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void build_standstill(weir_sim *sim, struct scenario_run *run)
{
    struct waiter *waiter = run->state;

    weir_task_init(&waiter->task, wait_for_nothing);
    weir_sim_start_task(weir_sim_host_new(sim, "host"), "program", &waiter->task);
}

static void build_endless(weir_sim *sim, struct scenario_run *run)
{
    struct waiter *waiter = run->state;

    weir_task_init(&waiter->task, sleep_for_ever);
    weir_sim_start_task(weir_sim_host_new(sim, "host"), "program", &waiter->task);
}

static void check_fails(weir_sim *sim, struct scenario_run *run)
{
    (void)run;
    weir_sim_fail(sim, "what is checked at the end is wrong");
}

/* Fails with some seeds. */
static void build_some(weir_sim *sim, struct scenario_run *run)
{
    start(sim, run->seed % 16 == 5 ? break_rule : do_nothing);
}

enum { VARIANTS = 10 };

static void run_variants(struct scenario_run *run)
{
    for (run->variant = 0; run->variant < VARIANTS; run->variant++)
        scenario_run_world(run);
}

static void build_variant(weir_sim *sim, struct scenario_run *run)
{
    run->has_no_such_variant = run->variant >= VARIANTS;
    start(sim, run->variant == 6 ? break_rule : do_nothing);
}

static const struct scenario good = {
    .name = "good",
    .summary = "nothing fails",
    .build = build_good,
};

static const struct scenario rule = {
    .name = "rule",
    .summary = "a program breaks a rule",
    .build = build_rule,
};

static const struct scenario assertion = {
    .name = "assertion",
    .summary = "an assertion fails",
    .build = build_assertion,
};

static const struct scenario segfault = {
    .name = "segfault",
    .summary = "a program touches what is not there",
    .build = build_segfault,
};

static const struct scenario leaves = {
    .name = "exit",
    .summary = "a program ends the process",
    .build = build_exit,
};

static const struct scenario hangs = {
    .name = "hang",
    .summary = "a program never gives way",
    .build = build_hang,
};

static const struct scenario standstill = {
    .name = "standstill",
    .summary = "a task waits for what nothing brings",
    .state_size_bytes = sizeof(struct waiter),
    .build = build_standstill,
};

static const struct scenario endless = {
    .name = "endless",
    .summary = "a task does not end within its time",
    .state_size_bytes = sizeof(struct waiter),
    .deadline_ns = INT64_C(60000000000),
    .build = build_endless,
};

static const struct scenario check = {
    .name = "check",
    .summary = "what is checked at the end is wrong",
    .build = build_good,
    .check = check_fails,
};

static const struct scenario some = {
    .name = "some",
    .summary = "every sixteenth seed fails",
    .build = build_some,
};

static const struct scenario variants = {
    .name = "variants",
    .summary = "the seventh of ten worlds fails",
    .build = build_variant,
    .worlds = run_variants,
};

const struct scenario *const scenarios[] = {
    &good,       &rule,    &assertion, &segfault, &leaves,   &hangs,
    &standstill, &endless, &check,     &some,     &variants,
};

const size_t scenario_count = sizeof scenarios / sizeof scenarios[0];
