/* SPDX-License-Identifier: MIT */
/*
 * Threads, mutexes and conditions: programs on the host of who starts them, and what they wait for.
 *
 * Nobody is queued: who waits is a program that is blocked on this object, and the seed chooses
 * among them. A mutex that is given back is up for grabs, as that of a system is: who was woken for
 * it may find it taken.
 *
 * Thread: that of the world. Scripts, which run on the world's own fiber, may lock a mutex too.
 */
#include "sim.h"

/* A mutex: who holds it (a program, or the world for a script; 0: nobody), and that it is one. A
 * condition: that it is one. */
enum { HOLDER, KIND };

enum { A_MUTEX = 0x6d757478, A_CONDITION = 0x636f6e64 };

static uint64_t self_of(const weir_sim *sim)
{
    return (uint64_t)(uintptr_t)(sim->running ? (const void *)sim->running : (const void *)sim);
}

/* Who waits. */

static bool is_waiting(const sim_program *program, const void *object)
{
    return program->state == SIM_PROGRAM_BLOCKED && program->object == object;
}

static size_t count_waiting(const weir_sim *sim, const void *object)
{
    size_t count = 0;
    size_t i;

    for (i = 0; i < sim->program_count; i++)
        count += is_waiting(sim->programs[i], object);
    return count;
}

static void wake_all(weir_sim *sim, const void *object)
{
    size_t i;

    for (i = 0; i < sim->program_count; i++) {
        if (is_waiting(sim->programs[i], object))
            weir_sim_program_ready(sim->programs[i]);
    }
}

/* One of so many, which is not 0. */
static void wake_one(weir_sim *sim, const void *object, size_t count)
{
    size_t skipped = sim_random_below(&sim->random, count);
    size_t i;

    for (i = 0; !is_waiting(sim->programs[i], object) || skipped > 0; i++)
        skipped -= is_waiting(sim->programs[i], object);
    weir_sim_program_ready(sim->programs[i]);
}

/* Threads. */

static void thread_main(void *argument)
{
    const weir_sys_thread *thread = argument;

    thread->function(thread->argument);
}

static sim_program *program_of(const weir_sys_thread *thread)
{
    return (sim_program *)(uintptr_t)thread->words[0];
}

int weir_sim_thread_start(weir_sys_thread *thread, weir_sys_thread_fn *function, void *argument)
{
    weir_sim *sim = weir_sim_running;
    sim_program *program;

    SIM_CHECK(sim, sim->running, "threads are started by programs");
    thread->function = function;
    thread->argument = argument;
    program = weir_sim_program_start(sim->running->host, "thread", thread_main, thread);
    program->is_joinable = true;
    thread->words[0] = (uint64_t)(uintptr_t)program;
    weir_sim_interleave(sim);
    return 0;
}

/* The end of a program wakes who waits for it. */
void weir_sim_thread_join(weir_sys_thread *thread)
{
    weir_sim *sim = weir_sim_running;
    sim_program *program = program_of(thread);

    SIM_CHECK(sim, program != sim->running, "a thread does not join itself");
    SIM_CHECK(sim, program->is_joinable, "a thread is joined once");
    program->is_joinable = false;
    weir_sim_interleave(sim);
    while (program->state != SIM_PROGRAM_ENDED)
        weir_sim_block(sim, "the end of a thread", program);
}

/* Mutexes. */

static void check_mutex(weir_sim *sim, const weir_sys_mutex *mutex)
{
    SIM_CHECK(sim, mutex->words[KIND] == A_MUTEX, "a mutex is used between init and fini");
}

void weir_sim_mutex_init(weir_sys_mutex *mutex)
{
    mutex->words[HOLDER] = 0;
    mutex->words[KIND] = A_MUTEX;
}

void weir_sim_mutex_fini(weir_sys_mutex *mutex)
{
    weir_sim *sim = weir_sim_running;

    check_mutex(sim, mutex);
    SIM_CHECK(sim, !mutex->words[HOLDER], "a mutex does not end while it is held");
    SIM_CHECK(sim, count_waiting(sim, mutex) == 0, "a mutex does not end while it is waited for");
    mutex->words[KIND] = 0;
}

