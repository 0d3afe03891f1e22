/* SPDX-License-Identifier: MIT */
/* What happened: events, the hash of all, and the report when a rule is broken. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/loop.h>

#include "kernel.h"

static const char *const names[SIM_WHAT_COUNT] = {
    [SIM_PROGRAM_BEGINS] = "begins",
    [SIM_PROGRAM_ENDS] = "ends",
    [SIM_SWITCH] = "runs",
    [SIM_SLEEP] = "sleeps",
    [SIM_WAKE] = "wakes another loop",
    [SIM_WOKEN] = "is woken",
    [SIM_OPEN] = "open",
    [SIM_LISTEN] = "listen",
    [SIM_CONNECT] = "connection request",
    [SIM_ESTABLISHED] = "connection established",
    [SIM_ACCEPTED] = "connection accepted",
    [SIM_SEGMENT] = "segment arrives",
    [SIM_END] = "end of stream arrives",
    [SIM_RESET] = "reset",
    [SIM_CLOSE] = "close",
    [SIM_SCRIPT] = "script",
    [SIM_LOCK] = "lock",
    [SIM_CONDITION] = "condition",
    [SIM_CRASH] = "crashes",
    [SIM_STARVED] = "receive finds no buffer",
};

/* By the members of weir_sim_faults. */
static const char *const fault_names[SIM_FAULT_KIND_COUNT] = {
    [SIM_FAULT_PARTIAL_TRANSFER] = "fault: partial transfer",
    [SIM_FAULT_SLOW_COMPLETION] = "fault: slow completion",
    [SIM_FAULT_SPURIOUS_WAKEUP] = "fault: spurious wakeup",
    [SIM_FAULT_LATE_CANCEL] = "fault: late cancel",
    [SIM_FAULT_MULTISHOT_END] = "fault: multishot end",
    [SIM_FAULT_TINY_QUEUES] = "fault: tiny queues",
    [SIM_FAULT_LOST_CONNECTION] = "fault: lost connection",
    [SIM_FAULT_REFUSED_CONNECTION] = "fault: refused connection",
    [SIM_FAULT_RESET_CONNECTION] = "fault: reset connection",
    [SIM_FAULT_NO_DESCRIPTORS] = "fault: no descriptors",
    [SIM_FAULT_NO_KERNEL_MEMORY] = "fault: no kernel memory",
    [SIM_FAULT_NO_FRAMES] = "fault: no frames",
    [SIM_FAULT_STALLED_PROGRAM] = "fault: stalled program",
    [SIM_FAULT_NO_BUFFERS] = "fault: no buffers",
    [SIM_FAULT_LATE_NOTIFICATION] = "fault: late notification",
};

#define PHASES(name)                                                                      \
    {                                                                                     \
        "start " name, name " at once", "cancel " name, name " completed", name " reaped" \
    }

/* By kind, then by phase. */
static const char *const operation_names[SIM_KIND_COUNT][SIM_PHASE_REAPED + 1] = {
    [SIM_ACCEPT_OPERATION] = PHASES("accept"),
    [SIM_CONNECT_OPERATION] = PHASES("connect"),
    [SIM_RECEIVE_OPERATION] = PHASES("receive"),
    [SIM_SEND_OPERATION] = PHASES("send"),
    [SIM_POLL_READ_OPERATION] = PHASES("poll for reading"),
    [SIM_POLL_WRITE_OPERATION] = PHASES("poll for writing"),
    [SIM_CLOSE_OPERATION] = PHASES("close"),
    [SIM_RECEIVE_LENT_OPERATION] = PHASES("lent receive"),
    [SIM_SEND_ZERO_COPY_OPERATION] = PHASES("send without a copy"),
};

static void hash(struct weir_sim_trace *trace, uint64_t word)
{
    trace->hash = ((trace->hash << 7 | trace->hash >> 57) ^ word) * UINT64_C(0x9fb21c651e98df25);
}

static void print_value(FILE *stream, int64_t value)
{
    if (value < 0)
        fprintf(stream, ": %s", weir_error_name((int)value));
    else
        fprintf(stream, ": %" PRId64, value);
}

static void print(FILE *stream, const weir_sim_event *event)
{
    enum { WHO_COLUMNS = 20 };
    int columns;

    fprintf(stream, "%8" PRIu64 " %4" PRId64 ".%09" PRId64 " ", event->step,
            event->time_ns / 1000000000, event->time_ns % 1000000000);
    columns = fprintf(stream, "%s%s%s", event->host, event->program[0] ? "/" : "", event->program);
    fprintf(stream, "%*s %s", columns < WHO_COLUMNS ? WHO_COLUMNS - columns : 0, "", event->what);
    if (event->descriptor >= 0)
        fprintf(stream, ", descriptor %" PRId64, event->descriptor);
    if (event->descriptor >= 0 || event->value != 0)
        print_value(stream, event->value);
    fprintf(stream, "\n");
}

