/* SPDX-License-Identifier: MIT */
/* Ten thousand messages there and back; the session is native where the loop runs on io_uring. */
#include <stdio.h>
#include <weir/uring/tcp.h>
#include <weir/weir.h>

enum { MESSAGES = 10000, SIZE = 64 };

struct session { /* Sends back what it receives. */
    weir_task task;
    weir_tcp_socket socket;
    char data[SIZE];
};

struct client {
    weir_task task;
    weir_tcp_acceptor acceptor;
    weir_endpoint local;
    weir_tcp_socket socket;
    weir_scope scope; /* Of the session. */
    weir_scope_child record;
    struct session session;
    int count; /* Messages that have come back. */
    char data[SIZE];
};

static weir_task *portable_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->socket.stream.in,
                                  weir_buffer_of(self->data, sizeof self->data)));
        if (r.error)
            break;
        WEIR_AWAIT(
            task, r,
            weir_write(task, &self->socket.stream.out, weir_const_buffer_of(self->data, r.count)));
    } while (!r.error);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *native_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r,
                   weir_uring_read_some(task, &self->socket,
                                        weir_buffer_of(self->data, sizeof self->data)));
        if (r.error)
            break;
        WEIR_AWAIT(
            task, r,
            weir_uring_write(task, &self->socket, weir_const_buffer_of(self->data, r.count)));
    } while (!r.error);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_tcp_socket_init(&self->socket);
    weir_tcp_socket_init(&self->session.socket);
    WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->socket, &self->local));
    if (!r.error) {
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->session.socket));
        weir_task_init(&self->session.task,
                       weir_uring_is(weir_task_loop(task)) ? native_resume : portable_resume);
        weir_scope_start_embedded(&self->scope, &self->record, &self->session.task);
    }
    while (!r.error && self->count < MESSAGES) {
        WEIR_AWAIT(task, r,
                   weir_write(task, &self->socket.stream.out,
                              weir_const_buffer_of(self->data, sizeof self->data)));
        WEIR_AWAIT(task, r,
                   weir_read(task, &self->socket.stream.in,
                             weir_buffer_of(self->data, sizeof self->data)));
        self->count += r.error == 0;
    }
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

int main(void)
{
    static struct client client;
    weir_loop *loop;

    client.local = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    if (weir_loop_new(NULL, &loop) ||
        weir_tcp_listen(&client.acceptor, loop, &client.local, NULL) ||
        weir_tcp_acceptor_local(&client.acceptor, &client.local))
        return 1;
    weir_task_init(&client.task, client_resume);
    (void)weir_run(loop, &client.task);
    weir_loop_free(loop);
    printf("%d messages came back\n", client.count);
    return 0;
}
