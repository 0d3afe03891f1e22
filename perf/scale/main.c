/* SPDX-License-Identifier: MIT */
/*
 * weir-scale: open many idle connections, say what they cost, and what they do to active ones.
 *
 *      weir-scale [--connections N] [--active N] [--seconds S] [--rate R]
 *                 [--per-loop N] [--floor GIB]
 *
 * Prints how far it got and what stopped it, the memory of a connection in the processes and in the
 * kernel, and the latency of the active connections without the idle ones and among them.
 *
 * Exit status: that of the enum below.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scale.h"

enum {
    STATUS_OK = 0,
    STATUS_ERROR = 1,
    STATUS_USAGE = 2,
    STATUS_FEWER = 3, /* There is a report, of fewer connections than were asked for. */
};

static const double SETTLE_S = 1.0; /* Delayed acknowledgements, and what they hold. */
static const double PATIENCE_S = 120.0;

uint32_t weir_scale_address(unsigned loop, unsigned door)
{
    return htonl(0x7f010001u + (loop << 8) + door);
}

int64_t weir_scale_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

uint64_t weir_scale_accepted(const weir_scale_shared *shared, unsigned loop_count)
{
    uint64_t sum = 0;
    unsigned i;

    for (i = 0; i < loop_count; i++)
        sum += __atomic_load_n(&shared->loops[i].accepted, __ATOMIC_RELAXED);
    return sum;
}

uint64_t weir_scale_ended(const weir_scale_shared *shared, unsigned loop_count)
{
    uint64_t sum = 0;
    unsigned i;

    for (i = 0; i < loop_count; i++)
        sum += __atomic_load_n(&shared->loops[i].ended, __ATOMIC_RELAXED);
    return sum;
}

/* The run. */

struct run {
    weir_scale_options options;
    weir_scale_shared *shared;
    unsigned loop_count;
    pid_t server;
    weir_scale_crowd *crowd;
    weir_scale_active *active;
    weir_scale_memory before; /* With the active connections and empty tables. */
    weir_scale_memory after;  /* With the idle ones. */
    weir_scale_latency alone;
    weir_scale_latency among;
    unsigned open;
    double opening_s;
    double closing_s;
    char why_stopped[128];
};

static void stop_server(const struct run *run)
{
    (void)kill(run->server, SIGKILL);
    (void)waitpid(run->server, NULL, 0);
}

_Noreturn static void die(struct run *run, const char *what, const char *why)
{
    fprintf(stderr, "weir-scale: %s: %s\n", what, why);
    if (run)
        stop_server(run);
    exit(STATUS_ERROR);
}

static void sleep_s(double seconds)
{
    struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    (void)nanosleep(&pause, NULL);
}

static double seconds_since(int64_t start_ns)
{
    return (double)(weir_scale_now_ns() - start_ns) / 1e9;
}

/* The largest table is as large as the limit of descriptors. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static unsigned table_size(const struct run *run)
{
    return run->options.per_loop + run->options.active / run->loop_count + 1 + WEIR_SCALE_DOORS;
}

static void start_server(struct run *run)
{
    run->shared =
        mmap(NULL, sizeof *run->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run->shared == MAP_FAILED)
        die(NULL, "memory to share", strerror(errno));
    run->server = fork();
    if (run->server < 0)
        die(NULL, "fork", strerror(errno));
    if (run->server == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        weir_scale_serve(run->shared, run->loop_count, table_size(run));
    }
    while (__atomic_load_n(&run->shared->ready_count, __ATOMIC_ACQUIRE) < run->loop_count) {
        int error = __atomic_load_n(&run->shared->error, __ATOMIC_ACQUIRE);

        if (error)
            die(run, "the server", strerror(-error));
        if (waitpid(run->server, NULL, WNOHANG) == run->server)
            die(NULL, "the server", "has ended");
        sleep_s(0.001);
    }
}

static void wait_for_accepts(struct run *run, uint64_t count)
{
    int64_t start_ns = weir_scale_now_ns();

    while (weir_scale_accepted(run->shared, run->loop_count) < count &&
           seconds_since(start_ns) < PATIENCE_S)
        sleep_s(0.001);
}

static void open_active(struct run *run)
{
    run->active = weir_scale_active_new(run->shared, run->loop_count, run->options.active);
    if (!run->active)
        die(run, "an active connection", strerror(errno));
    wait_for_accepts(run, run->options.active);
}

static void speak(struct run *run, weir_scale_latency *ret_latency)
{
    int error =
        weir_scale_active_run(run->active, run->options.rate, run->options.seconds, ret_latency);

    if (error)
        die(run, "an active connection", strerror(-error));
}

static void open_idle(struct run *run)
{
    int64_t start_ns = weir_scale_now_ns();

    run->open = weir_scale_crowd_open(run->crowd, run->shared, &run->options, run->why_stopped,
                                      sizeof run->why_stopped);
    wait_for_accepts(run, (uint64_t)run->options.active + run->open);
    run->opening_s = seconds_since(start_ns);
}

static void close_idle(struct run *run)
{
    int64_t start_ns = weir_scale_now_ns();

    weir_scale_crowd_free(run->crowd);
    while (weir_scale_ended(run->shared, run->loop_count) < run->open &&
           seconds_since(start_ns) < PATIENCE_S)
        sleep_s(0.01);
    run->closing_s = seconds_since(start_ns);
}

/* The report. */

