/* SPDX-License-Identifier: MIT */
/*
 * Worlds: programs and their scheduler, the clock, scripts, and the system that programs see.
 *
 * The scheduler runs on the fiber of weir_sim_run's caller. Each round it fires what is due, and
 * goes to one of the programs that are ready, which the seed chooses. When none is, the clock
 * jumps.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/loop.h>
#include <weir/run.h>

#include "kernel.h"

enum {
    STACK_BYTES = 256 * 1024,
    STEPS_MAX = 50 * 1000 * 1000,
    BEGIN_NS = 1000 * 1000 * 1000, /* Not 0: no deadline lies before the clock's beginning. */
    READ_CLOCK_NS = 25,
    TURN_NS_MAX = 2000, /* What a program's turn takes, at most. */
    PREEMPTION_MAX = 300,
    STALL_NS = 20 * 1000 * 1000,
    INTERLEAVE_NS = 20,
    SLICE_NS = 200 * 1000, /* The longest turn, if others wait. */
};

_Thread_local weir_sim *weir_sim_running;

/* Programs. */

static void interleave(void)
{
    weir_sim_interleave(weir_sim_running);
}

static void begin(void *argument)
{
    sim_program *program = argument;
    weir_sim *sim = program->sim;

    weir_sim_trace(sim, SIM_PROGRAM_BEGINS, -1, 0);
    program->main(program->argument);
    weir_sim_trace(sim, SIM_PROGRAM_ENDS, -1, 0);
    program->state = SIM_PROGRAM_ENDED;
    weir_sys_fiber_leave(program->fiber, sim->fiber);
}

static void *grow(void *array, size_t *capacity, size_t element)
{
    *capacity = *capacity ? 2 * *capacity : 16;
    array = realloc(array, *capacity * element);
    WEIR_ASSERT(array, "the memory of a world is not exhausted");
    return array;
}

/* Both arrays have room for every program. */
static void add_program(weir_sim *sim, sim_program *program)
{
    if (sim->program_count == sim->program_capacity) {
        size_t capacity = sim->program_capacity;

        sim->programs = grow(sim->programs, &capacity, sizeof *sim->programs);
        sim->ready = grow(sim->ready, &sim->program_capacity, sizeof *sim->ready);
    }
    program->index = (unsigned)sim->program_count;
    sim->programs[sim->program_count++] = program;
    sim->live_count++;
}

static void push_ready(weir_sim *sim, sim_program *program)
{
    program->state = SIM_PROGRAM_READY;
    sim->ready[sim->ready_count++] = program;
}

sim_program *weir_sim_program_start(weir_sim_host *host, const char *name,
                                    weir_sim_program_fn *main, void *argument)
{
    weir_sim *sim = host->sim;
    sim_program *program = weir_sim_allocate(sizeof *program);

    WEIR_ASSERT(name && main, "a program has a name and a function");
    program->sim = sim;
    program->host = host;
    program->name = name;
    program->main = main;
    program->argument = argument;
    program->thread.identity = program;
    program->thread.interleave = interleave;
    program->thread.world = &weir_sim_world;
    program->thread.report = weir_sim_report_assertion;
    program->fiber = weir_sys_fiber_new(STACK_BYTES, begin, program);
    WEIR_ASSERT(program->fiber, "there is memory for the stack of a program");
    add_program(sim, program);
    push_ready(sim, program);
    return program;
}

void weir_sim_start(weir_sim_host *host, const char *name, weir_sim_program_fn *main,
                    void *argument)
{
    (void)weir_sim_program_start(host, name, main, argument);
}

static void run_task(void *argument)
{
    weir_loop *loop;
    int error = weir_loop_new(NULL, &loop);

    WEIR_ASSERT(error == 0, "a simulated loop can always be made");
    (void)weir_run(loop, argument);
    weir_loop_run(loop);
    weir_loop_free(loop);
}

void weir_sim_start_task(weir_sim_host *host, const char *name, weir_task *main)
{
    WEIR_ASSERT(main, "a program that runs a task has one");
    (void)weir_sim_program_start(host, name, run_task, main);
}

void weir_sim_program_ready(sim_program *program)
{
    if (program->state == SIM_PROGRAM_BLOCKED)
        push_ready(program->sim, program);
}

void weir_sim_program_drop(sim_program *program)
{
    weir_sim *sim = program->sim;
    size_t i;

    for (i = 0; i < sim->ready_count; i++) {
        if (sim->ready[i] == program) {
            sim->ready[i] = sim->ready[--sim->ready_count];
            break;
        }
    }
    weir_sim_agenda_clear(&sim->agenda, &program->stall);
    program->state = SIM_PROGRAM_ENDED;
    program->is_joinable = false;
    sim->live_count--;
    weir_sys_fiber_free(program->fiber);
    program->fiber = NULL;
}

