/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>

#include <weir/error.h>

static const int64_t BEGIN_NS = INT64_C(1000000000); /* What a world's clock shows at first. */
static const int64_t DEADLINE_NS = INT64_C(3600000000000);

uint64_t run_mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* Scenario and level are the seed's alone, so that it is all that has to be known. The level is
 * mixed: else each scenario would see one of the levels only, for their counts have common
 * divisors. */
void run_init(struct scenario_run *run, const struct options *options, uint64_t index)
{
    uint64_t seed = options->seed + index;

    *run = (struct scenario_run){
        .scenario = options->scenario,
        .seed = seed,
        .level = (unsigned)(run_mix(seed) % (WEIR_SIM_FAULTS_MAX + 1)),
        .options = options,
    };
    if (!run->scenario)
        run->scenario = scenarios[(seed - 1) % scenario_count];
    if (options->faults != OPTIONS_FAULTS_BY_SEED)
        run->level = (unsigned)options->faults;
    run->faults = weir_sim_faults_at(run->level, seed);
}

void run_go(struct scenario_run *run)
{
    const struct scenario *scenario = run->scenario;

    if (scenario->adjust)
        scenario->adjust(run);
    if (run->options->one_variant) {
        run->variant = run->options->variant;
        scenario_run_world(run);
    } else if (scenario->worlds) {
        scenario->worlds(run);
    } else {
        scenario_run_world(run);
    }
}

void run_repeat(const struct scenario_run *run, char ret_command[RUN_REPEAT_BYTES])
{
    char *end = ret_command;
    const char *limit = ret_command + RUN_REPEAT_BYTES;

    end += snprintf(end, (size_t)(limit - end),
                    "%.200s --scenario %.100s --seed %" PRIu64 " --faults %u",
                    run->options->program, run->scenario->name, run->seed, run->level);
    if (run->scenario->worlds)
        end += snprintf(end, (size_t)(limit - end), " --variant %" PRIu64, run->variant);
    if (run->options->steps_max != 0)
        snprintf(end, (size_t)(limit - end), " --steps %" PRIu64, run->options->steps_max);
}

static void add_outcome(struct scenario_run *run, const weir_sim_outcome *outcome)
{
    weir_sim_outcome *total = &run->total;

    total->hash = run->worlds == 0 ? outcome->hash : run_mix(total->hash) ^ outcome->hash;
    total->steps += outcome->steps;
    total->time_ns += outcome->time_ns - BEGIN_NS;
    total->switches += outcome->switches;
    total->operations += outcome->operations;
    total->connections += outcome->connections;
    total->bytes += outcome->bytes;
    total->faults += outcome->faults;
    __atomic_fetch_add(&run->worlds, 1, __ATOMIC_RELAXED);
}

static void demand_end(weir_sim *sim, const struct scenario *scenario)
{
    int64_t deadline_ns = scenario->deadline_ns > 0 ? scenario->deadline_ns : DEADLINE_NS;
    int error = weir_sim_run(sim, BEGIN_NS + deadline_ns);

    if (error == WEIR_TIMED_OUT) {
        weir_sim_fail(sim, "liveness: not every program ended within %" PRId64 " s of the clock",
                      deadline_ns / INT64_C(1000000000));
    }
    if (error != 0)
        weir_sim_fail(sim, "liveness: the world came to a standstill (%s)", weir_error_name(error));
}

weir_sim_outcome scenario_run_world(struct scenario_run *run)
{
    const struct scenario *scenario = run->scenario;
    char repeat[RUN_REPEAT_BYTES];
    weir_sim_options options = {
        .seed = run->seed,
        .faults = run->faults,
        .steps_max = run->options->steps_max,
        .trace = run->options->trace,
        .repeat = repeat,
    };
    weir_sim_outcome outcome;
    weir_sim *sim;

    run_repeat(run, repeat);
    run->state = calloc(1, scenario->state_size_bytes + 1); /* One more: 0 is no size. */
    WEIR_ASSERT(run->state, "there is memory for the state of a scenario");
    sim = weir_sim_new(&options);
    scenario->build(sim, run);
    demand_end(sim, scenario);
    if (scenario->check)
        scenario->check(sim, run);
    outcome = weir_sim_outcome_get(sim);
    weir_sim_free(sim);
    if (options.trace && (fflush(options.trace) == EOF || ferror(options.trace)))
        run->has_lost_trace = true;
    free(run->state);
    run->state = NULL;
    add_outcome(run, &outcome);
    return outcome;
}
