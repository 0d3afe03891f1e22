/* SPDX-License-Identifier: MIT */
/* Connections over loopback, both ends of them here. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "choices.h"

enum { BACKLOG = 4096, SOCKET_BYTES = 256 * 1024 };

static void set(int descriptor, int level, int name, int value)
{
    if (setsockopt(descriptor, level, name, &value, sizeof value))
        weir_peer_die("setsockopt", errno);
}

int ring_listen(int flags)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (listener < 0)
        weir_peer_die("socket", errno);
    set(listener, IPPROTO_TCP, TCP_NODELAY, 1); /* Inherited by what is accepted (tcp(7)). */
    if (bind(listener, (const struct sockaddr *)&address, sizeof address))
        weir_peer_die("bind", errno);
    if (listen(listener, BACKLOG))
        weir_peer_die("listen", errno);
    return listener;
}

int ring_connect(int listener)
{
    struct linger reset = {.l_onoff = 1};
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (client < 0)
        weir_peer_die("socket", errno);
    set(client, IPPROTO_TCP, TCP_NODELAY, 1);
    /* No port is left in TIME_WAIT, however many connections there were. */
    if (setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset))
        weir_peer_die("setsockopt", errno);
    if (getsockname(listener, (struct sockaddr *)&address, &length))
        weir_peer_die("getsockname", errno);
    if (connect(client, (const struct sockaddr *)&address, length))
        weir_peer_die("connect", errno);
    return client;
}

static struct pair connected(int listener)
{
    struct pair it;

    it.client = ring_connect(listener);
    it.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (it.server < 0)
        weir_peer_die("accept", errno);
    /* The clients send all of a round before the engine runs: there has to be room. */
    set(it.server, SOL_SOCKET, SO_RCVBUF, SOCKET_BYTES);
    set(it.client, SOL_SOCKET, SO_RCVBUF, SOCKET_BYTES);
    return it;
}

const struct pair *ring_pairs(unsigned count)
{
    static struct pair *pairs;
    static unsigned made;
    int listener;

    if (count <= made)
        return pairs;
    pairs = realloc(pairs, count * sizeof *pairs);
    if (!pairs)
        weir_peer_die("realloc", ENOMEM);
    listener = ring_listen(0);
    while (made < count)
        pairs[made++] = connected(listener);
    (void)close(listener);
    return pairs;
}

static char message[64 * 1024];

void ring_clients_send(const struct pair *pairs, unsigned count, size_t size)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        ssize_t sent = send(pairs[i].client, message, size, MSG_NOSIGNAL);

        if (sent != (ssize_t)size)
            weir_peer_die("send", sent < 0 ? errno : EMSGSIZE);
    }
}

void ring_clients_receive(const struct pair *pairs, unsigned count, size_t size)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        ssize_t received = recv(pairs[i].client, message, size, MSG_WAITALL);

        if (received != (ssize_t)size)
            weir_peer_die("recv", received < 0 ? errno : EPIPE);
    }
}

int64_t ring_cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void *ring_memory(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (memory == MAP_FAILED)
        weir_peer_die("mmap", errno);
    return memory;
}

void ring_memory_free(void *memory, size_t size)
{
    (void)munmap(memory, size);
}
