/* SPDX-License-Identifier: MIT */
/* Worlds: one seed is one history, the clock jumps, scripts come when they should. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/sim.h>
#include <weir/weir.h>

#include "sys.h"
#include "test.h"

static const int64_t SECOND_NS = INT64_C(1000000000);

struct sleeper {
    weir_task task;
    int64_t slept_ns; /* In: how long. Out: how long it was. */
};

static weir_task *sleeper_resume(weir_task *task)
{
    struct sleeper *self = WEIR_TASK_SELF(task, struct sleeper);
    weir_result r;

    WEIR_BEGIN(task);
    self->slept_ns += weir_now_ns();
    WEIR_AWAIT(task, r, weir_sleep_until(task, self->slept_ns));
    self->slept_ns = weir_now_ns() - self->slept_ns;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void sleeper_init(struct sleeper *sleeper, int64_t duration_ns)
{
    weir_task_init(&sleeper->task, sleeper_resume);
    sleeper->slept_ns = duration_ns;
}

static weir_sim *world_of(uint64_t seed)
{
    weir_sim_options options = {.seed = seed};

    return weir_sim_new(&options);
}

/* A server and a client that talk, and timers: something of everything. */

enum { PORT = 7, ROUNDS = 20 };

struct talker {
    weir_task task;
    weir_sim_host *server;
    weir_tcp_acceptor acceptor;
    weir_tcp_socket socket;
    weir_endpoint peer;
    uint8_t data[600];
    int round;
};

static weir_task *server_resume(weir_task *task)
{
    struct talker *self = WEIR_TASK_SELF(task, struct talker);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->socket));
    CHECK_EQ(r.error, 0);
    for (;;) {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->socket.stream.in,
                                  weir_buffer_of(self->data, sizeof self->data)));
        if (r.error)
            break;
        WEIR_AWAIT(
            task, r,
            weir_write(task, &self->socket.stream.out, weir_const_buffer_of(self->data, r.count)));
        CHECK_EQ(r.error, 0);
    }
    CHECK_EQ(r.error, WEIR_EOF);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void server_main(void *argument)
{
    struct talker *server = argument;
    weir_endpoint local = weir_sim_host_endpoint(server->server, PORT);
    weir_loop *loop;

    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    CHECK_STR_EQ(weir_loop_backend_name(loop), "sim");
    CHECK_EQ(weir_tcp_listen(&server->acceptor, loop, &local, NULL), 0);
    weir_task_init(&server->task, server_resume);
    CHECK_EQ(weir_run(loop, &server->task).error, 0);
    weir_loop_free(loop);
}

static weir_task *client_resume(weir_task *task)
{
    struct talker *self = WEIR_TASK_SELF(task, struct talker);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    do {
        WEIR_AWAIT(task, r, weir_sleep_for(task, 1000));

        WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->socket, &self->peer));
    } while (r.error == -ECONNREFUSED);
    CHECK_EQ(r.error, 0);
    for (self->round = 0; self->round < ROUNDS; self->round++) {
        memset(self->data, self->round, sizeof self->data);
        WEIR_AWAIT(task, r,
                   weir_write(task, &self->socket.stream.out,
                              weir_const_buffer_of(self->data, sizeof self->data)));
        CHECK_EQ(r.error, 0);
        memset(self->data, 0xff, sizeof self->data);
        WEIR_AWAIT(task, r,
                   weir_read(task, &self->socket.stream.in,
                             weir_buffer_of(self->data, sizeof self->data)));
        CHECK_EQ(r.count, sizeof self->data);
        CHECK_EQ(self->data[sizeof self->data - 1], self->round);
    }
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static weir_sim_outcome talk(const weir_sim_options *options)
{
    static struct talker server;
    static struct talker client;
    weir_sim *sim = weir_sim_new(options);
    weir_sim_outcome outcome;

    server.server = weir_sim_host_new(sim, "server");
    client.peer = weir_sim_host_endpoint(server.server, PORT);
    weir_task_init(&client.task, client_resume);
    weir_sim_start(server.server, "server", server_main, &server);
    weir_sim_start_task(weir_sim_host_new(sim, "client"), "client", &client.task);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    outcome = weir_sim_outcome_get(sim);
    weir_sim_free(sim);
    return outcome;
}

