/* SPDX-License-Identifier: MIT */
/* Rows of weir's in which connections come and go. */
#include "weir_bed.h"

enum { BURST_MAX = 100 };

/* Connects one socket, beside the task that accepts. */
struct connector {
    weir_task task;
    weir_scope_child record;
    weir_tcp_socket *socket;
    const weir_endpoint *peer;
};

static weir_task *connector_resume(weir_task *task)
{
    struct connector *self = WEIR_TASK_SELF(task, struct connector);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_connect(task, self->socket, self->peer));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct churn {
    weir_task task;
    struct bed *bed;
    weir_scope scope; /* Of the connectors. */
    unsigned next;
    int64_t begin_ns;
    uint8_t byte;
    struct pair pairs[BURST_MAX];
    struct connector connectors[BURST_MAX];
};

static void start_connectors(struct churn *self, unsigned count)
{
    self->begin_ns = suite_now_ns();
    for (unsigned i = 0; i < count; i++) {
        struct connector *connector = &self->connectors[i];

        weir_tcp_socket_init(&self->pairs[i].client);
        weir_tcp_socket_init(&self->pairs[i].server);
        connector->socket = &self->pairs[i].client;
        connector->peer = &self->bed->local;
        weir_task_init(&connector->task, connector_resume);
        weir_scope_start_embedded(&self->scope, &connector->record, &connector->task);
    }
}

static weir_task *churn_resume(weir_task *task)
{
    struct churn *self = WEIR_TASK_SELF(task, struct churn);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    do {
        start_connectors(self, 1);
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->bed->acceptor, &self->pairs->server));
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
        if (r.error)
            break;
        weir_suite_reset_at_close(&self->pairs->client);
        WEIR_AWAIT(task, r,
                   weir_write(task, &self->pairs->client.stream.out,
                              weir_const_buffer_of(&self->byte, sizeof self->byte)));
        WEIR_AWAIT(task, r,
                   weir_read(task, &self->pairs->server.stream.in,
                             weir_buffer_of(&self->byte, sizeof self->byte)));
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->pairs->client));
        WEIR_AWAIT(task, r, weir_tcp_close(task, &self->pairs->server));
        suite_lap(self->bed->run, self->begin_ns, 1);
    } while (!suite_is_over(self->bed->run));
    WEIR_RETURN(task, weir_result_of(r.error, 0));
    WEIR_END(task);
}

static struct pair *next_of(struct churn *self)
{
    return &self->pairs[self->next];
}

static unsigned count_of(const struct churn *self)
{
    return self->bed->run->parameter;
}

static weir_task *burst_resume(weir_task *task)
{
    struct churn *self = WEIR_TASK_SELF(task, struct churn);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    do {
        start_connectors(self, count_of(self));
        for (self->next = 0; self->next < count_of(self); self->next++)
            WEIR_AWAIT(task, r,
                       weir_tcp_accept(task, &self->bed->acceptor, &next_of(self)->server));
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
        if (r.error)
            break;
        for (self->next = 0; self->next < count_of(self); self->next++) {
            weir_suite_reset_at_close(&next_of(self)->client);
            WEIR_AWAIT(task, r, weir_tcp_close(task, &next_of(self)->client));
            WEIR_AWAIT(task, r, weir_tcp_close(task, &next_of(self)->server));
        }
        suite_lap(self->bed->run, self->begin_ns, count_of(self));
    } while (!suite_is_over(self->bed->run));
    WEIR_RETURN(task, weir_result_of(r.error, 0));
    WEIR_END(task);
}

static void start(struct bed *bed, weir_resume_fn *resume)
{
    struct churn *it = weir_scope_new(&bed->scope, sizeof *it, resume);

    WEIR_ASSERT(it, "a few frames fit into any memory");
    it->bed = bed;
    WEIR_ASSERT(bed->run->parameter <= BURST_MAX, "the rows are known");
    weir_scope_start(&bed->scope, &it->task);
}

static void start_accept(struct bed *bed)
{
    start(bed, churn_resume);
}

static void start_accept_burst(struct bed *bed)
{
    start(bed, burst_resume);
}

const char *weir_suite_accept(suite_run *run)
{
    return weir_suite_bed_run(run, 0, start_accept);
}

const char *weir_suite_accept_burst(suite_run *run)
{
    return weir_suite_bed_run(run, 0, start_accept_burst);
}
