/* SPDX-License-Identifier: MIT */
/*
 * weir-sim: runs scenarios in simulated worlds, by the thousand, and prints the first that fails.
 *
 *      weir-sim --runs 10000
 *      weir-sim --scenario echo --seed 17 --trace -
 *
 *      options.c    the command line
 *      workers.c    processes, which take the runs
 *      run.c        one run of a scenario, and its worlds
 *      scenarios.c  the scenarios: scenario_NAME.c, and what they share in kit.c
 *      coverage.c   how much of weir they reach
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "coverage.h"
#include "options.h"
#include "tally.h"
#include "workers.h"

/* By lines, so that the trace of a run that dies is whole. */
static bool open_trace(struct options *options)
{
    if (!options->trace_path)
        return true;
    options->trace = stdout;
    if (strcmp(options->trace_path, "-") != 0)
        options->trace = fopen(options->trace_path, "w");
    if (!options->trace) {
        fprintf(stderr, "weir-sim: %s: %s\n", options->trace_path, strerror(errno));
        return false;
    }
    setvbuf(options->trace, NULL, _IOLBF, BUFSIZ);
    return true;
}

static void print_results(const struct options *options, const struct results *results)
{
    if (options->runs == 1)
        tally_print_run(stdout, &results->run);
    else
        tally_print_table(stdout, results->by_scenario);
    if (coverage_is_built_in())
        coverage_print(results->reached);
    if (options->uncovered)
        coverage_print_uncovered(results->reached);
}

/* Only the world itself shows how many there could be. */
static bool had_its_variant(const struct scenario_run *run)
{
    if (!run->has_no_such_variant)
        return true;
    fprintf(stderr, "weir-sim: --variant %" PRIu64 ": no world of %s with seed %" PRIu64 "\n",
            run->variant, run->scenario->name, run->seed);
    return false;
}

/* Whoever ran it wrote it. */
static bool has_its_trace(const struct options *options, const struct scenario_run *run)
{
    if (!run->has_lost_trace)
        return true;
    fprintf(stderr, "weir-sim: --trace %s: not all of it could be written\n", options->trace_path);
    return false;
}

/* Whoever compares hashes from a file is not to compare half a table. */
static int ended(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fputs("weir-sim: standard output: not all of it could be written\n", stderr);
    return 1;
}

int main(int argc, char **argv)
{
    struct options options;
    struct results results;

    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_RUN:
        break;
    case OPTIONS_DONE:
        return ended();
    case OPTIONS_REFUSED:
        return 2;
    }
    if (!open_trace(&options))
        return 2;
    if (!workers_run(&options, &results))
        return 1;
    if (options.one_variant && !had_its_variant(&results.run))
        return 2;
    if (!has_its_trace(&options, &results.run))
        return 1;
    print_results(&options, &results);
    return ended();
}
