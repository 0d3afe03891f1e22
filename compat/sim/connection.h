/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_CONNECTION_H
#define WEIR_SIM_CONNECTION_H

/*
 * The inside of a simulated socket.
 *
 *      CLOSED --listen--> LISTENING
 *      CLOSED --connect--> CONNECTING --answer--> CONNECTED
 *                 HALF_OPEN --the first segment--> CONNECTED (made by a listener)
 *      CONNECTED --both ends, a reset, a timeout--> CLOSED
 *
 * An end of a connection knows the other as its peer, until one of them has died: what the other
 * sends then is answered with a reset. What is sent stands with the end that it is for, in the
 * order in which it arrives. A socket is there as long as it has a descriptor, is held, waits to be
 * accepted, or has a connection to bring to its end.
 *
 * Source: compat/sim/network.c (what there is without a connection), compat/sim/handshake.c (how
 * one comes about), compat/sim/tcp.c (the rest).
 */

#include "sim.h"

enum sim_tcp_state {
    SIM_TCP_CLOSED,
    SIM_TCP_LISTENING,
    SIM_TCP_CONNECTING,
    SIM_TCP_HALF_OPEN,
    SIM_TCP_CONNECTED,
};

/** What connect(2) remembers of a socket beside its state. */
enum sim_tcp_phase { SIM_TCP_FRESH, SIM_TCP_UNDER_WAY, SIM_TCP_STANDS };

/** Bits of sim_socket.shut. */
enum { SIM_TCP_SHUT_READS = 1, SIM_TCP_SHUT_WRITES = 2, SIM_TCP_SHUT_BOTH = 3 };

/** Either family: an IPv4 address is its mapped form. */
typedef struct sim_address {
    uint8_t bytes[16];
} sim_address;

struct sim_segment;

struct sim_socket {
    weir_sim_host *host;
    weir_list_node link;     /* weir_sim_host.all. */
    weir_list_node listener; /* weir_sim_host.listeners, while LISTENING. */
    intptr_t descriptor;     /* -1: it had none yet. */
    bool is_open;            /* The descriptor is its own. */
    unsigned holds;
    sim_socket_changed_fn *changed;
    void *watcher;

    weir_family family;
    enum sim_tcp_state state;
    enum sim_tcp_phase phase;
    unsigned shut;
    int error; /* Negative; the next call reports it. 0: none. */

    sim_address local;
    sim_address remote;
    uint16_t local_port;
    uint16_t remote_port;
    bool owns_port; /* Others find the local port in use. */
    bool asked_for_port;
    bool reuses_address;
    bool reuses_port;
    bool v6_only;
    bool no_delay;
    bool keep_alive;
    int linger_seconds; /* -1: off. */
    int send_buffer_bytes;
    int receive_buffer_bytes;
    int user_timeout_ms; /* 0: off. */

    /* Listening. */
    weir_list ready;      /* Of sockets, by queued, that accept gives. */
    unsigned waiting;     /* Those, and the half-open ones. */
    unsigned waiting_max; /* What the backlog allows. */

    /* Made by a listener. */
    sim_socket *parent;    /* Until it is accepted. */
    weir_list_node queued; /* In parent.ready. */

    /* Connecting. */
    sim_alarm handshake;
    int64_t began_ns;
    uint64_t choice; /* Which of several listeners gets it. */
    int answer;      /* On its way: 0, or why not. */

    /* Connected. */
    sim_socket *peer; /* NULL: nobody is there any more. */
    weir_sim_host *remote_host;
    sim_alarm timeout;            /* Nothing is heard of the peer. */
    sim_alarm stall;              /* Of the user timeout: the peer does not read. */
    sim_alarm reset;              /* A reset arrives. */
    bool is_reset;                /* It is on its way. */
    sim_alarm arrival;            /* Of the first that is on its way. */
    struct sim_segment *way;      /* To here, first to arrive first. */
    struct sim_segment *way_last; /* Meaningful when way is not NULL. */
    struct sim_segment *unread;   /* Arrived, first to be read first. */
    struct sim_segment *unread_last;
    int64_t arrives_ns;   /* The last that was sent to here: nothing overtakes it. */
    size_t inflow_bytes;  /* On their way and unread: what counts for the window. */
    size_t void_bytes;    /* Sent though nobody is there. */
    bool calls_into_void; /* Something was sent though nobody is there. */
    bool is_given_up;     /* By a peer that has waited too long for it to read. */
    bool end_sent;
    bool end_arrived; /* The one that was sent, at the peer. */
    bool end_received;
};

/* network.c. */

weir_sim_link *weir_sim_link_between(const weir_sim_host *a, const weir_sim_host *b);

/** How long something takes from one host to the other: a choice. */
int64_t weir_sim_link_latency_ns(const weir_sim_host *a, const weir_sim_host *b);

/** Bytes that may be on their way and unread, each direction. */
size_t weir_sim_link_window_bytes(const weir_sim_host *a, const weir_sim_host *b);

