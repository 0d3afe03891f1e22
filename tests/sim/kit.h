/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_KIT_H
#define WEIR_TEST_SIM_KIT_H

/*
 * What scenarios have in common: numbers from the seed, bytes that can be checked, a ledger of each
 * direction of a connection, tasks that send and receive in every way there is, checkers of order.
 *
 * Everything here may be shared by all programs of a world: they run in one thread. What is found
 * wrong ends the run, by weir_sim_fail.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/sim.h>
#include <weir/weir.h>

/** The world that is being built or checked by this thread from here on: for what is called outside
 * of its programs. First in a scenario's build. */
void kit_begin(weir_sim *sim);

/** The world. */
weir_sim *kit_sim(void);

/** Fail the run unless the condition holds: printf's arguments. */
#define KIT_CHECK(condition, ...) \
    (WEIR_LIKELY(condition) ? (void)0 : weir_sim_fail(kit_sim(), __VA_ARGS__))

/** Nanoseconds. */
#define KIT_US INT64_C(1000)
#define KIT_MS INT64_C(1000000)
#define KIT_S  INT64_C(1000000000)

/* Numbers. */

/** Between least and most, both included. */
uint64_t kit_between(uint64_t least, uint64_t most);

/** From least to most, mostly near least: each doubling of the distance is as likely. */
uint64_t kit_small(uint64_t least, uint64_t most);

/** A duration from 0 to most, mostly short. */
int64_t kit_duration_ns(int64_t most_ns);

bool kit_chance(unsigned thousandths);

/* Errors. */

/** Kinds of failure: bits of what a situation allows. */
enum kit_failure {
    KIT_END = 1 << 0,         /* WEIR_EOF. */
    KIT_RESET = 1 << 1,       /* ECONNRESET, EPIPE, ENOTCONN. */
    KIT_REFUSED = 1 << 2,     /* ECONNREFUSED. */
    KIT_CUT = 1 << 3,         /* ETIMEDOUT: the kernel's. */
    KIT_UNREACHABLE = 1 << 4, /* EHOSTUNREACH, ENETUNREACH. */
    KIT_FULL = 1 << 5,        /* EMFILE, ENFILE, ENOBUFS, ENOMEM. */
    KIT_STOPPED = 1 << 6,     /* WEIR_CANCELLED. */
    KIT_LATE = 1 << 7,        /* WEIR_TIMED_OUT. */
    KIT_CLOSED = 1 << 8,      /* WEIR_CLOSED. */
};

/** The kind of an error; 0 for 0 and for what is none of them. */
unsigned kit_failure_of(int error);

/** Fail unless the error is 0 or of one of the kinds. */
void kit_expect(const char *what, int error, unsigned allowed);

/** What the faults of a world can do to a connection, an open or an accept. */
unsigned kit_failures_by(const weir_sim_faults *faults);

/* Bytes. */

/** The two directions of a connection. */
enum kit_way {
    KIT_THERE, /* From who connected. */
    KIT_BACK,
};

/** The first bytes of a direction say which connection it is: its number, the low byte first. */
enum { KIT_NUMBER_BYTES = 4 };

/** The number in the first bytes of a direction. */
uint32_t kit_number(const unsigned char bytes[KIT_NUMBER_BYTES]);

/**
 * The ledger of one direction: what was handed to a write, what writes have counted, what was read.
 *
 *      seen <= offered     always; each byte the right one, in order, once
 *      seen <= written     when no write is in flight: what a write did not count, nobody receives
 *      seen == written     when the reader has met WEIR_EOF: an end is told of whole streams only
 */
struct kit_flow {
    uint32_t connection;
    uint8_t way;      /* enum kit_way. */
    bool ending;      /* The writer has begun to end it. */
    bool ended;       /* The reader has met WEIR_EOF. */
    bool writing;     /* A write is in flight: offered may be more than written. */
    uint64_t offered; /* Bytes, from here on. */
    uint64_t written;
    uint64_t seen;
};

void kit_flow_init(struct kit_flow *flow, uint32_t connection, enum kit_way way);

/** Fill memory with the next bytes, and hand them to a write, or to a part of one. */
void kit_flow_fill(struct kit_flow *flow, void *memory, size_t size);

/** Hand the next bytes to a write: the caller has them from elsewhere. */
void kit_flow_offer(struct kit_flow *flow, size_t size);

/** The write of all that was offered has ended and counted so many bytes. */
void kit_flow_wrote(struct kit_flow *flow, size_t count);

/** Bytes that were read. */
void kit_flow_saw(struct kit_flow *flow, const void *data, size_t size);

/** The writer is about to end the direction: a shutdown, an end, a close. */
void kit_flow_end(struct kit_flow *flow);

/** A read gave WEIR_EOF. */
void kit_flow_saw_end(struct kit_flow *flow);

/** Everybody has gone: no write is under way. */
void kit_flow_check_settled(const struct kit_flow *flow);

/* Sending and receiving. */

/** How a sender or a receiver goes about it. Zero-initialised: parts of any size,
 * without a rest. */
struct kit_manners {
    size_t part_max;         /* Bytes of an operation; 0: KIT_PART_MAX. */
    unsigned hesitation;     /* Thousandths of the operations before which it sleeps, */
    int64_t pause_ns_max;    /* at most so long; 0: 1 ms. */
    int64_t begin_after_ns;  /* Before the first. */
    unsigned impatience;     /* Thousandths of the operations that have a deadline, */
    int64_t patience_ns_max; /* of at most so long; 0: 1 ms. When it has passed it goes on. */
    bool is_disturbed;       /* Others cancel its operations (weir_tcp_cancel): it goes on, too. */
};

/** Manners of every kind. */
struct kit_manners kit_manners_any(void);

