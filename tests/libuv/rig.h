/* SPDX-License-Identifier: MIT */
#ifndef TEST_UV_RIG_H
#define TEST_UV_RIG_H

/*
 * What the tests of libuv stand on: a loop of libuv's with an executor, connections to it, and ops.
 *
 * An op is a tree that awaits one thing, as in fixture.h. Between the calls the loop stands still,
 * so the body of a test plays the peer, by blocking descriptors, and stops what it started.
 *
 * A watchdog ends a test that hangs, and prints what its tasks wait for. Thread: that of the test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/deadline.h>
#include <weir/run.h>

#include "gate.h"
#include "test.h"
#include "uv_executor.h"
#include "uv_stream.h"

struct rig {
    uv_loop_t loop;
    weir_uv uv;
};

void rig_init(struct rig *rig);

/** Nothing is left: no tree, no handle, no descriptor. */
void rig_fini(struct rig *rig);

/** Let the loop turn until no task is ready and what has come is taken. */
void rig_settle(struct rig *rig);

/** Turn the loop until it is set. */
void rig_wait(struct rig *rig, const bool *done);

/* Connections. */

/** One end on the loop. */
struct end {
    uv_tcp_t tcp;
    weir_uv_stream connection;
};

/** Connect an end to a blocking descriptor, which is returned, over the loopback. */
int rig_connect_raw(struct rig *rig, struct end *end);

/** Connect two ends on the same loop. */
void rig_connect(struct rig *rig, struct end *a, struct end *b);

/** Wait, with the loop at rest, until bytes have come to an end. */
void end_await_arrival(struct end *end);

void rig_close(struct rig *rig, struct end *end);

/* Ops. */

struct op {
    weir_task task;
    weir_root root;
    weir_task *(*start)(struct op *self);
    struct end *end;
    void *object; /* Of an await of the test's own. */
    char *data;
    size_t size;
    int64_t patience_ns; /* In: a deadline of the await; 0: none. */
    weir_deadline deadline;
    weir_result result;
    bool done;
};

/** Run a task as a tree of its own; root->user is the op. */
void op_launch(struct rig *rig, struct op *op, weir_task *(*start)(struct op *self));

void op_read_some(struct rig *rig, struct op *op, struct end *end, void *data, size_t size);
void op_read(struct rig *rig, struct op *op, struct end *end, void *data, size_t size);
void op_write_some(struct rig *rig, struct op *op, struct end *end, const void *data, size_t size);
void op_write(struct rig *rig, struct op *op, struct end *end, const void *data, size_t size);
void op_finish(struct rig *rig, struct op *op, struct end *end);
void op_close(struct rig *rig, struct op *op, struct end *end);

void op_stop(struct op *op);

weir_result op_wait(struct rig *rig, struct op *op);

/** The op is done, with this result; the loop is turned until then. */
#define CHECK_OP(rig, op, wanted_error, wanted_count) \
    do {                                              \
        weir_result op_here = op_wait((rig), (op));   \
        CHECK_EQ(op_here.error, (wanted_error));      \
        CHECK_EQ(op_here.count, (wanted_count));      \
    } while (0)

/* Raw descriptors. */

void raw_send(int descriptor, const void *data, size_t size);
size_t raw_receive(int descriptor, void *data, size_t size);

/** Close so that the peer sees a reset. */
void raw_reset(int descriptor);

#endif
