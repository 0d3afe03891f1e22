/* SPDX-License-Identifier: MIT */
/*
 * What the simulator watches: what the kernel owns while an operation is in flight, and
 * what was freed.
 *
 * A client starts an operation that waits, a script touches something a second later, and a second
 * after that the server closes, which ends the operation.
 */
#include <string.h>

#include <weir/sim.h>
#include <weir/weir.h>

#include "test.h"

enum { PORT = 7, BYTES = 100000 };

static const int64_t SECOND_NS = INT64_C(1000000000);

struct end {
    weir_task task;
    weir_sim_host *host;
    weir_tcp_acceptor acceptor;
    weir_tcp_socket socket;
    weir_endpoint peer;
    weir_buffer parts[2];
    uint8_t data[BYTES];
    bool writes;
    bool is_vectored;
};

static struct end server;
static struct end client;

static weir_task *server_resume(weir_task *task)
{
    struct end *self = WEIR_TASK_SELF(task, struct end);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->socket));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(task, r, weir_sleep_for(task, 3 * SECOND_NS));
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void server_main(void *argument)
{
    weir_endpoint local = weir_sim_host_endpoint(server.host, PORT);
    weir_loop *loop;

    (void)argument;
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    CHECK_EQ(weir_tcp_listen(&server.acceptor, loop, &local, NULL), 0);
    weir_task_init(&server.task, server_resume);
    CHECK_EQ(weir_run(loop, &server.task).error, 0);
    weir_loop_free(loop);
}

static weir_task *start(weir_task *task, struct end *self)
{
    if (self->writes)
        return weir_write(task, &self->socket.stream.out,
                          weir_const_buffer_of(self->data, sizeof self->data));
    if (self->is_vectored)
        return weir_read_some_v(task, &self->socket.stream.in, self->parts, 2);
    return weir_read_some(task, &self->socket.stream.in,
                          weir_buffer_of(self->data, sizeof self->data));
}

static weir_task *client_resume(weir_task *task)
{
    struct end *self = WEIR_TASK_SELF(task, struct end);
    weir_result r;

    WEIR_BEGIN(task);
    weir_tcp_socket_init(&self->socket);
    self->parts[0] = weir_buffer_of(self->data, 10);
    self->parts[1] = weir_buffer_of(self->data + 10, 10);
    WEIR_AWAIT(task, r, weir_sleep_for(task, SECOND_NS));
    WEIR_AWAIT(task, r, weir_tcp_connect(task, &self->socket, &self->peer));
    CHECK_EQ(r.error, 0);
    WEIR_AWAIT(task, r, start(task, self));
    CHECK(r.error != 0);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Touch something while the client's operation is in flight. */
static void run(weir_sim_script_fn *touch)
{
    weir_sim_options options = {.seed = 1};
    weir_sim *sim = weir_sim_new(&options);

    server.host = weir_sim_host_new(sim, "server");
    client.peer = weir_sim_host_endpoint(server.host, PORT);
    weir_task_init(&client.task, client_resume);
    weir_sim_start(server.host, "server", server_main, NULL);
    weir_sim_start_task(weir_sim_host_new(sim, "client"), "client", &client.task);
    weir_sim_at(sim, 3 * SECOND_NS, touch, NULL);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    weir_sim_free(sim);
}

static void touch_nothing(weir_sim *sim, void *argument)
{
    (void)sim;
    (void)argument;
}

static void touch_data(weir_sim *sim, void *argument)
{
    (void)sim;
    (void)argument;
    client.data[BYTES - 1] ^= 1;
}

static void touch_second_part(weir_sim *sim, void *argument)
{
    (void)sim;
    (void)argument;
    client.data[19] = 0;
}

static void touch_sequence(weir_sim *sim, void *argument)
{
    (void)sim;
    (void)argument;
    client.parts[1].size = 0;
}

static void touch_record(weir_sim *sim, void *argument)
{
    (void)sim;
    (void)argument;
    client.task.scratch[3]++;
}

static void touch_socket(weir_sim *sim, void *argument)
{
    (void)sim;
    (void)argument;
    memset(&client.socket.handle, 0, sizeof client.socket.handle);
}

WEIR_TEST(watch, what_nobody_touches_is_fine)
{
    run(touch_nothing);
    client.is_vectored = true;
    run(touch_nothing);
    client.writes = true;
    run(touch_nothing);
}

/* What the caller sees of a receive's memory is as on a real kernel: only what came has changed. */
WEIR_TEST(watch, memory_that_received_nothing_is_as_it_was)
{
    memset(client.data, 0x5a, sizeof client.data);
    run(touch_nothing);
    CHECK_EQ(client.data[0], 0x5a);
    CHECK_EQ(client.data[BYTES - 1], 0x5a);
}

WEIR_ABORT_TEST(watch, the_memory_of_a_receive_is_the_kernels)
{
    run(touch_second_part);
}

WEIR_ABORT_TEST(watch, all_buffers_of_a_receive_are_the_kernels)
{
    client.is_vectored = true;
    run(touch_second_part);
}

WEIR_ABORT_TEST(watch, a_buffer_sequence_in_flight_stays)
{
    client.is_vectored = true;
    run(touch_sequence);
}

WEIR_ABORT_TEST(watch, the_memory_of_a_send_stays_as_it_is)
{
    client.writes = true;
    run(touch_data);
}

WEIR_ABORT_TEST(watch, the_record_of_an_operation_is_the_kernels)
{
    run(touch_record);
}

WEIR_ABORT_TEST(watch, a_socket_stays_while_it_is_open)
{
    run(touch_socket);
}

/* Frames. */

static void release_other_size(void *argument)
{
    weir_loop *loop;
    weir_memory *memory;

    (void)argument;
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    memory = weir_loop_context(loop)->frames.source;
    memory->release(memory, memory->allocate(memory, 256), 128);
}

static void leak(void *argument)
{
    weir_loop *loop;
    weir_memory *memory;

    (void)argument;
    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    memory = weir_loop_context(loop)->frames.source;
    CHECK(memory->allocate(memory, 256));
    weir_loop_free(loop);
}

static void run_program(weir_sim_program_fn *main)
{
    weir_sim_options options = {.seed = 1};
    weir_sim *sim = weir_sim_new(&options);

    weir_sim_start(weir_sim_host_new(sim, "host"), "main", main, NULL);
    CHECK_EQ(weir_sim_run(sim, WEIR_SIM_TO_THE_END), 0);
    weir_sim_free(sim);
}

WEIR_ABORT_TEST(watch, a_frame_is_released_with_its_size)
{
    run_program(release_other_size);
}

WEIR_ABORT_TEST(watch, every_frame_comes_home)
{
    run_program(leak);
}
