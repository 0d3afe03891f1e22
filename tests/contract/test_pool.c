/* SPDX-License-Identifier: MIT */
/* A task of a loop that hops to a thread pool and comes back, with I/O on the one and
 * none on the other. */

#include "fixture.h"

/* What runs over there: notes its thread, and yields until it is stopped or has done enough. */
struct job_on_pool {
    weir_task task;
    size_t turns; /* In: how often to yield; 0: until a stop comes. */
    size_t turned;
    const void *thread; /* weir_thread_identity. */
};

static weir_task *job_on_pool_resume(weir_task *task)
{
    struct job_on_pool *self = WEIR_TASK_SELF(task, struct job_on_pool);

    WEIR_BEGIN(task);
    self->thread = weir_thread_identity();
    while (self->turns == 0 || self->turned < self->turns) {
        if (weir_task_stop_error(task))
            break;
        self->turned++;
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(weir_task_stop_error(task), self->turned));
    WEIR_END(task);
}

/* Reads a message on the loop, hops, and answers on the loop. */
struct server {
    weir_task task;
    weir_executor *pool;    /* In. */
    weir_tcp_socket socket; /* In. */
    const void *before;     /* Threads, as above. */
    const void *after;
    weir_bridge bridge;
    struct job_on_pool job;
    char data[4];
};

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(
        task, r,
        weir_read(task, &self->socket.stream.in, weir_buffer_of(self->data, sizeof self->data)));
    self->before = weir_thread_identity();
    weir_task_init(&self->job.task, job_on_pool_resume);
    WEIR_AWAIT(task, r, weir_run_on(task, &self->bridge, self->pool, &self->job.task));
    self->after = weir_thread_identity();
    if (r.error)
        WEIR_RETURN(task, r);
    WEIR_AWAIT(task, r,
               weir_write(task, &self->socket.stream.out,
                          weir_const_buffer_of(self->data, sizeof self->data)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_thread_pool *pool_make(void)
{
    weir_thread_pool_options options = {.threads = 2};
    weir_thread_pool *pool;

    CHECK_EQ(weir_thread_pool_new(&options, &pool), 0);
    return pool;
}

WEIR_CONTRACT_TEST(pool, a_task_computes_there_and_does_its_io_here)
{
    struct fixture f;
    struct job job;
    struct server server = {.job = {.turns = 10}};
    weir_thread_pool *pool;
    char data[4];
    int peer;

    fixture_init(&f, backend);
    pool = pool_make();
    server.pool = weir_thread_pool_executor(pool);
    peer = fixture_connect_raw(&f, &server.socket);
    weir_task_init(&server.task, server_resume);
    job_start(&f, &job, &server.task);
    raw_send(peer, "abcd", 4);
    CHECK_EQ(job_wait(&f, &job).count, 4);
    CHECK_EQ(raw_receive(peer, data, sizeof data), 4);
    CHECK(server.before == weir_thread_identity());
    CHECK(server.after == weir_thread_identity());
    CHECK(server.job.thread != weir_thread_identity());
    CHECK_EQ(server.job.turned, 10);
    fixture_close(&f, &server.socket);
    raw_close(peer);
    weir_thread_pool_free(pool);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(pool, a_stop_of_the_loops_task_reaches_what_runs_there)
{
    struct fixture f;
    struct job job;
    struct server server = {.job = {.turns = 0}};
    weir_thread_pool *pool;
    int peer;

    fixture_init(&f, backend);
    pool = pool_make();
    server.pool = weir_thread_pool_executor(pool);
    peer = fixture_connect_raw(&f, &server.socket);
    weir_task_init(&server.task, server_resume);
    job_start(&f, &job, &server.task);
    raw_send(peer, "abcd", 4);
    while (server.bridge.waiter != &server.task)
        fixture_turn(&f);
    weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
    CHECK_EQ(job_wait(&f, &job).error, WEIR_CANCELLED);
    fixture_close(&f, &server.socket);
    raw_close(peer);
    weir_thread_pool_free(pool);
    fixture_fini(&f);
}

/* Many trees of a loop hop at once, again and again. */

enum { HOPPERS = 16, HOPS = 200 };

struct hopper {
    weir_task task;
    struct job job;
    weir_executor *pool; /* In. */
    weir_bridge bridge;
    struct job_on_pool there;
    size_t hops;
};

static weir_task *hopper_resume(weir_task *task)
{
    struct hopper *self = WEIR_TASK_SELF(task, struct hopper);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->hops < HOPS) {
        self->there = (struct job_on_pool){.turns = 1 + self->hops % 3};
        weir_task_init(&self->there.task, job_on_pool_resume);
        WEIR_AWAIT(task, r, weir_run_on(task, &self->bridge, self->pool, &self->there.task));
        if (r.error)
            WEIR_RETURN(task, r);
        self->hops++;
    }
    WEIR_RETURN(task, weir_result_of(0, self->hops));
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(pool, many_tasks_hop_back_and_forth_and_none_is_lost)
{
    static struct hopper hoppers[HOPPERS];
    struct fixture f;
    weir_thread_pool *pool;

    fixture_init(&f, backend);
    pool = pool_make();
    for (size_t i = 0; i < HOPPERS; i++) {
        hoppers[i] = (struct hopper){.pool = weir_thread_pool_executor(pool)};
        weir_task_init(&hoppers[i].task, hopper_resume);
        job_start(&f, &hoppers[i].job, &hoppers[i].task);
    }
    for (size_t i = 0; i < HOPPERS; i++)
        CHECK_EQ(job_wait(&f, &hoppers[i].job).count, HOPS);
    weir_thread_pool_free(pool);
    fixture_fini(&f);
}
