/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_ECHO_H
#define WEIR_TEST_SIM_ECHO_H

/*
 * An echo service and its visitors, whom several scenarios put into different worlds. What a server
 * does with a connection can be replaced.
 *
 * A connection is a wire: its ledgers, and what both ends say about themselves, so that each can
 * tell whether what it meets is possible. The first bytes of a wire are its number.
 */

#include "kit.h"
#include "scenario.h"

enum {
    ECHO_WIRES_MAX = 1024,
    ECHO_SERVERS_MAX = 3,
    ECHO_DOORS_MAX = 5,
    ECHO_PORT = 7,
    ECHO_SESSION_BYTES = 4096,
};

/** One connection. flows[KIT_BACK] has the bytes of flows[KIT_THERE] again. */
struct echo_wire {
    struct kit_flow flows[2]; /* By enum kit_way. */
    weir_endpoint client;     /* Once it is connected: */
    int64_t connected_ns;     /* then. */
    bool served;              /* A session has read its number. */
    bool dropped;             /* The server ends it before the client has. */
    bool rude;                /* The client may reset it. */
};

/** What the programs of a world share. */
struct echo_world {
    unsigned failures;  /* enum kit_failure: what may happen to any connection, by the faults. */
    unsigned shortages; /* And what a visitor's connect may be short of. */
    bool stopping;      /* The servers have been told to. */
    unsigned closing;   /* Acceptors that are being closed, to be opened again. */
    bool is_relayed;    /* The peer of a session is not the client. */
    struct echo_server *servers;
    unsigned server_count;
    unsigned
        crowd_count; /* Programs with visitors that have not ended: the last stops the servers. */
    uint64_t connected; /* Connects that succeeded. */
    uint64_t completed; /* Visits with all of their bytes back. */
    uint32_t wire_count;
    struct echo_wire wires[ECHO_WIRES_MAX];
};

/** What serves a connection begins with this. */
struct echo_guest {
    weir_task task;
    struct echo_server *server;
    weir_tcp_socket socket; /* Open when it starts; closed when it ends. */
    int64_t possible_ns;    /* Since when an accept waited and the latest descriptor was free, */
    int64_t accepted_ns;    /* and when it was taken. */
};

/** One of those who accept for a server. An embedded task. */
struct echo_door {
    weir_task task;
    struct echo_server *server;
    struct echo_guest *next;
    uint64_t ticket;      /* Accepts of a server are numbered as they begin; 0: none waits here. */
    uint64_t resumptions; /* Of the loop, then. */
    uint64_t reopened;    /* Of the server, then. */
    int64_t began_ns;     /* When it was. */
    weir_deadline deadline;
    struct kit_listener listener;
};

/** A server: the argument of echo_server_main. */
struct echo_server {
    weir_task task;
    struct echo_world *world; /* In. */
    weir_endpoint local;
    weir_tcp_listen_options options;
    int64_t patience_ns;   /* With a client that says nothing; 0: forever. */
    int64_t grace_ns;      /* Between the soft stop and the hard one. */
    unsigned door_count;   /* How many accept. */
    int64_t nap_ns;        /* How long it listens before they begin. */
    bool is_prompt;        /* Nothing but descriptors is short, and only this server frees some. */
    unsigned impatience;   /* Thousandths of the accepts that have a deadline. */
    unsigned reopening;    /* Thousandths of the accepts after which it listens anew. */
    weir_resume_fn *serve; /* NULL: it echoes. Its frame has frame_size bytes, zeroed. */
    void (*prepare)(struct echo_guest *guest); /* That frame, before the accept. Or NULL. */
    weir_loop_options loop_options;            /* What matters to it. */
    size_t frame_size;
    void *user; /* For serve. */

    uint64_t accepted; /* Out. */
    uint64_t starved;  /* Frames that it had no memory for. */
    uint64_t reopened;
    weir_loop_statistics statistics;

