/* SPDX-License-Identifier: MIT */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

/*
 * What contract tests stand on: a loop on one backend, an acceptor on loopback, and jobs.
 *
 * A job is a tree of tasks that a test starts and later waits for, so that the body of a test reads
 * as a sequence: start a read, let the loop turn, send, wait for the read. An op is a job of a
 * single await. Between the calls the loop stands still.
 *
 *      op_read_some(&f, &read, &socket, data, sizeof data);
 *      fixture_turn(&f);                                        now the read is in flight
 *      raw_send(peer, "abc", 3);
 *      r = op_wait(&f, &read);
 *
 * A watchdog ends a test that hangs, and prints what its tasks wait for. Thread: that of the test;
 * a side has a loop of its own on a thread of its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/weir.h>

#include "gate.h"
#include "raw.h"
#include "test.h"
#include "threads.h"

enum { FIXTURE_WATCHDOG_S = 40 };

static const int64_t MILLISECOND_NS = INT64_C(1000000);

struct fixture {
    const char *backend;
    weir_loop *loop;
    weir_tcp_acceptor acceptor; /* Where pairs are made. */
    weir_endpoint endpoint;     /* Its address. */
    int descriptor_count;       /* Open before the fixture. */
};

void fixture_init(struct fixture *fixture, const char *backend);

/** With a loop made so; the backend must be named. */
void fixture_init_with(struct fixture *fixture, const weir_loop_options *options);

/** Fail the test if a descriptor, a frame or an operation is left. */
void fixture_fini(struct fixture *fixture);

/** Run a task to its end. */
weir_result fixture_run(struct fixture *fixture, weir_task *main);

/** Let the loop iterate until what was started has reached the kernel. */
void fixture_turn(struct fixture *fixture);

/** Connect two sockets. */
void fixture_connect(struct fixture *fixture, weir_tcp_socket *client, weir_tcp_socket *server);

/** Connect a socket to a raw one, which is returned. */
int fixture_connect_raw(struct fixture *fixture, weir_tcp_socket *socket);

/** Close a socket, and check that it closes without error. */
void fixture_close(struct fixture *fixture, weir_tcp_socket *socket);

/* Jobs. */

struct job {
    weir_root root;
    weir_result result; /* Meaningful when it is done. */
    bool done;
    struct gate gate; /* Where job_wait waits. */
};

/** Run a task on the loop as a tree of its own. Nothing has happened when this returns. */
void job_start(struct fixture *fixture, struct job *job, weir_task *main);

/** Run the loop until the job is done. */
weir_result job_wait(struct fixture *fixture, struct job *job);

/* Ops. */

struct op;

typedef weir_task *op_start_fn(weir_task *task, struct op *op);

struct op {
    weir_task task;
    struct job job;
    op_start_fn *start;
    void *object; /* Socket, acceptor, timer, set. */
    void *target; /* What an accept fills, or the memory of a transfer. */
    size_t size;
    int64_t time_ns;
    weir_endpoint peer;
};

/** An await of the test's own; op->object and the like may be set before. */
void op_start(struct fixture *fixture, struct op *op, op_start_fn *start);

weir_result op_wait(struct fixture *fixture, struct op *op);

/** Stop it, from outside of the loop. */
void op_stop(struct op *op);

void op_read_some(struct fixture *fixture, struct op *op, weir_tcp_socket *socket, void *data,
                  size_t size);
void op_read(struct fixture *fixture, struct op *op, weir_tcp_socket *socket, void *data,
             size_t size);
void op_write_some(struct fixture *fixture, struct op *op, weir_tcp_socket *socket,
                   const void *data, size_t size);
void op_write(struct fixture *fixture, struct op *op, weir_tcp_socket *socket, const void *data,
              size_t size);
void op_read_some_v(struct fixture *fixture, struct op *op, weir_tcp_socket *socket,
                    const weir_buffer *buffers, size_t count);
void op_write_some_v(struct fixture *fixture, struct op *op, weir_tcp_socket *socket,
                     const weir_const_buffer *buffers, size_t count);
void op_readable(struct fixture *fixture, struct op *op, weir_tcp_socket *socket);
void op_writable(struct fixture *fixture, struct op *op, weir_tcp_socket *socket);
void op_connect(struct fixture *fixture, struct op *op, weir_tcp_socket *socket,
                const weir_endpoint *peer);
void op_close(struct fixture *fixture, struct op *op, weir_tcp_socket *socket);
void op_accept(struct fixture *fixture, struct op *op, weir_tcp_acceptor *acceptor,
               weir_tcp_socket *ret_socket);
void op_close_acceptor(struct fixture *fixture, struct op *op, weir_tcp_acceptor *acceptor);
void op_timer_wait(struct fixture *fixture, struct op *op, weir_timer *timer);
void op_sleep_until(struct fixture *fixture, struct op *op, int64_t at_ns);
void op_signal_wait(struct fixture *fixture, struct op *op, weir_signal_set *set);
void op_close_signals(struct fixture *fixture, struct op *op, weir_signal_set *set);

/* Data. */

/** Fill memory with a sequence that begins at `from`, and check that it is there. */
void pattern_fill(uint8_t *data, size_t size, size_t from);
void pattern_check(const uint8_t *data, size_t size, size_t from);

/* Sides: a loop on another thread. */

struct side {
    weir_loop_options options;
    weir_loop *loop; /* Runs from side_start to side_stop. */
    weir_sys_thread thread;
    const void *identity; /* Of the thread: weir_thread_identity. */
    weir_task door;       /* Keeps the loop running until it is stopped. */
    weir_root door_root;
    struct semaphore running;
    struct semaphore leave; /* Nobody posts to the loop any more: it may be freed. */
};

/** Start a thread that runs a loop made so; returns when it runs. */
void side_start(struct side *side, const weir_loop_options *options);

/** Let the loop end, when its trees have, and join the thread. */
void side_stop(struct side *side);

#endif
