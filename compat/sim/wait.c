/* SPDX-License-Identifier: MIT */
/* Waiting: submit, block and reap; and being woken. */
#include "kernel.h"

enum {
    ENTER_NS = 300,            /* What entering the kernel costs. */
    PEEK_NS = 50,              /* And looking whether it would pay. */
    LATE_NS = 5 * 1000,        /* How late a timeout is, at most. */
    SPURIOUS_NS = 1000 * 1000, /* How soon a wait ends for nothing, at most. */
};

static void deadline_fired(sim_alarm *alarm)
{
    sim_kernel *kernel = WEIR_CONTAINER_OF(alarm, sim_kernel, deadline);

    kernel->has_ended = true;
    weir_sim_program_ready(kernel->program);
}

/* When the wait ends by itself: never early for a deadline, but for nothing at any time. */
static void set_end(sim_kernel *kernel, int64_t deadline_ns)
{
    weir_sim *sim = kernel->sim;
    int64_t end_ns = deadline_ns;
    int64_t spurious_ns;

    if (deadline_ns < WEIR_WAIT_FOREVER - LATE_NS)
        end_ns = deadline_ns + sim_random_small(&sim->random, LATE_NS);
    if (weir_sim_fault(sim, sim->options.faults.spurious_wakeup, SIM_FAULT_SPURIOUS_WAKEUP)) {
        spurious_ns = sim->now_ns + sim_random_between(&sim->random, 0, SPURIOUS_NS);
        end_ns = spurious_ns < end_ns ? spurious_ns : end_ns;
    }
    if (end_ns != WEIR_WAIT_FOREVER)
        weir_sim_agenda_set(&sim->agenda, &kernel->deadline, end_ns, sim_random_next(&sim->random),
                            deadline_fired);
}

static bool is_woken(const sim_kernel *kernel)
{
    return __atomic_load_n(&kernel->is_woken, __ATOMIC_ACQUIRE);
}

static bool has_something(const sim_kernel *kernel)
{
    return kernel->completion_count > 0 || kernel->request_count > 0 || is_woken(kernel) ||
           weir_sim_lending_can_feed(kernel);
}

static void block(sim_kernel *kernel, int64_t deadline_ns)
{
    weir_sim *sim = kernel->sim;

    weir_sim_trace(sim, SIM_SLEEP, -1, deadline_ns == WEIR_WAIT_FOREVER ? 0 : deadline_ns);
    set_end(kernel, deadline_ns);
    kernel->has_ended = false;
    kernel->is_waiting = true;
    while (!kernel->has_ended && !has_something(kernel))
        weir_sim_block(sim, "completions", kernel);
    kernel->is_waiting = false;
    weir_sim_agenda_clear(&sim->agenda, &kernel->deadline);
}

static void collect(sim_kernel *kernel)
{
    if (__atomic_exchange_n(&kernel->is_woken, 0, __ATOMIC_ACQ_REL)) {
        kernel->statistics->wakeups++;
        weir_sim_trace(kernel->sim, SIM_WOKEN, -1, 0);
    }
    weir_sim_kernel_reap(kernel);
}

void weir_sim_kernel_wait(weir_backend *backend, int64_t deadline_ns)
{
    sim_kernel *kernel = sim_kernel_of(backend);
    weir_sim *sim = kernel->sim;

    SIM_CHECK(sim, kernel->program == sim->running, "a loop waits on its own thread");
    kernel->statistics->enters++;
    sim_spend(sim, ENTER_NS);
    weir_sim_kernel_submit(kernel);
    if (deadline_ns > sim->now_ns && !has_something(kernel))
        block(kernel, deadline_ns);
    else
        weir_sim_interleave(sim);
    collect(kernel);
}

/* Epoll's way to look is to take what there is. */
bool weir_sim_kernel_peek(weir_backend *backend)
{
    sim_kernel *kernel = sim_kernel_of(backend);

    sim_spend(kernel->sim, PEEK_NS);
    weir_sim_interleave(kernel->sim);
    if (kernel->completion_count == 0 && !is_woken(kernel))
        return weir_sim_lending_can_feed(kernel);
    if (sim_random_chance(&kernel->sim->random, kernel->at_once))
        collect(kernel);
    return true;
}

/* As a message of the sender's ring goes out with its next submission, or at once. */
void weir_sim_kernel_wake(weir_backend *backend, weir_backend *sender)
{
    sim_kernel *kernel = sim_kernel_of(backend);

    if (!sender) { /* Perhaps in a signal handler. */
        sim_kernel_set_woken(kernel);
        return;
    }
    weir_sim_trace(kernel->sim, SIM_WAKE, -1, 0);
    if (sim_random_below(&kernel->sim->random, 2))
        weir_sim_kernel_queue_wake(sim_kernel_of(sender), kernel);
    else
        sim_kernel_set_woken(kernel);
}