WEIR_TEST(world, the_same_seed_is_the_same_history)
{
    uint64_t seed;

    for (seed = 1; seed <= 50; seed++) {
        weir_sim_options options = {.seed = seed, .faults = weir_sim_faults_at(1, seed)};
        weir_sim_outcome first = talk(&options);
        weir_sim_outcome second = talk(&options);

        CHECK(first.hash == second.hash);
        CHECK_EQ(first.steps, second.steps);
        CHECK_EQ(first.time_ns, second.time_ns);
    }
}

WEIR_TEST(world, another_seed_is_another_history)
{
    weir_sim_options one = {.seed = 1};
    weir_sim_options two = {.seed = 2};

    CHECK(talk(&one).hash != talk(&two).hash);
}

WEIR_TEST(world, an_outcome_counts_what_happened)
{
    weir_sim_options options = {.seed = 3};
    weir_sim_outcome outcome = talk(&options);

    CHECK_EQ(outcome.connections, 1);
    CHECK_EQ(outcome.bytes, 2 * ROUNDS * 600);
    CHECK_EQ(outcome.faults, 0);
    CHECK(outcome.operations >= 2);
    CHECK(outcome.switches > 2);
}

WEIR_TEST(world, without_faults_nothing_fails_on_any_seed)
{
    uint64_t seed;

    for (seed = 1; seed <= 200; seed++) {
        weir_sim_options options = {.seed = seed};

        CHECK_EQ(talk(&options).faults, 0);
    }
}

WEIR_TEST(world, the_clock_jumps_over_what_nobody_does)
{
    weir_sim *sim = world_of(1);
    struct sleeper sleeper;

    sleeper_init(&sleeper, 365 * 86400 * SECOND_NS);
    weir_sim_start_task(weir_sim_host_new(sim, "host"), "sleeper", &sleeper.task);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    CHECK(sleeper.slept_ns >= 0);
    CHECK(sleeper.slept_ns < SECOND_NS / 1000);
    CHECK(weir_sim_outcome_get(sim).steps < 1000);
    weir_sim_free(sim);
}

WEIR_TEST(world, it_runs_to_a_deadline_and_then_on)
{
    weir_sim *sim = world_of(1);
    struct sleeper sleeper;

    sleeper_init(&sleeper, 10 * SECOND_NS);
    weir_sim_start_task(weir_sim_host_new(sim, "host"), "sleeper", &sleeper.task);
    CHECK_EQ(weir_sim_run(sim, 5 * SECOND_NS), WEIR_TIMED_OUT);
    CHECK_EQ(weir_sim_outcome_get(sim).time_ns, 5 * SECOND_NS);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    weir_sim_free(sim);
}

/* Waiting for ever. */

static weir_root stuck_root;
static struct sleeper stuck;

static void stuck_main(void *argument)
{
    weir_loop *loop;

    (void)argument;
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    sleeper_init(&stuck, 0);
    stuck.slept_ns = INT64_MAX - weir_now_ns() - SECOND_NS;
    weir_run_async(weir_loop_executor(loop), &stuck_root, &stuck.task, NULL, NULL);
    weir_loop_run(loop);
    weir_loop_free(loop);
}

static void stop_stuck(weir_sim *sim, void *argument)
{
    (void)sim;
    (void)argument;
    weir_root_stop(&stuck_root, WEIR_STOP_REQUESTED);
}

struct latch {
    weir_task task;
    weir_event event;
};