/* What happens on another host than the running program's is not the program's. */
static void record(weir_sim *sim, const weir_sim_host *host, uint64_t number, const char *what,
                   int64_t descriptor, int64_t value)
{
    struct weir_sim_trace *trace = &sim->trace;
    weir_sim_event *event = &trace->last[trace->count % SIM_LAST_EVENTS];

    event->step = trace->count++;
    event->time_ns = sim->now_ns;
    event->host = host ? host->name : "";
    event->program = sim->running && sim->running->host == host ? sim->running->name : "";
    event->what = what;
    event->descriptor = descriptor;
    event->value = value;
    hash(trace, (uint64_t)event->time_ns);
    hash(trace, number << 32 | (sim->running ? sim->running->index + 1 : 0));
    hash(trace, (uint64_t)descriptor);
    hash(trace, (uint64_t)value);
    if (sim->options.trace)
        print(sim->options.trace, event);
    if (sim->options.observe)
        sim->options.observe(event, sim->options.user);
    SIM_CHECK(sim, trace->count < sim->options.steps_max,
              "a world ends within its steps: is something busy for ever?");
}

/* Where the running program is; NULL: none runs. */
static const weir_sim_host *running_host(const weir_sim *sim)
{
    return sim->running ? sim->running->host : NULL;
}

void weir_sim_trace(weir_sim *sim, enum sim_what what, int64_t descriptor, int64_t value)
{
    record(sim, running_host(sim), (uint64_t)what, names[what], descriptor, value);
}

void weir_sim_trace_at(const weir_sim_host *host, enum sim_what what, int64_t descriptor,
                       int64_t value)
{
    record(host->sim, host, (uint64_t)what, names[what], descriptor, value);
}

void weir_sim_trace_fault(weir_sim *sim, const weir_sim_host *host, enum sim_fault_kind kind)
{
    record(sim, host ? host : running_host(sim), 500 + (uint64_t)kind, fault_names[kind], -1, 0);
}

void weir_sim_trace_operation(const sim_operation *operation, enum sim_phase phase, int64_t value)
{
    const sim_kernel *kernel = operation->kernel;
    uint64_t number = 1000 + 100 * (uint64_t)operation->kind + (uint64_t)phase;

    record(kernel->sim, sim_kernel_host(kernel), number, operation_names[operation->kind][phase],
           operation->attached ? operation->attached->descriptor : -1, value);
}

/* Reports. */

static void report_programs(weir_sim *sim, FILE *stream)
{
    static const char *const states[] = {
        [SIM_PROGRAM_READY] = "is ready",
        [SIM_PROGRAM_RUNNING] = "runs",
        [SIM_PROGRAM_BLOCKED] = "waits for ",
        [SIM_PROGRAM_ENDED] = "has ended",
    };
    size_t i;

    fprintf(stream, "\nPrograms:\n");
    for (i = 0; i < sim->program_count; i++) {
        const sim_program *program = sim->programs[i];

        fprintf(stream, "  %s on %s %s%s\n", program->name, program->host->name,
                states[program->state],
                program->state == SIM_PROGRAM_BLOCKED ? program->waits_for : "");
    }
}

static void report_tasks(weir_sim *sim, FILE *stream)
{
    weir_list_node *node;

    for (node = weir_list_first(&sim->kernels); node; node = weir_list_next(&sim->kernels, node)) {
        sim_kernel *kernel = WEIR_CONTAINER_OF(node, sim_kernel, link);

        fprintf(stream, "\nTasks of the loop of %s on %s:\n", kernel->opener->name,
                kernel->opener->host->name);
        (void)weir_loop_dump(kernel->loop, stream);
    }
}

static void report_events(const struct weir_sim_trace *trace, FILE *stream)
{
    enum { SHOWN = 60 };
    uint64_t step = trace->count > SHOWN ? trace->count - SHOWN : 0;

    fprintf(stream, "\nThe last events:\n");
    for (; step < trace->count; step++)
        print(stream, &trace->last[step % SIM_LAST_EVENTS]);
}

void weir_sim_report(weir_sim *sim, FILE *stream)
{
    report_events(&sim->trace, stream);
    report_programs(sim, stream);
    report_tasks(sim, stream);
    fprintf(stream, "\nSeed %" PRIu64 ", step %" PRIu64 ", at %" PRId64 " ns.\n", sim->options.seed,
            sim->trace.count, sim->now_ns);
    if (sim->options.repeat)
        fprintf(stream, "To repeat it: %s\n", sim->options.repeat);
    (void)fflush(stream);
}

void weir_sim_broken(weir_sim *sim, const char *rule)
{
    weir_sim_fail(sim, "%s", rule);
}

/* A report may fail in turn. */
static void report_once(weir_sim *sim)
{
    if (!sim->is_reported) {
        sim->is_reported = true;
        weir_sim_report(sim, stderr);
    }
    weir_sim_running = NULL; /* Who catches the signal does not report it again. */
}

void weir_sim_fail(weir_sim *sim, const char *format, ...)
{
    va_list arguments;

    if (sim->options.trace)
        (void)fflush(sim->options.trace);
    fprintf(stderr, "weir-sim: broken: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    report_once(sim);
    abort();
}

void weir_sim_report_assertion(void)
{
    if (weir_sim_running)
        report_once(weir_sim_running);
}
