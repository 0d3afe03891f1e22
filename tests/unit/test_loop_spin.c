/* SPDX-License-Identifier: MIT */
/* How a loop spins, on a clock of the test's: it stands still but when it is read and when the
 * processor is offered to others. */
#include "spin.h"

#include <string.h>

#include <weir/run.h>

#include "fake_backend.h"
#include "gate.h"
#include "loop.h"
#include "sys.h"
#include "test.h"

enum { READ_NS = 500 }; /* What reading the clock takes, and the looks between two readings. */

/* The machine, of which each test has its own, for it is a process. */
static struct {
    weir_loop *loop;
    int64_t now_ns;
    int64_t offer_ns; /* How long the others keep the processor when it is offered. */
    int read_count;
    int offer_count;
    int64_t first_offer_ns;
    weir_task *task; /* What another thread posts, or NULL: nothing; */
    int64_t post_ns; /* and when. */
} machine;

static int64_t machine_now_ns(void)
{
    weir_task *task = machine.task;

    machine.read_count++;
    machine.now_ns += READ_NS;
    if (task && machine.now_ns >= machine.post_ns) {
        machine.task = NULL;
        weir_loop_post_from_signal(machine.loop, task);
    }
    return machine.now_ns;
}

static void machine_yield(void)
{
    if (machine.offer_count == 0)
        machine.first_offer_ns = machine.now_ns;
    machine.offer_count++;
    machine.now_ns += machine.offer_ns;
}

static weir_memory *machine_frames(void)
{
    return &weir_memory_heap;
}

static void machine_init(void)
{
    static struct weir_sys_world world = {
        .now_ns = machine_now_ns,
        .yield = machine_yield,
        .frames = machine_frames,
    };
    weir_loop_options options = fake_loop_options();

    options.spin_ns_max = 2 * WEIR_SPIN_PROBE_NS;
    world.backend = weir_backends[0];
    weir_thread.world = &world;
    machine.loop = fake_loop_new(&options);
}

static void machine_fini(void)
{
    weir_loop_free(machine.loop);
    weir_thread.world = NULL;
}

/* A task that waits at a gate, and one that opens it. */

struct waiter {
    weir_task task;
    struct gate gate;
    weir_root root;
    weir_task opener;
};

static weir_task *waiter_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, gate_wait(task, &self->gate));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *opener_resume(weir_task *task)
{
    gate_open(&WEIR_CONTAINER_OF(task, struct waiter, opener)->gate, 0, 0);
    return NULL;
}

static bool open_the_gate(fake_backend *fake, int64_t deadline_ns, void *user)
{
    (void)fake;
    (void)deadline_ns;
    gate_open(user, 0, 0);
    return true;
}

/* Run a task that waits once, until something is posted or the loop sleeps. */
static weir_loop_statistics wait_once(void)
{
    struct waiter waiter;

    memset(&waiter, 0, sizeof waiter);
    fake_backend_on_sleep(fake_backend_of(machine.loop), open_the_gate, &waiter.gate);
    weir_task_init(&waiter.opener, opener_resume);
    machine.task = machine.post_ns > 0 ? &waiter.opener : NULL;
    weir_task_init(&waiter.task, waiter_resume);
    weir_run_async(weir_loop_executor(machine.loop), &waiter.root, &waiter.task, NULL, NULL);
    weir_loop_run(machine.loop);
    return weir_loop_statistics_get(machine.loop);
}

WEIR_TEST(loop_spin, one_that_finds_something_soon_offers_nobody_the_processor)
{
    weir_loop_statistics statistics;

    machine_init();
    machine.post_ns = machine.now_ns + WEIR_SPIN_ALONE_NS - 2 * READ_NS;
    statistics = wait_once();

    CHECK_EQ(machine.offer_count, 0);
    CHECK_EQ(statistics.spin_hits, 1);
    CHECK_EQ(statistics.sleeps, 0);
    machine_fini();
}

WEIR_TEST(loop_spin, one_that_lasts_offers_the_processor_once_and_goes_on_if_nobody_takes_it)
{
    weir_loop_statistics statistics;
    int64_t begin_ns;

    machine_init();
    begin_ns = machine.now_ns;
    statistics = wait_once();

    CHECK_EQ(machine.offer_count, 1);
    CHECK(machine.first_offer_ns - begin_ns >= WEIR_SPIN_ALONE_NS);
    CHECK(machine.now_ns - begin_ns >= WEIR_SPIN_PROBE_NS);
    CHECK_EQ(statistics.spin_misses, 1);
    CHECK_EQ(statistics.sleeps, 1);
    machine_fini();
}

WEIR_TEST(loop_spin, one_whose_processor_is_taken_ends_and_the_loop_sleeps)
{
    weir_loop_statistics statistics;

    machine_init();
    machine.offer_ns = WEIR_SPIN_TAKEN_NS;
    statistics = wait_once();

    CHECK_EQ(machine.offer_count, 1);
    CHECK_EQ(statistics.spin_misses, 1);
    CHECK_EQ(statistics.sleeps, 1);
    machine_fini();
}

WEIR_TEST(loop_spin, the_next_sleep_comes_without_a_look)
{
    size_t peeks;

    machine_init();
    machine.offer_ns = WEIR_SPIN_TAKEN_NS;
    (void)wait_once();
    peeks = fake_backend_counts(fake_backend_of(machine.loop)).peeks;
    (void)wait_once();

    CHECK_EQ(fake_backend_counts(fake_backend_of(machine.loop)).peeks, peeks);
    CHECK_EQ(machine.offer_count, 1);
    machine_fini();
}

WEIR_TEST(loop_spin, no_clock_is_read_for_a_sleep_far_from_the_next_probe)
{
    int reads;

    machine_init();
    machine.loop->spin.budget_ns = 0;
    machine.loop->spin.probe_after = WEIR_SPIN_PROBE_AFTER_MAX;
    reads = machine.read_count;
    (void)wait_once();

    CHECK_EQ(machine.read_count, reads);
    CHECK_EQ(machine.loop->spin.short_sleeps, 1);
    machine_fini();
}