/* What a program must not leave behind. */
static void check_end(weir_sim *sim, const sim_program *program)
{
    bool is_last = true;
    weir_list_node *node;
    size_t i;

    for (node = weir_list_first(&sim->kernels); node; node = weir_list_next(&sim->kernels, node))
        SIM_CHECK(sim, WEIR_CONTAINER_OF(node, sim_kernel, link)->opener != program,
                  "a program that ends has freed its loops");
    for (i = 0; i < sim->program_count; i++) {
        const sim_program *other = sim->programs[i];

        if (other->host == program->host && other->state != SIM_PROGRAM_ENDED)
            is_last = false;
        SIM_CHECK(sim, sim->live_count > 0 || !other->is_joinable,
                  "the last program ends when all threads have been joined");
    }
    SIM_CHECK(sim, !is_last || program->host->descriptor_count == 0,
              "the last program of a host has closed its descriptors");
    SIM_CHECK(sim, sim->live_count > 0 || sim->frames.live_count == 0,
              "the last program has released its frames");
}

static void end_program(weir_sim *sim, sim_program *program)
{
    size_t i;

    sim->live_count--;
    weir_sys_fiber_free(program->fiber);
    program->fiber = NULL;
    for (i = 0; i < sim->program_count; i++) {
        if (sim->programs[i]->object == program)
            weir_sim_program_ready(sim->programs[i]); /* It joins. */
    }
    check_end(sim, program);
}

/* The scheduler. */

static void go_to(weir_sim *sim, sim_program *program)
{
    sim->running = program;
    program->state = SIM_PROGRAM_RUNNING;
    sim->switches++;
    sim_spend(sim, sim_random_between(&sim->random, 50, TURN_NS_MAX));
    sim->slice_end_ns = sim->now_ns + SLICE_NS;
    weir_sim_trace(sim, SIM_SWITCH, -1, 0);
    sim->thread = weir_thread;
    weir_thread = program->thread;
    weir_sys_fiber_switch(sim->fiber, program->fiber);
    program->thread = weir_thread;
    weir_thread = sim->thread;
    sim->running = NULL;
    if (program->state == SIM_PROGRAM_ENDED)
        end_program(sim, program);
}

static void leave(weir_sim *sim)
{
    weir_sys_fiber_switch(sim->running->fiber, sim->fiber);
}

void weir_sim_yield(weir_sim *sim)
{
    if (!sim->running)
        return;
    push_ready(sim, sim->running);
    leave(sim);
}

void weir_sim_block(weir_sim *sim, const char *waits_for, const void *object)
{
    sim_program *program = sim->running;

    WEIR_ASSERT(program, "only a program waits");
    program->state = SIM_PROGRAM_BLOCKED;
    program->waits_for = waits_for;
    program->object = object;
    leave(sim);
    program->object = NULL;
}

static sim_program *pick(weir_sim *sim)
{
    size_t place = sim_random_below(&sim->random, sim->ready_count);
    sim_program *program = sim->ready[place];

    sim->ready[place] = sim->ready[--sim->ready_count];
    return program;
}

/* Stalls: something else has the processor. */

static void stall_fired(sim_alarm *alarm)
{
    sim_program *program = WEIR_CONTAINER_OF(alarm, sim_program, stall);

    push_ready(program->sim, program);
}

static bool stalls(weir_sim *sim, sim_program *program)
{
    if (!weir_sim_fault_at(program->host, sim->options.faults.stalled_program,
                           SIM_FAULT_STALLED_PROGRAM))
        return false;
    sim_after(sim, &program->stall, sim_random_small(&sim->random, STALL_NS), stall_fired);
    return true;
}

static void end_stalls(weir_sim *sim)
{
    size_t i;

    for (i = 0; i < sim->program_count; i++) {
        sim_program *program = sim->programs[i];

        if (!sim_alarm_is_set(&program->stall))
            continue;
        weir_sim_agenda_clear(&sim->agenda, &program->stall);
        push_ready(sim, program);
    }
}

/* Whether something is due before a program goes on. */
static bool is_something_due(const weir_sim *sim)
{
    const sim_alarm *first = weir_sim_agenda_first(&sim->agenda);

    return (first && first->at_ns <= sim->now_ns) || sim->trace.count >= sim->script_step;
}

void weir_sim_interleave(weir_sim *sim)
{
    if (!sim->running)
        return;
    sim_spend(sim, INTERLEAVE_NS);
    if (is_something_due(sim) || sim->now_ns >= sim->slice_end_ns ||
        sim_random_chance(&sim->random, sim->preemption))
        weir_sim_yield(sim);
}

