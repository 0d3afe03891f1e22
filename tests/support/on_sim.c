/* SPDX-License-Identifier: MIT */

/*
 * Contract tests on the simulated kernel: the body is the one program of the one host of a world.
 * It runs for WEIR_SIM_SEEDS seeds from WEIR_SIM_SEED on, 3 from 1 on by default: each is another
 * order of things. A report of a failure names the seed.
 */
#include <stdlib.h>

#include <weir/error.h>
#include <weir/sim.h>

#include "raw.h"
#include "test.h"

struct run {
    test_on_fn *body;
    const char *backend;
    unsigned fault_level;
};

static void run_body(void *argument)
{
    const struct run *run = argument;

    run->body(run->backend);
}

static void run_world(const struct run *run, uint64_t seed)
{
    weir_sim_link link = {.latency_min_ns = RAW_SIM_LATENCY_NS,
                          .latency_max_ns = RAW_SIM_LATENCY_NS};
    weir_sim_options options = {
        .seed = seed,
        .faults = weir_sim_faults_at(run->fault_level, seed),
    };
    weir_sim *sim = weir_sim_new(&options);
    weir_sim_host *host = weir_sim_host_new(sim, "host");
    struct run copy = *run;
    int error;

    weir_sim_link_set(host, host, &link);
    weir_sim_start(host, "test", run_body, &copy);
    error = weir_sim_run(sim, WEIR_SIM_TO_THE_END);
    if (error) {
        weir_sim_report(sim, stderr);
        test_fail(__FILE__, __LINE__, "the world ended with %s", weir_error_name(error));
    }
    weir_sim_free(sim);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void run_worlds(const struct run *run)
{
    uint64_t first = number_from("WEIR_SIM_SEED", 1);
    uint64_t count = number_from("WEIR_SIM_SEEDS", 3);

    raw_system = &raw_sim;
    for (uint64_t i = 0; i < count; i++) {
        test_detail(" with WEIR_SIM_SEED=%llu", (unsigned long long)(first + i));
        run_world(run, first + i);
    }
}

void test_on_sim(const char *backend, test_on_fn *body)
{
    struct run run = {.body = body, .backend = backend, .fault_level = 0};

    run_worlds(&run);
}

void test_on_faulty_sim(const char *backend, test_on_fn *body)
{
    struct run run = {.body = body, .backend = backend, .fault_level = 1};

    run_worlds(&run);
}
