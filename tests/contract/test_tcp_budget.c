/* SPDX-License-Identifier: MIT */

/* What TCP operations that complete at once spend, and that the other tasks have their turns. */
#include "fixture.h"

static void check_result(weir_result r, int error, size_t count)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, count);
}

/* Transfers a byte at a time, as long as that goes well and there is one. */
struct glutton {
    weir_task task;
    weir_task *(*start)(struct glutton *self);
    weir_tcp_socket *socket;
    size_t limit;
    size_t count; /* Of transfers. */
    uint8_t byte;
};

static weir_task *glutton_read(struct glutton *self)
{
    return weir_read_some(&self->task, &self->socket->stream.in, weir_buffer_of(&self->byte, 1));
}

static weir_task *glutton_write(struct glutton *self)
{
    weir_const_buffer byte = weir_const_buffer_of(&self->byte, 1);

    if (self->count % 2)
        return weir_write(&self->task, &self->socket->stream.out, byte);
    return weir_write_some(&self->task, &self->socket->stream.out, byte);
}

static weir_task *glutton_resume(weir_task *task)
{
    struct glutton *self = WEIR_TASK_SELF(task, struct glutton);
    weir_result r = {0, 0};

    WEIR_BEGIN(task);
    while (self->count < self->limit) {
        WEIR_AWAIT(task, r, self->start(self));
        if (r.error)
            break;
        self->count++;
    }
    WEIR_RETURN(task, weir_result_of(r.error, 0));
    WEIR_END(task);
}

struct bystander {
    weir_task task;
    const struct glutton *glutton;
    size_t seen;    /* What the glutton had done at its last turn. */
    size_t longest; /* Transfers between two turns. */
};

static weir_task *bystander_resume(weir_task *task)
{
    struct bystander *self = WEIR_TASK_SELF(task, struct bystander);

    WEIR_BEGIN(task);
    while (self->glutton->task.state != WEIR_TASK_DONE) {
        if (self->glutton->count - self->seen > self->longest)
            self->longest = self->glutton->count - self->seen;
        self->seen = self->glutton->count;
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

enum { BUDGET = 4, BITES = 20000, BITES_UNREAD = 1000 };

/* Returns how often the glutton came before the bystander in a row. */
static size_t feed(struct fixture *f, struct glutton *glutton, int error)
{
    struct bystander bystander = {.glutton = glutton};
    struct job job;

    weir_task_init(&glutton->task, glutton_resume);
    weir_task_init(&bystander.task, bystander_resume);
    job_start(f, &job, &glutton->task);
    (void)fixture_run(f, &bystander.task);
    check_result(job_wait(f, &job), error, 0);
    return bystander.longest;
}

WEIR_CONTRACT_TEST(tcp, a_peer_that_always_has_data_does_not_starve_another_task)
{
    weir_loop_options options = {.backend = backend, .budget = BUDGET};
    static const uint8_t data[BITES];
    struct glutton glutton = {.start = glutton_read, .limit = SIZE_MAX};
    struct fixture f;
    weir_tcp_socket socket;
    int peer;

    fixture_init_with(&f, &options);
    peer = fixture_connect_raw(&f, &socket);
    raw_send(peer, data, BITES);
    raw_close(peer);
    glutton.socket = &socket;
    CHECK(feed(&f, &glutton, WEIR_EOF) <= 2 * BUDGET);
    CHECK_EQ(glutton.count, BITES);
    fixture_close(&f, &socket);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(tcp, a_peer_that_always_has_room_does_not_starve_another_task)
{
    weir_loop_options options = {.backend = backend, .budget = BUDGET};
    struct glutton glutton = {.start = glutton_write, .limit = BITES_UNREAD};
    struct fixture f;
    weir_tcp_socket socket;
    int peer;

    fixture_init_with(&f, &options);
    peer = fixture_connect_raw(&f, &socket);
    glutton.socket = &socket;
    CHECK(feed(&f, &glutton, 0) <= 2 * BUDGET);
    CHECK_EQ(glutton.count, BITES_UNREAD);
    raw_close(peer);
    fixture_close(&f, &socket);
    fixture_fini(&f);
}

/* A whole read that waits until there is something, and what it spent of the budget. */
struct spender {
    weir_task task;
    weir_tcp_socket *socket;
    weir_buffer buffer;
    weir_result result;
    int before;
    int spent;
};

static weir_task *spender_resume(weir_task *task)
{
    struct spender *self = WEIR_TASK_SELF(task, struct spender);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_wait(task, self->socket, WEIR_READING));
    WEIR_YIELD(task);
    self->before = task->environment->executor->budget;
    WEIR_AWAIT(task, self->result, weir_read(task, &self->socket->stream.in, self->buffer));
    self->spent = self->before - task->environment->executor->budget;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* On epoll both parts are there at once: the bytes, and the end behind them. */
WEIR_KERNEL_TEST(tcp, the_parts_of_a_whole_transfer_spend_the_budget_once)
{
    enum { SENT = 16 * WEIR_BUDGET_BYTES };
    static uint8_t data[2 * SENT];
    struct spender spender = {.buffer = weir_buffer_of(data, sizeof data)};
    struct fixture f;
    weir_tcp_socket socket;
    int peer;

    fixture_init(&f, backend);
    peer = fixture_connect_raw(&f, &socket);
    raw_send(peer, data, SENT);
    raw_close(peer);
    spender.socket = &socket;
    weir_task_init(&spender.task, spender_resume);
    check_result(fixture_run(&f, &spender.task), 0, 0);
    check_result(spender.result, WEIR_EOF, SENT);
    CHECK(spender.spent <= SENT / WEIR_BUDGET_BYTES + 2);
    fixture_close(&f, &socket);
    fixture_fini(&f);
}
