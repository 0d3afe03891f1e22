/* SPDX-License-Identifier: MIT */

/*
 * One workload, one history: connections between two loops on two threads play scripts at once, and
 * what each end sees is the same on every kernel, whatever came in between.
 *
 * An end notes each step: how it went, how many bytes moved, and their sum. What a kernel may
 * choose does not show: steps that receive in parts are noted as one, and where an end waits for
 * nothing to come, its peer waits for it.
 */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

enum {
    CONNECTIONS = 8,
    STEPS_MAX = 13,
    BLOCK = 4096,        /* A step reads at most so much at once, */
    WRITE_MAX = 1000000, /* and writes. */
    PERIOD = 251,        /* Of the pattern that is sent. */
    NOTES_MAX = 1024,
};

/* How long an end waits for nothing: longer than what is there takes, in many slow parts. */
static const int64_t PATIENCE_NS = 20 * INT64_C(1000000);

static uint8_t pattern[WRITE_MAX + PERIOD];

/* Cancels or closes the connection while its end reads. */
struct aide {
    weir_task task;
    weir_tcp_socket *socket;
    bool closes;
    weir_scope_child child;
};

static weir_task *aide_resume(weir_task *task)
{
    struct aide *self = WEIR_TASK_SELF(task, struct aide);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, PATIENCE_NS));
    if (self->closes)
        WEIR_AWAIT(task, r, weir_tcp_close(task, self->socket));
    else
        weir_tcp_cancel(self->socket);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* One end of a connection. */

struct step {
    const struct verb *verb;
    size_t size;
};

struct end {
    weir_task task;
    weir_tcp_socket socket;
    const struct step *step; /* In: a script; one without verb ends it. */
    size_t sent;             /* Of all steps. */
    size_t count;            /* Of this step. */
    uint32_t sum;
    int error;
    weir_deadline deadline;
    weir_scope aides;
    struct aide aide;
    size_t notes_size;
    char notes[NOTES_MAX]; /* Out. */
    uint8_t data[BLOCK];
};

struct verb {
    const char *name;
    weir_task *(*start)(struct end *end);
    bool receives;
    bool goes_on; /* Until it has moved the size of the step. */
};

static weir_read_stream *in_of(struct end *end)
{
    return &end->socket.stream.in;
}

static weir_task *start_read(struct end *end)
{
    return weir_read(&end->task, in_of(end), weir_buffer_of(end->data, end->step->size));
}

static weir_task *start_take(struct end *end)
{
    size_t left = end->step->size - end->count;

    return weir_read_some(&end->task, in_of(end),
                          weir_buffer_of(end->data, left < BLOCK ? left : BLOCK));
}

static weir_const_buffer next_block(struct end *end)
{
    return weir_const_buffer_of(pattern + end->sent % PERIOD, end->step->size);
}

static weir_task *start_write(struct end *end)
{
    return weir_write(&end->task, &end->socket.stream.out, next_block(end));
}

static weir_task *start_write_last(struct end *end)
{
    return weir_write_eof(&end->task, &end->socket.stream.out, next_block(end));
}

static weir_task *start_wait(struct end *end)
{
    return weir_tcp_wait(&end->task, &end->socket, WEIR_READING);
}

/* Of less than there is: nothing more comes in time. */
static weir_task *start_late_read(struct end *end)
{
    weir_deadline_arm_after(&end->task, &end->deadline, PATIENCE_NS);
    return start_read(end);
}

static weir_task *start_read_with_aide(struct end *end, bool closes)
{
    end->aide.socket = &end->socket;
    end->aide.closes = closes;
    weir_task_init(&end->aide.task, aide_resume);
    weir_scope_start_embedded(&end->aides, &end->aide.child, &end->aide.task);
    return start_read(end);
}

static weir_task *start_cancelled_read(struct end *end)
{
    return start_read_with_aide(end, false);
}

static weir_task *start_closed_read(struct end *end)
{
    return start_read_with_aide(end, true);
}

static weir_task *start_half_close(struct end *end)
{
    return weir_task_complete(&end->task, weir_tcp_shutdown(&end->socket, WEIR_TCP_WRITES), 0);
}

