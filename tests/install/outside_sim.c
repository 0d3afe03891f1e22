/* SPDX-License-Identifier: MIT */

/*
 * A simulated world outside the project, with the installed weir. It is compiled as C and as C++.
 */

#include <weir/endpoint.h>
#include <weir/sim.h>
#include <weir/sleep.h>
#include <weir/tcp.h>

#include <stdio.h>
#include <string.h>

static const int64_t HOUR_NS = 3600000000000;

/* Sleeps an hour of the world's clock, and then listens. */
typedef struct server {
    weir_task task;
    weir_tcp_acceptor acceptor;
    weir_endpoint local; /* In and out. */
} server;

static weir_task *server_resume(weir_task *task)
{
    server *self = WEIR_TASK_SELF(task, server);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, HOUR_NS));
    if (weir_tcp_listen(&self->acceptor, weir_task_loop(task), &self->local, NULL) == 0)
        (void)weir_tcp_acceptor_local(&self->acceptor, &self->local);
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

int main(void)
{
    char text[WEIR_ENDPOINT_TEXT_MAX];
    weir_sim_options options;
    weir_sim_outcome outcome;
    server server;
    weir_sim *sim;

    memset(&server, 0, sizeof server);
    memset(&options, 0, sizeof options);
    if (weir_endpoint_parse("[::1]:7777", &server.local) != 0)
        return 1;
    options.seed = 1;
    options.faults = weir_sim_faults_at(1, options.seed);
    sim = weir_sim_new(&options);
    weir_task_init(&server.task, server_resume);
    weir_sim_start_task(weir_sim_host_new(sim, "host"), "server", &server.task);
    if (weir_sim_run(sim, WEIR_SIM_TO_THE_END) != 0)
        return 1;
    outcome = weir_sim_outcome_get(sim);
    weir_sim_free(sim);
    weir_endpoint_format(&server.local, text);
    puts(text);
    return outcome.time_ns > HOUR_NS ? 0 : 1;
}
