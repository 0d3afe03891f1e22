/* SPDX-License-Identifier: MIT */
/* See epoll_rig.h. */
#define _GNU_SOURCE

#include "epoll_rig.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

weir_loop_statistics rig_statistics;

static void probe_completed(weir_operation *operation, int result, unsigned flags)
{
    struct probe *probe = WEIR_CONTAINER_OF(operation, struct probe, operation);

    probe->result = result;
    if (flags & WEIR_OPERATION_MORE)
        probe->accepted[probe->more++] = result;
    else
        probe->last++;
    if (probe->then)
        probe->then(probe, flags);
}

static void probe_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)wait;
    (void)task;
    (void)bits;
}

static void probe_dump(weir_wait *wait, struct weir_dump *dump)
{
    (void)wait;
    (void)dump;
}

static const struct weir_operation_ops probe_ops = {
    .wait = {.name = "probe", .stop = probe_stop, .dump = probe_dump},
    .completed = probe_completed,
};

void probe_init(struct probe *probe, weir_backend *backend)
{
    memset(probe, 0, sizeof *probe);
    /* The seam promises no more of these words than that they are there. */
    memset(probe->operation.scratch, 0xa5, sizeof probe->operation.scratch);
    probe->operation.ops = &probe_ops;
    probe->backend = backend;
}

weir_backend *open_backend(void)
{
    return open_lending_backend(0, 0);
}

weir_backend *open_lending_backend(size_t buffer_bytes, size_t bytes_max)
{
    weir_backend_options options = {
        .queue_depth = 64,
        .statistics = &rig_statistics,
        .lent_buffer_bytes = buffer_bytes,
        .lent_bytes_max = bytes_max,
    };
    weir_backend *backend;

    CHECK_EQ(OPS->open(&options, &backend), 0);
    CHECK_EQ(OPS->start(backend), 0);
    return backend;
}

void poll_now(weir_backend *backend)
{
    OPS->wait(backend, WEIR_WAIT_POLL);
}

void finish(struct probe *probe)
{
    while (probe->last == 0)
        OPS->wait(probe->backend, WEIR_WAIT_FOREVER);
    CHECK_EQ(probe->last, 1);
    probe->last = 0;
}

void attach(weir_backend *backend, weir_handle *handle, int descriptor)
{
    memset(handle, 0xa5, sizeof *handle);
    handle->native = descriptor;
    CHECK_EQ(OPS->attach(backend, handle), 0);
}

void close_handle(weir_backend *backend, weir_handle *handle)
{
    struct probe probe;

    probe_init(&probe, backend);
    CHECK_EQ(OPS->close_socket(backend, &probe.operation, handle, true), 0);
}

int open_pair(weir_backend *backend, weir_handle *handle)
{
    int ends[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    attach(backend, handle, ends[0]);
    return ends[1];
}

intptr_t open_listener(int backlog, weir_endpoint *ret_endpoint)
{
    weir_endpoint any = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);
    weir_tcp_listen_options options = {.backlog = backlog};
    intptr_t listener;

    CHECK_EQ(weir_sys_sockets.listen(&any, &options, &listener), 0);
    CHECK_EQ(weir_sys_sockets.local(NULL, listener, ret_endpoint), 0);
    return listener;
}

int open_client(const weir_endpoint *peer)
{
    weir_sys_address address;
    intptr_t client;

    CHECK_EQ(weir_sys_sockets.open(peer, &client), 0);
    weir_sys_address_of(peer, &address);
    if (connect((int)client, (const struct sockaddr *)address.words, address.length) < 0)
        CHECK_EQ(errno, EINPROGRESS);
    return (int)client;
}

int open_connection(weir_backend *backend, weir_handle *handle)
{
    weir_endpoint endpoint;
    intptr_t listener = open_listener(0, &endpoint);
    int client = open_client(&endpoint);
    int accepted;

    do {
        accepted = accept4((int)listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (accepted < 0 && errno == EAGAIN);
    CHECK(accepted >= 0);
    weir_sys_close(listener);
    attach(backend, handle, accepted);
    return client;
}

void put(int descriptor, const char *text)
{
    CHECK_EQ(write(descriptor, text, strlen(text)), strlen(text));
}

void rig_open(struct rig *rig)
{
    rig->backend = open_backend();
    rig->peer = open_pair(rig->backend, &rig->handle);
    probe_init(&rig->probe, rig->backend);
}

void rig_open_tcp(struct rig *rig)
{
    rig->backend = open_backend();
    rig->peer = open_connection(rig->backend, &rig->handle);
    probe_init(&rig->probe, rig->backend);
}

void rig_close_peer(struct rig *rig)
{
    close(rig->peer);
    rig->peer = -1;
}

void rig_close(struct rig *rig)
{
    close_handle(rig->backend, &rig->handle);
    if (rig->peer >= 0)
        close(rig->peer);
    OPS->close(rig->backend);
}

int receive(struct rig *rig, size_t size)
{
    return OPS->receive(rig->backend, &rig->probe.operation, &rig->handle,
                        weir_buffer_of(rig->data, size));
}

void park_receive(struct rig *rig)
{
    CHECK_EQ(receive(rig, sizeof rig->data), WEIR_IN_FLIGHT);
}

int receive_finally(struct rig *rig)
{
    int result = receive(rig, sizeof rig->data);

    if (result != WEIR_IN_FLIGHT)
        return result;
    finish(&rig->probe);
    return rig->probe.result;
}

int send_on(struct probe *probe, weir_handle *handle, const void *data, size_t size)
{
    return OPS->send(probe->backend, &probe->operation, handle, weir_const_buffer_of(data, size));
}

struct rlimit limit_descriptors(unsigned more)
{
    struct rlimit before;
    struct rlimit limit;
    int lowest_free = dup(0);

    CHECK(lowest_free >= 0);
    close(lowest_free);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)lowest_free + more;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}
