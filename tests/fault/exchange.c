/* SPDX-License-Identifier: MIT */

/*
 * The exchange. Threads: one.
 *
 * Every client has a task that writes and one that reads, so that what is too large for the
 * socket's buffers goes out while its beginning comes back.
 */
#include <stdint.h>
#include <string.h>

#include <weir/weir.h>

#include "exchange.h"
#include "leaks.h"
#include "test.h"
#include "zero_copy.h"

enum { BULK = 300000, SMALL = 100, SERVER_BUFFER = 16384 };

static const int64_t RETRY_NS = INT64_C(1000000);
static const int64_t BREATH_NS = INT64_C(100000);

/* The byte that client number sends at this place. */
static uint8_t pattern(int number, size_t place)
{
    return (uint8_t)(place * 31 + place / 253 + (size_t)number * 101);
}

/* The server: one session a connection, as in the example; every other one reads
 * through a source. */

struct session {
    weir_task task;
    weir_tcp_socket socket;
    weir_tcp_source source;
    struct server *server;
    weir_result outcome;
    weir_const_buffer parts[2];
    size_t rounds;
    uint8_t data[SERVER_BUFFER];
};

struct server {
    weir_task task;
    weir_tcp_acceptor acceptor;
    struct session *next;
    weir_scope sessions;
    bool lends; /* To the next session. */
    struct exchange *exchange;
};

static weir_task *lent_session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, weir_buffer_source_pull(task, &self->source.source, self->parts, 2));
        if (r.error)
            break;
        WEIR_AWAIT(task, r, weir_write_v(task, &self->socket.stream.out, self->parts, r.count));
        if (r.error)
            break;
        weir_buffer_source_consume(&self->source.source, r.count);
    }
    if (r.error != WEIR_EOF)
        self->server->exchange->session_errors++;
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* What was read, as a sequence of two. */
static weir_const_buffer *halves(struct session *session, size_t count)
{
    session->parts[0] = weir_const_buffer_of(session->data, count / 2);
    session->parts[1] = weir_const_buffer_of(session->data + count / 2, count - count / 2);
    return session->parts;
}

/* The first rounds are gathered: should that send less than all, the rest follows plainly. */
static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->socket.stream.in,
                                  weir_buffer_of(self->data, sizeof self->data)));
        if (r.error)
            break;
        self->outcome = r;
        r.count = 0;
        if (self->rounds++ < 2) {
            WEIR_AWAIT(task, r,
                       weir_write_some_v(task, &self->socket.stream.out,
                                         halves(self, self->outcome.count), 2));
            if (r.error)
                break;
        }
        WEIR_AWAIT(
            task, r,
            weir_write(task, &self->socket.stream.out,
                       weir_const_buffer_of(self->data + r.count, self->outcome.count - r.count)));
        if (r.error)
            break;
    }
    self->outcome = r;
    if (r.error != WEIR_EOF)
        self->server->exchange->session_errors++;
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static struct session *session_new(struct server *server)
{
    struct session *session = weir_scope_new(&server->sessions, sizeof *session,
                                             server->lends ? lent_session_resume : session_resume);

    if (!session)
        return NULL;
    weir_tcp_socket_init(&session->socket);
    if (server->lends)
        weir_tcp_source_init(&session->source, &session->socket);
    server->lends = !server->lends;
    session->server = server;
    session->rounds = 0;
    return session;
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->sessions, task);
    for (;;) {
        self->next = session_new(self);
        if (!self->next) {
            WEIR_AWAIT(task, r, weir_sleep_for(task, RETRY_NS));
            if (r.error)
                break;
            continue;
        }
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->next->socket));
        if (r.error) {
            weir_scope_discard(&self->sessions, &self->next->task);
            break;
        }
        weir_scope_start(&self->sessions, &self->next->task);
    }
    if (r.error != WEIR_CANCELLED)
        self->exchange->accept_error = r.error;
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->sessions));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* A client: small parts one after the other, then much at once. */

