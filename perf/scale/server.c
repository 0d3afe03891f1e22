/* SPDX-License-Identifier: MIT */
/* The server: sessions that send back what they receive, and hold no buffer while they wait. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/weir.h>

#include "scale.h"

/* Loops are many and idle: short queues do. */
enum { QUEUE_DEPTH = 256, RETRY_NS = 10 * 1000 * 1000 };

struct session {
    weir_task task;
    struct server *server;     /* In. */
    weir_const_buffer message; /* What was pulled. */
    weir_tcp_socket socket;
    weir_tcp_source source;
};

/* Accepts at one endpoint of a loop. */
struct door {
    weir_task task;
    struct server *server;      /* In. */
    weir_tcp_acceptor acceptor; /* Listens when the task starts. */
    struct session *next;       /* For the connection that comes next. */
    weir_scope sessions;
    weir_root root;
};

/* A loop. */
struct server {
    weir_scale_shared *shared; /* In. */
    unsigned index;
    unsigned table_size;
    weir_scale_loop *mine;
    weir_loop *loop;
    struct door doors[WEIR_SCALE_DOORS];
};

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, weir_buffer_source_pull(task, &self->source.source, &self->message, 1));
        if (r.error)
            break;
        WEIR_AWAIT(task, r, weir_write(task, &self->socket.stream.out, self->message));
        if (r.error)
            break;
        weir_buffer_source_consume(&self->source.source, self->message.size);
    }
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    __atomic_fetch_add(&self->server->mine->ended, 1, __ATOMIC_RELAXED);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static struct session *session_new(struct door *door)
{
    struct session *session = weir_scope_new(&door->sessions, sizeof *session, session_resume);

    if (!session)
        return NULL;
    session->server = door->server;
    weir_tcp_socket_init(&session->socket);
    weir_tcp_source_init(&session->source, &session->socket);
    return session;
}

static weir_task *door_resume(weir_task *task)
{
    struct door *self = WEIR_TASK_SELF(task, struct door);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->sessions, task);
    for (;;) {
        self->next = session_new(self);
        if (!self->next) { /* Out of memory: those who are here go on, others wait. */
            WEIR_AWAIT(task, r, weir_sleep_for(task, RETRY_NS));
            continue;
        }
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->next->socket));
        if (r.error) {
            weir_scope_discard(&self->sessions, &self->next->task);
            break;
        }
        weir_scope_start(&self->sessions, &self->next->task);
        __atomic_fetch_add(&self->server->mine->accepted, 1, __ATOMIC_RELAXED);
    }
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->sessions));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static int door_open(struct server *server, unsigned index)
{
    struct door *door = &server->doors[index];
    uint32_t host = weir_scale_address(server->index, index);
    weir_ipv4 address;
    weir_endpoint endpoint;
    int error;

    memcpy(address.bytes, &host, sizeof address.bytes);
    endpoint = weir_endpoint_make_ipv4(address, 0);
    error = weir_tcp_listen(&door->acceptor, server->loop, &endpoint, NULL);
    if (!error)
        error = weir_tcp_acceptor_local(&door->acceptor, &endpoint);
    if (error)
        return error;
    server->mine->ports[index] = endpoint.port;
    door->server = server;
    weir_task_init(&door->task, door_resume);
    weir_run_async(weir_loop_executor(server->loop), &door->root, &door->task, NULL, NULL);
    return 0;
}

static int set_up(struct server *server)
{
    weir_loop_options options = {
        .queue_depth = QUEUE_DEPTH,
        .spin_ns_max = -1,
        .direct_descriptors = server->table_size,
    };
    int error = weir_loop_new(&options, &server->loop);
    unsigned i;

    if (error)
        return error;
    server->shared->table_size =
        (uint32_t)weir_loop_statistics_get(server->loop).direct_descriptors;
    for (i = 0; i < WEIR_SCALE_DOORS && !error; i++)
        error = door_open(server, i);
    return error;
}

static void *run(void *argument)
{
    struct server *server = argument;
    int error = set_up(server);

    if (error) {
        __atomic_store_n(&server->shared->error, error, __ATOMIC_RELEASE);
        return NULL;
    }
    __atomic_fetch_add(&server->shared->ready_count, 1, __ATOMIC_RELEASE);
    weir_loop_run(server->loop);
    return NULL;
}

void weir_scale_serve(weir_scale_shared *shared, unsigned loop_count, unsigned table_size)
{
    struct server *servers = calloc(loop_count, sizeof *servers);
    pthread_t thread;
    unsigned i;

    shared->session_bytes = sizeof(struct session);
    for (i = 0; servers && i < loop_count; i++) {
        servers[i].shared = shared;
        servers[i].index = i;
        servers[i].table_size = table_size;
        servers[i].mine = &shared->loops[i];
        if (pthread_create(&thread, NULL, run, &servers[i]) != 0)
            __atomic_store_n(&shared->error, -EAGAIN, __ATOMIC_RELEASE);
    }
    for (;;)
        (void)pause();
}
