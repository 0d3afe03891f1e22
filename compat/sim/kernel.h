/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_KERNEL_H
#define WEIR_SIM_KERNEL_H

/*
 * The simulated kernel as one loop sees it: its queues, and the operations in it.
 *
 * An operation is queued by its starter, enters the kernel when the loop waits, is tried whenever
 * its socket has changed, and is done when it has a result; then its completion stands in the
 * completion queue until the loop reaps it.
 *
 *      starter --> QUEUED --wait--> INSIDE --tried, cancelled--> DONE --wait--> completed()
 *         '--result at once                 '--multishot: a completion each time
 *
 * What a real kernel leaves open is the seed's: whether a result comes at once, when an operation
 * is tried, how much it moves, whether a cancel finds it, in what order completions come.
 */

#include "sim.h"

enum sim_kind {
    SIM_ACCEPT_OPERATION,
    SIM_CONNECT_OPERATION,
    SIM_RECEIVE_OPERATION,
    SIM_SEND_OPERATION,
    SIM_POLL_READ_OPERATION,
    SIM_POLL_WRITE_OPERATION,
    SIM_CLOSE_OPERATION,
    SIM_RECEIVE_LENT_OPERATION,
    SIM_SEND_ZERO_COPY_OPERATION,
    SIM_KIND_COUNT
};

enum sim_operation_state {
    SIM_QUEUED,
    SIM_INSIDE,
    SIM_NOTIFYING, /* It has its result: a send without a copy, until the notification. */
    SIM_DONE,
};

/* Of a socket, from attach to detach or to the end of its close. handle.scratch[0] points at it. */
typedef struct sim_attached {
    weir_list_node link; /* sim_kernel.attached. */
    struct sim_kernel *kernel;
    weir_handle *handle;
    sim_socket *socket;
    intptr_t descriptor;
    struct sim_operation *pending[2]; /* By enum weir_direction: not reaped yet. */
    struct sim_operation *closing;    /* Not reaped yet. */
    bool is_closed;                   /* Nothing starts on it any more. */
} sim_attached;

/* What must not change while the kernel owns it: what a receive fills, what a send takes. */
struct sim_guard {
    weir_buffer *buffers; /* A copy of the sequence; for sends, too. */
    size_t count;
    size_t size;          /* Of all buffers together. */
    const void *sequence; /* The caller's own; NULL: a single buffer, by value. */
    uint8_t *saved;       /* What stood in the first saved_size bytes. */
    size_t saved_size;
    weir_message *message;
};

typedef struct sim_operation {
    weir_list_node link; /* sim_kernel.operations. */
    struct sim_kernel *kernel;
    sim_attached *attached; /* NULL: its result was reaped, and not its notification. */
    sim_socket *socket;     /* Held. */
    weir_operation *operation;
    weir_operation copy; /* What its owner filled in: must not change. */
    enum sim_kind kind;
    enum sim_operation_state state;
    bool is_cancelled;           /* Asked for, at least once. */
    bool is_begun;               /* A connect under way. */
    bool shuts_down;             /* A close that ends the connection first. */
    bool is_starved;             /* A receive that waits for a buffer: */
    weir_list_node starved_link; /* sim_lending.starved. */
    weir_endpoint peer;
    struct sim_guard guard;
    uint8_t *received; /* A receive that is done: what it moves when it is reaped. */
    sim_alarm attempt;
    sim_alarm cancel;
    sim_alarm notification;
    bool has_sent; /* Something: there is something to notify of. */
} sim_operation;

/* An entry of the submission queue. */
enum sim_request_kind { SIM_REQUEST_START, SIM_REQUEST_CANCEL, SIM_REQUEST_WAKE };

struct sim_request {
    weir_list_node link; /* sim_kernel.requests. */
    enum sim_request_kind kind;
    sim_operation *started;          /* START. */
    const weir_operation *cancelled; /* CANCEL: a name, as a real kernel has it. */
    struct sim_kernel *woken;        /* WAKE. */
};

/* An entry of the completion queue. */
struct sim_completion {
    weir_list_node link; /* sim_kernel.completions. */
    sim_operation *operation;
    int result;
    unsigned flags;
};

/* Of a buffer that is lent, and who has it. */
enum sim_lent_state {
    SIM_LENT_NEW,
    SIM_LENT_HOME,   /* It was given back. */
    SIM_LENT_FILLED, /* The completion that names it is not reaped. */
    SIM_LENT_HELD,   /* The holder's. */
};

struct sim_lent {
    enum sim_lent_state state;
    uint8_t *bytes; /* What came. FILLED: hidden so far; HELD: what has to stand there. */
    size_t size;
};