static double per_connection(const struct run *run, uint64_t after, uint64_t before)
{
    return run->open > 0 ? ((double)after - (double)before) / run->open : 0;
}

static uint64_t bytes_of_slab(const weir_scale_memory *memory, const char *name)
{
    unsigned i;

    for (i = 0; i < memory->slab_count; i++) {
        if (strcmp(memory->slabs[i].name, name) == 0)
            return memory->slabs[i].bytes;
    }
    return 0;
}

/* Those that make a difference. */
static void print_slabs(const struct run *run)
{
    unsigned i;

    for (i = 0; i < run->after.slab_count; i++) {
        const weir_scale_slab *slab = &run->after.slabs[i];
        double bytes = per_connection(run, slab->bytes, bytes_of_slab(&run->before, slab->name));

        if (bytes >= 16)
            printf("    %-28s %8.0f\n", slab->name, bytes);
    }
}

static void print_latency(const char *when, const weir_scale_latency *latency)
{
    printf("  %-18s p50 %8.0f us   p99 %8.0f us   p99.9 %8.0f us   max %8.0f us   %" PRIu64
           " messages, %" PRIu64 " not sent\n",
           when, latency->p50_us, latency->p99_us, latency->p999_us, latency->max_us,
           latency->messages, latency->missing);
}

static void report(const struct run *run)
{
    const weir_scale_memory *before = &run->before;
    const weir_scale_memory *after = &run->after;

    printf("opened %u idle connections beside %u active ones in %.1f s, %.0f a second\n", run->open,
           run->options.active, run->opening_s, run->open / run->opening_s);
    printf("stopped by %s\n", *run->why_stopped ? run->why_stopped : "nothing: all are open");
    printf("server: %u loops, a table of %u direct descriptors each; a session is %u bytes\n",
           run->loop_count, run->shared->table_size, run->shared->session_bytes);
    printf("\nbytes an idle connection\n");
    printf("  %-30s %8.0f\n", "server, resident",
           per_connection(run, after->server, before->server));
    printf("  %-30s %8.0f\n", "client, resident",
           per_connection(run, after->client, before->client));
    printf("  %-30s %8.0f\n", "kernel, both ends: slabs",
           per_connection(run, after->slab, before->slab));
    print_slabs(run);
    printf("  %-30s %8.0f\n", "kernel: queued segments",
           per_connection(run, after->tcp_bytes, before->tcp_bytes));
    printf("  %-30s %8.0f\n", "all: memory no longer free",
           per_connection(run, before->free, after->free));
    printf("\n%u active connections, %d bytes %.0f times a second each\n", run->options.active,
           WEIR_SCALE_MESSAGE_BYTES, run->options.rate);
    print_latency("alone", &run->alone);
    print_latency("among the idle", &run->among);
    printf("\nclosed in %.1f s\n", run->closing_s);
}

/* The command line. */

static const char usage[] =
    "usage: weir-scale [OPTION...]\n"
    "\n"
    "Open idle connections to a server of weir's on this machine, as many as it carries,\n"
    "and print how many there are and what stopped it, what one costs in the processes and\n"
    "in the kernel, and what they do to the latency of a few that send.\n"
    "\n"
    "  --connections N  idle connections to open (100000)\n"
    "  --active N       connections that send 64 bytes now and then (1000)\n"
    "  --rate R         messages a second over each of these (10)\n"
    "  --seconds S      of measuring them, before the idle ones are open and after (3)\n"
    "  --per-loop N     at most so many connections a loop of the server (as many as the\n"
    "                   limit of open files allows, up to 40000)\n"
    "  --floor GIB      open no more when less memory is available (2)\n"
    "  --help           print this\n"
    "\n"
    "A million connections need about 10 GB of memory. The idle ones need io_uring.\n"
    "\n"
    "Exit status: 0 when all are open; 3 when something stopped it before, and the report\n"
    "says what; 1 for an error without a report; 2 for wrong arguments.\n";

