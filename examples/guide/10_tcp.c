/* SPDX-License-Identifier: MIT */
/* A service that adds numbers, and three clients: one knows how to ask, and two do not. */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

enum { MS = 1000000 /* Nanoseconds. */ };

/* The service. A question is a number a line, and ends with the client's writing. */

struct session {
    weir_task task;
    weir_tcp_socket socket;
    weir_deadline deadline;
    char memory[16]; /* The longest line. */
    weir_flat_buffer line;
    weir_delimiter newline;
    unsigned long sum;
    char answer[40];
    int answer_size;
};

/* Of the digits: what else a stranger sends counts for nothing. */
static unsigned long number_in(const char *line, size_t size)
{
    unsigned long number = 0;
    size_t i;

    for (i = 0; i < size; i++) {
        if (line[i] >= '0' && line[i] <= '9')
            number = number * 10 + (unsigned long)(line[i] - '0');
    }
    return number;
}

static weir_task *session_resume(weir_task *task)
{
    struct session *self = WEIR_TASK_SELF(task, struct session);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_init(&self->deadline);
    weir_flat_buffer_init_fixed(&self->line, self->memory, sizeof self->memory);
    weir_delimiter_init(&self->newline, "\n", 1);
    for (;;) {
        weir_deadline_arm_after(task, &self->deadline, 1000 * MS);
        WEIR_AWAIT(task, r,
                   weir_read_until(task, &self->socket.stream.in, &self->line.dynamic,
                                   &self->newline.matcher));
        (void)weir_deadline_disarm(task, &self->deadline);
        if (r.error)
            break;
        self->sum += number_in(weir_flat_buffer_bytes(&self->line).data, r.count);
        weir_dynamic_buffer_consume(&self->line.dynamic, r.count);
    }
    printf("  service: %s\n", weir_error_name(r.error));
    if (r.error == WEIR_EOF) { /* It has said all, and listens. */
        self->answer_size =
            snprintf(self->answer, sizeof self->answer, "that makes %lu", self->sum);
        WEIR_AWAIT(task, r,
                   weir_write_eof(task, &self->socket.stream.out,
                                  weir_const_buffer_of(self->answer, (size_t)self->answer_size)));
    }
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    weir_flat_buffer_fini(&self->line);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct service {
    weir_task task;
    weir_root root;
    weir_tcp_acceptor acceptor;
    weir_scope sessions;
    struct session *next; /* There before the connection that it will hold. */
};

/* Until its root is stopped. */
static weir_task *service_resume(weir_task *task)
{
    struct service *self = WEIR_TASK_SELF(task, struct service);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->sessions, task);
    while ((self->next = weir_scope_new(&self->sessions, sizeof *self->next, session_resume))) {
        weir_tcp_socket_init(&self->next->socket);
        self->next->sum = 0;
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->next->socket));
        if (r.error)
            break;
        weir_scope_start(&self->sessions, &self->next->task);
    }
    if (self->next)
        weir_scope_discard(&self->sessions, &self->next->task);
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->sessions));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Connecting to the first of several endpoints that answers. */

struct dial {
    weir_task task;
    weir_tcp_socket *socket;        /* In. Closed. */
    const weir_endpoint *endpoints; /* In. */
    size_t count;                   /* In. */
    size_t i;
    weir_deadline deadline;
};

static void report(const weir_endpoint *endpoint, int error)
{
    char text[WEIR_IPV4_TEXT_MAX];

    (void)weir_ipv4_format(endpoint->address.ipv4, text); /* Without the port, which is any. */
    printf("  %s: %s\n", text, error ? weir_error_name(error) : "connected");
}

static weir_task *dial_resume(weir_task *task)
{
    struct dial *self = WEIR_TASK_SELF(task, struct dial);
    weir_result r = weir_result_of(WEIR_BAD_ADDRESS, 0); /* If there is none. */

    WEIR_BEGIN(task);
    weir_deadline_init(&self->deadline);
    for (self->i = 0; self->i < self->count; self->i++) {
        weir_deadline_arm_after(task, &self->deadline, 2000 * MS);
        WEIR_AWAIT(task, r, weir_tcp_connect(task, self->socket, &self->endpoints[self->i]));
        (void)weir_deadline_disarm(task, &self->deadline);
        report(&self->endpoints[self->i], r.error);
        if (!r.error)
            break;
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* The clients, one after the other. */

struct client {
    weir_task task;
    weir_root root;
    struct service *service;
    weir_endpoint endpoints[2];
    const struct question *question;
    struct dial dial;
    weir_tcp_socket socket;
    char memory[64];
    weir_flat_buffer answer;
};

static const struct question {
    const char *who;
    const char *text;
    bool ends; /* Its writing. */
} questions[] = {
    {"one that knows", "1\n20\n300\n", true},
    {"one that has no end", "1000000000000000000000000000000", true},
    {"one that is silent", "1\n", false},
    {NULL, NULL, false},
};

static weir_task *ask(weir_task *task, struct client *self)
{
    weir_const_buffer text =
        weir_const_buffer_of(self->question->text, strlen(self->question->text));

    if (self->question->ends)
        return weir_write_eof(task, &self->socket.stream.out, text);
    return weir_write(task, &self->socket.stream.out, text);
}

static void show(const struct client *self, weir_result r)
{
    weir_const_buffer bytes = weir_flat_buffer_bytes(&self->answer);

    if (r.error)
        printf("  answer: %s\n", weir_error_name(r.error));
    else
        printf("  answer: '%.*s'\n", (int)bytes.size, bytes.size ? (const char *)bytes.data : "");
}

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r = weir_result_of(0, 0);

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    for (self->question = questions; self->question->who; self->question++) {
        printf("%s:\n", self->question->who);
        weir_task_init(&self->dial.task, dial_resume);
        self->dial.socket = &self->socket;
        self->dial.endpoints = self->endpoints;
        self->dial.count = 2;
        WEIR_AWAIT(task, r, weir_call(task, &self->dial.task));
        if (r.error)
            break;
        weir_flat_buffer_init_fixed(&self->answer, self->memory, sizeof self->memory);
        WEIR_AWAIT(task, r, ask(task, self));
        if (!r.error)
            WEIR_AWAIT(task, r,
                       weir_read_to_end(task, &self->socket.stream.in, &self->answer.dynamic));
        show(self, r);
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
        weir_flat_buffer_fini(&self->answer);
    }
    weir_root_stop(&self->service->root, WEIR_STOP_REQUESTED);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

int main(void)
{
    static struct service service;
    static struct client client = {.service = &service};
    weir_endpoint local = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    weir_loop *loop;
    int error;

    if ((error = weir_loop_new(NULL, &loop)) ||
        (error = weir_tcp_listen(&service.acceptor, loop, &local, NULL)) ||
        (error = weir_tcp_acceptor_local(&service.acceptor, &local))) {
        fprintf(stderr, "%s\n", weir_error_text(error));
        return 1;
    }
    /* Nobody listens there, on the port that the service has here. */
    client.endpoints[0] = weir_endpoint_make_ipv4(weir_ipv4_make(127, 0, 0, 2), local.port);
    client.endpoints[1] = local;
    weir_task_init(&service.task, service_resume);
    weir_task_init(&client.task, client_resume);
    weir_run_async(weir_loop_executor(loop), &service.root, &service.task, NULL, NULL);
    weir_run_async(weir_loop_executor(loop), &client.root, &client.task, NULL, NULL);
    weir_loop_run(loop); /* Until both have ended. */
    weir_loop_free(loop);
    return 0;
}
