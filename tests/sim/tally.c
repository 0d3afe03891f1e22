/* SPDX-License-Identifier: MIT */
#include "tally.h"

#include <inttypes.h>

#include "run.h"

void tally_run(struct tally *tally, const struct scenario_run *run)
{
    const struct tally one = {
        .runs = 1,
        .worlds = run->worlds,
        .steps = run->total.steps,
        .operations = run->total.operations,
        .faults = run->total.faults,
        .time_ns = run->total.time_ns,
        .hash = run_mix(run->total.hash ^ run_mix(run->seed)),
    };

    tally_add(tally, &one);
}

void tally_add(struct tally *sum, const struct tally *part)
{
    sum->runs += part->runs;
    sum->worlds += part->worlds;
    sum->steps += part->steps;
    sum->operations += part->operations;
    sum->faults += part->faults;
    sum->time_ns += part->time_ns;
    sum->hash += part->hash;
}

void tally_print_run(FILE *stream, const struct scenario_run *run)
{
    const weir_sim_outcome *total = &run->total;

    fprintf(stream, "%s: seed %" PRIu64 ", faults %u", run->scenario->name, run->seed, run->level);
    if (run->worlds > 1)
        fprintf(stream, ", worlds %" PRIu64, run->worlds);
    fprintf(stream,
            ", steps %" PRIu64 ", switches %" PRIu64 ", time %" PRId64 ".%06" PRId64
            " s, operations %" PRIu64 ", connections %" PRIu64 ", bytes %" PRIu64
            ", injected %" PRIu64 ", hash %016" PRIx64 "\n",
            total->steps, total->switches, total->time_ns / INT64_C(1000000000),
            total->time_ns / 1000 % 1000000, total->operations, total->connections, total->bytes,
            total->faults, total->hash);
}

const char *tally_grouped(uint64_t number, char ret_text[TALLY_GROUPED_BYTES])
{
    char digits[TALLY_GROUPED_BYTES];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, number);
    char *out = ret_text;

    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return ret_text;
}

static void print_row(FILE *stream, const char *name, const struct tally *tally)
{
    char runs[TALLY_GROUPED_BYTES], worlds[TALLY_GROUPED_BYTES], steps[TALLY_GROUPED_BYTES];
    char operations[TALLY_GROUPED_BYTES], faults[TALLY_GROUPED_BYTES];

    fprintf(stream, "%-16s %12s %12s %18s %16s %14s %12" PRId64 "\n", name,
            tally_grouped(tally->runs, runs), tally_grouped(tally->worlds, worlds),
            tally_grouped(tally->steps, steps), tally_grouped(tally->operations, operations),
            tally_grouped(tally->faults, faults), tally->time_ns / INT64_C(1000000000));
}

void tally_print_table(FILE *stream, const struct tally *by_scenario)
{
    struct tally all = {0};

    fprintf(stream, "%-16s %12s %12s %18s %16s %14s %12s\n", "scenario", "runs", "worlds", "events",
            "operations", "faults", "seconds");
    for (size_t i = 0; i < scenario_count; i++) {
        if (by_scenario[i].runs > 0) {
            print_row(stream, scenarios[i]->name, &by_scenario[i]);
            tally_add(&all, &by_scenario[i]);
        }
    }
    print_row(stream, "all", &all);
    fprintf(stream, "hash %016" PRIx64 "\n", all.hash);
}
