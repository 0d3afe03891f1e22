/* SPDX-License-Identifier: MIT */
/* A service that answers in capitals, 400 clients that ask now and then, and 4 that do not read. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

enum { READERS = 400, CLIENTS = 404, QUESTIONS = 3, MS = 1000000 /* Nanoseconds. */ };

static weir_tcp_acceptor acceptor;
static weir_endpoint local;
static int answered, late; /* Clients that had their answers, and that did not read them. */

struct session { /* All that a connection has while it is idle. */
    weir_task task;
    weir_tcp_socket socket;
    weir_tcp_source source;
    weir_const_buffer question; /* Stands in a buffer of the loop's. */
};

struct answer { /* Lives while one is given: what only writing needs is not the session's. */
    weir_task task;
    struct session *session;
    weir_deadline deadline;
    weir_tcp_sink sink;
};

/* Out of the source's memory, into the sink's. Returns how many bytes: 0 if there is no room. */
static size_t answer_fill(struct answer *self)
{
    weir_const_buffer *question = &self->session->question;
    size_t size = question->size, i;
    weir_buffer room;

    if (weir_buffer_sink_prepare(&self->sink.sink, &room, 1) == 0)
        return 0;
    size = size < room.size ? size : room.size;
    for (i = 0; i < size; i++)
        ((char *)room.data)[i] = (char)toupper(((const unsigned char *)question->data)[i]);
    *question = weir_const_buffer_after(*question, size);
    weir_buffer_source_consume(&self->session->source.source, size);
    return size;
}

static weir_task *answer_resume(weir_task *task)
{
    struct answer *self = WEIR_TASK_SELF(task, struct answer);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_init(&self->deadline);
    weir_deadline_arm_after(task, &self->deadline, 1000 * MS);
    weir_tcp_sink_init(&self->sink, &self->session->socket);
    do {
        WEIR_AWAIT(task, r, weir_buffer_sink_commit(task, &self->sink.sink, answer_fill(self)));
    } while (!r.error && self->session->question.size > 0);
    weir_tcp_sink_fini(&self->sink);
    (void)weir_deadline_disarm(task, &self->deadline);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *answer(weir_task *task, struct session *session)
{
    struct answer *child = weir_frame_new(task, sizeof *child, answer_resume);

    if (!child)
        return weir_task_complete(task, -ENOMEM, 0);
    child->session = session;
    return weir_call(task, &child->task);
}

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r,
                   weir_buffer_source_pull(task, &self->source.source, &self->question, 1));
        if (!r.error)
            WEIR_AWAIT(task, r, answer(task, self));
    } while (!r.error);
    if (r.error == WEIR_TIMED_OUT) { /* Else the kernel would keep what it has not read. */
        (void)weir_tcp_option_set(&self->socket, WEIR_TCP_LINGER_SECONDS, 0);
        late++;
    }
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct server {
    weir_task task;
    weir_scope sessions;
    struct session *next; /* There before the connection that it will hold. */
    int count;
};

static struct session *session_new(struct server *server)
{
    struct session *session = weir_scope_new(&server->sessions, sizeof *session, session_resume);

    if (!session)
        return NULL;
    weir_tcp_socket_init(&session->socket);
    weir_tcp_source_init(&session->source, &session->socket);
    return session;
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->sessions, task);
    for (; self->count < CLIENTS && (self->next = session_new(self)); self->count++) {
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &acceptor, &self->next->socket));
        if (r.error) { /* A stop. */
            weir_scope_discard(&self->sessions, &self->next->task);
            break;
        }
        weir_scope_start(&self->sessions, &self->next->task);
    }
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &acceptor));
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->sessions));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct client {
    weir_task task;
    weir_root root;
    weir_tcp_socket socket;
    bool is_deaf;
    int answers;
    char text[16];
};

static const char question[65536] = "many connections"; /* The deaf ones ask all of it. */

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->socket, &local));
    while (!r.error && self->answers < QUESTIONS) {
        WEIR_AWAIT(
            task, r,
            weir_write(task, &self->socket.stream.out,
                       weir_const_buffer_of(question, self->is_deaf ? sizeof question : 16)));
        if (r.error || self->is_deaf)
            continue;
        WEIR_AWAIT(task, r,
                   weir_read(task, &self->socket.stream.in, weir_buffer_of(self->text, 16)));
        self->answers += memcmp(self->text, "MANY CONNECTIONS", 16) == 0;
        WEIR_AWAIT(task, r, weir_sleep_for(task, 100 * MS));
    }
    answered += self->answers == QUESTIONS;
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS];
    static struct server server;
    weir_loop_options options = {.direct_descriptors = 8192};
    weir_loop_statistics counted;
    weir_loop *loop;
    int i;

    local = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    if (weir_loop_new(&options, &loop) || weir_tcp_listen(&acceptor, loop, &local, NULL) ||
        weir_tcp_acceptor_local(&acceptor, &local))
        return 1;
    for (i = 0; i < CLIENTS; i++) {
        clients[i].is_deaf = i >= READERS;
        weir_tcp_socket_init(&clients[i].socket);
        weir_task_init(&clients[i].task, client_resume);
        weir_run_async(weir_loop_executor(loop), &clients[i].root, &clients[i].task, NULL, NULL);
    }
    weir_task_init(&server.task, server_resume);
    (void)weir_run(loop, &server.task);
    weir_loop_run(loop); /* Until the last client has gone. */
    counted = weir_loop_statistics_get(loop);
    printf("%d clients had their answers, %d did not read them\n", answered, late);
    printf("%d frames and %d places in the table are left\n", (int)counted.frames_live,
           (int)counted.direct_taken);
    if (argc > 1 && strcmp(argv[1], "--statistics") == 0)
        weir_loop_statistics_print(&counted, stdout);
    weir_loop_free(loop);
    return 0;
}
