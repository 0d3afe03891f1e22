/* SPDX-License-Identifier: MIT */
/*
 * Hosts that crash: a server loses everything but its disk, comes up again, and its client, which
 * does not give up, finds what was acknowledged.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include <weir/sim.h>
#include <weir/weir.h>

#include "leaks.h"
#include "test.h"

enum { PORT = 7, ENTRIES = 30, CRASHES = 3, SEEDS = 200 };

static const int64_t SECOND_NS = INT64_C(1000000000);

/* What survives: the entries that the server has acknowledged. */
struct disk {
    uint32_t entries;
    int starts; /* Of the server. */
};

struct server {
    weir_task task;
    struct disk *disk;
    weir_tcp_acceptor acceptor;
    weir_tcp_socket socket;
    uint32_t entry;
};

struct client {
    weir_task task;
    weir_endpoint server;
    weir_tcp_socket socket;
    weir_deadline deadline;
    uint32_t entry;
    uint32_t reply;
};

struct town {
    weir_sim *sim;
    weir_sim_host *host;
    weir_root root; /* Of the server that is up. */
    struct disk disk;
    struct client client;
};

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    for (;;) {
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->socket));
        if (r.error)
            break;
        for (;;) {
            WEIR_AWAIT(task, r,
                       weir_read(task, &self->socket.stream.in,
                                 weir_buffer_of(&self->entry, sizeof self->entry)));
            if (r.error)
                break;
            self->disk->entries = self->entry;
            WEIR_AWAIT(task, r,
                       weir_write(task, &self->socket.stream.out,
                                  weir_const_buffer_of(&self->entry, sizeof self->entry)));
        }
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    }
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void server_main(void *argument)
{
    struct town *town = argument;
    weir_endpoint local = weir_sim_host_endpoint(town->host, PORT);
    struct server server = {.disk = &town->disk};
    weir_loop *loop;

    server.disk->starts++;
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    CHECK_EQ(weir_tcp_listen(&server.acceptor, loop, &local, NULL), 0);
    weir_task_init(&server.task, server_resume);
    weir_run_async(weir_loop_executor(loop), &town->root, &server.task, NULL, NULL);
    weir_loop_run(loop);
    weir_loop_free(loop);
}

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    weir_deadline_init(&self->deadline);
    self->entry = 1;
    while (self->entry <= ENTRIES) {
        weir_deadline_arm_after(task, &self->deadline, SECOND_NS);
        r = weir_result_of(0, 0);
        if (!weir_tcp_is_open(&self->socket))
            WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->socket, &self->server));
        if (!r.error)
            WEIR_AWAIT(task, r,
                       weir_write(task, &self->socket.stream.out,
                                  weir_const_buffer_of(&self->entry, sizeof self->entry)));
        if (!r.error)
            WEIR_AWAIT(task, r,
                       weir_read(task, &self->socket.stream.in,
                                 weir_buffer_of(&self->reply, sizeof self->reply)));
        (void)weir_deadline_disarm(task, &self->deadline);
        if (!r.error) {
            CHECK_EQ(self->reply, self->entry);
            self->entry++;
            WEIR_AWAIT(task, r, weir_sleep_for(task, SECOND_NS / 1000));
            continue;
        }
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
        WEIR_AWAIT(task, r, weir_sleep_for(task, SECOND_NS / 100));
    }
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void client_main(void *argument)
{
    struct town *town = argument;
    weir_loop *loop;

    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    weir_task_init(&town->client.task, client_resume);
    CHECK_EQ(weir_run(loop, &town->client.task).error, 0);
    weir_loop_free(loop);
    CHECK_EQ(town->disk.entries, ENTRIES);
    weir_root_stop(&town->root, WEIR_STOP_REQUESTED);
}

static void crash(weir_sim *sim, void *argument)
{
    struct town *town = argument;

    (void)sim;
    weir_sim_host_crash(town->host);
    weir_sim_start(town->host, "server", server_main, town);
}

static void town_build(struct town *town, const weir_sim_options *options)
{
    test_memory_lost(); /* The server's, which crashes. */
    *town = (struct town){.sim = weir_sim_new(options)};
    town->host = weir_sim_host_new(town->sim, "server");
    town->client.server = weir_sim_host_endpoint(town->host, PORT);
    weir_sim_start(town->host, "server", server_main, town);
    weir_sim_start(weir_sim_host_new(town->sim, "client"), "client", client_main, town);
}

/* Crashes while the client is at work: its entries take 30 ms and more. */
static weir_sim_outcome survive(uint64_t seed, unsigned level)
{
    weir_sim_options options = {.seed = seed, .faults = weir_sim_faults_at(level, seed)};
    weir_sim_outcome outcome;
    struct town town;
    int i;

    options.faults.no_descriptors = 0; /* Its programs do not try again. */
    options.faults.no_kernel_memory = 0;
    town_build(&town, &options);
    for (i = 0; i < CRASHES; i++)
        weir_sim_at(town.sim, SECOND_NS + (int64_t)weir_sim_random_below(town.sim, 20000000), crash,
                    &town);
    CHECK_EQ(weir_sim_run(town.sim, 3600 * SECOND_NS), 0);
    CHECK_EQ(town.disk.starts, 1 + CRASHES);
    outcome = weir_sim_outcome_get(town.sim);
    weir_sim_free(town.sim);
    return outcome;
}

WEIR_TEST(crash, what_was_acknowledged_is_there_when_the_host_is_up_again)
{
    uint64_t seed;

    for (seed = 1; seed <= SEEDS; seed++)
        CHECK(survive(seed, 0).connections > 0);
}

WEIR_TEST(crash, so_it_is_among_faults)
{
    uint64_t seed;

    for (seed = 1; seed <= SEEDS; seed++)
        (void)survive(seed, 1 + (unsigned)(seed % 2));
}

