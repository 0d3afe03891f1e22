/* SPDX-License-Identifier: MIT */

/* Stopping sessions: softly, hard, from other threads, at every moment. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

enum { REPLY = 4 << 20 }; /* More than a connection that nobody reads takes. */

static void check_result(weir_result r, int error, size_t count)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, count);
}

/* A session that writes a long reply under a shield, then reads. */

struct session {
    weir_task task;
    weir_tcp_socket socket;
    const uint8_t *reply;
    weir_result written;
    weir_result read;
    uint8_t data[64];
};

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    weir_shield_begin(task);
    WEIR_AWAIT(
        task, r,
        weir_write(task, &self->socket.stream.out, weir_const_buffer_of(self->reply, REPLY)));
    self->written = r;
    weir_shield_end(task);
    WEIR_AWAIT(task, r,
               weir_read_some(task, &self->socket.stream.in,
                              weir_buffer_of(self->data, sizeof self->data)));
    self->read = r;
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, self->read);
    WEIR_END(task);
}

struct shutdown {
    struct fixture f;
    struct session session;
    struct job job;
    uint8_t *reply;
    int peer;
};

/* A session in the middle of its reply. */
static void shutdown_init(struct shutdown *t, const char *backend)
{
    t->reply = malloc(REPLY);
    CHECK(t->reply);
    pattern_fill(t->reply, REPLY, 0);
    fixture_init(&t->f, backend);
    t->peer = fixture_connect_raw(&t->f, &t->session.socket);
    CHECK_EQ(weir_tcp_option_set(&t->session.socket, WEIR_TCP_SEND_BUFFER_BYTES, 131072), 0);
    t->session.reply = t->reply;
    weir_task_init(&t->session.task, session_resume);
    job_start(&t->f, &t->job, &t->session.task);
    fixture_turn(&t->f);
    CHECK(!t->job.done);
}

static void shutdown_fini(struct shutdown *t)
{
    raw_close(t->peer);
    free(t->reply);
    fixture_fini(&t->f);
}

static void receive_reply(void *argument)
{
    struct shutdown *t = argument;
    uint8_t *data = malloc(REPLY);

    CHECK(data);
    CHECK_EQ(raw_receive(t->peer, data, REPLY), REPLY);
    pattern_check(data, REPLY, 0);
    free(data);
}

WEIR_CONTRACT_TEST(stop, a_soft_stop_does_not_cut_what_is_shielded)
{
    struct shutdown t;
    weir_sys_thread thread;

    shutdown_init(&t, backend);
    weir_root_stop(&t.job.root, WEIR_STOP_REQUESTED);
    fixture_turn(&t.f);
    CHECK(!t.job.done);
    thread_start(&thread, receive_reply, &t);
    check_result(job_wait(&t.f, &t.job), WEIR_CANCELLED, 0);
    thread_join(&thread);
    check_result(t.session.written, 0, REPLY);
    check_result(t.session.read, WEIR_CANCELLED, 0);
    shutdown_fini(&t);
}

WEIR_CONTRACT_TEST(stop, a_hard_stop_cuts_what_is_shielded)
{
    struct shutdown t;

    shutdown_init(&t, backend);
    weir_root_stop(&t.job.root, WEIR_STOP_REQUESTED);
    fixture_turn(&t.f);
    CHECK(!t.job.done);
    weir_root_stop(&t.job.root, WEIR_STOP_HARD);
    (void)job_wait(&t.f, &t.job);
    CHECK_EQ(t.session.written.error, WEIR_CANCELLED);
    CHECK(t.session.written.count < REPLY);
    check_result(t.session.read, WEIR_CANCELLED, 0);
    shutdown_fini(&t);
}

WEIR_CONTRACT_TEST(stop, requests_that_meet_on_the_way_all_arrive)
{
    struct shutdown t;

    shutdown_init(&t, backend);
    weir_root_stop(&t.job.root, WEIR_STOP_REQUESTED);
    weir_root_stop(&t.job.root, WEIR_STOP_HARD);
    weir_root_stop(&t.job.root, WEIR_STOP_REQUESTED);
    (void)job_wait(&t.f, &t.job);
    CHECK_EQ(t.session.written.error, WEIR_CANCELLED);
    shutdown_fini(&t);
}

