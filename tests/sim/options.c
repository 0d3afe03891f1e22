/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* getopt_long */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coverage.h"
#include "scenario.h"

enum { TIMEOUT_S = 60 };

static const char usage[] =
    "usage: %s [options]\n"
    "\n"
    "Runs scenarios of loops, tasks, sockets and pools on a simulated system, in virtual time.\n"
    "The seed decides everything that a real system leaves open; the same seed is the same\n"
    "history. The first run that breaks a rule is printed with the command that repeats it.\n"
    "\n"
    "  --scenario NAME  this one; else all in turn, by the seed\n"
    "  --seed N         of the first run, the others count up; 1\n"
    "  --runs N         so many; 1\n"
    "  --faults LEVEL   0 none, 1 what all systems do, 2 failures too, 3 in plenty; by the seed\n"
    "  --trace FILE     every event as a line, - for stdout; of one run only\n"
    "  --list           the scenarios\n"
    "  --jobs N         worker processes, else as many as processors; 0: in this process\n"
    "  --steps N        events after which a world counts as stuck\n"
    "  --variant N      of a run of several worlds, this one alone\n"
    "  --timeout S      seconds after which a world counts as hung; 60\n"
    "  --uncovered      list what was not reached, by source file\n"
    "  --version\n"
    "  --help\n"
    "\n"
    "Exit status: 0 all is well, 1 a run failed, 2 wrong arguments.\n"
    "%s";

static const char how_to_cover[] =
    "\n"
    "This build does not say how much of the code it reaches. One that does:\n"
    "    cmake --preset sim && cmake --build --preset sim\n";

/* The long options that have no letter, that is all. */
enum {
    OPTION_SCENARIO = 256,
    OPTION_SEED,
    OPTION_RUNS,
    OPTION_FAULTS,
    OPTION_TRACE,
    OPTION_LIST,
    OPTION_JOBS,
    OPTION_STEPS,
    OPTION_VARIANT,
    OPTION_TIMEOUT,
    OPTION_UNCOVERED,
    OPTION_VERSION,
    OPTION_HELP
};

static const struct option long_options[] = {
    {"scenario", required_argument, NULL, OPTION_SCENARIO},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"runs", required_argument, NULL, OPTION_RUNS},
    {"faults", required_argument, NULL, OPTION_FAULTS},
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"list", no_argument, NULL, OPTION_LIST},
    {"jobs", required_argument, NULL, OPTION_JOBS},
    {"steps", required_argument, NULL, OPTION_STEPS},
    {"variant", required_argument, NULL, OPTION_VARIANT},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"uncovered", no_argument, NULL, OPTION_UNCOVERED},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static bool refuse(const char *option, const char *text, const char *why)
{
    fprintf(stderr, "weir-sim: --%s %s: %s\n", option, text, why);
    return false;
}

/** A number between least and most, both included. */
static bool parse_number(const char *option, const char *text, uint64_t least, uint64_t most,
                         uint64_t *ret_number)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0')
        return refuse(option, text, "not a number");
    if (errno == ERANGE || number < least || number > most) {
        char why[64];

        snprintf(why, sizeof why, "not from %" PRIu64 " to %" PRIu64, least, most);
        return refuse(option, text, why);
    }
    *ret_number = number;
    return true;
}

static bool parse_unsigned(const char *option, const char *text, unsigned least, unsigned most,
                           unsigned *ret_number)
{
    uint64_t number;

    if (!parse_number(option, text, least, most, &number))
        return false;
    *ret_number = (unsigned)number;
    return true;
}

static bool parse_faults(const char *option, const char *text, int *ret_level)
{
    uint64_t level;

    if (!parse_number(option, text, 0, WEIR_SIM_FAULTS_MAX, &level))
        return false;
    *ret_level = (int)level;
    return true;
}

static bool parse_scenario(const char *option, const char *text, const struct scenario **ret_found)
{
    for (size_t i = 0; i < scenario_count; i++) {
        if (strcmp(text, scenarios[i]->name) == 0) {
            *ret_found = scenarios[i];
            return true;
        }
    }
    return refuse(option, text, "there is no such scenario; --list names them");
}

