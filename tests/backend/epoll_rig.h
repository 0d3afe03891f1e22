/* SPDX-License-Identifier: MIT */
#ifndef EPOLL_RIG_H
#define EPOLL_RIG_H

/*
 * What the tests of the epoll backend stand on: operations that keep what they were told, and
 * connections with one end on a backend.
 */

#include <stdint.h>
#include <sys/resource.h>

#include <weir/tcp.h>

#include "epoll.h"
#include "sys.h"
#include "test.h"

#define OPS (&weir_epoll_backend)

enum { DATA_MAX = 128 };

/* Of every backend a test opens. */
extern weir_loop_statistics rig_statistics;

/* An operation that keeps what it was told. */
struct probe {
    weir_operation operation;
    weir_backend *backend;
    int more;               /* Completions that were not the last. */
    int last;               /* Those that were: at most one for each start. */
    int result;             /* Of the latest. */
    int accepted[DATA_MAX]; /* What a multishot gave. */
    void (*then)(struct probe *probe, unsigned flags); /* Or NULL. */
    void *argument;                                    /* For then. */
};

void probe_init(struct probe *probe, weir_backend *backend);

weir_backend *open_backend(void);

/* One whose lent buffers have this size and sum. */
weir_backend *open_lending_backend(size_t buffer_bytes, size_t bytes_max);

void poll_now(weir_backend *backend);

/* Wait as a loop does, until the operation has had its last completion. */
void finish(struct probe *probe);

void attach(weir_backend *backend, weir_handle *handle, int descriptor);

void close_handle(weir_backend *backend, weir_handle *handle);

/* One end on the backend, the other a plain descriptor that does not block either. */
int open_pair(weir_backend *backend, weir_handle *handle);

intptr_t open_listener(int backlog, weir_endpoint *ret_endpoint);

/* A client that is connected, or at least has begun to. */
int open_client(const weir_endpoint *peer);

/* A TCP connection: one end on the backend, the other a plain descriptor. */
int open_connection(weir_backend *backend, weir_handle *handle);

void put(int descriptor, const char *text);

/* A connection: one end on a backend of its own, the other a plain descriptor. */
struct rig {
    weir_backend *backend;
    weir_handle handle;
    struct probe probe;
    int peer;     /* -1: closed. */
    char data[8]; /* What receive fills. */
};

void rig_open(struct rig *rig);

void rig_open_tcp(struct rig *rig);

void rig_close_peer(struct rig *rig);

void rig_close(struct rig *rig);

int receive(struct rig *rig, size_t size);

void park_receive(struct rig *rig);

/* Receive, now or later. */
int receive_finally(struct rig *rig);

int send_on(struct probe *probe, weir_handle *handle, const void *data, size_t size);

/* Leave room for this many more descriptors; returns the limits that stood before. */
struct rlimit limit_descriptors(unsigned more);

#endif