static weir_task *latch_resume(weir_task *task)
{
    struct latch *self = WEIR_TASK_SELF(task, struct latch);
    weir_result r;

    WEIR_BEGIN(task);
    weir_event_init(&self->event);
    WEIR_AWAIT(task, r, weir_event_wait(task, &self->event));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(world, programs_that_wait_for_nothing_are_a_deadlock)
{
    weir_sim *sim = world_of(1);
    struct latch latch;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    weir_task_init(&latch.task, latch_resume);
    weir_sim_start_task(weir_sim_host_new(sim, "host"), "waiter", &latch.task);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), -EDEADLK);
    weir_sim_report(sim, stream);
    CHECK_EQ(fclose(stream), 0);
    CHECK(strstr(text, "latch_resume"));
    CHECK(strstr(text, "waiter on host waits for completions"));
    CHECK(strstr(text, "Seed 1,"));
    free(text);
    weir_sim_free(sim);
    _Exit(
        0); /* The loop of the one that waits for ever is lost: a leak to whoever looks for some. */
}

WEIR_TEST(world, a_script_runs_at_its_time)
{
    weir_sim *sim = world_of(1);

    weir_sim_start(weir_sim_host_new(sim, "host"), "stuck", stuck_main, NULL);
    weir_sim_at(sim, 3 * SECOND_NS, stop_stuck, NULL);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    CHECK(weir_sim_outcome_get(sim).time_ns >= 3 * SECOND_NS);
    CHECK(weir_sim_outcome_get(sim).time_ns < 3 * SECOND_NS + SECOND_NS / 1000);
    weir_sim_free(sim);
}

struct seen {
    uint64_t next;
    uint64_t script;
};

static void see(const weir_sim_event *event, void *user)
{
    struct seen *seen = user;

    CHECK_EQ(event->step, seen->next);
    seen->next++;
    if (strcmp(event->what, "script") == 0)
        seen->script = event->step;
}

static void note_step(weir_sim *sim, void *argument)
{
    *(uint64_t *)argument = weir_sim_outcome_get(sim).steps;
}

/* Between two events, and at the next place where others may run. */
WEIR_TEST(world, a_script_runs_at_its_step)
{
    uint64_t step;

    for (step = 0; step < 12; step++) {
        uint64_t called_at = UINT64_MAX;
        struct seen seen = {.script = UINT64_MAX};
        weir_sim_options options = {.seed = 1, .observe = see, .user = &seen};
        weir_sim *sim = weir_sim_new(&options);

        weir_sim_start(weir_sim_host_new(sim, "host"), "stuck", stuck_main, NULL);
        weir_sim_at(sim, 2 * SECOND_NS, stop_stuck, NULL);
        weir_sim_at_step(sim, step, note_step, &called_at);
        CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
        CHECK(called_at >= step && called_at != UINT64_MAX);
        CHECK(seen.script != UINT64_MAX);
        weir_sim_free(sim);
    }
}

WEIR_TEST(world, every_event_is_written_to_the_trace)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    weir_sim_options options = {.seed = 1, .trace = stream};
    weir_sim_outcome outcome = talk(&options);
    uint64_t lines = 0;
    size_t i;

    CHECK_EQ(fclose(stream), 0);
    for (i = 0; i < size; i++)
        lines += text[i] == '\n';
    CHECK_EQ(lines, outcome.steps);
    CHECK(strstr(text, "connection established"));
    free(text);
}

/* Programs have the names of their hosts here. */
static void check_place(const weir_sim_event *event, void *user)
{
    bool *has_seen_kernel = user;

    CHECK(strcmp(event->host, "server") == 0 || strcmp(event->host, "client") == 0);
    if (event->program[0])
        CHECK_STR_EQ(event->program, event->host);
    if (strcmp(event->what, "segment arrives") == 0) {
        CHECK_STR_EQ(event->program, "");
        *has_seen_kernel = true;
    }
    if (strcmp(event->what, "begins") == 0 || strncmp(event->what, "start ", 6) == 0)
        CHECK_STR_EQ(event->program, event->host);
}