/* A script cannot be blocked: the others go on meanwhile. */
static void wait_for(weir_sim *sim, const weir_sys_mutex *mutex)
{
    weir_sim_trace(sim, SIM_LOCK, -1, (int64_t)count_waiting(sim, mutex));
    if (sim->running)
        weir_sim_block(sim, "a mutex", mutex);
    else
        weir_sim_run_one(sim);
}

static void take(weir_sim *sim, weir_sys_mutex *mutex)
{
    while (mutex->words[HOLDER])
        wait_for(sim, mutex);
    mutex->words[HOLDER] = self_of(sim);
}

/* The last touch of the mutex. */
static void give(weir_sim *sim, weir_sys_mutex *mutex)
{
    size_t waiting = count_waiting(sim, mutex);

    mutex->words[HOLDER] = 0;
    if (waiting == 0)
        return;
    weir_sim_trace(sim, SIM_LOCK, -1, (int64_t)waiting);
    if (sim_random_chance(&sim->random, 500))
        wake_all(sim, mutex);
    else
        wake_one(sim, mutex, waiting);
}

/* Others run before it is taken, and while it is held. */
void weir_sim_mutex_lock(weir_sys_mutex *mutex)
{
    weir_sim *sim = weir_sim_running;

    check_mutex(sim, mutex);
    SIM_CHECK(sim, mutex->words[HOLDER] != self_of(sim),
              "a mutex is not locked by who holds it already");
    weir_sim_interleave(sim);
    take(sim, mutex);
    weir_sim_interleave(sim);
}

void weir_sim_mutex_unlock(weir_sys_mutex *mutex)
{
    weir_sim *sim = weir_sim_running;

    check_mutex(sim, mutex);
    SIM_CHECK(sim, mutex->words[HOLDER] == self_of(sim), "a mutex is unlocked by who holds it");
    give(sim, mutex);
    weir_sim_interleave(sim);
}

/* Conditions. */

static void check_condition(weir_sim *sim, const weir_sys_condition *condition)
{
    SIM_CHECK(sim, condition->words[KIND] == A_CONDITION,
              "a condition is used between init and fini");
}

static bool is_spurious(weir_sim *sim)
{
    return weir_sim_fault(sim, sim->options.faults.spurious_wakeup, SIM_FAULT_SPURIOUS_WAKEUP);
}

void weir_sim_condition_init(weir_sys_condition *condition)
{
    condition->words[KIND] = A_CONDITION;
}

void weir_sim_condition_fini(weir_sys_condition *condition)
{
    weir_sim *sim = weir_sim_running;

    check_condition(sim, condition);
    SIM_CHECK(sim, count_waiting(sim, condition) == 0,
              "a condition does not end while it is waited for");
    condition->words[KIND] = 0;
}

void weir_sim_condition_wait(weir_sys_condition *condition, weir_sys_mutex *mutex)
{
    weir_sim *sim = weir_sim_running;

    check_condition(sim, condition);
    check_mutex(sim, mutex);
    SIM_CHECK(sim, sim->running, "scripts do not wait");
    SIM_CHECK(sim, mutex->words[HOLDER] == self_of(sim),
              "who waits on a condition holds the mutex");
    weir_sim_trace(sim, SIM_CONDITION, -1, (int64_t)count_waiting(sim, condition));
    give(sim, mutex);
    if (is_spurious(sim))
        weir_sim_yield(sim);
    else
        weir_sim_block(sim, "a condition", condition);
    take(sim, mutex);
}

/* The last touch of the condition is before others run. A signal wakes at least one. */
void weir_sim_condition_wake(weir_sys_condition *condition, bool all)
{
    weir_sim *sim = weir_sim_running;
    size_t waiting;

    check_condition(sim, condition);
    waiting = count_waiting(sim, condition);
    if (waiting > 0) {
        weir_sim_trace(sim, SIM_CONDITION, -1, (int64_t)waiting);
        if (all || is_spurious(sim))
            wake_all(sim, condition);
        else
            wake_one(sim, condition, waiting);
    }
    weir_sim_interleave(sim);
}
