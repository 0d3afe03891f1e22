/* SPDX-License-Identifier: MIT */
/* The rows of the suite, its command line and its report: see suite.h. */
#include "suite.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name;
    const char *unit; /* Of what is counted. */
    unsigned parameter;
    size_t member; /* Of suite_library: what runs it. */
};

#define ROW(function, unit, parameter)                                               \
    {                                                                                \
#function "/" #parameter, unit, parameter, offsetof(suite_library, function) \
    }

static const struct row rows[] = {
    ROW(post, "tasks", 100),
    ROW(post, "tasks", 1000),
    ROW(throughput, "bytes", 1024),
    ROW(throughput, "bytes", 16384),
    ROW(throughput, "bytes", 65536),
    ROW(throughput, "bytes", 1048576),
    ROW(throughput_both, "bytes", 65536),
    ROW(pingpong_one, "operations", 64),
    ROW(pingpong, "operations", 1),
    ROW(pingpong, "operations", 64),
    ROW(pingpong, "operations", 1024),
    ROW(pairs, "operations", 4),
    ROW(pairs, "operations", 16),
    ROW(accept, "connections", 1),
    ROW(accept_burst, "connections", 100),
    ROW(timer_cancel, "timers", 1000),
    ROW(timer_fire, "timers", 1),
    ROW(timers, "timers", 10),
    ROW(timers, "timers", 1000),
    ROW(fan_out, "joins", 4),
    ROW(fan_out, "joins", 64),
    ROW(fan_out_spin, "joins", 4),
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static const struct row *find_row(const char *name)
{
    for (int i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static suite_row_fn *function_of(const suite_library *library, const struct row *row)
{
    suite_row_fn *function;

    memcpy(&function, (const char *)library + row->member, sizeof function);
    return function;
}

static int print_names(void)
{
    for (int i = 0; i < ROW_COUNT; i++)
        printf("%s\n", rows[i].name);
    return 0;
}

static int refuse(void)
{
    fprintf(stderr, "usage: %s --row NAME [--seconds S] [--warmup S] [--backend B] | --list\n",
            program_invocation_short_name);
    return 2;
}

/* 0: this is no number of seconds. */
static int64_t read_seconds(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);

    return *text && !*end && seconds > 0 && seconds < 3600 ? (int64_t)(seconds * 1e9) : 0;
}

static double percentile_us(const suite_run *run, double percentile)
{
    return (double)weir_lat_histogram_percentile(&run->laps, percentile) / 1e3;
}

static int run_row(const suite_library *library, const struct row *row, suite_run *run)
{
    const char *failure = function_of(library, row)(run);

    if (!failure && run->amount == 0)
        failure = "nothing was done in time";
    if (failure) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, row->name, failure);
        return 1;
    }
    printf(
        "{\"row\": \"%s\", \"unit\": \"%s\", \"rate\": %.3f, \"p50_us\": %.3f, \"p99_us\": %.3f}\n",
        row->name, row->unit, (double)run->amount * 1e9 / (double)run->duration_ns,
        percentile_us(run, 50), percentile_us(run, 99));
    return 0;
}

int weir_suite_main(int argc, char **argv, const suite_library *library)
{
    static const struct option names[] = {
        {"row", required_argument, NULL, 'r'},    {"seconds", required_argument, NULL, 's'},
        {"warmup", required_argument, NULL, 'w'}, {"backend", required_argument, NULL, 'b'},
        {"list", no_argument, NULL, 'l'},         {NULL, 0, NULL, 0},
    };
    static suite_run run = {.warmup_ns = 100000000, .duration_ns = 1000000000};
    const struct row *row = NULL;

    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == 'r')
            row = find_row(optarg);
        else if (option == 's')
            run.duration_ns = read_seconds(optarg);
        else if (option == 'w')
            run.warmup_ns = read_seconds(optarg);
        else if (option == 'b')
            run.backend = optarg;
        else
            return option == 'l' ? print_names() : refuse();
    }
    if (!row || run.duration_ns == 0 || run.warmup_ns == 0 || optind != argc)
        return refuse();
    run.parameter = row->parameter;
    return run_row(library, row, &run);
}
