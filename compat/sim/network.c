/* SPDX-License-Identifier: MIT */
/* Hosts, links, descriptors, addresses and ports: what there is before anything is connected. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/assert.h>

#include "connection.h"

enum {
    DESCRIPTORS_MAX = 1024, /* Of a host, at first. */
    PORT_FIRST = 32768,     /* Linux's ip_local_port_range. */
    PORT_LAST = 60999,
    WINDOW_BYTES = 64 * 1024,
    LATENCY_MIN_NS = 10 * 1000,
    LATENCY_MAX_NS = 500 * 1000,
};

void *weir_sim_allocate(size_t size)
{
    void *memory = calloc(1, size ? size : 1);

    WEIR_ASSERT(memory != NULL, "a simulated world finds memory");
    return memory;
}

/* Hosts. */

weir_sim_host *weir_sim_host_new(weir_sim *sim, const char *name)
{
    struct sim_network *network = &sim->network;
    weir_sim_host *host;

    WEIR_ASSERT(network->host_count < SIM_HOSTS_MAX, "a world has at most 64 hosts");
    WEIR_ASSERT(name, "a host has a name");
    host = weir_sim_allocate(sizeof(*host));
    host->sim = sim;
    host->name = name;
    host->index = network->host_count;
    host->descriptors_max = DESCRIPTORS_MAX;
    host->next_port = PORT_FIRST;
    weir_list_init(&host->all);
    weir_list_init(&host->listeners);
    network->hosts[network->host_count++] = host;
    return host;
}

static weir_ipv4 host_ipv4(const weir_sim_host *host)
{
    return weir_ipv4_make(10, 0, 0, (uint8_t)(host->index + 1));
}

weir_endpoint weir_sim_host_endpoint(const weir_sim_host *host, uint16_t port)
{
    return weir_endpoint_make_ipv4(host_ipv4(host), port);
}

void weir_sim_host_limit_descriptors(weir_sim_host *host, unsigned descriptors_max)
{
    host->descriptors_max = descriptors_max;
}

static void socket_free(sim_socket *socket)
{
    weir_sim_tcp_drop(socket);
    if (weir_list_is_linked(&socket->listener))
        weir_list_remove(&socket->listener);
    weir_list_remove(&socket->link);
    free(socket);
}

static void host_free(weir_sim_host *host)
{
    weir_list_node *node;

    while ((node = weir_list_first(&host->all)))
        socket_free(WEIR_CONTAINER_OF(node, sim_socket, link));
    free(host->sockets);
    free(host);
}

void weir_sim_network_crash(weir_sim_host *host)
{
    weir_list_node *node;
    size_t i;

    while ((node = weir_list_first(&host->all))) {
        sim_socket *socket = WEIR_CONTAINER_OF(node, sim_socket, link);

        WEIR_ASSERT(socket->holds == 0, "nobody holds a socket of a host that crashed");
        weir_sim_tcp_vanish(socket);
        socket_free(socket);
    }
    for (i = 0; i < host->socket_capacity; i++)
        host->sockets[i] = NULL;
    host->descriptor_count = 0;
}

void weir_sim_network_fini(struct sim_network *network)
{
    unsigned i;

    for (i = 0; i < network->host_count; i++)
        host_free(network->hosts[i]);
    network->host_count = 0;
}

/* Links. */

weir_sim_link *weir_sim_link_between(const weir_sim_host *a, const weir_sim_host *b)
{
    return &a->sim->network.links[a->index][b->index];
}

static int64_t latency_least_ns(const weir_sim_link *link)
{
    return link->latency_min_ns ? link->latency_min_ns : LATENCY_MIN_NS;
}

int64_t weir_sim_link_latency_ns(const weir_sim_host *a, const weir_sim_host *b)
{
    const weir_sim_link *link = weir_sim_link_between(a, b);
    int64_t least = latency_least_ns(link);
    int64_t most = link->latency_max_ns ? link->latency_max_ns : LATENCY_MAX_NS;

    return sim_random_between(&a->sim->random, least, most > least ? most : least);
}

size_t weir_sim_link_window_bytes(const weir_sim_host *a, const weir_sim_host *b)
{
    const weir_sim_link *link = weir_sim_link_between(a, b);

    return link->window_bytes ? link->window_bytes : WINDOW_BYTES;
}

/* Of the sockets on one host that are connected, or about to be, with the other. A change makes no
 * socket and frees none. */
