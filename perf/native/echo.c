/* SPDX-License-Identifier: MIT */

/*
 * echo-native [--port N] [--receive lent|own]: weir-echo's sessions with the starters of the native
 * layer, on one loop that does not spin. Built twice: echo-portable has the portable starters
 * (ECHO_NATIVE is 0), so that what the two cost differs by nothing else.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/uring/tcp.h>
#include <weir/weir.h>

static const int64_t GRACE_NS = INT64_C(5000000000);

/* One connection. */
struct session {
    weir_task task;
    weir_tcp_socket socket;
    struct server *server;
};

struct lent_session {
    struct session base;
    weir_tcp_source source;
    weir_const_buffer message;
};

struct own_session {
    struct session base;
    uint8_t data[16384];
};

struct server {
    weir_task task;
    weir_tcp_acceptor acceptor;
    struct session *next; /* Allocated before the connection it will hold is accepted. */
    weir_scope children;  /* The sessions, and the watch. */
    bool lends;
    weir_deadline grace;
    uint64_t messages;
    uint64_t bytes;
    weir_scope_child record; /* Of the watch. */
    weir_task watch;
    weir_signal_set signals;
};

/* What is compared. */

static inline weir_task *pull(weir_task *task, struct lent_session *session)
{
    if (ECHO_NATIVE)
        return weir_uring_pull(task, &session->source, &session->message, 1);
    return weir_buffer_source_pull(task, &session->source.source, &session->message, 1);
}

static inline weir_task *read_some(weir_task *task, struct own_session *session)
{
    weir_buffer buffer = weir_buffer_of(session->data, sizeof session->data);

    if (ECHO_NATIVE)
        return weir_uring_read_some(task, &session->base.socket, buffer);
    return weir_read_some(task, &session->base.socket.stream.in, buffer);
}

static inline weir_task *write(weir_task *task, struct session *session, weir_const_buffer buffer)
{
    if (ECHO_NATIVE)
        return weir_uring_write(task, &session->socket, buffer);
    return weir_write(task, &session->socket.stream.out, buffer);
}

/* Sessions. */

static weir_task *lent_session_resume(weir_task *task)
{
    struct lent_session *self = WEIR_TASK_SELF(task, struct lent_session);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, pull(task, self));
        if (r.error)
            break;
        self->base.server->messages++;
        self->base.server->bytes += self->message.size;
        weir_shield_begin(task); /* What was read is written, also when a stop comes now. */
        WEIR_AWAIT(task, r, write(task, &self->base, self->message));
        weir_shield_end(task);
        if (r.error)
            break;
        weir_buffer_source_consume(&self->source.source, self->message.size);
    }
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->base.socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static weir_task *own_session_resume(weir_task *task)
{
    struct own_session *self = WEIR_TASK_SELF(task, struct own_session);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, read_some(task, self));
        if (r.error)
            break;
        self->base.server->messages++;
        self->base.server->bytes += r.count;
        weir_shield_begin(task); /* What was read is written, also when a stop comes now. */
        WEIR_AWAIT(task, r, write(task, &self->base, weir_const_buffer_of(self->data, r.count)));
        weir_shield_end(task);
        if (r.error)
            break;
    }
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->base.socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static struct session *session_init(struct session *session, struct server *server)
{
    weir_tcp_socket_init(&session->socket);
    session->server = server;
    return session;
}

static struct session *lent_session_new(struct server *server)
{
    struct lent_session *session =
        weir_scope_new(&server->children, sizeof *session, lent_session_resume);

    if (!session)
        return NULL;
    session_init(&session->base, server);
    weir_tcp_source_init(&session->source, &session->base.socket);
    return &session->base;
}

static struct session *own_session_new(struct server *server)
{
    struct own_session *session =
        weir_scope_new(&server->children, sizeof *session, own_session_resume);

    return session ? session_init(&session->base, server) : NULL;
}

static struct session *session_new(struct server *server)
{
    return server->lends ? lent_session_new(server) : own_session_new(server);
}

/* The server. */

static weir_task *watch_resume(weir_task *task)
{
    struct server *self = WEIR_CONTAINER_OF(task, struct server, watch);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_signal_wait(task, &self->signals));
    weir_task_stop(&self->task, WEIR_STOP_REQUESTED);
    WEIR_AWAIT(task, r, weir_signal_close(task, &self->signals));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->children, task);
    weir_task_init(&self->watch, watch_resume);
    weir_scope_start_embedded(&self->children, &self->record, &self->watch);
    while ((self->next = session_new(self))) {
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->next->socket));
        if (r.error) /* A stop. */
            break;
        weir_scope_start(&self->children, &self->next->task);
    }
    if (self->next)
        weir_scope_discard(&self->children, &self->next->task);
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    weir_deadline_arm_hard_after(task, &self->grace, GRACE_NS);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->children));
    (void)weir_deadline_disarm(task, &self->grace);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void check(int error, const char *what)
{
    if (!error)
        return;
    fprintf(stderr, "echo-native: %s: %s\n", what, weir_error_text(error));
    exit(1);
}

static void fail_usage(void)
{
    fprintf(stderr, "usage: echo-native [--port N] [--receive lent|own]\n");
    exit(2);
}

static void parse(int argc, char **argv, bool *ret_lends, weir_endpoint *ret_local)
{
    char text[WEIR_ENDPOINT_TEXT_MAX] = "127.0.0.1:0";
    int i;

    *ret_lends = true;
    for (i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0)
            (void)snprintf(text, sizeof text, "127.0.0.1:%s", argv[i + 1]);
        else if (strcmp(argv[i], "--receive") == 0)
            *ret_lends = strcmp(argv[i + 1], "own") != 0;
        else
            fail_usage();
    }
    if (i < argc || weir_endpoint_parse(text, ret_local))
        fail_usage();
}

int main(int argc, char **argv)
{
    static struct server server;
    weir_loop_options options = {.backend = "uring", .spin_ns_max = -1};
    char text[WEIR_ENDPOINT_TEXT_MAX];
    weir_endpoint local;
    weir_loop *loop;

    parse(argc, argv, &server.lends, &local);
    check(weir_loop_new(&options, &loop), "io_uring");
    check(weir_tcp_listen(&server.acceptor, loop, &local, NULL), "listen");
    check(weir_tcp_acceptor_local(&server.acceptor, &local), "listen");
    check(weir_signal_open(&server.signals, loop), "signals");
    check(weir_signal_add(&server.signals, SIGINT), "signals");
    check(weir_signal_add(&server.signals, SIGTERM), "signals");
    (void)weir_endpoint_format(&local, text);
    printf("listening on %s\n", text);
    fflush(stdout);
    weir_task_init(&server.task, server_resume);
    (void)weir_run(loop, &server.task);
    printf("served %llu messages, %llu bytes; frame %zu bytes\n",
           (unsigned long long)server.messages, (unsigned long long)server.bytes,
           server.lends ? sizeof(struct lent_session) : sizeof(struct own_session));
    weir_loop_free(loop);
    return 0;
}
