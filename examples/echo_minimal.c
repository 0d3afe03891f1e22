/* SPDX-License-Identifier: MIT */
/* echo-minimal [HOST:PORT]: the echo server of README.md. SIGINT or SIGTERM stops it. */
#include <signal.h>
#include <stdio.h>
#include <weir/weir.h>

struct session { /* One connection. */
    weir_task task;
    weir_tcp_socket socket;
    char data[4096];
};

struct server {
    weir_task task;
    weir_tcp_acceptor acceptor;
    weir_scope children;  /* The sessions, and the watch. */
    struct session *next; /* There before the connection that it will hold. */
    weir_deadline grace;
    weir_scope_child record; /* Of the watch. */
    weir_task watch;
    weir_signal_set signals;
};

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->socket.stream.in,
                                  weir_buffer_of(self->data, sizeof self->data)));
        if (r.error) /* WEIR_EOF, a reset, a stop. */
            break;
        weir_shield_begin(task); /* What was read is written, also when a stop comes now. */
        WEIR_AWAIT(
            task, r,
            weir_write(task, &self->socket.stream.out, weir_const_buffer_of(self->data, r.count)));
        weir_shield_end(task);
    } while (!r.error);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

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
    while ((self->next = weir_scope_new(&self->children, sizeof *self->next, session_resume))) {
        weir_tcp_socket_init(&self->next->socket);
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->next->socket));
        if (r.error) /* A stop. */
            break;
        weir_scope_start(&self->children, &self->next->task);
    }
    if (self->next) /* Else there was no memory for another session: it ends, too. */
        weir_scope_discard(&self->children, &self->next->task);
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    weir_deadline_arm_hard_after(task, &self->grace, 5000000000); /* Nanoseconds. */
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->children));  /* Stops them, as we were. */
    (void)weir_deadline_disarm(task, &self->grace);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

int main(int argc, char **argv)
{
    static struct server server;
    weir_endpoint local;
    weir_loop *loop;
    int error;

    if (argc > 2 || weir_endpoint_parse(argc > 1 ? argv[1] : "127.0.0.1:7777", &local)) {
        fprintf(stderr, "usage: echo-minimal [HOST:PORT], with a numeric HOST\n");
        return 2;
    }
    if ((error = weir_loop_new(NULL, &loop)) ||
        (error = weir_tcp_listen(&server.acceptor, loop, &local, NULL)) ||
        (error = weir_tcp_acceptor_local(&server.acceptor, &local)) ||
        (error = weir_signal_open(&server.signals, loop)) ||
        (error = weir_signal_add(&server.signals, SIGINT)) ||
        (error = weir_signal_add(&server.signals, SIGTERM))) {
        fprintf(stderr, "echo-minimal: %s\n", weir_error_text(error));
        return 1;
    }
    printf("listening on port %u, on %s\n", local.port, weir_loop_backend_name(loop));
    fflush(stdout);
    weir_task_init(&server.task, server_resume);
    (void)weir_run(loop, &server.task);
    weir_loop_free(loop);
    return 0;
}