static void link_changed(weir_sim_host *a, const weir_sim_host *b, bool was_up)
{
    weir_list_node *node;

    for (node = weir_list_first(&a->all); node; node = weir_list_next(&a->all, node)) {
        sim_socket *socket = WEIR_CONTAINER_OF(node, sim_socket, link);

        if (socket->remote_host == b)
            weir_sim_tcp_link_changed(socket, was_up);
    }
}

static void check_link(const weir_sim_link *link)
{
    WEIR_ASSERT(link, "a link that is set is given");
    WEIR_ASSERT((unsigned)link->state <= WEIR_SIM_LINK_UNREACHABLE,
                "a link is up, cut or unreachable");
    WEIR_ASSERT(link->latency_min_ns >= 0 && link->latency_min_ns <= SIM_TIME_MAX_NS &&
                    link->latency_max_ns >= 0 && link->latency_max_ns <= SIM_TIME_MAX_NS,
                "a latency is not negative, and at most 73 years");
    WEIR_ASSERT(!link->latency_max_ns || link->latency_max_ns >= latency_least_ns(link),
                "the highest latency is not below the lowest, which is 10 us unless it is set");
}

void weir_sim_link_set(weir_sim_host *a, weir_sim_host *b, const weir_sim_link *link)
{
    bool was_up;

    WEIR_ASSERT(a->sim == b->sim, "a link is between hosts of one world");
    check_link(link);
    was_up = weir_sim_link_between(a, b)->state == WEIR_SIM_LINK_UP;
    *weir_sim_link_between(a, b) = *link;
    *weir_sim_link_between(b, a) = *link;
    link_changed(a, b, was_up);
    if (a != b)
        link_changed(b, a, was_up);
}

static sim_socket *connected_with(const weir_sim_host *a, const weir_sim_host *b)
{
    weir_list_node *node;

    for (node = weir_list_first(&a->all); node; node = weir_list_next(&a->all, node)) {
        sim_socket *socket = WEIR_CONTAINER_OF(node, sim_socket, link);

        if (socket->state == SIM_TCP_CONNECTED && socket->remote_host == b)
            return socket;
    }
    return NULL;
}

void weir_sim_reset_connections(weir_sim_host *a, weir_sim_host *b)
{
    sim_socket *socket;

    WEIR_ASSERT(a->sim == b->sim, "a link is between hosts of one world");
    while ((socket = connected_with(a, b)) || (socket = connected_with(b, a)))
        weir_sim_tcp_break(socket);
}

/* Descriptors. */

sim_socket *weir_sim_socket_at(const weir_sim_host *host, intptr_t descriptor)
{
    if (descriptor < 0 || (size_t)descriptor >= host->socket_capacity)
        return NULL;
    return host->sockets[descriptor];
}

static void grow_table(weir_sim_host *host)
{
    size_t capacity = host->socket_capacity ? host->socket_capacity * 2 : 16;
    sim_socket **sockets = weir_sim_allocate(capacity * sizeof(*sockets));

    if (host->socket_capacity)
        memcpy(sockets, host->sockets, host->socket_capacity * sizeof(*sockets));
    free(host->sockets);
    host->sockets = sockets;
    host->socket_capacity = capacity;
}

int weir_sim_socket_take_descriptor(sim_socket *socket)
{
    weir_sim_host *host = socket->host;
    size_t descriptor = SIM_DESCRIPTORS_FIRST;

    if (host->descriptor_count >= host->descriptors_max)
        return -EMFILE;
    while (weir_sim_socket_at(host, (intptr_t)descriptor))
        descriptor++;
    if (descriptor >= host->socket_capacity)
        grow_table(host);
    host->sockets[descriptor] = socket;
    host->descriptor_count++;
    socket->descriptor = (intptr_t)descriptor;
    socket->is_open = true;
    return (int)descriptor;
}

sim_socket *weir_sim_socket_new(weir_sim_host *host, weir_family family)
{
    sim_socket *socket = weir_sim_allocate(sizeof(*socket));

    socket->host = host;
    socket->family = family;
    socket->descriptor = -1;
    socket->linger_seconds = -1;
    socket->send_buffer_bytes = 16384;
    socket->receive_buffer_bytes = 131072;
    weir_list_init(&socket->ready);
    weir_list_push(&host->all, &socket->link);
    return socket;
}

