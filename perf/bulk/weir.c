/* SPDX-License-Identifier: MIT */

/*
 * bulk-weir BACKEND own|copied|lent send|receive SIZE: a bulk transfer in weir, on one loop that
 * does not spin.
 *
 * own: whole writes from memory of its own, without a copy where that pays, and reads into it;
 * copied: the same, and never without a copy; lent: through a weir_tcp_sink, which takes 32 KiB at
 * a time, and a weir_tcp_source whose buffers are of SIZE.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/tcp_sink.h>
#include <weir/tcp_source.h>
#include <weir/weir.h>

#include "bulk.h"

struct server {
    weir_task task;
    bulk bulk;
    bool lends;
    weir_tcp_acceptor acceptor;
    weir_tcp_socket socket;
    weir_tcp_sink sink;
    weir_tcp_source source;
    weir_const_buffer pulled;
    weir_task transfer; /* Of the connection that is served. */
};

static weir_task *own_send_resume(weir_task *task)
{
    struct server *self = WEIR_CONTAINER_OF(task, struct server, transfer);
    weir_result r;

    WEIR_BEGIN(task);
    do
        WEIR_AWAIT(task, r,
                   weir_write(task, &self->socket.stream.out,
                              weir_const_buffer_of(self->bulk.buffer, self->bulk.size)));
    while (!r.error);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *own_receive_resume(weir_task *task)
{
    struct server *self = WEIR_CONTAINER_OF(task, struct server, transfer);
    weir_result r;

    WEIR_BEGIN(task);
    do
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->socket.stream.in,
                                  weir_buffer_of(self->bulk.buffer, self->bulk.size)));
    while (!r.error);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* How much of what is to be sent the sink has memory for; 0: it has to be waited for. */
static size_t prepare(struct server *self)
{
    weir_buffer buffer;

    if (weir_buffer_sink_prepare(&self->sink.sink, &buffer, 1) == 0)
        return 0;
    return buffer.size < self->bulk.size ? buffer.size : self->bulk.size;
}

static weir_task *lent_send_resume(weir_task *task)
{
    struct server *self = WEIR_CONTAINER_OF(task, struct server, transfer);
    weir_result r;

    WEIR_BEGIN(task);
    do
        WEIR_AWAIT(task, r, weir_buffer_sink_commit(task, &self->sink.sink, prepare(self)));
    while (!r.error);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *lent_receive_resume(weir_task *task)
{
    struct server *self = WEIR_CONTAINER_OF(task, struct server, transfer);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, weir_buffer_source_pull(task, &self->source.source, &self->pulled, 1));
        if (r.error)
            break;
        weir_buffer_source_consume(&self->source.source, self->pulled.size);
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_resume_fn *transfer_of(const struct server *self)
{
    if (self->lends)
        return self->bulk.receives ? lent_receive_resume : lent_send_resume;
    return self->bulk.receives ? own_receive_resume : own_send_resume;
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->socket));
        if (r.error)
            break;
        weir_task_init(&self->transfer, transfer_of(self));
        WEIR_AWAIT(task, r, weir_call(task, &self->transfer));
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void check(int error, const char *what)
{
    if (!error)
        return;
    fprintf(stderr, "bulk-weir: %s: %s\n", what, weir_error_text(error));
    exit(1);
}

static void listening_print(const weir_tcp_acceptor *acceptor)
{
    char text[WEIR_ENDPOINT_TEXT_MAX];
    weir_endpoint local;

    check(weir_tcp_acceptor_local(acceptor, &local), "listen");
    (void)weir_endpoint_format(&local, text);
    printf("listening on %s\n", text);
    fflush(stdout);
}

static void server_open(struct server *self, weir_loop *loop)
{
    weir_endpoint local;

    check(weir_endpoint_parse("127.0.0.1:0", &local), "listen");
    check(weir_tcp_listen(&self->acceptor, loop, &local, NULL), "listen");
    weir_tcp_socket_init(&self->socket);
    weir_tcp_sink_init(&self->sink, &self->socket);
    if (self->lends && self->bulk.receives)
        weir_tcp_source_init(&self->source, &self->socket);
    weir_task_init(&self->task, server_resume);
}

int main(int argc, char **argv)
{
    static struct server server;
    weir_loop_options options = {.spin_ns_max = -1};
    weir_loop *loop;

    weir_bulk_open(3, argc, argv, &server.bulk);
    options.backend = argv[1];
    options.lent_buffer_bytes = server.bulk.size;
    if (strcmp(argv[2], "copied") == 0)
        options.zero_copy_bytes = SIZE_MAX;
    else if (strcmp(argv[2], "lent") == 0)
        server.lends = true;
    else if (strcmp(argv[2], "own") != 0)
        weir_bulk_usage_die();
    check(weir_loop_new(&options, &loop), argv[1]);
    server_open(&server, loop);
    listening_print(&server.acceptor);
    (void)weir_run(loop, &server.task);
    return 0;
}
