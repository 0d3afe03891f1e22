/* SPDX-License-Identifier: MIT */

/*
 * Raw sockets of a world: those of the host of the calling program, which waits as programs do.
 *
 * What is sent takes its time to the other end. So that it has arrived when the call returns, as on
 * the loopback of a real machine, the calls wait for longer than anything is on its way.
 */
#include "raw.h"

#include <errno.h>
#include <limits.h>

#include "sim.h"
#include "test.h"

static weir_sim_host *host(void)
{
    return sim_program_current()->host;
}

/* Waiting. */

struct pause {
    sim_alarm alarm;
    sim_program *program;
};

static void pause_ends(sim_alarm *alarm)
{
    weir_sim_program_ready(WEIR_CONTAINER_OF(alarm, struct pause, alarm)->program);
}

static void let_arrive(void)
{
    struct pause pause = {.program = sim_program_current()};

    sim_after(weir_sim_running, &pause.alarm, RAW_SIM_ARRIVAL_NS, pause_ends);
    weir_sim_block(weir_sim_running, "the network", NULL);
}

static void socket_changed(sim_socket *socket)
{
    weir_sim_program_ready(weir_sim_socket_watcher(socket));
}

static void wait_for_change(sim_socket *socket)
{
    weir_sim_socket_watch(socket, socket_changed, sim_program_current());
    weir_sim_block(weir_sim_running, "a raw socket", socket);
    weir_sim_socket_watch(socket, NULL, NULL);
}

static sim_socket *socket_of(int descriptor)
{
    sim_socket *socket = weir_sim_socket_at(host(), descriptor);

    CHECK(socket);
    return socket;
}

/* Connecting. */

static int open_socket(weir_family family)
{
    int descriptor = weir_sim_socket_open(host(), family);

    CHECK(descriptor >= 0);
    return descriptor;
}

static int sim_connect(const weir_endpoint *endpoint)
{
    int descriptor = open_socket(endpoint->family);
    sim_socket *socket = socket_of(descriptor);
    int error = weir_sim_socket_connect(socket, endpoint);

    CHECK_EQ(error, 0);
    while ((error = weir_sim_socket_connect_result(socket)) == -EINPROGRESS)
        wait_for_change(socket);
    CHECK_EQ(error, 0);
    let_arrive();
    return descriptor;
}

/* Transferring. */

static size_t sim_send(int descriptor, const void *data, size_t size)
{
    weir_const_buffer buffer = weir_const_buffer_of(data, size);
    sim_socket *socket = socket_of(descriptor);
    int64_t sent;

    while ((sent = weir_sim_socket_send(socket, &buffer, 1, size)) == -EAGAIN)
        wait_for_change(socket);
    CHECK(sent > 0);
    let_arrive();
    return (size_t)sent;
}

static int64_t sim_receive(int descriptor, void *data, size_t size, bool waits)
{
    weir_buffer buffer = weir_buffer_of(data, size);
    sim_socket *socket = socket_of(descriptor);
    int64_t received;

    while ((received = weir_sim_socket_receive(socket, &buffer, 1, size)) == -EAGAIN && waits)
        wait_for_change(socket);
    return received;
}

/* Ending. */

static void sim_shutdown(int descriptor, enum weir_tcp_direction direction)
{
    CHECK_EQ(weir_sim_socket_shutdown(socket_of(descriptor), (int)direction), 0);
    let_arrive();
}

static void sim_close(int descriptor)
{
    (void)socket_of(descriptor);
    weir_sim_socket_close(host(), descriptor);
    let_arrive();
}

static void sim_reset(int descriptor)
{
    CHECK_EQ(weir_sim_socket_option_set(socket_of(descriptor), WEIR_TCP_LINGER_SECONDS, 0), 0);
    sim_close(descriptor);
}

/* Where nobody accepts. */

/* A port that is given to nobody who asks for any. */
static int sim_reserve(weir_endpoint *ret_endpoint)
{
    *ret_endpoint = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 1);
    return open_socket(WEIR_IPV4);
}

/* A host that nothing reaches. */
static void sim_wall_open(struct raw_wall *wall)
{
    weir_sim_link link = {.state = WEIR_SIM_LINK_CUT};
    weir_sim_host *wall_host = weir_sim_host_new(weir_sim_running, "wall");

    weir_sim_link_set(host(), wall_host, &link);
    wall->endpoint = weir_sim_host_endpoint(wall_host, 1);
}

static void sim_wall_close(struct raw_wall *wall)
{
    (void)wall;
}

/* Descriptors. */

static int sim_descriptor_count(void)
{
    return (int)host()->descriptor_count;
}

static void sim_limit_descriptors(int more)
{
    weir_sim_host_limit_descriptors(host(), host()->descriptor_count + (unsigned)more);
}

static void sim_unlimit_descriptors(void)
{
    weir_sim_host_limit_descriptors(host(), UINT_MAX);
}

const struct raw_system raw_sim = {
    .connect = sim_connect,
    .send = sim_send,
    .receive = sim_receive,
    .shutdown = sim_shutdown,
    .reset = sim_reset,
    .close = sim_close,
    .reserve = sim_reserve,
    .wall_open = sim_wall_open,
    .wall_close = sim_wall_close,
    .descriptor_count = sim_descriptor_count,
    .limit_descriptors = sim_limit_descriptors,
    .unlimit_descriptors = sim_unlimit_descriptors,
    .slowness_ns = 50000,
};