WEIR_TEST(crash, the_same_seed_is_the_same_history)
{
    uint64_t seed;

    for (seed = 1; seed <= 20; seed++)
        CHECK(survive(seed, 1).hash == survive(seed, 1).hash);
}

/* Wherever it is. */
WEIR_TEST(crash, a_host_may_crash_at_any_event)
{
    weir_sim_options options = {.seed = 3};
    uint64_t step;

    for (step = 0; step < 400; step++) {
        struct town town;

        town_build(&town, &options);
        weir_sim_at_step(town.sim, step, crash, &town);
        CHECK_EQ(weir_sim_run(town.sim, 3600 * SECOND_NS), 0);
        weir_sim_free(town.sim);
    }
}

static void crash_for_good(weir_sim *sim, void *argument)
{
    (void)sim;
    weir_sim_host_crash(((struct town *)argument)->host);
}

static void come_too_late(weir_sim *sim, void *argument)
{
    (void)argument;
    weir_sim_fail(sim, "no script is called when all programs have ended");
}

/* Whether something is planned for later or not. */
static void lose_the_only_host(bool is_something_planned)
{
    struct town town = {.sim = weir_sim_new(NULL)};

    test_memory_lost();
    town.host = weir_sim_host_new(town.sim, "server");
    weir_sim_start(town.host, "server", server_main, &town);
    weir_sim_at(town.sim, 2 * SECOND_NS, crash_for_good, &town);
    if (is_something_planned)
        weir_sim_at(town.sim, 3 * SECOND_NS, come_too_late, &town);
    CHECK_EQ(weir_sim_run(town.sim, WEIR_SIM_TO_THE_END), 0);
    CHECK(weir_sim_outcome_get(town.sim).time_ns < 3 * SECOND_NS);
    weir_sim_free(town.sim);
}

WEIR_TEST(crash, a_world_whose_only_host_crashes_has_ended)
{
    lose_the_only_host(false);
    lose_the_only_host(true);
}

WEIR_TEST(crash, a_world_can_be_destroyed_at_any_time)
{
    int64_t until_ns;

    for (until_ns = SECOND_NS; until_ns < SECOND_NS + 4000000; until_ns += 40000) {
        weir_sim_options options = {.seed = 4};
        struct town town;

        town_build(&town, &options);
        CHECK_EQ(weir_sim_run(town.sim, until_ns), WEIR_TIMED_OUT);
        weir_sim_free(town.sim);
    }
}

/* Signals. */

struct listener {
    weir_task task;
    weir_signal_set signals;
};

static weir_task *listener_resume(weir_task *task)
{
    struct listener *self = WEIR_TASK_SELF(task, struct listener);
    weir_result r;

    WEIR_BEGIN(task);
    CHECK_EQ(weir_signal_open(&self->signals, weir_task_loop(task)), 0);
    CHECK_EQ(weir_signal_add(&self->signals, SIGUSR1), 0);
    WEIR_AWAIT(task, r, weir_signal_wait(task, &self->signals));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* More worlds than the process can have sets. */
WEIR_TEST(crash, what_the_process_knew_of_signals_is_forgotten)
{
    int i;

    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    test_memory_lost();
    for (i = 0; i < 100; i++) {
        weir_sim_options options = {.seed = (uint64_t)i};
        weir_sim *sim = weir_sim_new(&options);
        struct listener listener;

        weir_task_init(&listener.task, listener_resume);
        weir_sim_start_task(weir_sim_host_new(sim, "host"), "listener", &listener.task);
        CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), -EDEADLK);
        weir_sim_free(sim);
    }
    CHECK_EQ(raise(SIGUSR1), 0); /* Whose handler is the one that stood before. */
}

/* What was on its way is sent again, and a host that is up answers with a reset. */

static weir_task *asker_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->socket, &self->server));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(task, r, weir_sleep_for(task, SECOND_NS));
    WEIR_AWAIT(task, r,
               weir_write(task, &self->socket.stream.out,
                          weir_const_buffer_of(&self->entry, sizeof self->entry)));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(
        task, r,
        weir_read(task, &self->socket.stream.in, weir_buffer_of(&self->reply, sizeof self->reply)));
    CHECK_EQ(r.error, -ECONNRESET);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(crash, who_has_sent_to_it_is_reset)
{
    weir_sim_link slow = {.latency_min_ns = 50000000, .latency_max_ns = 50000000};
    struct town town = {.sim = weir_sim_new(&(weir_sim_options){.seed = 1})};
    weir_sim_host *client = weir_sim_host_new(town.sim, "client");

    test_memory_lost();
    town.host = weir_sim_host_new(town.sim, "server");
    weir_sim_link_set(town.host, client, &slow);
    town.client.server = weir_sim_host_endpoint(town.host, PORT);
    weir_task_init(&town.client.task, asker_resume);
    weir_sim_start(town.host, "server", server_main, &town);
    weir_sim_start_task(client, "client", &town.client.task);
    weir_sim_at(town.sim, 2 * SECOND_NS + 120000000, crash_for_good, &town);
    CHECK_EQ(weir_sim_run(town.sim, WEIR_SIM_TO_THE_END), 0);
    weir_sim_free(town.sim);
}

static void crash_here(void *argument)
{
    weir_sim_host_crash(((struct town *)argument)->host);
}

WEIR_ABORT_TEST(crash, a_host_does_not_crash_by_a_call_of_a_program)
{
    struct town town = {.sim = weir_sim_new(&(weir_sim_options){.seed = 1})};

    town.host = weir_sim_host_new(town.sim, "host");
    weir_sim_start(town.host, "main", crash_here, &town);
    (void)weir_sim_run(town.sim, WEIR_SIM_TO_THE_END);
}
