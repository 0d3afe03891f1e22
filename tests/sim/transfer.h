/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_TRANSFER_H
#define WEIR_TEST_SIM_TRANSFER_H

/*
 * Tasks that send and receive the bytes of a flow by what is composed of several operations:
 * copies, messages, everything to the end, waits for readiness. Those of kit.h use the plain
 * operations.
 */

#include "kit.h"

enum { TRANSFER_BUFFER_BYTES = 3000, TRANSFER_PART_BYTES = 700 };

/** How a writer writes. */
enum transfer_writing {
    TRANSFER_COPY,          /* weir_copy from memory. */
    TRANSFER_PUSH,          /* weir_push_to from memory. */
    TRANSFER_WHEN_WRITABLE, /* weir_tcp_wait, then some. */
    TRANSFER_WRITINGS,
};

/** How a reader reads. */
enum transfer_reading {
    TRANSFER_MESSAGES,      /* weir_read_until the end of a message. */
    TRANSFER_TO_END,        /* weir_read_to_end, as far as the buffer goes. */
    TRANSFER_COPY_OUT,      /* weir_copy to memory. */
    TRANSFER_PULL,          /* weir_pull_from to memory. */
    TRANSFER_WHEN_READABLE, /* weir_tcp_wait, then some. */
    TRANSFER_READINGS,
};

/** Writes all of a flow, and its end. Result: 0, or why not all. */
struct transfer_writer {
    weir_task task;
    weir_write_stream *out;  /* In. */
    weir_tcp_socket *socket; /* What out writes to, without anything between. */
    struct kit_flow *flow;
    uint64_t size; /* How much. */
    enum transfer_writing writing;
    struct kit_manners manners;
    uint64_t total;
    int error;
    size_t part;
    weir_deadline deadline;
    int64_t due_ns;
    weir_memory_reader reader;
    union {
        weir_copy_frame copy;
        weir_push_frame push;
    } frame;
    unsigned char data[TRANSFER_BUFFER_BYTES];
    unsigned char memory[TRANSFER_PART_BYTES];
};

/** Reads to the end of a flow. Result: 0, or why not so far. */
struct transfer_reader {
    weir_task task;
    weir_read_stream *in; /* In. */
    weir_tcp_socket *socket;
    struct kit_flow *flow;
    enum transfer_reading reading;
    struct kit_manners manners;
    int error;
    size_t before; /* Bytes in the buffer when the operation began. */
    weir_deadline deadline;
    int64_t due_ns;
    union {
        weir_flat_buffer flat;
        weir_circular_buffer circular;
        weir_segmented_buffer segmented;
    } buffer;
    weir_dynamic_buffer *dynamic;
    unsigned kind; /* Of buffer. */
    weir_delimiter delimiter;
    unsigned char mark[2]; /* The delimiter's bytes. */
    size_t mark_size;
    weir_memory_writer writer;
    union {
        weir_copy_frame copy;
        weir_pull_frame pull;
    } frame;
    size_t memory_size;
    unsigned char memory[TRANSFER_BUFFER_BYTES];
    unsigned char fixed[TRANSFER_BUFFER_BYTES];
};

/** @socket  for TRANSFER_WHEN_WRITABLE */
void transfer_writer_init(struct transfer_writer *writer, weir_write_stream *out,
                          weir_tcp_socket *socket, struct kit_flow *flow, uint64_t size,
                          enum transfer_writing writing, const struct kit_manners *manners);

/** It has to run: it owns a buffer. @socket  for TRANSFER_WHEN_READABLE */
void transfer_reader_init(struct transfer_reader *reader, weir_read_stream *in,
                          weir_tcp_socket *socket, struct kit_flow *flow,
                          enum transfer_reading reading, const struct kit_manners *manners);

#endif