int weir_sim_socket_open(weir_sim_host *host, weir_family family)
{
    sim_socket *socket;
    int descriptor;

    if (family != WEIR_IPV4 && family != WEIR_IPV6)
        return -EAFNOSUPPORT;
    socket = weir_sim_socket_new(host, family);
    descriptor = weir_sim_socket_take_descriptor(socket);
    if (descriptor < 0) {
        socket_free(socket);
        return descriptor;
    }
    if (family == WEIR_IPV4) {
        socket->local.bytes[10] = 0xff;
        socket->local.bytes[11] = 0xff;
    }
    weir_sim_trace_at(host, SIM_OPEN, descriptor, family);
    return descriptor;
}

void weir_sim_socket_close(weir_sim_host *host, intptr_t descriptor)
{
    sim_socket *socket = weir_sim_socket_at(host, descriptor);
    bool is_reset;

    WEIR_ASSERT(socket != NULL, "a descriptor that is closed is open");
    weir_sim_socket_hold(socket);
    host->sockets[descriptor] = NULL;
    host->descriptor_count--;
    socket->is_open = false;
    is_reset = weir_sim_tcp_close(socket);
    socket->owns_port = false;
    weir_sim_trace_at(host, SIM_CLOSE, descriptor, is_reset);
    weir_sim_socket_tell(socket);
    weir_sim_socket_release(socket);
}

/* Free it if nothing needs it any more. */
static void settle(sim_socket *socket)
{
    if (!socket->is_open && socket->holds == 0 && !socket->parent &&
        socket->state == SIM_TCP_CLOSED)
        socket_free(socket);
}

void weir_sim_socket_hold(sim_socket *socket)
{
    socket->holds++;
}

void weir_sim_socket_release(sim_socket *socket)
{
    WEIR_ASSERT(socket->holds > 0, "a socket that is let go is held");
    socket->holds--;
    settle(socket);
}

void weir_sim_socket_watch(sim_socket *socket, sim_socket_changed_fn *changed, void *watcher)
{
    socket->changed = changed;
    socket->watcher = watcher;
}

void *weir_sim_socket_watcher(const sim_socket *socket)
{
    return socket->watcher;
}

void weir_sim_socket_tell(sim_socket *socket)
{
    if (socket->changed)
        socket->changed(socket);
}

intptr_t weir_sim_socket_descriptor(const sim_socket *socket)
{
    return socket->descriptor;
}

/* Addresses. */

