/* SPDX-License-Identifier: MIT */
/* Rows of weir's that move bytes over connections that stand. */
#include "weir_bed.h"

enum { CHUNK_MAX = 1 << 20 };

/* Of every task that only moves bytes: what they are does not matter. */
static uint8_t source[CHUNK_MAX];
static uint8_t sink[CHUNK_MAX];

static weir_read_stream *in_of(struct actor *self)
{
    return &self->socket->stream.in;
}

static weir_write_stream *out_of(struct actor *self)
{
    return &self->socket->stream.out;
}

/* The part of the buffer that a message of the row fills. */
static weir_buffer message_in(struct actor *self, size_t size)
{
    return weir_buffer_of(self->data, size);
}

static weir_const_buffer message_out(struct actor *self, size_t size)
{
    return weir_const_buffer_of(self->data, size);
}

/* The other side reads the end and ends, too. */
static weir_result say_end(struct actor *self)
{
    return weir_result_of(weir_tcp_shutdown(self->socket, WEIR_TCP_WRITES), 0);
}

static weir_result ended(weir_result r)
{
    return weir_result_of(r.error == WEIR_EOF ? 0 : r.error, 0);
}

/* Throughput. */

static weir_task *writer_resume(weir_task *task)
{
    struct actor *self = WEIR_TASK_SELF(task, struct actor);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r,
                   weir_write_some(task, out_of(self),
                                   weir_const_buffer_of(source, self->bed->run->parameter)));
        if (r.error)
            WEIR_RETURN(task, r);
    } while (!suite_is_over(self->bed->run));
    WEIR_RETURN(task, say_end(self));
    WEIR_END(task);
}

static weir_task *reader_resume(weir_task *task)
{
    struct actor *self = WEIR_TASK_SELF(task, struct actor);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        self->begin_ns = suite_now_ns();
        WEIR_AWAIT(
            task, r,
            weir_read_some(task, in_of(self), weir_buffer_of(sink, self->bed->run->parameter)));
        if (r.error)
            break;
        suite_lap(self->bed->run, self->begin_ns, r.count);
    }
    WEIR_RETURN(task, ended(r));
    WEIR_END(task);
}

static void start_throughput(struct bed *bed)
{
    weir_suite_actor_start(bed, writer_resume, &bed->pairs->client, NULL);
    weir_suite_actor_start(bed, reader_resume, &bed->pairs->server, NULL);
}

static void start_throughput_both(struct bed *bed)
{
    start_throughput(bed);
    weir_suite_actor_start(bed, writer_resume, &bed->pairs->server, NULL);
    weir_suite_actor_start(bed, reader_resume, &bed->pairs->client, NULL);
}

const char *weir_suite_throughput(suite_run *run)
{
    return weir_suite_bed_run(run, 1, start_throughput);
}

const char *weir_suite_throughput_both(suite_run *run)
{
    return weir_suite_bed_run(run, 1, start_throughput_both);
}

/* Ping-pong. */

static size_t size_of(const struct actor *self)
{
    return self->bed->pair_count > 1 ? SUITE_MESSAGE_BYTES : self->bed->run->parameter;
}

static weir_task *both_ends_resume(weir_task *task)
{
    struct actor *self = WEIR_TASK_SELF(task, struct actor);
    weir_result r;

    WEIR_BEGIN(task);
    while (!suite_is_over(self->bed->run)) {
        self->begin_ns = suite_now_ns();
        WEIR_AWAIT(task, r, weir_write(task, out_of(self), message_out(self, size_of(self))));
        if (r.error)
            WEIR_RETURN(task, r);
        WEIR_AWAIT(task, r,
                   weir_read(task, &self->other->stream.in, message_in(self, size_of(self))));
        if (r.error)
            WEIR_RETURN(task, r);
        WEIR_AWAIT(task, r,
                   weir_write(task, &self->other->stream.out, message_out(self, size_of(self))));
        if (r.error)
            WEIR_RETURN(task, r);
        WEIR_AWAIT(task, r, weir_read(task, in_of(self), message_in(self, size_of(self))));
        if (r.error)
            WEIR_RETURN(task, r);
        suite_lap(self->bed->run, self->begin_ns, 1);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static weir_task *ping_resume(weir_task *task)
{
    struct actor *self = WEIR_TASK_SELF(task, struct actor);
    weir_result r;

    WEIR_BEGIN(task);
    while (!suite_is_over(self->bed->run)) {
        self->begin_ns = suite_now_ns();
        WEIR_AWAIT(task, r, weir_write(task, out_of(self), message_out(self, size_of(self))));
        if (r.error)
            WEIR_RETURN(task, r);
        WEIR_AWAIT(task, r, weir_read(task, in_of(self), message_in(self, size_of(self))));
        if (r.error)
            WEIR_RETURN(task, r);
        suite_lap(self->bed->run, self->begin_ns, 1);
    }
    WEIR_RETURN(task, say_end(self));
    WEIR_END(task);
}

static weir_task *pong_resume(weir_task *task)
{
    struct actor *self = WEIR_TASK_SELF(task, struct actor);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r, weir_read(task, in_of(self), message_in(self, size_of(self))));
        if (r.error)
            break;
        WEIR_AWAIT(task, r, weir_write(task, out_of(self), message_out(self, size_of(self))));
    } while (!r.error);
    WEIR_RETURN(task, ended(r));
    WEIR_END(task);
}