void weir_sim_run_one(weir_sim *sim)
{
    if (sim->ready_count == 0)
        end_stalls(sim);
    SIM_CHECK(sim, sim->ready_count > 0, "a script waits for what a program can bring");
    go_to(sim, pick(sim));
}

static void fire_due(weir_sim *sim)
{
    sim_alarm *first;

    while ((first = weir_sim_agenda_first(&sim->agenda)) && first->at_ns <= sim->now_ns) {
        weir_sim_agenda_clear(&sim->agenda, first);
        first->fired(first);
    }
}

/* Scripts. */

struct script {
    sim_alarm alarm;
    weir_list_node link; /* weir_sim.scripts. */
    weir_sim *sim;
    uint64_t step; /* UINT64_MAX: it waits for its alarm. */
    weir_sim_script_fn *function;
    void *argument;
};

static void call_script(struct script *script)
{
    weir_sim *sim = script->sim;

    weir_list_remove(&script->link);
    weir_sim_trace(sim, SIM_SCRIPT, -1, 0);
    script->function(sim, script->argument);
    free(script);
}

static void script_fired(sim_alarm *alarm)
{
    call_script(WEIR_CONTAINER_OF(alarm, struct script, alarm));
}

static struct script *script_of(weir_list_node *node)
{
    return WEIR_CONTAINER_OF(node, struct script, link);
}

/* The first step that a script waits for. */
static void find_script_step(weir_sim *sim)
{
    weir_list_node *node;

    sim->script_step = UINT64_MAX;
    for (node = weir_list_first(&sim->scripts); node; node = weir_list_next(&sim->scripts, node)) {
        if (script_of(node)->step < sim->script_step)
            sim->script_step = script_of(node)->step;
    }
}

static void call_scripts_due(weir_sim *sim)
{
    while (sim->trace.count >= sim->script_step) {
        weir_list_node *node = weir_list_first(&sim->scripts);

        while (script_of(node)->step != sim->script_step)
            node = weir_list_next(&sim->scripts, node);
        call_script(script_of(node));
        find_script_step(sim);
    }
}

static struct script *add_script(weir_sim *sim, weir_sim_script_fn *function, void *argument)
{
    struct script *script = weir_sim_allocate(sizeof *script);

    WEIR_ASSERT(function, "a script has a function");
    script->sim = sim;
    script->step = UINT64_MAX;
    script->function = function;
    script->argument = argument;
    weir_list_push(&sim->scripts, &script->link);
    return script;
}

void weir_sim_at(weir_sim *sim, int64_t at_ns, weir_sim_script_fn *function, void *argument)
{
    struct script *script = add_script(sim, function, argument);

    WEIR_ASSERT(at_ns <= SIM_TIME_MAX_NS, "a script comes within 73 years");
    weir_sim_agenda_set(&sim->agenda, &script->alarm, at_ns, sim_random_next(&sim->random),
                        script_fired);
}

void weir_sim_at_step(weir_sim *sim, uint64_t step, weir_sim_script_fn *function, void *argument)
{
    add_script(sim, function, argument)->step = step;
    find_script_step(sim);
}

static void free_scripts(weir_sim *sim)
{
    weir_list_node *node;

    while ((node = weir_list_first(&sim->scripts))) {
        weir_list_remove(node);
        free(script_of(node));
    }
}

/* Running. */

/* The clock goes to the next event. Returns why it cannot, or 0. */
static int jump(weir_sim *sim, int64_t until_ns)
{
    const sim_alarm *first = weir_sim_agenda_first(&sim->agenda);

    if (!first)
        return -EDEADLK;
    if (first->at_ns >= until_ns) {
        if (sim->now_ns < until_ns) /* A turn may have taken it beyond that. */
            sim->now_ns = until_ns;
        return WEIR_TIMED_OUT;
    }
    sim->now_ns = first->at_ns;
    return 0;
}

static void go_on(weir_sim *sim)
{
    sim_program *program = pick(sim);

    if (!stalls(sim, program))
        go_to(sim, program);
}

/* A script may crash the last host that has programs: then the world has ended. */
static int run(weir_sim *sim, int64_t until_ns)
{
    int error = 0;

    while (sim->live_count > 0 && !error) {
        call_scripts_due(sim);
        fire_due(sim);
        weir_sim_kernel_look_at_wakes(sim);
        if (sim->live_count == 0)
            break;
        if (sim->ready_count == 0)
            error = jump(sim, until_ns);
        else if (sim->now_ns >= until_ns)
            error = WEIR_TIMED_OUT;
        else
            go_on(sim);
    }
    return error;
}