WEIR_CONTRACT_TEST(stop, stop_while_starting)
{
    weir_tcp_socket socket;
    struct fixture f;
    struct op op;
    char byte;
    int peer;

    fixture_init(&f, backend);
    peer = fixture_connect_raw(&f, &socket);
    op_read_some(&f, &op, &socket, &byte, 1);
    op_stop(&op); /* It has not run yet. */
    check_result(op_wait(&f, &op), WEIR_CANCELLED, 0);
    fixture_close(&f, &socket);
    raw_close(peer);
    fixture_fini(&f);
}

WEIR_CONTRACT_TEST(stop, one_after_the_end_does_nothing)
{
    struct fixture f;
    struct op op;

    fixture_init(&f, backend);
    op_sleep_until(&f, &op, 1);
    check_result(op_wait(&f, &op), 0, 0);
    op_stop(&op);
    op_stop(&op);
    fixture_turn(&f);
    check_result(op.job.result, 0, 0);
    fixture_fini(&f);
}

/* From another thread, at every moment of an echo session. */

struct echo {
    weir_task task;
    weir_tcp_socket *socket;
    uint8_t data[64];
};

static weir_task *echo_resume(weir_task *task)
{
    struct echo *self = WEIR_TASK_SELF(task, struct echo);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->socket->stream.in,
                                  weir_buffer_of(self->data, sizeof self->data)));
        if (r.error)
            break;
        weir_shield_begin(task);
        WEIR_AWAIT(
            task, r,
            weir_write(task, &self->socket->stream.out, weir_const_buffer_of(self->data, r.count)));
        weir_shield_end(task);
        if (r.error)
            break;
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Stops a root once for each round. */
struct stopper {
    weir_sys_thread thread;
    weir_root *root;
    int round_count;
    struct semaphore go;
    struct semaphore done;
};

static void stopper_thread(void *argument)
{
    struct stopper *self = argument;

    for (int round = 0; round < self->round_count; round++) {
        semaphore_wait(&self->go);
        for (volatile int spin = round * 37 % 4000; spin > 0; spin--) {
        }
        weir_root_stop(self->root, WEIR_STOP_REQUESTED);
        semaphore_post(&self->done);
    }
}

static void stopper_start(struct stopper *stopper, weir_root *root, int round_count)
{
    stopper->root = root;
    stopper->round_count = round_count;
    semaphore_init(&stopper->go);
    semaphore_init(&stopper->done);
    thread_start(&stopper->thread, stopper_thread, stopper);
}

static void stopper_finish(struct stopper *stopper)
{
    thread_join(&stopper->thread);
    semaphore_fini(&stopper->go);
    semaphore_fini(&stopper->done);
}

/* What was sent so far comes back whole and in order, whatever was stopped meanwhile. */
static void collect_echo(struct fixture *f, weir_tcp_socket *socket, int peer, size_t *from)
{
    struct echo echo = {.socket = socket};
    uint8_t data[16];
    struct job job;

    weir_task_init(&echo.task, echo_resume);
    job_start(f, &job, &echo.task);
    fixture_turn(f);
    for (size_t left = 3; left > 0;) {
        int64_t count = raw_receive_now(peer, data, left);

        if (count > 0) {
            pattern_check(data, (size_t)count, *from);
            *from += (size_t)count;
            left -= (size_t)count;
        } else {
            fixture_turn(f);
        }
    }
    weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
    check_result(job_wait(f, &job), WEIR_CANCELLED, 0);
}

WEIR_CONTRACT_TEST(stop, one_by_another_thread_at_any_moment_of_a_session_loses_nothing)
{
    enum { ROUNDS = 1000 };
    struct echo echo;
    struct stopper stopper;
    weir_tcp_socket socket;
    struct fixture f;
    struct job job;
    size_t sent = 0, returned = 0;
    int peer;

    fixture_init(&f, backend);
    peer = fixture_connect_raw(&f, &socket);
    echo.socket = &socket;
    stopper_start(&stopper, &job.root, ROUNDS);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t data[3];

        weir_task_init(&echo.task, echo_resume);
        job_start(&f, &job, &echo.task);
        semaphore_post(&stopper.go);
        pattern_fill(data, sizeof data, sent);
        raw_send(peer, data, sizeof data);
        sent += sizeof data;
        CHECK_EQ(job_wait(&f, &job).error, WEIR_CANCELLED);
        semaphore_wait(&stopper.done);
        collect_echo(&f, &socket, peer, &returned);
        CHECK_EQ(returned, sent);
    }
    stopper_finish(&stopper);
    fixture_close(&f, &socket);
    raw_close(peer);
    fixture_fini(&f);
}

