/* SPDX-License-Identifier: MIT */
/* A bank of one account, and a client that does not give up: tried in a thousand worlds. */
#include <stdio.h>
#include <weir/sim.h>
#include <weir/weir.h>

enum { PORT = 7000, DEPOSITS = 20, AMOUNT = 10, WORLDS = 1000 };

static const int64_t MS = 1000000, MINUTE = 60000000000; /* Nanoseconds. */

struct request {
    uint64_t number; /* From 1: the same when it is sent again. */
    uint64_t amount;
};

struct bank {
    weir_task task;
    weir_endpoint local;
    bool looks_at_numbers; /* As first written: no. */
    weir_root root;
    weir_tcp_acceptor acceptor;
    weir_tcp_socket socket;
    struct request request;
    uint64_t last_number;
    uint64_t balance; /* Of the account: what a reply says. */
};

static void deposit(struct bank *bank)
{
    if (bank->looks_at_numbers && bank->request.number == bank->last_number)
        return;
    bank->balance += bank->request.amount;
    bank->last_number = bank->request.number;
}

static weir_task *bank_resume(weir_task *task)
{
    struct bank *self = WEIR_TASK_SELF(task, struct bank);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    for (;;) {
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->socket));
        if (r.error) /* A stop. */
            break;
        for (;;) {
            WEIR_AWAIT(task, r,
                       weir_read(task, &self->socket.stream.in,
                                 weir_buffer_of(&self->request, sizeof self->request)));
            if (r.error) /* The client has gone, or the connection. */
                break;
            deposit(self);
            WEIR_AWAIT(task, r,
                       weir_write(task, &self->socket.stream.out,
                                  weir_const_buffer_of(&self->balance, sizeof self->balance)));
        }
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    }
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* A program: what main() of the server would be. */
static void bank_main(void *argument)
{
    struct bank *self = argument;
    weir_loop *loop;

    if (weir_loop_new(NULL, &loop))
        return;
    if (weir_tcp_listen(&self->acceptor, loop, &self->local, NULL) == 0) {
        weir_task_init(&self->task, bank_resume);
        weir_run_async(weir_loop_executor(loop), &self->root, &self->task, NULL, NULL);
        weir_loop_run(loop);
    }
    weir_loop_free(loop);
}

struct client {
    weir_task task;
    struct bank *bank;
    weir_tcp_socket socket;
    struct request request;
    uint64_t balance;
    uint64_t acknowledged; /* Deposits whose reply came. */
};

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    while (self->acknowledged < DEPOSITS) {
        self->request = (struct request){self->acknowledged + 1, AMOUNT};
        if (!weir_tcp_is_open(&self->socket))
            WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->socket, &self->bank->local));
        WEIR_AWAIT(task, r, /* WEIR_CLOSED if it could not connect. */
                   weir_write(task, &self->socket.stream.out,
                              weir_const_buffer_of(&self->request, sizeof self->request)));
        if (!r.error)
            WEIR_AWAIT(task, r,
                       weir_read(task, &self->socket.stream.in,
                                 weir_buffer_of(&self->balance, sizeof self->balance)));
        if (!r.error) {
            self->acknowledged++;
        } else { /* Whatever went wrong is worth another connection. */
            WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
            WEIR_AWAIT(task, r, weir_sleep_for(task, MS));
        }
    }
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    weir_root_stop(&self->bank->root, WEIR_STOP_REQUESTED);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* One world. Returns whether the rule holds in it: what was acknowledged is there, once. */
static bool try_world(uint64_t seed, bool looks_at_numbers)
{
    weir_sim_options options = {.seed = seed, .faults = {.reset_connection = 20}};
    weir_sim *sim = weir_sim_new(&options);
    weir_sim_host *host = weir_sim_host_new(sim, "bank");
    struct bank bank = {.looks_at_numbers = looks_at_numbers};
    struct client client = {.bank = &bank};

    bank.local = weir_sim_host_endpoint(host, PORT);
    weir_task_init(&client.task, client_resume);
    weir_sim_start(host, "bank", bank_main, &bank);
    weir_sim_start_task(weir_sim_host_new(sim, "client"), "client", &client.task);
    if (weir_sim_run(sim, MINUTE)) /* Of its clock. */
        weir_sim_fail(sim, "the client gets through");
    weir_sim_free(sim);
    return bank.balance == AMOUNT * client.acknowledged;
}

static void try_worlds(const char *name, bool looks_at_numbers)
{
    bool holds = true;
    uint64_t seed;

    for (seed = 1; seed <= WORLDS; seed++)
        holds &= try_world(seed, looks_at_numbers);
    printf("%s: %s\n", name, holds ? "the rule holds" : "deposits count twice in some worlds");
}

int main(void)
{
    try_worlds("as first written", false);
    try_worlds("with numbers", true);
    return 0;
}
