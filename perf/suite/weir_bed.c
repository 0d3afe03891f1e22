/* SPDX-License-Identifier: MIT */
/* The loop and the connections of a row of weir's. */
#include "weir_bed.h"

#include <errno.h>
#include <stdlib.h>

void weir_suite_reset_at_close(weir_tcp_socket *socket)
{
    int error = weir_tcp_option_set(socket, WEIR_TCP_LINGER_SECONDS, 0);

    WEIR_ASSERT(error == 0, "the socket is open");
}

void weir_suite_actor_start(struct bed *bed, weir_resume_fn *resume, weir_tcp_socket *socket,
                            weir_tcp_socket *other)
{
    struct actor *actor = weir_scope_new(&bed->scope, sizeof *actor, resume);

    WEIR_ASSERT(actor, "a few frames fit into any memory");
    actor->bed = bed;
    actor->socket = socket;
    actor->other = other;
    weir_scope_start(&bed->scope, &actor->task);
}

static struct pair *next_pair(struct bed *bed)
{
    return &bed->pairs[bed->next];
}

static void begin(struct bed *bed)
{
    for (unsigned i = 0; i < bed->pair_count; i++) {
        weir_suite_reset_at_close(&bed->pairs[i].client);
        weir_suite_reset_at_close(&bed->pairs[i].server);
    }
    suite_begin(bed->run);
    bed->start(bed);
}

static weir_task *bed_resume(weir_task *task)
{
    struct bed *self = WEIR_TASK_SELF(task, struct bed);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    for (; self->next < self->pair_count; self->next++) {
        WEIR_AWAIT(task, r, weir_tcp_connect(task, &next_pair(self)->client, &self->local));
        if (r.error)
            goto close;
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &next_pair(self)->server));
        if (r.error)
            goto close;
    }
    begin(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
close:
    self->outcome = r;
    for (self->next = 0; self->next < self->pair_count; self->next++) {
        WEIR_AWAIT(task, r, weir_tcp_close(task, &next_pair(self)->client));
        WEIR_AWAIT(task, r, weir_tcp_close(task, &next_pair(self)->server));
    }
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, self->outcome);
    WEIR_END(task);
}

static int open_bed(struct bed *bed)
{
    weir_loop_options options = {.backend = bed->run->backend, .spin_ns_max = -1};
    weir_endpoint local = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    int error;

    bed->pairs = calloc(bed->pair_count + 1, sizeof *bed->pairs);
    if (!bed->pairs)
        return -ENOMEM;
    for (unsigned i = 0; i < bed->pair_count; i++) {
        weir_tcp_socket_init(&bed->pairs[i].client);
        weir_tcp_socket_init(&bed->pairs[i].server);
    }
    error = weir_loop_new(&options, &bed->loop);
    if (!error)
        error = weir_tcp_listen(&bed->acceptor, bed->loop, &local, NULL);
    if (!error)
        error = weir_tcp_acceptor_local(&bed->acceptor, &bed->local);
    return error;
}

const char *weir_suite_bed_run(suite_run *run, unsigned pair_count, void (*start)(struct bed *bed))
{
    static struct bed bed;
    int error;

    bed = (struct bed){.run = run, .pair_count = pair_count, .start = start};
    error = open_bed(&bed);
    if (!error) {
        weir_task_init(&bed.task, bed_resume);
        error = weir_run(bed.loop, &bed.task).error;
        weir_loop_free(bed.loop);
    }
    free(bed.pairs);
    return error ? weir_error_text(error) : NULL;
}