/* What a loop lends: lend.c. */
struct sim_lending {
    weir_lending buffers;
    struct sim_lent *watched; /* By index. */
    uint32_t watched_count;
    weir_list starved; /* Receives that wait for a buffer, oldest first. */
    size_t starved_count;
};

typedef struct sim_kernel {
    weir_backend base;
    weir_sim *sim;
    weir_loop *loop;
    sim_program *program; /* That runs the loop. */
    sim_program *opener;
    weir_list_node link; /* weir_sim.kernels. */
    weir_loop_statistics *statistics;

    unsigned at_once;      /* In thousandths: how often a starter tries first. */
    size_t request_max;    /* That enter in one wait. */
    size_t completion_max; /* The queue's length; more overflow. */
    weir_list requests;    /* First in, first out: submission queue and what is deferred. */
    size_t request_count;
    weir_list completions;
    size_t completion_count;
    bool is_overflowing;
    weir_buffer region; /* That is registered; NULL: none. */
    unsigned copies;    /* In thousandths: how often what is to be sent without a copy is copied. */
    bool has_copies;    /* It has been chosen. */
    weir_list operations; /* Not reaped yet. */
    weir_list attached;
    struct sim_lending lending;

    bool is_waiting;
    bool has_ended;    /* The wait: its deadline has passed, or for nothing. */
    uint32_t is_woken; /* __atomic: signal handlers set it. */
    sim_alarm deadline;
} sim_kernel;

static inline sim_kernel *sim_kernel_of(weir_backend *backend)
{
    return WEIR_CONTAINER_OF(backend, sim_kernel, base);
}

/** Its wait ends, or the next one. From signal handlers, too. */
static inline void sim_kernel_set_woken(sim_kernel *kernel)
{
    __atomic_store_n(&kernel->is_woken, 1, __ATOMIC_RELEASE);
}

/** Where it is. */
static inline weir_sim_host *sim_kernel_host(const sim_kernel *kernel)
{
    return kernel->opener->host;
}

/* backend.c */

/** Wake those loops that were woken while they wait. For the scheduler. */
void weir_sim_kernel_look_at_wakes(weir_sim *sim);

/** It is gone with its program: what is in flight is in flight no more, and nobody is told. The
 * memory of its loop goes, too: nobody is left to free it. */
void weir_sim_kernel_drop(sim_kernel *kernel);

/* op.c */

/** Drop everything that is queued, inside or completed. */
void weir_sim_kernel_drop_operations(sim_kernel *kernel);

/** A record for an operation that its starter has filled in. */
sim_operation *weir_sim_operation_new(sim_kernel *kernel, weir_operation *operation,
                                      weir_handle *handle, enum sim_kind kind);

/** Into the submission queue. Returns WEIR_IN_FLIGHT. */
int weir_sim_operation_queue(sim_operation *operation);

/** It was answered at once: what it named belongs to its owner again. */
void weir_sim_operation_drop(sim_operation *operation);

/** From the submission queue into the kernel, up to request_max of them. */
void weir_sim_kernel_submit(sim_kernel *kernel);

/** Try it soon. */
void weir_sim_operation_try_soon(sim_operation *operation);

/** It has a result: all there is of it but for the notification of a send without a copy
 * (zero_copy.c). */
void weir_sim_operation_result(sim_operation *operation, int64_t result);

/** It completes so. */
void weir_sim_operation_complete(sim_operation *operation, int64_t result, unsigned flags);

/** Tell the owners of what completed. */
void weir_sim_kernel_reap(sim_kernel *kernel);

void weir_sim_kernel_cancel(weir_backend *backend, weir_operation *operation);

/** Add a wake of another loop to the queue. */
void weir_sim_kernel_queue_wake(sim_kernel *kernel, sim_kernel *target);

/** Forget all that the kernel was not asked for before its loop ends, wakes of others
 * too: a ring does. */
void weir_sim_kernel_forget_requests(sim_kernel *kernel);

/** Forget the wakes that are queued for a loop that ends. */
void weir_sim_kernel_forget_wakes(sim_kernel *kernel, const sim_kernel *target);

/* lend.c */

void weir_sim_lending_init(sim_kernel *kernel, const weir_backend_options *options);

/** Check that all buffers are home. */
void weir_sim_lending_fini(sim_kernel *kernel);

/** Forget what is lent, without a look at it. */
void weir_sim_lending_drop(sim_kernel *kernel);

/** Try a receive: complete it as often as there are bytes and buffers. */
void weir_sim_operation_receive_lent(sim_operation *operation);