static void start_pingpong_one(struct bed *bed)
{
    weir_suite_actor_start(bed, both_ends_resume, &bed->pairs->client, &bed->pairs->server);
}

static void start_pairs(struct bed *bed)
{
    for (unsigned i = 0; i < bed->pair_count; i++) {
        weir_suite_actor_start(bed, ping_resume, &bed->pairs[i].client, NULL);
        weir_suite_actor_start(bed, pong_resume, &bed->pairs[i].server, NULL);
    }
}

const char *weir_suite_pingpong_one(suite_run *run)
{
    return weir_suite_bed_run(run, 1, start_pingpong_one);
}

const char *weir_suite_pingpong(suite_run *run)
{
    return weir_suite_bed_run(run, 1, start_pairs);
}

const char *weir_suite_pairs(suite_run *run)
{
    return weir_suite_bed_run(run, run->parameter, start_pairs);
}

/* Fan-out: one request on each connection, side by side, again and again. */

struct parent {
    weir_task task;
    struct bed *bed;
    weir_scope requests;
    unsigned left; /* Requests that are not answered. */
    int64_t begin_ns;
};

struct request {
    weir_task task;
    struct parent *parent;
    weir_tcp_socket *socket;
    uint8_t data[SUITE_MESSAGE_BYTES];
};

static weir_task *request_resume(weir_task *task)
{
    struct request *self = WEIR_TASK_SELF(task, struct request);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_write(task, &self->socket->stream.out,
                          weir_const_buffer_of(self->data, sizeof self->data)));
    if (!r.error)
        WEIR_AWAIT(task, r,
                   weir_read(task, &self->socket->stream.in,
                             weir_buffer_of(self->data, sizeof self->data)));
    self->parent->left--;
    WEIR_RETURN(task, weir_result_of(r.error, 0));
    WEIR_END(task);
}

static void start_requests(struct parent *self)
{
    self->begin_ns = suite_now_ns();
    self->left = self->bed->pair_count;
    for (unsigned i = 0; i < self->bed->pair_count; i++) {
        struct request *request = weir_scope_new(&self->requests, sizeof *request, request_resume);

        WEIR_ASSERT(request, "a few frames fit into any memory");
        request->parent = self;
        request->socket = &self->bed->pairs[i].client;
        weir_scope_start(&self->requests, &request->task);
    }
}

static weir_result end_servers(struct parent *self)
{
    int error = 0;

    for (unsigned i = 0; i < self->bed->pair_count && !error; i++)
        error = weir_tcp_shutdown(&self->bed->pairs[i].client, WEIR_TCP_WRITES);
    return weir_result_of(error, 0);
}

static weir_task *join_resume(weir_task *task)
{
    struct parent *self = WEIR_TASK_SELF(task, struct parent);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->requests, task);
    do {
        start_requests(self);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->requests));
        if (r.error)
            WEIR_RETURN(task, r);
        suite_lap(self->bed->run, self->begin_ns, 1);
    } while (!suite_is_over(self->bed->run));
    WEIR_RETURN(task, end_servers(self));
    WEIR_END(task);
}

static weir_task *spin_resume(weir_task *task)
{
    struct parent *self = WEIR_TASK_SELF(task, struct parent);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->requests, task);
    do {
        start_requests(self);
        while (self->left > 0)
            WEIR_AWAIT(task, r, weir_sleep_for(task, 0));
        suite_lap(self->bed->run, self->begin_ns, 1);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->requests));
        if (r.error)
            WEIR_RETURN(task, r);
    } while (!suite_is_over(self->bed->run));
    WEIR_RETURN(task, end_servers(self));
    WEIR_END(task);
}

static weir_task *echo_resume(weir_task *task)
{
    struct actor *self = WEIR_TASK_SELF(task, struct actor);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, in_of(self), message_in(self, SUITE_MESSAGE_BYTES)));
        if (r.error)
            break;
        WEIR_AWAIT(task, r, weir_write(task, out_of(self), message_out(self, r.count)));
    } while (!r.error);
    WEIR_RETURN(task, ended(r));
    WEIR_END(task);
}

static void start_fan(struct bed *bed, weir_resume_fn *resume)
{
    struct parent *parent = weir_scope_new(&bed->scope, sizeof *parent, resume);

    WEIR_ASSERT(parent, "a few frames fit into any memory");
    for (unsigned i = 0; i < bed->pair_count; i++)
        weir_suite_actor_start(bed, echo_resume, &bed->pairs[i].server, NULL);
    parent->bed = bed;
    weir_scope_start(&bed->scope, &parent->task);
}

static void start_fan_out(struct bed *bed)
{
    start_fan(bed, join_resume);
}

static void start_fan_out_spin(struct bed *bed)
{
    start_fan(bed, spin_resume);
}

const char *weir_suite_fan_out(suite_run *run)
{
    return weir_suite_bed_run(run, run->parameter, start_fan_out);
}

const char *weir_suite_fan_out_spin(suite_run *run)
{
    return weir_suite_bed_run(run, run->parameter, start_fan_out_spin);
}
