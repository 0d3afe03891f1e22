/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include "zero_copy_rig.h"

#include <sys/socket.h>
#include <unistd.h>

uint8_t memory[6 * PART];

weir_loop_statistics statistics_of(const struct rig *t)
{
    return weir_loop_statistics_get(t->loop);
}

static weir_task *job_resume(weir_task *task)
{
    struct job *self = WEIR_TASK_SELF(task, struct job);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, self->start(self));
    self->result = r;
    self->done = true;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

void turn(struct rig *t)
{
    fake_loop_turn(t->loop);
}

void start(struct rig *t, struct job *job, weir_task *(*function)(struct job *self), size_t size)
{
    job->start = function;
    job->size = size;
    job->done = false;
    weir_task_init(&job->task, job_resume);
    weir_run_async(weir_loop_executor(t->loop), &job->root, &job->task, NULL, NULL);
    turn(t);
}

weir_task *write_it(struct job *self)
{
    return weir_write(&self->task, &self->socket->stream.out,
                      weir_const_buffer_of(memory, self->size));
}

weir_task *close_it(struct job *self)
{
    return weir_tcp_close(&self->task, self->socket);
}

weir_task *commit_it(struct job *self)
{
    return weir_buffer_sink_commit(&self->task, &self->sink->sink, self->size);
}

void start_write(struct rig *t, struct job *job, size_t size)
{
    t->socket.late = 0;
    job->socket = &t->socket;
    start(t, job, write_it, size);
}

static int connect_pair(intptr_t *ret_descriptor)
{
    weir_endpoint any = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    weir_tcp_listen_options options = {.backlog = 1};
    weir_sys_address address;
    weir_endpoint endpoint;
    intptr_t listener;
    int peer;

    CHECK_EQ(weir_sys_sockets.listen(&any, &options, &listener), 0);
    CHECK_EQ(weir_sys_sockets.local(NULL, listener, &endpoint), 0);
    weir_sys_address_of(&endpoint, &address);
    peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(peer, (const struct sockaddr *)address.words, address.length), 0);
    *ret_descriptor = accept((int)listener, NULL, NULL);
    CHECK(*ret_descriptor >= 0);
    CHECK_EQ(close((int)listener), 0);
    return peer;
}

void open_socket(struct rig *t, weir_tcp_socket *socket, int *ret_peer)
{
    intptr_t descriptor;

    *ret_peer = connect_pair(&descriptor);
    weir_tcp_socket_init(socket);
    CHECK_EQ(weir_tcp_socket_adopt(socket, t->loop, descriptor), 0);
}

void rig_init(struct rig *t, size_t zero_copy_bytes_max, int register_result)
{
    weir_loop_options options = fake_loop_options();

    options.zero_copy_bytes_max = zero_copy_bytes_max;
    options.sink_bytes = 2 * CHUNK;
    t->loop = fake_loop_new(&options);
    t->fake = fake_backend_of(t->loop);
    fake_backend_send_zero_copy(t->fake, register_result);
    open_socket(t, &t->socket, &t->peer);
    /* All peers are on this machine: let them be like others. */
    weir_zero_copy_of(t->loop)->classes[WEIR_PEER_LOCAL].copies = 0;
}

struct fake_operation in_flight(const struct rig *t, size_t index)
{
    return fake_backend_operation(t->fake, index);
}

void check_in_flight(const struct rig *t, size_t index, enum fake_kind kind, size_t size)
{
    CHECK_EQ(in_flight(t, index).kind, kind);
    CHECK_EQ(in_flight(t, index).size, size);
}

void complete(struct rig *t, size_t index, int result, unsigned flags)
{
    fake_backend_complete(t->fake, in_flight(t, index).operation, result, flags);
    turn(t);
}

void rig_init_lent(struct rig *t)
{
    rig_init(t, 0, 0);
    start_write(t, &t->job, LARGE);
    complete(t, 0, LARGE, MORE);
}

void check_done(const struct job *job, int error, size_t count)
{
    CHECK(job->done);
    CHECK_EQ(job->result.error, error);
    CHECK_EQ(job->result.count, count);
}

void close_socket(struct rig *t, weir_tcp_socket *socket)
{
    struct job job = {.socket = socket};

    start(t, &job, close_it, 0);
    CHECK_EQ(in_flight(t, 0).kind, FAKE_CLOSE);
    CHECK_EQ(close((int)socket->handle.native), 0);
    complete(t, 0, 0, 0);
    check_done(&job, 0, 0);
}

void rig_fini(struct rig *t)
{
    close_socket(t, &t->socket);
    CHECK_EQ(close(t->peer), 0);
    weir_loop_free(t->loop);
}

void let_pass(int64_t since_ns, size_t size)
{
    int64_t begin_ns = weir_sys_now_ns();
    int64_t end_ns = begin_ns + (begin_ns - since_ns) + 2 * (int64_t)size;

    while (weir_sys_now_ns() < end_ns)
        weir_sys_relax();
}
