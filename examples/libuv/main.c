/* SPDX-License-Identifier: MIT */
/*
 * echo-libuv [PORT]: an echo server on libuv's loop. libuv listens and watches the signals, weir's
 * tasks are the sessions. SIGINT or SIGTERM stops it; a second one does not wait for slow peers.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>
#include <weir/run.h>

#include "uv_executor.h"
#include "uv_stream.h"

struct server {
    uv_loop_t loop;
    weir_uv uv;
    uv_tcp_t listener;
    uv_signal_t signals[2];
    weir_list sessions;
};

struct session { /* One connection. */
    weir_task task;
    weir_uv_stream connection;
    char data[4096];
    uv_tcp_t tcp;
    weir_root root;
    weir_list_node link; /* server.sessions. */
};

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->connection.stream.in,
                                  weir_buffer_of(self->data, sizeof self->data)));
        if (r.error) /* WEIR_EOF, a reset, a stop. */
            break;
        weir_shield_begin(task); /* What was read is written, also when a stop comes now. */
        WEIR_AWAIT(task, r,
                   weir_write(task, &self->connection.stream.out,
                              weir_const_buffer_of(self->data, r.count)));
        weir_shield_end(task);
    } while (!r.error);
    WEIR_AWAIT(task, r, weir_uv_stream_close(task, &self->connection));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void session_done(weir_root *root, weir_result result)
{
    struct session *session = root->user;

    (void)result;
    weir_list_remove(&session->link);
    free(session);
}

static void connected(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    struct session *session;

    if (status < 0)
        return; /* The peer has gone already, or descriptors are short: others will come. */
    if (!(session = calloc(1, sizeof *session)))
        abort();
    (void)uv_tcp_init(&server->loop, &session->tcp);
    /* Should it fail, the first read does, and the session closes its handle as it always does. */
    (void)uv_accept(listener, (uv_stream_t *)&session->tcp);
    (void)uv_tcp_nodelay(&session->tcp, 1);
    weir_uv_stream_open(&session->connection, &server->uv, (uv_stream_t *)&session->tcp);
    weir_list_push(&server->sessions, &session->link);
    weir_task_init(&session->task, session_resume);
    weir_run_async(weir_uv_executor(&server->uv), &session->root, &session->task, session_done,
                   session);
}

static void interrupted(uv_signal_t *signal, int number)
{
    struct server *server = signal->data;
    weir_list_node *node = weir_list_first(&server->sessions);
    unsigned bits = WEIR_STOP_HARD;

    (void)number;
    if (!uv_is_closing((uv_handle_t *)&server->listener)) {
        uv_close((uv_handle_t *)&server->listener, NULL);
        bits = WEIR_STOP_REQUESTED;
    }
    for (; node; node = weir_list_next(&server->sessions, node))
        weir_root_stop(&WEIR_CONTAINER_OF(node, struct session, link)->root, bits);
}

static int server_listen(struct server *server, int port)
{
    struct sockaddr_in address;
    int size = sizeof address;
    int error;

    server->listener.data = server;
    if ((error = uv_ip4_addr("127.0.0.1", port, &address)) ||
        (error = uv_tcp_init(&server->loop, &server->listener)) ||
        (error = uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0)) ||
        (error = uv_listen((uv_stream_t *)&server->listener, 1024, connected)) ||
        (error = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size)))
        return error;
    printf("listening on port %u, on libuv %s\n", ntohs(address.sin_port), uv_version_string());
    return fflush(stdout);
}

/* A signal does not keep the loop running: it returns when the listener and all
 * sessions are gone. */
static int server_watch(struct server *server, uv_signal_t *signal, int number)
{
    int error = uv_signal_init(&server->loop, signal);

    if (error)
        return error;
    signal->data = server;
    uv_unref((uv_handle_t *)signal);
    return uv_signal_start(signal, interrupted, number);
}

static void server_fini(struct server *server)
{
    weir_uv_close(&server->uv, NULL);
    uv_close((uv_handle_t *)&server->signals[0], NULL);
    uv_close((uv_handle_t *)&server->signals[1], NULL);
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
}

/* Returns whether the text is a port. */
static bool parse_port(const char *text, int *ret_port)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || port > 65535)
        return false;
    *ret_port = (int)port;
    return true;
}

int main(int argc, char **argv)
{
    static struct server server;
    int port = 7777;
    int error;

    if (argc > 2 || (argc == 2 && !parse_port(argv[1], &port))) {
        fprintf(stderr, "usage: echo-libuv [PORT]\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* As libuv wants it: writes say EPIPE. */
    weir_list_init(&server.sessions);
    if ((error = uv_loop_init(&server.loop)) || (error = weir_uv_open(&server.uv, &server.loop)) ||
        (error = server_watch(&server, &server.signals[0], SIGINT)) ||
        (error = server_watch(&server, &server.signals[1], SIGTERM)) ||
        (error = server_listen(&server, port))) {
        fprintf(stderr, "echo-libuv: %s\n", uv_strerror(error));
        return 1;
    }
    (void)uv_run(&server.loop, UV_RUN_DEFAULT);
    server_fini(&server);
    return uv_loop_close(&server.loop) ? 1 : 0;
}
