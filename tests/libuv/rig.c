/* SPDX-License-Identifier: MIT */
/* The rig: a loop, connections, ops, raw descriptors. */
#include "rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WATCHDOG_S = 40 };

static weir_uv *watched;

static void bark(int number)
{
    (void)number;
    fprintf(stderr, "the test hangs; its tasks:\n");
    (void)weir_context_dump(weir_uv_context(watched), stderr);
    _exit(1);
}

void rig_init(struct rig *rig)
{
    CHECK_EQ(uv_loop_init(&rig->loop), 0);
    CHECK_EQ(weir_uv_open(&rig->uv, &rig->loop), 0);
    watched = &rig->uv;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGALRM, bark);
    (void)alarm(WATCHDOG_S);
}

void rig_fini(struct rig *rig)
{
    CHECK_EQ(uv_run(&rig->loop, UV_RUN_DEFAULT), 0); /* No tree keeps it. */
    CHECK_EQ(weir_frame_live_count(&weir_uv_context(&rig->uv)->frames), 0);
    weir_uv_close(&rig->uv, NULL);
    CHECK_EQ(uv_run(&rig->loop, UV_RUN_DEFAULT), 0);
    CHECK_EQ(uv_loop_close(&rig->loop), 0);
    uv_library_shutdown(); /* Its signal pipe is no leak of ours. */
    (void)alarm(0);
}

void rig_settle(struct rig *rig)
{
    /* What a turn has written another may read: on the loopback at once. */
    for (int turns = 4; turns > 0 || uv_is_active((uv_handle_t *)&rig->uv.turn); turns--)
        (void)uv_run(&rig->loop, UV_RUN_NOWAIT);
}

void rig_wait(struct rig *rig, const bool *done)
{
    while (!*done)
        CHECK(uv_run(&rig->loop, UV_RUN_ONCE) || *done);
}

/* Connections. */

static void raw_pair(int ret_descriptors[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(listener >= 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&address, size), 0);
    CHECK_EQ(listen(listener, 1), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    ret_descriptors[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(ret_descriptors[0] >= 0);
    CHECK_EQ(connect(ret_descriptors[0], (struct sockaddr *)&address, size), 0);
    ret_descriptors[1] = accept(listener, NULL, NULL);
    CHECK(ret_descriptors[1] >= 0);
    CHECK_EQ(close(listener), 0);
}

static void adopt(struct rig *rig, struct end *end, int descriptor)
{
    CHECK_EQ(uv_tcp_init(&rig->loop, &end->tcp), 0);
    CHECK_EQ(uv_tcp_open(&end->tcp, descriptor), 0);
    weir_uv_stream_open(&end->connection, &rig->uv, (uv_stream_t *)&end->tcp);
}

int rig_connect_raw(struct rig *rig, struct end *end)
{
    int descriptors[2];

    raw_pair(descriptors);
    adopt(rig, end, descriptors[0]);
    return descriptors[1];
}

void rig_connect(struct rig *rig, struct end *a, struct end *b)
{
    int descriptors[2];

    raw_pair(descriptors);
    adopt(rig, a, descriptors[0]);
    adopt(rig, b, descriptors[1]);
}

void rig_close(struct rig *rig, struct end *end)
{
    struct op close_op;

    op_close(rig, &close_op, end);
    CHECK_OP(rig, &close_op, 0, 0);
}

void end_await_arrival(struct end *end)
{
    struct pollfd wait = {.events = POLLIN};

    CHECK_EQ(uv_fileno((uv_handle_t *)&end->tcp, &wait.fd), 0);
    CHECK_EQ(poll(&wait, 1, -1), 1);
}

/* Ops. */

static weir_task *op_resume(weir_task *task)
{
    struct op *self = WEIR_TASK_SELF(task, struct op);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->patience_ns > 0)
        weir_deadline_arm_after(task, &self->deadline, self->patience_ns);
    WEIR_AWAIT(task, r, self->start(self));
    (void)weir_deadline_disarm(task, &self->deadline);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void op_done(weir_root *root, weir_result result)
{
    struct op *self = root->user;

    self->result = result;
    self->done = true;
}

void op_launch(struct rig *rig, struct op *op, weir_task *(*start)(struct op *self))
{
    op->start = start;
    op->done = false;
    weir_deadline_init(&op->deadline);
    weir_task_init(&op->task, op_resume);
    weir_run_async(weir_uv_executor(&rig->uv), &op->root, &op->task, op_done, op);
}

static void transfer(struct rig *rig, struct op *op, weir_task *(*start)(struct op *self),
                     struct end *end, const void *data, size_t size)
{
    op->end = end;
    op->data = (char *)(uintptr_t)data;
    op->size = size;
    op->patience_ns = 0;
    op_launch(rig, op, start);
}

static weir_task *start_read_some(struct op *op)
{
    return weir_read_some(&op->task, &op->end->connection.stream.in,
                          weir_buffer_of(op->data, op->size));
}

void op_read_some(struct rig *rig, struct op *op, struct end *end, void *data, size_t size)
{
    transfer(rig, op, start_read_some, end, data, size);
}

static weir_task *start_read(struct op *op)
{
    return weir_read(&op->task, &op->end->connection.stream.in, weir_buffer_of(op->data, op->size));
}

void op_read(struct rig *rig, struct op *op, struct end *end, void *data, size_t size)
{
    transfer(rig, op, start_read, end, data, size);
}

static weir_task *start_write_some(struct op *op)
{
    return weir_write_some(&op->task, &op->end->connection.stream.out,
                           weir_const_buffer_of(op->data, op->size));
}

void op_write_some(struct rig *rig, struct op *op, struct end *end, const void *data, size_t size)
{
    transfer(rig, op, start_write_some, end, data, size);
}

static weir_task *start_write(struct op *op)
{
    return weir_write(&op->task, &op->end->connection.stream.out,
                      weir_const_buffer_of(op->data, op->size));
}

void op_write(struct rig *rig, struct op *op, struct end *end, const void *data, size_t size)
{
    transfer(rig, op, start_write, end, data, size);
}

static weir_task *start_finish(struct op *op)
{
    weir_write_stream *out = &op->end->connection.stream.out;

    return out->ops->finish(&op->task, out);
}

void op_finish(struct rig *rig, struct op *op, struct end *end)
{
    transfer(rig, op, start_finish, end, NULL, 0);
}

static weir_task *start_close(struct op *op)
{
    return weir_uv_stream_close(&op->task, &op->end->connection);
}

void op_close(struct rig *rig, struct op *op, struct end *end)
{
    transfer(rig, op, start_close, end, NULL, 0);
}

void op_stop(struct op *op)
{
    weir_root_stop(&op->root, WEIR_STOP_REQUESTED);
}

weir_result op_wait(struct rig *rig, struct op *op)
{
    rig_wait(rig, &op->done);
    return op->result;
}

/* Raw descriptors. */

void raw_send(int descriptor, const void *data, size_t size)
{
    CHECK_EQ(send(descriptor, data, size, MSG_NOSIGNAL), size);
}

size_t raw_receive(int descriptor, void *data, size_t size)
{
    ssize_t count = recv(descriptor, data, size, MSG_WAITALL);

    CHECK(count >= 0);
    return (size_t)count;
}

void raw_reset(int descriptor)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    CHECK_EQ(setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    CHECK_EQ(close(descriptor), 0);
}
