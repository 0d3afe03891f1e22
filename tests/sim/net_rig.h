/* SPDX-License-Identifier: MIT */
#ifndef NET_RIG_H
#define NET_RIG_H

/*
 * The simulated network without programs: a world of a server's and a client's host, whose agenda
 * the test fires itself, and calls that take plain bytes.
 */

#include "connection.h"
#include "sim.h"
#include "test.h"

enum { NET_SEEDS = 50, NET_PORT = 80 };

#define NET_SECOND_NS INT64_C(1000000000)

struct net {
    weir_sim *sim;
    weir_sim_host *server;
    weir_sim_host *client;
    sim_socket *listener; /* On every IPv4 address of the server's, NET_PORT. */
};

void net_init(struct net *net, uint64_t seed);
void net_init_with(struct net *net, const weir_sim_options *options);
void net_fini(struct net *net);

/** Fire the next alarm; false: there is none. */
bool net_step(struct net *net);

/** Fire what there is, but not connects that wait for room, nor timeouts: what is due in 900 ms. */
void net_settle(struct net *net);

/** Fire what is due until then. */
void net_run_until(struct net *net, int64_t at_ns);

sim_socket *net_open(weir_sim_host *host);

/** Listen: 0 or the error. ret_socket may be NULL; then, and on errors, it is closed. */
int net_listen(weir_sim_host *host, const char *endpoint, weir_tcp_listen_options options,
               sim_socket **ret_socket);

/** Begin to connect a new socket. */
sim_socket *net_connect(weir_sim_host *host, const char *endpoint);

/** Connect and settle: how it went. The socket is closed unless it stands. */
int net_try(struct net *net, weir_sim_host *host, const char *endpoint, sim_socket **ret_socket);

/** Accept, which must succeed. */
sim_socket *net_accept(sim_socket *listener);

/** A connection of the client with the listener. */
void net_pair(struct net *net, sim_socket **ret_client, sim_socket **ret_server);

int64_t net_send(sim_socket *socket, const char *text);

/** Receive up to limit bytes: the result; what came is checked to be text, if it is not NULL. */
int64_t net_receive(sim_socket *socket, size_t limit, const char *text);

/** As net_receive of up to 100 bytes. */
int64_t net_get(sim_socket *socket);

void net_close(sim_socket *socket);

/** Change the link between server and client. */
void net_link(struct net *net, enum weir_sim_link_state state);

void net_check_local(const sim_socket *socket, const char *text);
void net_check_peer(const sim_socket *socket, const char *text);

#endif