/* Scopes of sessions. */

struct server {
    weir_task task;
    weir_tcp_acceptor *acceptor;
    weir_scope sessions;
    struct served *next;
    weir_result joined;
};

struct served {
    weir_task task;
    weir_tcp_socket socket;
    uint8_t byte;
};

static weir_task *served_resume(weir_task *task)
{
    struct served *self = WEIR_TASK_SELF(task, struct served);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_read_some(task, &self->socket.stream.in, weir_buffer_of(&self->byte, 1)));
    CHECK_EQ(r.error, WEIR_CANCELLED);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, weir_result_of(WEIR_CANCELLED, 0));
    WEIR_END(task);
}

static struct served *served_new(struct server *server)
{
    struct served *served = weir_scope_new(&server->sessions, sizeof *served, served_resume);

    CHECK(served);
    weir_tcp_socket_init(&served->socket);
    return served;
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->sessions, task);
    for (;;) {
        self->next = served_new(self);
        WEIR_AWAIT(task, r, weir_tcp_accept(task, self->acceptor, &self->next->socket));
        if (r.error)
            break;
        weir_scope_start(&self->sessions, &self->next->task);
    }
    weir_scope_discard(&self->sessions, &self->next->task);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->sessions));
    self->joined = r;
    weir_scope_fini(&self->sessions);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(stop, a_scope_of_sessions_is_stopped_and_joined)
{
    enum { COUNT = 20 };
    struct server server;
    int peers[COUNT];
    struct fixture f;
    struct job job;
    char byte;

    fixture_init(&f, backend);
    server.acceptor = &f.acceptor;
    weir_task_init(&server.task, server_resume);
    job_start(&f, &job, &server.task);
    for (int i = 0; i < COUNT; i++)
        peers[i] = raw_connect(&f.endpoint);
    while (job.root.main->state == WEIR_TASK_NEW || weir_scope_live_count(&server.sessions) < COUNT)
        fixture_turn(&f);
    weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
    check_result(job_wait(&f, &job), WEIR_CANCELLED, COUNT);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(raw_receive(peers[i], &byte, 1), 0);
        raw_close(peers[i]);
    }
    fixture_fini(&f);
}

/* A source of the task's own. */

struct guarded {
    weir_task task;
    weir_stop_source source;
    struct semaphore open; /* The source may be used. */
};

static weir_task *guarded_resume(weir_task *task)
{
    struct guarded *self = WEIR_TASK_SELF(task, struct guarded);
    weir_result r;

    WEIR_BEGIN(task);
    weir_stop_source_open(&self->source, task);
    semaphore_post(&self->open);
    WEIR_AWAIT(task, r, weir_sleep_until(task, INT64_MAX));
    CHECK_EQ(r.error, WEIR_CANCELLED);
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->source));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void request_stops(void *argument)
{
    struct guarded *self = argument;

    semaphore_wait(&self->open);
    for (int i = 0; i < 50; i++)
        weir_stop_source_request(&self->source, WEIR_STOP_REQUESTED);
}

WEIR_CONTRACT_TEST(stop, a_source_closes_while_requests_are_on_their_way)
{
    enum { ROUNDS = 100 };
    struct guarded guarded;
    struct fixture f;

    fixture_init(&f, backend);
    semaphore_init(&guarded.open);
    for (int i = 0; i < ROUNDS; i++) {
        weir_sys_thread thread;

        weir_task_init(&guarded.task, guarded_resume);
        thread_start(&thread, request_stops, &guarded);
        check_result(fixture_run(&f, &guarded.task), 0, 0);
        thread_join(&thread);
    }
    semaphore_fini(&guarded.open);
    fixture_fini(&f);
}
