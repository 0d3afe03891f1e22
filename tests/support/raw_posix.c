/* SPDX-License-Identifier: MIT */

/* Raw sockets of this machine: blocking, but for those of a wall. */
#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "leaks.h"
#include "test.h"

/* Connecting. */

static int connect_v4(const weir_endpoint *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(&address.sin_addr, endpoint->address.ipv4.bytes, sizeof address.sin_addr);
    CHECK(descriptor >= 0);
    CHECK_EQ(connect(descriptor, (const struct sockaddr *)&address, sizeof address), 0);
    return descriptor;
}

static int connect_v6(const weir_endpoint *endpoint)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(&address.sin6_addr, endpoint->address.ipv6.bytes, sizeof address.sin6_addr);
    CHECK(descriptor >= 0);
    CHECK_EQ(connect(descriptor, (const struct sockaddr *)&address, sizeof address), 0);
    return descriptor;
}

static int posix_connect(const weir_endpoint *endpoint)
{
    return endpoint->family == WEIR_IPV4 ? connect_v4(endpoint) : connect_v6(endpoint);
}

/* Transferring. */

static size_t posix_send(int socket, const void *data, size_t size)
{
    ssize_t sent;

    do
        sent = send(socket, data, size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    CHECK(sent > 0);
    return (size_t)sent;
}

static int64_t posix_receive(int socket, void *data, size_t size, bool waits)
{
    ssize_t received;

    do
        received = recv(socket, data, size, waits ? 0 : MSG_DONTWAIT);
    while (received < 0 && errno == EINTR);
    return received < 0 ? -errno : received;
}

/* Ending. */

static void posix_shutdown(int socket, enum weir_tcp_direction direction)
{
    static const int hows[] = {
        [WEIR_TCP_READS] = SHUT_RD,
        [WEIR_TCP_WRITES] = SHUT_WR,
        [WEIR_TCP_BOTH] = SHUT_RDWR,
    };

    CHECK_EQ(shutdown(socket, hows[direction]), 0);
}

static void posix_close(int socket)
{
    CHECK_EQ(close(socket), 0);
}

static void posix_reset(int socket)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    CHECK_EQ(setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    posix_close(socket);
}

/* Where nobody accepts. */

/* Bound to a port of its own, so that nobody else takes it meanwhile. */
static int posix_reserve(weir_endpoint *ret_endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(descriptor >= 0);
    CHECK_EQ(bind(descriptor, (const struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQ(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    *ret_endpoint = weir_endpoint_make_ipv4(weir_ipv4_loopback(), ntohs(address.sin_port));
    return descriptor;
}

static int connect_without_waiting(const weir_endpoint *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(descriptor >= 0);
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) < 0)
        CHECK_EQ(errno, EINPROGRESS);
    return descriptor;
}

/* A listener that takes no more: its backlog is full and nobody accepts. */
static void posix_wall_open(struct raw_wall *wall)
{
    wall->sockets[0] = posix_reserve(&wall->endpoint);
    CHECK_EQ(listen(wall->sockets[0], 0), 0);
    for (int i = 1; i < RAW_WALL_SOCKETS; i++)
        wall->sockets[i] = connect_without_waiting(&wall->endpoint);
}

static void posix_wall_close(struct raw_wall *wall)
{
    for (int i = RAW_WALL_SOCKETS - 1; i >= 0; i--)
        posix_close(wall->sockets[i]);
}

/* Descriptors. */

static void posix_limit_descriptors(int more)
{
    struct rlimit limit;
    int lowest = dup(STDIN_FILENO);

    CHECK(lowest >= 0);
    posix_close(lowest);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)(lowest + more);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void posix_unlimit_descriptors(void)
{
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

const struct raw_system raw_posix = {
    .connect = posix_connect,
    .send = posix_send,
    .receive = posix_receive,
    .shutdown = posix_shutdown,
    .reset = posix_reset,
    .close = posix_close,
    .reserve = posix_reserve,
    .wall_open = posix_wall_open,
    .wall_close = posix_wall_close,
    .descriptor_count = test_descriptor_count,
    .limit_descriptors = posix_limit_descriptors,
    .unlimit_descriptors = posix_unlimit_descriptors,
    .slowness_ns = 0,
};