static double parse(const char *option, const char *value, double min, double max)
{
    char *end;
    double number = strtod(value, &end);

    if (end == value || *end || !(number >= min && number <= max)) {
        fprintf(stderr, "weir-scale: %s: '%s': expected %.10g to %.10g\n", option, value, min, max);
        exit(STATUS_USAGE);
    }
    return number;
}

static void parse_option(weir_scale_options *options, const char *option, const char *value)
{
    if (strcmp(option, "--connections") == 0)
        options->connections = (unsigned)parse(option, value, 1, 4e6);
    else if (strcmp(option, "--active") == 0)
        options->active = (unsigned)parse(option, value, 1, WEIR_SCALE_ACTIVE_MAX);
    else if (strcmp(option, "--per-loop") == 0)
        options->per_loop = (unsigned)parse(option, value, 1, WEIR_SCALE_TABLE_MAX);
    else if (strcmp(option, "--seconds") == 0)
        options->seconds = parse(option, value, 0.1, 3600);
    else if (strcmp(option, "--rate") == 0)
        options->rate = parse(option, value, 0.1, 10000);
    else if (strcmp(option, "--floor") == 0)
        options->floor_gib = parse(option, value, 0, 1024);
    else {
        fprintf(stderr, "weir-scale: '%s': no such option (see --help)\n", option);
        exit(STATUS_USAGE);
    }
}

static void parse_options(weir_scale_options *options, int argc, char **argv)
{
    int i;

    *options = (weir_scale_options){.connections = 100000,
                                    .active = 1000,
                                    .per_loop = 0,
                                    .seconds = 3,
                                    .rate = 10,
                                    .floor_gib = 2};
    for (i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0)
            exit(fputs(usage, stdout) < 0 || fflush(stdout) != 0 ? STATUS_ERROR : STATUS_OK);
        parse_option(options, argv[i], i + 1 < argc ? argv[i + 1] : "");
    }
}

/* How many idle connections a loop holds, of so many: the rest of its table is for active ones, and
 * for accepts that wait. */
static unsigned idle_places(const struct run *run, unsigned table_max, unsigned loop_count)
{
    unsigned others = run->options.active / loop_count + 1 + WEIR_SCALE_DOORS;

    return others < table_max ? table_max - others : 0;
}

/* As few loops as hold them all. */
static void choose_loops(struct run *run)
{
    struct rlimit limit = {.rlim_cur = 1024};
    unsigned most;

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    most = limit.rlim_cur < WEIR_SCALE_TABLE_MAX ? (unsigned)limit.rlim_cur : WEIR_SCALE_TABLE_MAX;
    if (run->options.per_loop > 0 && run->options.per_loop < most)
        most = run->options.per_loop;
    do {
        run->loop_count++;
        run->options.per_loop = idle_places(run, most, run->loop_count);
    } while (run->loop_count < WEIR_SCALE_LOOPS_MAX &&
             (uint64_t)run->loop_count * run->options.per_loop < run->options.connections);
    if (run->options.per_loop == 0)
        die(NULL, "the active connections", "more than the tables hold");
}

int main(int argc, char **argv)
{
    static struct run run;
    const char *why;

    parse_options(&run.options, argc, argv);
    raise_limit();
    (void)prctl(PR_SET_TIMERSLACK, 1);
    choose_loops(&run);
    start_server(&run);
    open_active(&run);
    speak(&run, &run.alone);
    run.crowd = weir_scale_crowd_new(run.loop_count, run.options.per_loop, &why);
    if (!run.crowd)
        die(&run, "rings for the idle connections", why);
    weir_scale_memory_read(&run.before, run.server);
    open_idle(&run);
    sleep_s(SETTLE_S);
    weir_scale_memory_read(&run.after, run.server);
    speak(&run, &run.among);
    close_idle(&run);
    weir_scale_active_free(run.active);
    stop_server(&run);
    report(&run);
    if (fflush(stdout) != 0 || ferror(stdout))
        die(NULL, "standard output", "not all of the report is there");
    return run.open < run.options.connections ? STATUS_FEWER : STATUS_OK;
}