static bool parse_option(struct options *options, int letter, const char *name, const char *text)
{
    switch (letter) {
    case OPTION_SCENARIO:
        return parse_scenario(name, text, &options->scenario);
    case OPTION_SEED:
        return parse_number(name, text, 0, UINT64_MAX, &options->seed);
    case OPTION_RUNS:
        return parse_number(name, text, 1, INT64_MAX, &options->runs);
    case OPTION_FAULTS:
        return parse_faults(name, text, &options->faults);
    case OPTION_TRACE:
        options->trace_path = text;
        return true;
    case OPTION_LIST:
        return options->list = true;
    case OPTION_JOBS:
        return parse_unsigned(name, text, 0, OPTIONS_JOBS_MAX, &options->jobs);
    case OPTION_STEPS:
        return parse_number(name, text, 1, UINT64_MAX, &options->steps_max);
    case OPTION_VARIANT:
        options->one_variant = true;
        return parse_number(name, text, 0, UINT64_MAX, &options->variant);
    case OPTION_TIMEOUT:
        return parse_unsigned(name, text, 1, 24 * 60 * 60, &options->timeout_s);
    case OPTION_UNCOVERED:
        return options->uncovered = true;
    default: /* getopt_long has said what is wrong. */
        return false;
    }
}

static bool combination_makes_sense(const struct options *options)
{
    if (options->trace_path && options->runs > 1)
        return refuse("trace", options->trace_path, "a trace is of one run");
    if (options->one_variant && !options->scenario) {
        fprintf(stderr, "weir-sim: --variant is a scenario's: name it by --scenario\n");
        return false;
    }
    if (options->one_variant && !options->scenario->worlds) {
        fprintf(stderr, "weir-sim: --variant: a run of %s is one world\n", options->scenario->name);
        return false;
    }
    if (options->one_variant && options->runs > 1) {
        fprintf(stderr, "weir-sim: --variant: a variant is of one run\n");
        return false;
    }
    if (options->seed > UINT64_MAX - (options->runs - 1)) {
        fprintf(stderr, "weir-sim: there are not so many seeds\n");
        return false;
    }
    if (options->uncovered && !coverage_is_built_in()) {
        fprintf(stderr, "weir-sim: --uncovered: this build does not count; see --help\n");
        return false;
    }
    return true;
}

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    if (count < 1)
        return 1;
    return count < OPTIONS_JOBS_MAX ? (unsigned)count : OPTIONS_JOBS_MAX;
}

static void print_list(void)
{
    for (size_t i = 0; i < scenario_count; i++)
        printf("%-16s %s\n", scenarios[i]->name, scenarios[i]->summary);
}

enum options_outcome options_parse(struct options *options, int argc, char **argv)
{
    int letter, index = 0;

    *options = (struct options){
        .program = argv[0],
        .seed = 1,
        .runs = 1,
        .faults = OPTIONS_FAULTS_BY_SEED,
        .jobs = processors(),
        .timeout_s = TIMEOUT_S,
        .is_terminal = isatty(STDERR_FILENO) != 0,
    };
    while ((letter = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (letter == OPTION_HELP) {
            printf(usage, "weir-sim", coverage_is_built_in() ? "" : how_to_cover);
            return OPTIONS_DONE;
        }
        if (letter == OPTION_VERSION) {
            puts("weir-sim " WEIR_VERSION);
            return OPTIONS_DONE;
        }
        if (!parse_option(options, letter, long_options[index].name, optarg))
            return OPTIONS_REFUSED;
    }
    if (optind < argc) {
        fprintf(stderr, "weir-sim: %s: not an option\n", argv[optind]);
        return OPTIONS_REFUSED;
    }
    if (!combination_makes_sense(options))
        return OPTIONS_REFUSED;
    if (options->list) {
        print_list();
        return OPTIONS_DONE;
    }
    return OPTIONS_RUN;
}