struct writer {
    weir_task task;
    struct client *client;
    int error;
};

struct client {
    weir_task task;
    weir_tcp_socket socket;
    weir_endpoint peer;
    int number;
    int *ret_error;
    int error; /* The first. */
    bool is_given_up;
    size_t got;
    weir_scope writers;
    weir_scope_child writer_record;
    struct writer writer;
    weir_buffer parts[2];
    uint8_t sent[BULK];
    uint8_t data[SERVER_BUFFER];
};

static struct client clients[EXCHANGE_CLIENTS];

static weir_task *writer_resume(weir_task *task)
{
    struct writer *self = WEIR_TASK_SELF(task, struct writer);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_write(task, &self->client->socket.stream.out,
                          weir_const_buffer_of(self->client->sent + SMALL, BULK - SMALL)));
    self->error = r.error;
    /* So that the reader ends, however this did. */
    if (weir_tcp_shutdown(&self->client->socket, WEIR_TCP_WRITES) < 0 || r.error) {
        self->client->is_given_up = true;
        weir_tcp_cancel(&self->client->socket);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void check_bytes(struct client *client, size_t count)
{
    CHECK(client->got + count <= BULK);
    CHECK_EQ(memcmp(client->data, client->sent + client->got, count), 0);
    client->got += count;
}

static weir_buffer *scattered(struct client *client)
{
    client->parts[0] = weir_buffer_of(client->data, 7);
    client->parts[1] = weir_buffer_of(client->data + 7, sizeof client->data - 7);
    return client->parts;
}

/* Small: a write of each byte's worth and its echo. */
static weir_task *client_small_resume(weir_task *task);

struct small {
    weir_task task;
    struct client *client;
    size_t sent;
};

static struct small smalls[EXCHANGE_CLIENTS];

static weir_task *client_small_resume(weir_task *task)
{
    struct small *self = WEIR_TASK_SELF(task, struct small);
    weir_result r;

    WEIR_BEGIN(task);
    for (self->sent = 0; self->sent < SMALL; self->sent += SMALL / 4) {
        WEIR_AWAIT(task, r,
                   weir_write(task, &self->client->socket.stream.out,
                              weir_const_buffer_of(self->client->sent + self->sent, SMALL / 4)));
        if (r.error)
            break;
        WEIR_AWAIT(task, r, weir_sleep_for(task, BREATH_NS)); /* The server reads it meanwhile. */
        WEIR_AWAIT(task, r,
                   weir_read(task, &self->client->socket.stream.in,
                             weir_buffer_of(self->client->data, SMALL / 4)));
        check_bytes(self->client, r.count);
        if (r.error)
            break;
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void start_writer(struct client *client)
{
    weir_scope_init(&client->writers, &client->task);
    weir_task_init(&client->writer.task, writer_resume);
    client->writer.client = client;
    client->writer.error = 0;
    weir_scope_start_embedded(&client->writers, &client->writer_record, &client->writer.task);
}

static weir_task *small_of(struct client *client)
{
    struct small *small = &smalls[client->number];

    weir_task_init(&small->task, client_small_resume);
    small->client = client;
    return &small->task;
}

static void note(struct client *client, int error)
{
    if (!client->error)
        client->error = error;
}

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->socket, &self->peer));
    if (r.error) {
        note(self, r.error);
        goto end;
    }
    WEIR_AWAIT(task, r, weir_call(task, small_of(self)));
    if (r.error) {
        note(self, r.error);
        goto close;
    }
    start_writer(self);
    do {
        WEIR_AWAIT(task, r, weir_read_some_v(task, &self->socket.stream.in, scattered(self), 2));
        check_bytes(self, r.count);
    } while (!r.error && !self->is_given_up);
    note(self, r.error == WEIR_EOF && self->got == BULK ? 0 : r.error);
    weir_tcp_cancel(&self->socket); /* If the reading failed, the writer may wait for it. */
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->writers));
    note(self, self->writer.error);
