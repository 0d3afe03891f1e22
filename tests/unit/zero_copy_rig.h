/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_ZERO_COPY_RIG_H
#define WEIR_TESTS_ZERO_COPY_RIG_H

/*
 * A loop on a kernel that answers when, and what, the test says, and a socket that is real, for its
 * addresses; nothing is sent.
 */

#include <weir/weir.h>

#include "fake_backend.h"
#include "loop.h"
#include "sys.h"
#include "tcp.h"
#include "test.h"
#include "zero_copy.h"

enum { LARGE = 64 << 10, PART = 1 << 20, MORE = WEIR_OPERATION_MORE, CHUNK = 32 << 10 };

/* What is written. */
extern uint8_t memory[6 * PART];

/* A tree of one await. */
struct job {
    weir_task task;
    weir_root root;
    weir_task *(*start)(struct job *self);
    weir_tcp_socket *socket;
    weir_tcp_sink *sink;
    size_t size;
    weir_result result;
    bool done;
};

struct rig {
    weir_loop *loop;
    fake_backend *fake;
    weir_tcp_socket socket;
    int peer;
    struct job job;
};

weir_loop_statistics statistics_of(const struct rig *t);
void turn(struct rig *t);
void start(struct rig *t, struct job *job, weir_task *(*function)(struct job *self), size_t size);
weir_task *write_it(struct job *self);
weir_task *close_it(struct job *self);
weir_task *commit_it(struct job *self);

/* However long the machine took over the last one. */
void start_write(struct rig *t, struct job *job, size_t size);
void open_socket(struct rig *t, weir_tcp_socket *socket, int *ret_peer);
void rig_init(struct rig *t, size_t zero_copy_bytes_max, int register_result);
struct fake_operation in_flight(const struct rig *t, size_t index);
void check_in_flight(const struct rig *t, size_t index, enum fake_kind kind, size_t size);
void complete(struct rig *t, size_t index, int result, unsigned flags);

/* A write of LARGE whose bytes are sent, and whose memory is still the kernel's. */
void rig_init_lent(struct rig *t);
void check_done(const struct job *job, int error, size_t count);
void close_socket(struct rig *t, weir_tcp_socket *socket);
void rig_fini(struct rig *t);

/* Let a time pass that is long beside what has passed since then, and for the size. */
void let_pass(int64_t since_ns, size_t size);

#endif