/** Arm the deadline of an operation, or not. Returns when it passes. */
int64_t kit_be_impatient(weir_task *task, const struct kit_manners *manners,
                         weir_deadline *deadline);

/** Disarm. Returns whether it had passed: in time, neither before nor long after. */
bool kit_is_late(weir_task *task, weir_deadline *deadline, int64_t due_ns);

/**
 * What an operation's error means to who has the manners: 0 for a deadline of its own that has
 * passed, a cancel of others', or want of memory for a frame, after which it tries again. What
 * comes from none of these, and from no stop of the task, is a bug.
 */
int kit_error_left(const weir_task *task, const struct kit_manners *manners, const char *what,
                   int error, bool late);

enum { KIT_PART_MAX = 8192, KIT_PARTS_MAX = 6 };

/** Sends the bytes of a flow. Call it, or start it. Result: 0 or why not all, and
 * the bytes sent. */
struct kit_sender {
    weir_task task;
    weir_write_stream *out; /* In. */
    struct kit_flow *flow;
    uint64_t size; /* How much. */
    bool ends;     /* Then ends the stream. */
    struct kit_manners manners;
    uint64_t total;     /* Out: sent so far. */
    bool has_ended;     /* Out: the end, too. */
    uint64_t operation; /* Out: they are counted, */
    bool is_in_flight;  /* and whether the latest one has not ended. */

    uint8_t kind; /* Of the operation in flight. */
    size_t part;  /* Its bytes. */
    int error;
    weir_deadline deadline;
    int64_t due_ns; /* When it passes. */
    weir_const_buffer parts[KIT_PARTS_MAX];
    size_t part_count;
    unsigned char memory[KIT_PART_MAX];
};

/** A sender that has not started. */
void kit_sender_init(struct kit_sender *sender, weir_write_stream *out, struct kit_flow *flow,
                     uint64_t size, const struct kit_manners *manners);

/** Send so many more: the sender is done, and its stream goes on. It has not started, then. */
void kit_sender_again(struct kit_sender *sender, uint64_t size);

/** Receives the bytes of a flow, until so many have come, or its end. Result: like a sender's. */
struct kit_receiver {
    weir_task task;
    weir_read_stream *in; /* In. */
    struct kit_flow *flow;
    uint64_t size;  /* UINT64_MAX: until the end. */
    bool takes_end; /* The end is how it succeeds; else the error is WEIR_EOF. */
    struct kit_manners manners;
    uint64_t total; /* Out: received so far. */
    uint64_t operation;
    bool is_in_flight;

    uint8_t kind;
    size_t part;
    int error;
    weir_deadline deadline;
    int64_t due_ns;
    weir_buffer parts[KIT_PARTS_MAX];
    size_t part_count;
    unsigned char memory[KIT_PART_MAX];
};

void kit_receiver_init(struct kit_receiver *receiver, weir_read_stream *in, struct kit_flow *flow,
                       uint64_t size, const struct kit_manners *manners);

void kit_receiver_again(struct kit_receiver *receiver, uint64_t size);

/* Loops and connections. */

/** A loop with options that differ from run to run. */
weir_loop *kit_loop_new(void);

/** The same, where what options say is what it gets. */
weir_loop *kit_loop_new_with(const weir_loop_options *options);

/** Dump the tasks of a loop now and then, on its thread: whatever they wait for can be printed. */
void kit_dump(weir_loop *loop);

/** Free a loop whose trees have ended: every frame and every operation is home. */
void kit_loop_free(weir_loop *loop);

/** After a close nothing is left of what it was. */
void kit_check_closed(const weir_tcp_socket *socket);

/** And nobody looks at it any more: it is filled, and made a closed socket again. */
void kit_socket_gone(weir_tcp_socket *socket);

/** Listens, and tries again while descriptors or kernel memory are short. Result: 0
 * or as a stop. */
struct kit_listener {
    weir_task task;
    weir_tcp_acceptor *acceptor; /* In. */
    weir_loop *loop;
    weir_endpoint local;
    weir_tcp_listen_options options;
};

void kit_listener_init(struct kit_listener *listener, weir_tcp_acceptor *acceptor, weir_loop *loop,
                       const weir_endpoint *local, const weir_tcp_listen_options *options);

/** Connects, and tries again after failures of the kinds. Result: of the last attempt. */
struct kit_connector {
    weir_task task;
    weir_tcp_socket *socket; /* In. Closed before, and after a failure. */
    weir_endpoint peer;
    unsigned again; /* enum kit_failure: those after which it tries again. */
    unsigned attempts_max;
    int64_t pause_ns;  /* Doubles with each attempt, up to a second. */
    unsigned attempts; /* Out. */
    int error;
};

void kit_connector_init(struct kit_connector *connector, weir_tcp_socket *socket,
                        const weir_endpoint *peer, unsigned again, unsigned attempts_max);

/* Order. */

enum { KIT_PRODUCERS_MAX = 64 };

/** That the items of each producer arrive in order, each once. Zero-initialised: none has come. */
struct kit_order {
    uint64_t next[KIT_PRODUCERS_MAX]; /* By producer. */
    uint64_t count;                   /* Of all. */
};

/** An item has arrived: its producer counts from 0. */
void kit_order_arrived(struct kit_order *order, const char *what, unsigned producer,
                       uint64_t number);

/** That what runs here runs alone: a strand, a mutex, a tree. Zero-initialised:
 * nobody is inside. */
struct kit_exclusive {
    unsigned inside;
    uint64_t entered;
};

void kit_exclusive_enter(struct kit_exclusive *exclusive, const char *what);
void kit_exclusive_leave(struct kit_exclusive *exclusive);

#endif