/** A socket of the host with neither descriptor nor address. */
sim_socket *weir_sim_socket_new(weir_sim_host *host, weir_family family);

/** Give it the lowest free descriptor, or -EMFILE. */
int weir_sim_socket_take_descriptor(sim_socket *socket);

/** Tell who watches it. */
void weir_sim_socket_tell(sim_socket *socket);

/** Whose address it is, seen from a host; NULL: no host's. */
weir_sim_host *weir_sim_address_host(const weir_sim_host *from, const sim_address *address);

/** Whether packets for the address have somewhere to go, be there a host or not. */
bool weir_sim_address_is_routed(const sim_address *address);

/** The address as a socket of the family takes it: 0, -EAFNOSUPPORT, -EINVAL. */
int weir_sim_address_of(const sim_socket *socket, const weir_endpoint *endpoint,
                        sim_address *ret_address);

bool weir_sim_address_is_any(const sim_address *address);

/** The address that a host sends from to another; any stands for the loopback. */
sim_address weir_sim_address_source(const weir_sim_host *host, const sim_address *remote);
sim_address weir_sim_address_loopback(const sim_address *any);

/** Give it an address and a port of its own: 0, -EINVAL, -EADDRNOTAVAIL, -EADDRINUSE. */
int weir_sim_port_bind(sim_socket *socket, const weir_endpoint *local);

/** Give it a port for a connection: 0, -EADDRNOTAVAIL. */
int weir_sim_port_choose(sim_socket *socket);

/** The listener for an address of the host, or NULL; choice decides among equals. */
sim_socket *weir_sim_port_listener(const weir_sim_host *host, const sim_address *address,
                                   uint16_t port, uint64_t choice);

/* handshake.c. */

/** Turn away all that waits to be accepted. */
void weir_sim_tcp_stop_listening(sim_socket *socket);

/** It does not wait to be accepted any more. */
void weir_sim_tcp_leave_parent(sim_socket *child);

/** The link of a socket that is connecting is cut, or up again. */
void weir_sim_tcp_connect_cut(sim_socket *socket);
void weir_sim_tcp_connect_resume(sim_socket *socket);

/* tcp.c. */

#define SIM_TCP_CUT_NS INT64_C(30000000000) /* So long a cut link is waited for. */

static inline weir_sim *sim_tcp_world(const sim_socket *socket)
{
    return socket->host->sim;
}

static inline int64_t sim_tcp_latency_ns(const sim_socket *socket)
{
    return weir_sim_link_latency_ns(socket->host, socket->remote_host);
}

static inline bool sim_tcp_link_is_up(const sim_socket *socket)
{
    return weir_sim_link_between(socket->host, socket->remote_host)->state == WEIR_SIM_LINK_UP;
}

/** Set an alarm at a time, or now if that has passed. */
static inline void sim_tcp_set(sim_socket *socket, sim_alarm *alarm, int64_t at_ns,
                               sim_alarm_fn *fired)
{
    weir_sim *sim = sim_tcp_world(socket);

    sim_after(sim, alarm, at_ns > sim->now_ns ? at_ns - sim->now_ns : 0, fired);
}

static inline void sim_tcp_clear(sim_socket *socket, sim_alarm *alarm)
{
    weir_sim_agenda_clear(&sim_tcp_world(socket)->agenda, alarm);
}

static inline int sim_tcp_take_error(sim_socket *socket)
{
    int error = socket->error;

    socket->error = 0;
    return error;
}

/** End what the descriptor stood for. Returns whether that was with a reset. */
bool weir_sim_tcp_close(sim_socket *socket);

/** The peer is not told: it finds nobody when it sends. */
void weir_sim_tcp_part(sim_socket *socket);

/** Its host has crashed: who has sent something that had not arrived sends it again, and is
 * reset. */
void weir_sim_tcp_vanish(sim_socket *socket);

/** The connection is over at this end, for this reason. What was on its way to it is answered with
 * a reset. Who calls this holds the socket. */
void weir_sim_tcp_die(sim_socket *socket, int error);

/** The same, and the peer is reset. */
void weir_sim_tcp_abort(sim_socket *socket, int error);

/** Complete the handshake. */
void weir_sim_tcp_greet(sim_socket *socket);

/** What can be sent has changed, or the user timeout: begin to wait for the peer to read, or
 * stop. */
void weir_sim_tcp_mind_stall(sim_socket *socket);

/** The peer does not answer: the timeout. */
void weir_sim_tcp_nothing_heard(sim_alarm *alarm);

/** Make it as new, but for options, a port that was asked for, and an error that
 * nobody has seen. */
void weir_sim_tcp_disconnect(sim_socket *socket);

/** Drop all that it has, and clear its alarms; nobody is told. */
void weir_sim_tcp_drop(sim_socket *socket);

/** The link of the socket has changed, or its window. */
void weir_sim_tcp_link_changed(sim_socket *socket, bool was_up);

/** Break the connection off at both ends at once. */
void weir_sim_tcp_break(sim_socket *socket);

#endif
