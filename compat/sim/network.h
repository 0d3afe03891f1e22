/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_NETWORK_H
#define WEIR_SIM_NETWORK_H

/*
 * The simulated network: hosts, links, and TCP between sockets that never block.
 *
 * It knows programs and loops only as whoever is told that a socket has changed. Calls return what
 * the system call of that name does on Linux: a count, 0 at the end of the stream, a descriptor, or
 * a negative errno, -EAGAIN where a blocking one would wait.
 *
 * Bytes travel in segments, each an alarm of the world's agenda; a direction of a connection keeps
 * its segments in order. A direction holds at most the link's window of bytes that were sent and
 * not yet received by the other program; then sends give -EAGAIN.
 *
 * Source: compat/sim/network.c (hosts, links, descriptors, ports), compat/sim/handshake.c (how
 * connections come about), compat/sim/tcp.c (the rest). Tests: tests/sim/test_network.c,
 * test_handshake.c, test_connections.c, test_user_timeout.c, test_against_linux.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/endpoint.h>
#include <weir/list.h>
#include <weir/option.h>
#include <weir/sim.h>

#include "agenda.h"

typedef struct sim_socket sim_socket;

enum { SIM_HOSTS_MAX = 64, SIM_DESCRIPTORS_FIRST = 3 };

/** The longest latency and the last time of a script, 73 years: sums of times do not overflow. */
#define SIM_TIME_MAX_NS (INT64_MAX / 4)

/** Told after anything that may let an operation on the socket go on, or fail. It may be told for
 * nothing. It only takes note: it does not call the network. */
typedef void sim_socket_changed_fn(sim_socket *socket);

/** What all hosts share. In weir_sim. Zero-initialised but for sim. */
struct sim_network {
    weir_sim *sim;
    struct weir_sim_host *hosts[SIM_HOSTS_MAX];
    unsigned host_count;
    weir_sim_link links[SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* Symmetric. */
    uint64_t connections;                              /* Established so far. */
    uint64_t bytes;                                    /* Received so far. */
};

struct weir_sim_host {
    weir_sim *sim;
    const char *name;
    unsigned index;
    unsigned descriptors_max;
    sim_socket **sockets; /* By descriptor; NULL: free. The lowest free one is given. */
    size_t socket_capacity;
    unsigned descriptor_count;
    uint16_t next_port;  /* Of those that are given to sockets that ask for none: from 32768. */
    weir_list all;       /* Sockets, those without a descriptor too, oldest first. */
    weir_list listeners; /* Sockets that listen. */
};

/** Zeroed memory, for free(). Without it the process ends. */
void *weir_sim_allocate(size_t size);

/** Free all hosts, and every socket that is still there. */
void weir_sim_network_fini(struct sim_network *network);

/** Every socket of the host is gone, and nobody is told. None is held. */
void weir_sim_network_crash(weir_sim_host *host);

/* Descriptors. */

/** The socket of a descriptor, or NULL. */
sim_socket *weir_sim_socket_at(const weir_sim_host *host, intptr_t descriptor);

/** A TCP socket: a descriptor, -EMFILE, -EAFNOSUPPORT. */
int weir_sim_socket_open(weir_sim_host *host, weir_family family);

/** Bind and listen. 0, -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL as Linux. */
int weir_sim_socket_listen(sim_socket *socket, const weir_endpoint *local,
                           const struct weir_tcp_listen_options *options);

/** Release the descriptor. The connection ends as Linux ends it: with a reset when bytes are unread
 * or linger is 0, else in order, behind what was sent. The socket itself lives until it is let
 * go. */
void weir_sim_socket_close(weir_sim_host *host, intptr_t descriptor);

/** Keep the socket though its descriptor is closed; let it go. An open descriptor holds it too. */
void weir_sim_socket_hold(sim_socket *socket);
void weir_sim_socket_release(sim_socket *socket);

/** Whom to tell of changes, and a word for them. changed NULL: nobody. */
void weir_sim_socket_watch(sim_socket *socket, sim_socket_changed_fn *changed, void *watcher);
void *weir_sim_socket_watcher(const sim_socket *socket);

/** The descriptor it has or had; for traces. */
intptr_t weir_sim_socket_descriptor(const sim_socket *socket);

/* TCP. */

/** Begin to connect: 0 when it is under way, or why not (-EHOSTUNREACH, -ENETUNREACH,
 * -EISCONN, ...). */
int weir_sim_socket_connect(sim_socket *socket, const weir_endpoint *peer);

/** How it went: 0, -EINPROGRESS, or why it failed, once; then the socket can be connected again. */
int weir_sim_socket_connect_result(sim_socket *socket);

/** A descriptor of an established connection, -EAGAIN; -EMFILE with the connection kept; -EINVAL
 * when it does not listen any more. */
int weir_sim_socket_accept(sim_socket *socket);

/** Lose the oldest connection that waits to be accepted; its peer is reset. Returns whether
 * there was one. */
bool weir_sim_socket_lose(sim_socket *socket);

/** Up to limit bytes, which is not 0, into the buffers in order. */
int64_t weir_sim_socket_receive(sim_socket *socket, const weir_buffer *buffers, size_t count,
                                size_t limit);
int64_t weir_sim_socket_send(sim_socket *socket, const weir_const_buffer *buffers, size_t count,
                             size_t limit);

/** Whether the call of that name would give something else than -EAGAIN. A listener without
 * connections is not readable, though accept says -EMFILE first. */
bool weir_sim_socket_is_readable(const sim_socket *socket); /* Also accept. */
bool weir_sim_socket_is_writable(const sim_socket *socket); /* Also the end of a connect. */

/** As shutdown(2): direction 0 reads, 1 writes, 2 both. 0 or -ENOTCONN. */
int weir_sim_socket_shutdown(sim_socket *socket, int direction);

/** Break the connection off: the peer is reset, and so are operations here. */
void weir_sim_socket_reset(sim_socket *socket);

/** 0, -ENOTCONN. */
int weir_sim_socket_local(const sim_socket *socket, weir_endpoint *ret_endpoint);
int weir_sim_socket_peer(const sim_socket *socket, weir_endpoint *ret_endpoint);

/** As weir_sys_sockets.option_set and option_get. */
int weir_sim_socket_option_set(sim_socket *socket, int option, int value);
int weir_sim_socket_option_get(const sim_socket *socket, int option, int *ret_value);

#endif