static weir_task *start_close(struct end *end)
{
    return weir_tcp_close(&end->task, &end->socket);
}

static weir_task *start_reset(struct end *end)
{
    CHECK_EQ(weir_tcp_option_set(&end->socket, WEIR_TCP_LINGER_SECONDS, 0), 0);
    return start_close(end);
}

static const struct verb read_whole = {.name = "read", .start = start_read, .receives = true};
static const struct verb take = {
    .name = "take", .start = start_take, .receives = true, .goes_on = true};
static const struct verb write_whole = {.name = "write", .start = start_write};
static const struct verb write_last = {.name = "write last", .start = start_write_last};
static const struct verb wait_readable = {.name = "wait", .start = start_wait};
static const struct verb late_read = {
    .name = "late read", .start = start_late_read, .receives = true};
static const struct verb cancelled_read = {
    .name = "cancelled read", .start = start_cancelled_read, .receives = true};
static const struct verb closed_read = {
    .name = "closed read", .start = start_closed_read, .receives = true};
static const struct verb half_close = {.name = "half-close", .start = start_half_close};
static const struct verb close_whole = {.name = "close", .start = start_close};
static const struct verb reset = {.name = "reset", .start = start_reset};

static void step_begin(struct end *end)
{
    end->count = 0;
    end->error = 0;
    end->sum = UINT32_C(2166136261);
}

/* FNV-1a, of what the step receives. */
static void step_add(struct end *end, weir_result r)
{
    end->error = r.error;
    end->count += r.count;
    if (!end->step->verb->receives)
        return;
    for (size_t i = 0; i < r.count; i++)
        end->sum = (end->sum ^ end->data[i]) * UINT32_C(16777619);
}

static bool step_goes_on(const struct end *end)
{
    return end->step->verb->goes_on && !end->error && end->count < end->step->size;
}

static void note(struct end *end, const char *text)
{
    int length = snprintf(end->notes + end->notes_size, NOTES_MAX - end->notes_size, "%s", text);

    end->notes_size += (size_t)length;
    CHECK(end->notes_size < NOTES_MAX);
}

/* "read 10: WEIR_EOF 3 5a6c1f02" */
static void step_note(struct end *end)
{
    const struct step *step = end->step;
    char text[128];

    note(end, step->verb->name);
    snprintf(text, sizeof text, step->size > 0 ? " %zu: " : ": ", step->size);
    note(end, text);
    note(end, end->error ? weir_error_name(end->error) : "ok");
    snprintf(text, sizeof text, " %zu", end->count);
    if (end->count > 0 || step->size > 0)
        note(end, text);
    snprintf(text, sizeof text, " %08x", (unsigned)end->sum);
    if (end->count > 0 && step->verb->receives)
        note(end, text);
    note(end, "\n");
    if (!step->verb->receives)
        end->sent += end->count;
}

