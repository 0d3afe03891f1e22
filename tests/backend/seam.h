/* SPDX-License-Identifier: MIT */
#ifndef TEST_SEAM_H
#define TEST_SEAM_H

/*
 * What a test needs to drive io_uring through the seam alone, as a loop would: a ring, operations
 * that keep what they were told, and sockets. Thread: a ring's is the one that started it.
 */

#include <stdint.h>

#include "uring.h"

#define SEAM_OPS (&weir_uring_backend)

enum { SEAM_DATA_MAX = 16 };

/** One operation, the handle it is about, and what came of it. */
struct seam_operation {
    weir_operation operation;
    struct uring *uring;
    weir_handle handle;
    int peer;      /* The other end of the handle's connection; -1: none. */
    int more;      /* Completions that were not the last. */
    int last;      /* Those that were: at most one for each start. */
    int result;    /* Of the latest. */
    unsigned turn; /* Of the latest, counted over all operations. */
    void (*then)(struct seam_operation *self, int result, unsigned flags); /* Or NULL. */
    uint8_t data[SEAM_DATA_MAX];
};

/** Of the rings that are opened here. */
extern weir_loop_statistics seam_statistics;

/** Skip the test unless this machine has io_uring. */
void seam_require(void);

/** A ring, and one that this thread has started. */
struct uring *seam_open(unsigned queue_depth);
struct uring *seam_start(unsigned queue_depth);

/** One that this thread has started, that lends so many bytes in buffers of so many. */
struct uring *seam_start_lending(unsigned queue_depth, size_t buffer_bytes, size_t bytes_max);

void seam_close(struct uring *uring);

/** Prepare an operation without a handle, and one on this descriptor. */
void seam_init(struct seam_operation *self, struct uring *uring);
void seam_init_on(struct seam_operation *self, struct uring *uring, int descriptor);

/** Prepare one on a connection: its handle is one end, peer the other. */
void seam_init_pair(struct seam_operation *self, struct uring *uring);

/** Close both ends, not through the ring. */
void seam_fini_pair(struct seam_operation *self);

/** Receive into data, or send it, through the ring. */
void seam_receive(struct seam_operation *self);
void seam_send(struct seam_operation *self);

void seam_cancel(struct seam_operation *self);

/** Let the peer write one byte. */
void seam_feed(const struct seam_operation *self, uint8_t byte);

/** Fill the connection until no byte more can be sent from the handle. */
void seam_fill(const struct seam_operation *self);

/** Submit and reap without blocking. */
void seam_poll(struct uring *uring);

/** Wait, as a loop does, until the operation has had its last completion. Returns its result. */
int seam_finish(struct seam_operation *self);

/** Close the handle through the ring, and wait for that. */
void seam_close_handle(struct seam_operation *self);

/** A listening TCP socket on the loopback, and its endpoint. */
int seam_listen(int backlog, weir_endpoint *ret_endpoint);

/** A blocking socket that is connected to it. */
int seam_connect(const weir_endpoint *endpoint);

#endif