WEIR_TEST(world, events_name_where_they_happen_and_who_did_it)
{
    bool has_seen_kernel = false;
    uint64_t seed;

    for (seed = 1; seed <= 20; seed++) {
        weir_sim_options options = {.seed = seed,
                                    .faults = weir_sim_faults_at(1, seed),
                                    .observe = check_place,
                                    .user = &has_seen_kernel};

        (void)talk(&options);
    }
    CHECK(has_seen_kernel);
}

WEIR_TEST(world, a_trace_names_faults_and_errors)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    weir_sim_options options = {
        .seed = 1,
        .trace = stream,
        .faults = {.partial_transfer = 500, .refused_connection = 500},
    };

    for (; options.seed <= 20; options.seed++)
        (void)talk(&options);
    CHECK_EQ(fclose(stream), 0);
    CHECK(strstr(text, " server/server "));
    CHECK(strstr(text, " server               segment arrives, descriptor "));
    CHECK(strstr(text, " fault: partial transfer\n"));
    CHECK(strstr(text, " fault: refused connection\n"));
    CHECK(strstr(text, " connect completed, descriptor 3: ECONNREFUSED\n"));
    CHECK(!strstr(text, ": -"));
    free(text);
}

WEIR_TEST(world, numbers_for_programs_change_nothing_of_the_world)
{
    weir_sim *sim = world_of(9);
    uint64_t first = weir_sim_random(sim);
    uint64_t i;

    for (i = 0; i < 1000; i++)
        CHECK(weir_sim_random_below(sim, i + 1) <= i);
    weir_sim_free(sim);
    sim = world_of(9);
    CHECK(weir_sim_random(sim) == first);
    weir_sim_free(sim);
}

WEIR_TEST(world, threads_may_have_a_world_each)
{
    weir_sim *outer = world_of(1);

    CHECK(!weir_sim_current());
    weir_sim_free(outer);
}

WEIR_TEST(world, a_world_that_has_not_begun_can_be_destroyed)
{
    weir_sim *sim = world_of(1);

    weir_sim_start(weir_sim_host_new(sim, "host"), "stuck", stuck_main, NULL);
    weir_sim_at(sim, 2 * SECOND_NS, stop_stuck, NULL);
    weir_sim_free(sim);
}

WEIR_TEST(world, without_options_it_has_the_defaults)
{
    weir_sim *sim = weir_sim_new(NULL);

    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    weir_sim_free(sim);
    weir_sim_free(NULL);
}

static void free_world(weir_sim *sim, void *argument)
{
    (void)argument;
    weir_sim_free(sim);
}

WEIR_ABORT_TEST(world, a_world_is_not_destroyed_from_within)
{
    weir_sim *sim = world_of(1);

    weir_sim_start(weir_sim_host_new(sim, "host"), "stuck", stuck_main, NULL);
    weir_sim_at(sim, 2 * SECOND_NS, free_world, NULL);
    (void)weir_sim_run(sim, WEIR_SIM_TO_THE_END);
}

static void run_again(void *argument)
{
    (void)weir_sim_run(argument, WEIR_SIM_TO_THE_END);
}

WEIR_ABORT_TEST(world, a_world_is_not_run_from_within_one)
{
    weir_sim *sim = world_of(1);

    weir_sim_start(weir_sim_host_new(sim, "host"), "main", run_again, sim);
    (void)weir_sim_run(sim, WEIR_SIM_TO_THE_END);
}

static void leave_a_loop(void *argument)
{
    weir_loop *loop;

    (void)argument;
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
}

WEIR_ABORT_TEST(world, a_program_frees_its_loops)
{
    weir_sim *sim = world_of(1);

    weir_sim_start(weir_sim_host_new(sim, "host"), "main", leave_a_loop, NULL);
    (void)weir_sim_run(sim, WEIR_SIM_TO_THE_END);
}

static void fail(void *argument)
{
    weir_sim_fail(weir_sim_current(), "%s is %d", (const char *)argument, 7);
}