static weir_task *end_resume(weir_task *task)
{
    struct end *self = WEIR_TASK_SELF(task, struct end);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->aides, task);
    for (; self->step->verb; self->step++) {
        step_begin(self);
        do {
            WEIR_AWAIT(task, r, self->step->verb->start(self));
            step_add(self, r);
        } while (step_goes_on(self));
        (void)weir_deadline_disarm(task, &self->deadline);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->aides));
        CHECK_EQ(r.error, 0);
        step_note(self);
    }
    weir_scope_fini(&self->aides);
    CHECK(!weir_tcp_is_open(&self->socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void end_init(struct end *end)
{
    memset(end, 0, sizeof *end);
    weir_tcp_socket_init(&end->socket);
    weir_task_init(&end->task, end_resume);
}

/* The scripts: of the end that connects, and of the one that accepts. */

static const struct step scripts[CONNECTIONS][2][STEPS_MAX] = {
    /* An echo of several sizes. */
    {{{&write_whole, 1},
      {&read_whole, 1},
      {&write_whole, 4096},
      {&read_whole, 4096},
      {&write_whole, 100000},
      {&take, 100000},
      {&write_last, 3},
      {&read_whole, 8},
      {&close_whole, 0}},
     {{&read_whole, 1},
      {&write_whole, 1},
      {&read_whole, 4096},
      {&write_whole, 4096},
      {&take, 100000},
      {&write_whole, 100000},
      {&read_whole, 8},
      {&close_whole, 0}}},
    /* Nothing comes in time, or some of it. */
    {{{&late_read, 1},
      {&write_whole, 2},
      {&read_whole, 2},
      {&late_read, 16},
      {&write_whole, 3},
      {&wait_readable, 0},
      {&late_read, 16},
      {&late_read, 1},
      {&write_whole, 1},
      {&close_whole, 0}},
     {{&read_whole, 2},
      {&write_whole, 2},
      {&read_whole, 3},
      {&write_whole, 5},
      {&read_whole, 1},
      {&read_whole, 1},
      {&close_whole, 0}}},
    /* One direction ends, the other goes on. */
    {{{&half_close, 0},
      {&write_whole, 1},
      {&take, 70000},
      {&read_whole, 1},
      {&read_whole, 1},
      {&close_whole, 0}},
     {{&read_whole, 1},
      {&write_whole, 70000},
      {&half_close, 0},
      {&read_whole, 1},
      {&close_whole, 0}}},
    /* Reads are cancelled, with and without bytes. */
    {{{&cancelled_read, 4},
      {&write_whole, 1},
      {&read_whole, 1},
      {&cancelled_read, 4},
      {&cancelled_read, 4},
      {&write_whole, 1},
      {&wait_readable, 0},
      {&cancelled_read, 20},
      {&write_whole, 1},
      {&read_whole, 9},
      {&read_whole, 1},
      {&close_whole, 0}},
     {{&read_whole, 1},
      {&write_whole, 1},
      {&read_whole, 1},
      {&write_whole, 7},
      {&read_whole, 1},
      {&write_whole, 9},
      {&close_whole, 0}}},
    /* A close under a read. */
    {{{&write_whole, 3},
      {&closed_read, 10},
      {&read_whole, 1},
      {&write_whole, 1},
      {&wait_readable, 0},
      {&close_whole, 0}},
     {{&read_whole, 3}, {&read_whole, 1}, {&read_whole, 1}, {&close_whole, 0}}},
    /* A reset. */
    {{{&write_whole, 3}, {&read_whole, 1}, {&reset, 0}},
     {{&read_whole, 3},
      {&write_whole, 1},
      {&read_whole, 10},
      {&write_whole, 1},
      {&close_whole, 0}}},
    /* More than sockets hold, one way and the other. */
    {{{&write_whole, 1000000},
      {&read_whole, 4000},
      {&take, 1000000},
      {&read_whole, 1},
      {&close_whole, 0}},
     {{&take, 1000000}, {&write_whole, 4000}, {&write_last, 1000000}, {&close_whole, 0}}},
    /* The end comes in the middle of a read. */
    {{{&write_last, 2500}, {&take, 10000}, {&late_read, 1}, {&close_whole, 0}},
     {{&read_whole, 1000},
      {&read_whole, 2000},
      {&read_whole, 1},
      {&write_whole, 4999},
      {&close_whole, 0}}},
};

/* What the ends see: error, bytes and their sum. */
static const char *const expected[CONNECTIONS][2] = {
    {"write 1: ok 1\n"
     "read 1: ok 1 050c5d1f\n"
     "write 4096: ok 4096\n"
     "read 4096: ok 4096 612fae45\n"
     "write 100000: ok 100000\n"
     "take 100000: ok 100000 3a9d063c\n"
     "write last 3: ok 3\n"
     "read 8: WEIR_EOF 0\n"
     "close: ok\n",
     "read 1: ok 1 050c5d1f\n"
     "write 1: ok 1\n"
     "read 4096: ok 4096 612fae45\n"
     "write 4096: ok 4096\n"
     "take 100000: ok 100000 3a9d063c\n"
     "write 100000: ok 100000\n"
     "read 8: WEIR_EOF 3 9fbff489\n"
     "close: ok\n"},
    {"late read 1: WEIR_TIMED_OUT 0\n"
     "write 2: ok 2\n"
     "read 2: ok 2 1076963a\n"
     "late read 16: WEIR_TIMED_OUT 0\n"
     "write 3: ok 3\n"
     "wait: ok\n"
     "late read 16: WEIR_TIMED_OUT 5 a732ccb9\n"
     "late read 1: WEIR_TIMED_OUT 0\n"
     "write 1: ok 1\n"
     "close: ok\n",
     "read 2: ok 2 1076963a\n"
     "write 2: ok 2\n"
     "read 3: ok 3 f280df02\n"
     "write 5: ok 5\n"
     "read 1: ok 1 000c5540\n"
     "read 1: WEIR_EOF 0\n"
     "close: ok\n"},
    {"half-close: ok\n"
     "write 1: EPIPE 0\n"
     "take 70000: ok 70000 2e310430\n"
     "read 1: WEIR_EOF 0\n"
     "read 1: WEIR_EOF 0\n"
     "close: ok\n",
     "read 1: WEIR_EOF 0\n"
     "write 70000: ok 70000\n"
     "half-close: ok\n"
     "read 1: WEIR_EOF 0\n"
     "close: ok\n"},
    {"cancelled read 4: WEIR_CANCELLED 0\n"
     "write 1: ok 1\n"
     "read 1: ok 1 050c5d1f\n"
     "cancelled read 4: WEIR_CANCELLED 0\n"
     "cancelled read 4: WEIR_CANCELLED 0\n"
     "write 1: ok 1\n"
     "wait: ok\n"
     "cancelled read 20: WEIR_CANCELLED 7 b1182657\n"
     "write 1: ok 1\n"
     "read 9: ok 9 27148897\n"
     "read 1: WEIR_EOF 0\n"
     "close: ok\n",
     "read 1: ok 1 050c5d1f\n"
     "write 1: ok 1\n"
     "read 1: ok 1 040c5b8c\n"
     "write 7: ok 7\n"
     "read 1: ok 1 070c6045\n"
     "write 9: ok 9\n"
     "close: ok\n"},
    {"write 3: ok 3\n"
     "closed read 10: WEIR_CANCELLED 0\n"
     "read 1: WEIR_CLOSED 0\n"
     "write 1: WEIR_CLOSED 0\n"
     "wait: WEIR_CLOSED\n"
     "close: ok\n",
     "read 3: ok 3 22ae7a28\n"
     "read 1: WEIR_EOF 0\n"
     "read 1: WEIR_EOF 0\n"
     "close: ok\n"},
    {"write 3: ok 3\n"
     "read 1: ok 1 050c5d1f\n"
     "reset: ok\n",
     "read 3: ok 3 22ae7a28\n"
     "write 1: ok 1\n"
     "read 10: ECONNRESET 0\n"
     "write 1: ECONNRESET 0\n"
     "close: ok\n"},
    {"write 1000000: ok 1000000\n"
     "read 4000: ok 4000 2d665e45\n"
     "take 1000000: ok 1000000 cdd591e5\n"
     "read 1: WEIR_EOF 0\n"
     "close: ok\n",
     "take 1000000: ok 1000000 066a7b25\n"
     "write 4000: ok 4000\n"
     "write last 1000000: ok 1000000\n"
     "close: ok\n"},
    {"write last 2500: ok 2500\n"
     "take 10000: WEIR_EOF 4999 53d69959\n"
     "late read 1: WEIR_EOF 0\n"
     "close: ok\n",
     "read 1000: ok 1000 146e518d\n"
     "read 2000: WEIR_EOF 1500 f54202b8\n"
     "read 1: WEIR_EOF 0\n"
     "write 4999: ok 4999\n"
     "close: ok\n"},
};

/* The end that accepts: it is told which connection it is. */

struct session {
    weir_task task;
    weir_scope_child child;
    struct end end;
    uint8_t index;
};

static weir_task *session_call(struct session *session)
{
    CHECK(session->index < CONNECTIONS);
    session->end.step = scripts[session->index][1];
    return weir_call(&session->task, &session->end.task);
}

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_read(task, in_of(&self->end), weir_buffer_of(&self->index, 1)));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(task, r, session_call(self));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct server {
    weir_task task;
    const char *backend;
    weir_sys_thread thread;
    struct semaphore listening;
    weir_tcp_acceptor acceptor;
    weir_endpoint endpoint;
    weir_scope scope;
    int accepted;
    struct session sessions[CONNECTIONS];
};

static weir_task *accept_next(struct server *server)
{
    struct session *session = &server->sessions[server->accepted];

    end_init(&session->end);
    weir_task_init(&session->task, session_resume);
    return weir_tcp_accept(&server->task, &server->acceptor, &session->end.socket);
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    for (self->accepted = 0; self->accepted < CONNECTIONS; self->accepted++) {
        WEIR_AWAIT(task, r, accept_next(self));
        CHECK_EQ(r.error, 0);
        weir_scope_start_embedded(&self->scope, &self->sessions[self->accepted].child,
                                  &self->sessions[self->accepted].task);
    }
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    CHECK_EQ(r.error, 0);
    weir_scope_fini(&self->scope);
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void server_main(void *argument)
{
    struct server *server = argument;
    weir_loop_options options = {.backend = server->backend};
    weir_endpoint local = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    weir_loop *loop;

    CHECK_EQ(weir_loop_new(&options, &loop), 0);
    CHECK_EQ(weir_tcp_listen(&server->acceptor, loop, &local, NULL), 0);
    CHECK_EQ(weir_tcp_acceptor_local(&server->acceptor, &server->endpoint), 0);
    semaphore_post(&server->listening);
    weir_task_init(&server->task, server_resume);
    CHECK_EQ(weir_run(loop, &server->task).error, 0);
    weir_loop_free(loop);
}

/* The end that connects. */

struct client {
    weir_task task;
    struct job job;
    const weir_endpoint *server;
    struct end end;
    uint8_t index;
};

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->end.socket, self->server));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(
        task, r,
        weir_write(task, &self->end.socket.stream.out, weir_const_buffer_of(&self->index, 1)));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(task, r, weir_call(task, &self->end.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void client_start(struct fixture *f, struct client *client, int index,
                         const weir_endpoint *server)
{
    client->server = server;
    client->index = (uint8_t)index;
    end_init(&client->end);
    client->end.step = scripts[index][0];
    weir_task_init(&client->task, client_resume);
    job_start(f, &client->job, &client->task);
}

static void check_notes(int index, int side, const struct end *end)
{
    if (strcmp(end->notes, expected[index][side]) == 0)
        return;
    test_fail(__FILE__, __LINE__, "connection %d, the end that %s:\n%s", index,
              side == 0 ? "connects" : "accepts", end->notes);
}

WEIR_CONTRACT_TEST(history, each_connection_sees_the_same_on_every_kernel)
{
    static struct server server;
    static struct client clients[CONNECTIONS];
    struct fixture f;

    pattern_fill(pattern, sizeof pattern, 0);
    fixture_init(&f, backend);
    server.backend = backend;
    semaphore_init(&server.listening);
    thread_start(&server.thread, server_main, &server);
    semaphore_wait(&server.listening);
    for (int i = 0; i < CONNECTIONS; i++)
        client_start(&f, &clients[i], i, &server.endpoint);
    for (int i = 0; i < CONNECTIONS; i++)
        CHECK_EQ(job_wait(&f, &clients[i].job).error, 0);
    thread_join(&server.thread);
    semaphore_fini(&server.listening);
    for (int i = 0; i < CONNECTIONS; i++) {
        check_notes(clients[i].index, 0, &clients[i].end);
        check_notes(server.sessions[i].index, 1, &server.sessions[i].end);
    }
    fixture_fini(&f);
}

TEST_DEFINE_ON(test_on_faulty_sim, history, each_connection_sees_the_same_on_every_kernel,
               faulty_sim, history_each_connection_sees_the_same_on_every_kernel_on)