/** It waits for a buffer no more. */
void weir_sim_operation_unstarve(sim_operation *operation);

/** Whether some that wait for a buffer can go on, if the loop looks. */
bool weir_sim_lending_can_feed(const sim_kernel *kernel);

/** Let them go on. */
void weir_sim_lending_feed(sim_kernel *kernel);

/** A completion is about to be told of: its bytes appear. */
void weir_sim_lending_show(sim_kernel *kernel, unsigned flags);

int weir_sim_kernel_receive_lent(weir_backend *backend, weir_operation *operation,
                                 weir_handle *handle);
void weir_sim_kernel_give_back(weir_backend *backend, weir_lent *lent);

/* socket.c */

/** How much a transfer of so many bytes moves: the seed's choice. */
size_t weir_sim_operation_limit(const sim_operation *operation, size_t size);

/** What it would give now; -EAGAIN: it waits. Completes nothing. */
int64_t weir_sim_operation_perform(sim_operation *operation);

/** What a send moves. */
int64_t weir_sim_operation_send(sim_operation *operation);

/** Try a multishot: complete it as often as it can. */
void weir_sim_operation_accept(sim_operation *operation);

sim_attached *weir_sim_attached_of(sim_kernel *kernel, weir_handle *handle);

/** Let go of the sockets, without a look at their handles. */
void weir_sim_kernel_drop_attached(sim_kernel *kernel);

/** Free it if it is closed, and nothing is in flight on it. */
void weir_sim_attached_release(sim_attached *attached);

int weir_sim_kernel_attach(weir_backend *backend, weir_handle *handle);
void weir_sim_kernel_detach(weir_backend *backend, weir_handle *handle);
int weir_sim_kernel_accept(weir_backend *backend, weir_operation *operation, weir_handle *handle);
int weir_sim_kernel_connect(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                            weir_message *message, const weir_endpoint *peer);
int weir_sim_kernel_receive(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                            weir_buffer buffer);
int weir_sim_kernel_send(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                         weir_const_buffer buffer);
int weir_sim_kernel_receive_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                              weir_message *message, const weir_buffer *buffers, size_t count);
int weir_sim_kernel_send_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                           weir_message *message, const weir_const_buffer *buffers, size_t count);
int weir_sim_kernel_poll(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                         enum weir_direction direction);
int weir_sim_kernel_close_socket(weir_backend *backend, weir_operation *operation,
                                 weir_handle *handle, bool shut_down);

/* zero_copy.c */

int weir_sim_kernel_register_memory(weir_backend *backend, weir_buffer region);
int weir_sim_kernel_send_zero_copy(weir_backend *backend, weir_operation *operation,
                                   weir_handle *handle, weir_const_buffer buffer,
                                   bool is_registered);

int64_t weir_sim_operation_send_zero_copy(sim_operation *operation);

/** The connection is broken off: what it had of programs' memory is given back soon. */
void weir_sim_kernel_hurry_notifications(sim_kernel *kernel, const sim_socket *socket);

/* wait.c */

void weir_sim_kernel_wait(weir_backend *backend, int64_t deadline_ns);
bool weir_sim_kernel_peek(weir_backend *backend);
void weir_sim_kernel_wake(weir_backend *backend, weir_backend *sender);

/* watch.c */

/** Take possession of what an operation names. For a receive, hide what is in the buffers. */
void weir_sim_guard_take(sim_operation *operation, const weir_buffer *buffers, size_t count,
                         const void *sequence);

/** Check that nothing was touched, and give it back, with what a receive got. */
void weir_sim_guard_give(sim_operation *operation, int result);

/** Forget it, without a look at it. */
void weir_sim_guard_drop(sim_operation *operation);

/** Mark the words that are the kernel's, and check them. */
void weir_sim_operation_mark(sim_operation *operation);
void weir_sim_operation_check(sim_operation *operation);
void weir_sim_attached_mark(sim_attached *attached);
void weir_sim_attached_unmark(sim_attached *attached);

/** What a handle is attached to, or NULL. */
sim_attached *weir_sim_attached_marked(const weir_handle *handle);
void weir_sim_attached_check(const sim_attached *attached);

/* trace.c */

enum sim_phase {
    SIM_PHASE_START,
    SIM_PHASE_AT_ONCE,
    SIM_PHASE_CANCEL,
    SIM_PHASE_DONE,
    SIM_PHASE_REAPED
};

void weir_sim_trace_operation(const sim_operation *operation, enum sim_phase phase, int64_t value);

#endif
