/* SPDX-License-Identifier: MIT */
/*
 * Tasks that never wait, on the loop of others that do: some complete everything at once, some only
 * yield. Between two steps of any of them each other has at most a slice; and the kernel's
 * completions and the timers of the loop come through.
 */
#include "play.h"
#include "scenario.h"

enum {
    EAGER_MAX = 5,
    IDLER_MAX = 3,
    ROUNDS_MAX = 4000,
    SLICE = 32 + 1, /* What completes at once in one resumption, and what led to it. */
    YIELDS_MAX = 20 * 1000 * 1000,
    LATE_NS = 100 * 1000,
    PORT = 80,
};

struct state;

/* A task that is ready or runs for as long as it lives. */
struct runner {
    weir_task task;
    weir_scope_child record;
    struct state *state;
    size_t left;    /* An eager one's rounds. */
    uint64_t steps; /* Of all eager tasks, when this one last ran. */
};

/* A task that waits. */
struct waiter {
    weir_task task;
    weir_scope_child record;
    struct state *state;
    weir_tcp_socket socket;
    int64_t at_ns;
    unsigned char byte;
};

struct state {
    weir_task task;
    weir_sim *sim;
    weir_sim_host *host;
    weir_scope scope;
    weir_event event; /* Is set. */
    weir_tcp_acceptor acceptor;
    weir_endpoint local;
    struct waiter door;
    struct waiter guest;
    struct waiter sleeper;
    bool is_served; /* The guest. */
    size_t eager_count;
    size_t idler_count;
    uint64_t steps; /* Of all eager tasks. */
    uint64_t yields;
    struct runner eager[EAGER_MAX];
    struct runner idlers[IDLER_MAX];
};

/* Those that never wait. */

static void check_turn(struct runner *self)
{
    struct state *state = self->state;
    uint64_t others = state->steps - self->steps;

    PLAY_EXPECT(state->sim, others <= state->eager_count * SLICE,
                "a task that was ready waited for %llu completions of %zu others",
                (unsigned long long)others, state->eager_count);
    self->steps = state->steps;
}

static weir_task *eager_resume(weir_task *task)
{
    struct runner *self = WEIR_TASK_SELF(task, struct runner);
    weir_result r;

    WEIR_BEGIN(task);
    check_turn(self);
    while (self->left > 0) {
        WEIR_AWAIT(task, r, weir_event_wait(task, &self->state->event));
        check_turn(self);
        self->steps = ++self->state->steps;
        self->left--;
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *idler_resume(weir_task *task)
{
    struct runner *self = WEIR_TASK_SELF(task, struct runner);

    WEIR_BEGIN(task);
    check_turn(self);
    while (!self->state->is_served) {
        WEIR_YIELD(task);
        check_turn(self);
        PLAY_EXPECT(self->state->sim, ++self->state->yields < YIELDS_MAX,
                    "a loop that is busy never learns what the kernel has done");
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Those that do. */

static void expect_success(const struct waiter *self, weir_result r, const char *what)
{
    PLAY_EXPECT(self->state->sim, r.error == 0, "%s gives %s without a fault", what,
                weir_error_name(r.error));
}

static weir_task *door_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->state->acceptor, &self->socket));
    expect_success(self, r, "an accept");
    WEIR_AWAIT(task, r,
               weir_write(task, &self->socket.stream.out, weir_const_buffer_of(&self->byte, 1)));
    expect_success(self, r, "a write");
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->state->acceptor));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *guest_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->socket, &self->state->local));
    expect_success(self, r, "a connect");
    WEIR_AWAIT(task, r, weir_read(task, &self->socket.stream.in, weir_buffer_of(&self->byte, 1)));
    expect_success(self, r, "a read");
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    self->state->is_served = true;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *sleeper_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        self->at_ns = weir_task_now_ns(task) + play_magnitude(self->state->sim, 20);
        WEIR_AWAIT(task, r, weir_sleep_until(task, self->at_ns));
        PLAY_EXPECT(self->state->sim, weir_task_now_ns(task) - self->at_ns <= LATE_NS,
                    "a sleep on a loop that is busy ends %lld ns late",
                    (long long)(weir_task_now_ns(task) - self->at_ns));
    } while (!self->state->is_served);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* All of them. */

static void start_runners(struct state *state, struct runner *runners, size_t count,
                          weir_resume_fn *resume)
{
    for (size_t i = 0; i < count; i++) {
        weir_task_init(&runners[i].task, resume);
        runners[i].state = state;
        runners[i].left = (size_t)play_between(state->sim, 1, ROUNDS_MAX);
        weir_scope_start_embedded(&state->scope, &runners[i].record, &runners[i].task);
    }
}

static void start_waiter(struct state *state, struct waiter *waiter, weir_resume_fn *resume)
{
    weir_task_init(&waiter->task, resume);
    waiter->state = state;
    weir_tcp_socket_init(&waiter->socket);
    weir_scope_start_embedded(&state->scope, &waiter->record, &waiter->task);
}

static void start_all(struct state *state)
{
    start_runners(state, state->eager, state->eager_count, eager_resume);
    start_waiter(state, &state->door, door_resume);
    start_waiter(state, &state->guest, guest_resume);
    start_runners(state, state->idlers, state->idler_count, idler_resume);
    start_waiter(state, &state->sleeper, sleeper_resume);
}

static weir_task *crowd_resume(weir_task *task)
{
    struct state *self = WEIR_TASK_SELF(task, struct state);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_event_init(&self->event);
    weir_event_set(&self->event);
    start_all(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    weir_event_fini(&self->event);
    weir_scope_fini(&self->scope);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void crowd_main(void *argument)
{
    struct state *state = argument;
    weir_loop *loop = kit_loop_new();
    int error = weir_tcp_listen(&state->acceptor, loop, &state->local, NULL);

    PLAY_EXPECT(state->sim, error == 0, "a listen gives %s without a fault",
                weir_error_name(error));
    weir_task_init(&state->task, crowd_resume);
    error = weir_run(loop, &state->task).error;
    PLAY_EXPECT(state->sim, error == 0, "the crowd ends with %s", weir_error_name(error));
    kit_loop_free(loop);
}

/* Neither failures are what this is about, nor a system that has no time for anybody. */
static void adjust(struct scenario_run *run)
{
    play_forgo_failures(&run->faults);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    const weir_sim_link near = {.latency_min_ns = 1000, .latency_max_ns = 2000};
    struct state *state = run->state;

    state->sim = sim;
    state->host = weir_sim_host_new(sim, "host");
    state->local = weir_sim_host_endpoint(state->host, PORT);
    state->eager_count = (size_t)play_between(sim, 0, EAGER_MAX);
    state->idler_count = (size_t)play_between(sim, 0, IDLER_MAX);
    weir_sim_link_set(state->host, state->host, &near);
    weir_sim_start(state->host, "crowd", crowd_main, state);
}

const struct scenario scenario_fairness = {
    .name = "fairness",
    .summary = "tasks that never wait leave the others their turn",
    .state_size_bytes = sizeof(struct state),
    .adjust = adjust,
    .build = build,
};