WEIR_ABORT_TEST(world, a_broken_rule_aborts)
{
    weir_sim *sim = world_of(1);

    weir_sim_start(weir_sim_host_new(sim, "host"), "main", fail, "seven");
    (void)weir_sim_run(sim, WEIR_SIM_TO_THE_END);
}

static void run_for_ever(void *argument)
{
    (void)argument;
    for (;;)
        weir_sys_yield();
}

WEIR_ABORT_TEST(world, a_world_that_does_not_end_is_stopped)
{
    weir_sim_options options = {.seed = 1, .steps_max = 1000};
    weir_sim *sim = weir_sim_new(&options);

    weir_sim_start(weir_sim_host_new(sim, "host"), "main", run_for_ever, NULL);
    (void)weir_sim_run(sim, WEIR_SIM_TO_THE_END);
}

/* Arguments that make no sense. */

static void set_link(weir_sim_link link)
{
    weir_sim *sim = world_of(1);

    weir_sim_link_set(weir_sim_host_new(sim, "a"), weir_sim_host_new(sim, "b"), &link);
}

WEIR_ABORT_TEST(world_misuse, a_latency_is_negative)
{
    set_link((weir_sim_link){.latency_max_ns = -1});
}

WEIR_ABORT_TEST(world_misuse, a_latency_is_longer_than_all_time)
{
    set_link((weir_sim_link){.latency_min_ns = INT64_MAX});
}

WEIR_ABORT_TEST(world_misuse, the_highest_latency_is_below_the_lowest)
{
    set_link((weir_sim_link){.latency_min_ns = 2000, .latency_max_ns = 1000});
}

WEIR_ABORT_TEST(world_misuse, the_highest_latency_is_below_the_lowest_by_default)
{
    set_link((weir_sim_link){.latency_max_ns = 1000});
}

WEIR_ABORT_TEST(world_misuse, a_link_is_in_no_state)
{
    set_link((weir_sim_link){.state = (enum weir_sim_link_state)3});
}

WEIR_ABORT_TEST(world_misuse, a_link_is_nothing)
{
    weir_sim_host *host = weir_sim_host_new(world_of(1), "host");

    weir_sim_link_set(host, host, NULL);
}

WEIR_ABORT_TEST(world_misuse, a_link_leads_to_another_world)
{
    const weir_sim_link link = {.state = WEIR_SIM_LINK_CUT};

    weir_sim_link_set(weir_sim_host_new(world_of(1), "a"), weir_sim_host_new(world_of(2), "b"),
                      &link);
}

WEIR_ABORT_TEST(world_misuse, connections_between_two_worlds_are_reset)
{
    weir_sim_reset_connections(weir_sim_host_new(world_of(1), "a"),
                               weir_sim_host_new(world_of(2), "b"));
}

WEIR_ABORT_TEST(world_misuse, a_host_has_no_name)
{
    (void)weir_sim_host_new(world_of(1), NULL);
}

WEIR_ABORT_TEST(world_misuse, a_program_has_no_name)
{
    weir_sim_start(weir_sim_host_new(world_of(1), "host"), NULL, stuck_main, NULL);
}

WEIR_ABORT_TEST(world_misuse, a_program_has_no_function)
{
    weir_sim_start(weir_sim_host_new(world_of(1), "host"), "main", NULL, NULL);
}

WEIR_ABORT_TEST(world_misuse, a_program_of_a_task_has_none)
{
    weir_sim_start_task(weir_sim_host_new(world_of(1), "host"), "main", NULL);
}

WEIR_ABORT_TEST(world_misuse, a_script_has_no_function)
{
    weir_sim_at_step(world_of(1), 1, NULL, NULL);
}

WEIR_ABORT_TEST(world_misuse, a_script_comes_after_all_time)
{
    weir_sim_at(world_of(1), INT64_MAX, stop_stuck, NULL);
}

WEIR_ABORT_TEST(world_misuse, there_are_too_many_hosts)
{
    weir_sim *sim = world_of(1);
    int i;

    for (i = 0; i < 65; i++)
        (void)weir_sim_host_new(sim, "host");
}