int weir_sim_run(weir_sim *sim, int64_t until_ns)
{
    struct weir_thread outer = weir_thread;
    weir_sim *outer_sim = weir_sim_running;
    int error;

    WEIR_ASSERT(!sim->running && !weir_thread.world, "a world is not run from within one");
    sim->fiber = weir_sys_fiber_adopt();
    WEIR_ASSERT(sim->fiber, "there is memory for the scheduler");
    weir_sim_running = sim;
    weir_thread = (struct weir_thread){
        .identity = sim, .world = &weir_sim_world, .report = weir_sim_report_assertion};
    error = run(sim, until_ns);
    weir_thread = outer;
    weir_sim_running = outer_sim;
    weir_sys_fiber_free(sim->fiber);
    sim->fiber = NULL;
    return error;
}

/* Life. */

weir_sim *weir_sim_new(const weir_sim_options *options)
{
    weir_sim *sim = weir_sim_allocate(sizeof *sim);

    if (options)
        sim->options = *options;
    if (!sim->options.steps_max)
        sim->options.steps_max = STEPS_MAX;
    sim->random.state = sim->options.seed;
    sim->user_random.state = sim_random_next(&sim->random);
    sim->preemption = 1 + (unsigned)sim_random_below(&sim->random, PREEMPTION_MAX);
    sim->now_ns = BEGIN_NS;
    sim->network.sim = sim;
    sim->script_step = UINT64_MAX;
    weir_list_init(&sim->kernels);
    weir_list_init(&sim->scripts);
    weir_sim_frames_init(&sim->frames, sim);
    return sim;
}

/* Programs that have not ended take their loops with them. */
static void end_programs(weir_sim *sim)
{
    unsigned i;

    for (i = 0; i < sim->network.host_count && sim->live_count > 0; i++)
        weir_sim_host_crash(sim->network.hosts[i]);
}

static void free_programs(weir_sim *sim)
{
    size_t i;

    for (i = 0; i < sim->program_count; i++)
        free(sim->programs[i]);
}

void weir_sim_free(weir_sim *sim)
{
    if (!sim)
        return;
    WEIR_ASSERT(weir_sim_running != sim, "a world is not destroyed from within");
    end_programs(sim);
    weir_sim_frames_fini(&sim->frames);
    weir_sim_network_fini(&sim->network);
    free_scripts(sim);
    free_programs(sim);
    free(sim->programs);
    free(sim->ready);
    weir_sim_agenda_fini(&sim->agenda);
    free(sim);
}

/* Asking. */

weir_sim *weir_sim_current(void)
{
    return weir_sim_running;
}

uint64_t weir_sim_random(weir_sim *sim)
{
    return sim_random_next(&sim->user_random);
}

uint64_t weir_sim_random_below(weir_sim *sim, uint64_t bound)
{
    WEIR_ASSERT(bound > 0, "a number is below a bound that is not 0");
    return sim_random_below(&sim->user_random, bound);
}

weir_sim_outcome weir_sim_outcome_get(const weir_sim *sim)
{
    return (weir_sim_outcome){
        .hash = sim->trace.hash,
        .steps = sim->trace.count,
        .time_ns = sim->now_ns,
        .switches = sim->switches,
        .operations = sim->operations,
        .connections = sim->network.connections,
        .bytes = sim->network.bytes,
        .faults = sim->faults,
    };
}

/* The system that programs see. */

static int64_t now_ns(void)
{
    sim_spend(weir_sim_running, READ_CLOCK_NS);
    return weir_sim_running->now_ns;
}

/* A script that spins waits for a program. */
static void yield(void)
{
    if (weir_sim_running->running)
        weir_sim_yield(weir_sim_running);
    else
        weir_sim_run_one(weir_sim_running);
}

static weir_memory *frames(void)
{
    return &weir_sim_running->frames.memory;
}

const struct weir_sys_world weir_sim_world = {
    .now_ns = now_ns,
    .yield = yield,
    .thread_start = weir_sim_thread_start,
    .thread_join = weir_sim_thread_join,
    .mutex_init = weir_sim_mutex_init,
    .mutex_fini = weir_sim_mutex_fini,
    .mutex_lock = weir_sim_mutex_lock,
    .mutex_unlock = weir_sim_mutex_unlock,
    .condition_init = weir_sim_condition_init,
    .condition_fini = weir_sim_condition_fini,
    .condition_wait = weir_sim_condition_wait,
    .condition_wake = weir_sim_condition_wake,
    .backend = &weir_sim_backend,
    .frames = frames,
};