    weir_loop *loop;
    bool is_live; /* The tree: weir_root_stop is allowed. */
    unsigned stop_bits;
    int64_t closing_ns; /* When it had stopped to accept, to wait for its sessions; 0: not yet. */
    int64_t hard_ns;    /* When the hard stop came, or will; 0: nobody knows. */
    weir_root root;
    int64_t freed_ns; /* When it freed the latest descriptor. */
    weir_tcp_acceptor acceptor;
    weir_event listens; /* Clear while the acceptor is closed or closing. */
    struct echo_door doors[ECHO_DOORS_MAX];
    weir_scope_child door_children[ECHO_DOORS_MAX];
    uint64_t ticket; /* The latest. */
    weir_scope door_scope;
    weir_scope sessions;
    weir_deadline grace;
};

/** A program that serves until it is stopped. */
void echo_server_main(void *server);

/** Scripts: stop all servers softly, or hard. */
void echo_stop_softly(weir_sim *sim, void *world);
void echo_stop_hard(weir_sim *sim, void *world);

/** What is left when every way that a connection can fail is counted. */
enum { ECHO_BREAKS = KIT_RESET | KIT_CUT };

/** How a visit goes. */
enum echo_behaviour {
    ECHO_THROUGH,  /* Sends all, ends it, and reads to the end. */
    ECHO_DIALOGUE, /* Message by message; then closes. */
    ECHO_ABANDON,  /* Closes in the midst of it. */
    ECHO_RESET,    /* Resets it in the midst of it. */
    ECHO_BEHAVIOURS,
};

/** The sending and receiving of a visit. */
struct echo_exchange {
    weir_task task;
    uint64_t left;        /* Bytes of a dialogue. */
    uint64_t message_max; /* 0: no dialogue: both ways at once. */
    weir_group group;
    struct kit_sender sender;
    struct kit_receiver receiver;
};

/** Cuts a connect short. */
struct echo_haste {
    weir_task task;
    weir_tcp_socket *socket;
    int64_t after_ns; /* About when the connection stands. */
};

/** Visits a server, again and again. An embedded task. */
struct echo_visitor {
    weir_task task;
    struct echo_world *world; /* In. */
    weir_endpoint server;
    unsigned visits;
    unsigned attempts_max; /* Repeats a visit that was cut short; 0: never. */
    uint64_t size_max;     /* Bytes of a visit. */
    uint64_t
        message_max; /* Bytes of a dialogue's message: more than are on their way stand still. */
    int64_t patience_ns; /* With a connect, and with an exchange; 0: forever. */
    int64_t pause_ns_max;
    int64_t back_off_ns; /* A pause is longer by so much for each attempt that has failed. */
    unsigned behaviours; /* Bits of those that it has, by enum echo_behaviour. */
    unsigned haste;      /* Thousandths of the connects that it cuts short. */
    bool lends;          /* Receives into buffers of its loop. */

    enum echo_behaviour behaviour;
    struct echo_wire *wire;
    uint64_t size;
    unsigned attempts;
    unsigned unserved; /* Visits that were given up. */
    int64_t due_ns;    /* When its patience ends. */
    int error;
    weir_tcp_socket socket;
    weir_tcp_source source; /* If it lends. */
    weir_source_stream lent;
    struct kit_connector connector;
    bool is_hasty; /* With the connect under way. */
    struct echo_haste hurry;
    weir_group group;
    struct echo_exchange exchange;
    weir_timeout_frame timeout;
};

/** Some visitors of one program: the argument of echo_crowd_main. */
struct echo_crowd {
    weir_task task;
    struct echo_world *world; /* In. */
    struct echo_visitor *visitors;
    weir_scope_child *children; /* As many. */
    size_t count;
    weir_loop_options loop_options; /* What matters to them. */
    weir_scope scope;
};

void echo_crowd_main(void *crowd);

/** Look at what is left when every program has ended. */
void echo_world_check(const struct echo_world *world);

/** Check that each of them was served in all its visits. */
void echo_visitors_check(const struct echo_visitor *visitors, size_t count);

#endif