close:
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
end:
    *self->ret_error = self->error;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void client_init(struct client *client, int number, const weir_endpoint *peer,
                        int *ret_error)
{
    size_t i;

    weir_task_init(&client->task, client_resume);
    weir_tcp_socket_init(&client->socket);
    client->peer = *peer;
    client->number = number;
    client->ret_error = ret_error;
    client->error = 0;
    client->is_given_up = false;
    client->got = 0;
    for (i = 0; i < BULK; i++)
        client->sent[i] = pattern(number, i);
}

/* All of it. */

struct all {
    weir_task task;
    struct exchange *exchange;
    struct server server;
    weir_endpoint endpoint;
    weir_scope servers;
    weir_scope_child server_record;
    weir_scope clients;
    weir_scope_child client_records[EXCHANGE_CLIENTS];
};

static void start_clients(struct all *all)
{
    int i;

    weir_scope_init(&all->clients, &all->task);
    for (i = 0; i < EXCHANGE_CLIENTS; i++) {
        client_init(&clients[i], i, &all->endpoint, &all->exchange->client_errors[i]);
        weir_scope_start_embedded(&all->clients, &all->client_records[i], &clients[i].task);
    }
}

static void start_server(struct all *all)
{
    weir_scope_init(&all->servers, &all->task);
    weir_task_init(&all->server.task, server_resume);
    all->server.exchange = all->exchange;
    all->server.lends = true;
    weir_scope_start_embedded(&all->servers, &all->server_record, &all->server.task);
}

static int start_listening(struct all *all)
{
    weir_endpoint any = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    weir_loop *loop = weir_task_loop(&all->task);
    int error = weir_tcp_listen(&all->server.acceptor, loop, &any, NULL);

    if (error)
        return error;
    return weir_tcp_acceptor_local(&all->server.acceptor, &all->endpoint);
}

static weir_task *all_resume(weir_task *task)
{
    struct all *self = WEIR_TASK_SELF(task, struct all);
    weir_result r;

    WEIR_BEGIN(task);
    self->exchange->listen_error = start_listening(self);
    if (self->exchange->listen_error) {
        WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->server.acceptor));
        WEIR_RETURN(task, weir_result_of(0, 0));
    }
    start_server(self);
    start_clients(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->clients));
    weir_scope_stop(&self->servers, WEIR_STOP_REQUESTED);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->servers));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Peers on this machine are sent copies at first: let them be like others. */
static void lend_at_once(weir_loop *loop)
{
    weir_zero_copy *zero_copy = weir_zero_copy_of(loop);

    if (zero_copy)
        zero_copy->classes[WEIR_PEER_LOCAL].copies = 0;
}

void exchange_run(struct exchange *ret_exchange, const char *backend)
{
    weir_loop_options options = {.backend = backend,
                                 .spin_ns_max = -1,
                                 .queue_depth = 8,
                                 .direct_descriptors = test_direct_descriptors};
    static struct all all;
    weir_loop *loop;
    int before = test_descriptor_count();

    memset(ret_exchange, 0, sizeof *ret_exchange);
    ret_exchange->loop_error = weir_loop_new(&options, &loop);
    if (!ret_exchange->loop_error) {
        lend_at_once(loop);
        weir_task_init(&all.task, all_resume);
        all.exchange = ret_exchange;
        CHECK_EQ(weir_run(loop, &all.task).error, 0);
        CHECK_EQ(weir_frame_live_count(&weir_loop_context(loop)->frames), 0);
        weir_loop_free(loop);
    }
    CHECK_EQ(test_descriptor_count(), before);
}

int exchange_failed_clients(const struct exchange *exchange)
{
    int failed = 0;
    int i;

    for (i = 0; i < EXCHANGE_CLIENTS; i++)
        failed += exchange->client_errors[i] != 0;
    return failed;
}