static const sim_address any_ipv6;
static const sim_address any_ipv4 = {{[10] = 0xff, [11] = 0xff}};
static const sim_address loopback_ipv6 = {{[15] = 1}};
static const sim_address loopback_ipv4 = {{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};

static bool address_equals(const sim_address *a, const sim_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool is_ipv4(const sim_address *address)
{
    return memcmp(address->bytes, any_ipv4.bytes, 12) == 0;
}

bool weir_sim_address_is_any(const sim_address *address)
{
    return address_equals(address, &any_ipv4) || address_equals(address, &any_ipv6);
}

static bool is_loopback(const sim_address *address)
{
    if (is_ipv4(address))
        return address->bytes[12] == 127;
    return address_equals(address, &loopback_ipv6);
}

static sim_address address_of_host(const weir_sim_host *host, bool is_mapped)
{
    sim_address address = is_mapped ? any_ipv4 : any_ipv6;

    if (is_mapped)
        address.bytes[12] = 10;
    else
        address.bytes[0] = 0xfd;
    address.bytes[15] = (uint8_t)(host->index + 1);
    return address;
}

bool weir_sim_address_is_routed(const sim_address *address)
{
    size_t prefix_size = is_ipv4(address) ? 15 : 8;
    sim_address network = is_ipv4(address) ? any_ipv4 : any_ipv6;

    if (is_loopback(address))
        return true;
    if (is_ipv4(address))
        network.bytes[12] = 10;
    else
        network.bytes[0] = 0xfd;
    return memcmp(address->bytes, network.bytes, prefix_size) == 0;
}

weir_sim_host *weir_sim_address_host(const weir_sim_host *from, const sim_address *address)
{
    struct sim_network *network = &from->sim->network;
    bool is_mapped = is_ipv4(address);
    unsigned i;

    if (is_loopback(address))
        return network->hosts[from->index];
    for (i = 0; i < network->host_count; i++) {
        sim_address its = address_of_host(network->hosts[i], is_mapped);

        if (address_equals(address, &its))
            return network->hosts[i];
    }
    return NULL;
}

sim_address weir_sim_address_source(const weir_sim_host *host, const sim_address *remote)
{
    if (is_loopback(remote))
        return weir_sim_address_loopback(remote);
    return address_of_host(host, is_ipv4(remote));
}

sim_address weir_sim_address_loopback(const sim_address *any)
{
    return is_ipv4(any) ? loopback_ipv4 : loopback_ipv6;
}

int weir_sim_address_of(const sim_socket *socket, const weir_endpoint *endpoint,
                        sim_address *ret_address)
{
    /* Linux finds the IPv4 address too short for an IPv6 socket before it looks at the family. */
    if (endpoint->family != socket->family)
        return endpoint->family == WEIR_IPV4 ? -EINVAL : -EAFNOSUPPORT;
    if (endpoint->family == WEIR_IPV4) {
        *ret_address = any_ipv4;
        memcpy(ret_address->bytes + 12, endpoint->address.ipv4.bytes, 4);
    } else {
        memcpy(ret_address->bytes, endpoint->address.ipv6.bytes, 16);
    }
    return 0;
}

static weir_endpoint endpoint_of(weir_family family, const sim_address *address, uint16_t port)
{
    weir_ipv4 ipv4;

    if (family == WEIR_IPV6)
        return weir_endpoint_make_ipv6(weir_ipv6_make(address->bytes, 0), port);
    memcpy(ipv4.bytes, address->bytes + 12, sizeof(ipv4.bytes));
    return weir_endpoint_make_ipv4(ipv4, port);
}

int weir_sim_socket_local(const sim_socket *socket, weir_endpoint *ret_endpoint)
{
    *ret_endpoint = endpoint_of(socket->family, &socket->local, socket->local_port);
    return 0;
}

int weir_sim_socket_peer(const sim_socket *socket, weir_endpoint *ret_endpoint)
{
    if (socket->state != SIM_TCP_CONNECTED)
        return -ENOTCONN;
    *ret_endpoint = endpoint_of(socket->family, &socket->remote, socket->remote_port);
    return 0;
}

/* Ports. */

/* Whether a socket is bound to all that the other is bound to. */
static bool covers(const sim_socket *a, const sim_socket *b)
{
    if (address_equals(&a->local, &b->local))
        return true;
    if (address_equals(&a->local, &any_ipv4))
        return is_ipv4(&b->local);
    if (address_equals(&a->local, &any_ipv6))
        return !is_ipv4(&b->local) || !a->v6_only;
    return false;
}

/* Linux's inet_bind_conflict, for one user, with sockets that are about to listen. */
static bool is_in_the_way(const sim_socket *socket, const sim_socket *other)
{
    if (other == socket || !other->owns_port || other->local_port != socket->local_port)
        return false;
    if (!covers(socket, other) && !covers(other, socket))
        return false;
    if (socket->reuses_address && other->reuses_address && other->state != SIM_TCP_LISTENING)
        return false;
    return !(socket->reuses_port && other->reuses_port);
}

static bool is_taken(const sim_socket *socket)
{
    const weir_list *all = &socket->host->all;
    weir_list_node *node;

    for (node = weir_list_first(all); node; node = weir_list_next(all, node)) {
        if (is_in_the_way(socket, WEIR_CONTAINER_OF(node, sim_socket, link)))
            return true;
    }
    return false;
}

static bool is_used(const weir_sim_host *host, uint16_t port)
{
    weir_list_node *node;

    for (node = weir_list_first(&host->all); node; node = weir_list_next(&host->all, node)) {
        const sim_socket *socket = WEIR_CONTAINER_OF(node, sim_socket, link);

        if (socket->owns_port && socket->local_port == port)
            return true;
    }
    return false;
}

/* A port that no socket of the host has, or 0. They come in turn, so that the first
 * is mostly free. */
static uint16_t free_port(weir_sim_host *host)
{
    int tries;

    for (tries = PORT_FIRST; tries <= PORT_LAST; tries++) {
        uint16_t port = host->next_port;

        host->next_port = port == PORT_LAST ? PORT_FIRST : (uint16_t)(port + 1);
        if (!is_used(host, port))
            return port;
    }
    return 0;
}

int weir_sim_port_choose(sim_socket *socket)
{
    uint16_t port = free_port(socket->host);

    if (port == 0)
        return -EADDRNOTAVAIL;
    socket->local_port = port;
    socket->owns_port = true;
    return 0;
}

static bool is_local(const weir_sim_host *host, const sim_address *address)
{
    return weir_sim_address_is_any(address) || weir_sim_address_host(host, address) == host;
}

int weir_sim_port_bind(sim_socket *socket, const weir_endpoint *local)
{
    sim_address address;
    int error = weir_sim_address_of(socket, local, &address);

    if (error)
        return error;
    if (socket->owns_port)
        return -EINVAL;
    if (socket->v6_only && is_ipv4(&address))
        return -EINVAL;
    if (!is_local(socket->host, &address))
        return -EADDRNOTAVAIL;
    socket->local = address;
    socket->asked_for_port = local->port != 0;
    if (local->port == 0)
        return weir_sim_port_choose(socket) ? -EADDRINUSE : 0;
    socket->local_port = local->port;
    if (is_taken(socket)) {
        socket->local_port = 0;
        return -EADDRINUSE;
    }
    socket->owns_port = true;
    return 0;
}

/* How well a listener suits an address: 0 not at all. */
static int suits(const sim_socket *listener, const sim_address *address)
{
    bool is_foreign = listener->family == WEIR_IPV6 && is_ipv4(address);

    if (is_foreign && listener->v6_only)
        return 0;
    if (address_equals(&listener->local, address))
        return is_foreign ? 3 : 4;
    if (address_equals(&listener->local, &any_ipv4))
        return is_ipv4(address) ? 2 : 0;
    if (address_equals(&listener->local, &any_ipv6))
        return is_foreign ? 1 : 2;
    return 0;
}

/* The best suit there is, and how many have it. */
static int best_suit(const weir_sim_host *host, const sim_address *address, uint16_t port,
                     unsigned *ret_count)
{
    weir_list_node *node;
    int best = 0;

    for (node = weir_list_first(&host->listeners); node;
         node = weir_list_next(&host->listeners, node)) {
        const sim_socket *listener = WEIR_CONTAINER_OF(node, sim_socket, listener);
        int suit = listener->local_port == port ? suits(listener, address) : 0;

        if (suit > best) {
            best = suit;
            *ret_count = 0;
        }
        *ret_count += suit == best;
    }
    return best;
}

sim_socket *weir_sim_port_listener(const weir_sim_host *host, const sim_address *address,
                                   uint16_t port, uint64_t choice)
{
    unsigned count = 0;
    int best = best_suit(host, address, port, &count);
    weir_list_node *node;

    if (best == 0)
        return NULL;
    choice %= count;
    for (node = weir_list_first(&host->listeners); node;
         node = weir_list_next(&host->listeners, node)) {
        sim_socket *listener = WEIR_CONTAINER_OF(node, sim_socket, listener);

        if (listener->local_port == port && suits(listener, address) == best && choice-- == 0)
            return listener;
    }
    return NULL;
}

/* Options. */

/* SO_SNDBUF and SO_RCVBUF: doubled for the kernel's own needs, between its limits. */
static int buffer_bytes(int value, int least)
{
    int most = 212992;

    value = value < most ? value * 2 : most * 2;
    return value > least ? value : least;
}

int weir_sim_socket_option_set(sim_socket *socket, int option, int value)
{
    if (option == WEIR_TCP_LINGER_SECONDS) {
        socket->linger_seconds = value < 0 ? -1 : value;
        return 0;
    }
    if (value < 0)
        return -EINVAL;
    switch (option) {
    case WEIR_TCP_NO_DELAY:
        socket->no_delay = value != 0;
        return 0;
    case WEIR_TCP_KEEP_ALIVE:
        socket->keep_alive = value != 0;
        return 0;
    case WEIR_TCP_SEND_BUFFER_BYTES:
        socket->send_buffer_bytes = buffer_bytes(value, 4608);
        return 0;
    case WEIR_TCP_RECEIVE_BUFFER_BYTES:
        socket->receive_buffer_bytes = buffer_bytes(value, 2304);
        return 0;
    case WEIR_TCP_USER_TIMEOUT_MS:
        socket->user_timeout_ms = value;
        weir_sim_tcp_mind_stall(socket);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int weir_sim_socket_option_get(const sim_socket *socket, int option, int *ret_value)
{
    switch (option) {
    case WEIR_TCP_NO_DELAY:
        *ret_value = socket->no_delay;
        return 0;
    case WEIR_TCP_KEEP_ALIVE:
        *ret_value = socket->keep_alive;
        return 0;
    case WEIR_TCP_SEND_BUFFER_BYTES:
        *ret_value = socket->send_buffer_bytes;
        return 0;
    case WEIR_TCP_RECEIVE_BUFFER_BYTES:
        *ret_value = socket->receive_buffer_bytes;
        return 0;
    case WEIR_TCP_USER_TIMEOUT_MS:
        *ret_value = socket->user_timeout_ms;
        return 0;
    case WEIR_TCP_LINGER_SECONDS:
        *ret_value = socket->linger_seconds;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}
