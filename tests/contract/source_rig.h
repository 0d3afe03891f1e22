/* SPDX-License-Identifier: MIT */
#ifndef TEST_SOURCE_RIG_H
#define TEST_SOURCE_RIG_H

/* A connection that is read through a source, from a raw socket that the test sends on. */

#include "fixture.h"

enum { SHOWN_MAX = 8 };

struct reader {
    weir_tcp_socket socket;
    weir_tcp_source source;
    int peer;
    struct op op; /* The pull. */
    weir_const_buffer shown[SHOWN_MAX];
};

/** Prepare one that is not connected. */
void reader_prepare(struct reader *self);

/** Connect one that is not. */
void reader_accept(struct fixture *f, struct reader *self);

/** Both. */
void reader_open(struct fixture *f, struct reader *self);

/** Close both ends. */
void reader_close(struct fixture *f, struct reader *self);

/** Start a pull of at most so many buffers. */
void reader_start(struct fixture *f, struct reader *self, size_t max);

/** Start one, and let it reach the kernel: it waits. */
void reader_wait_for_bytes(struct fixture *f, struct reader *self);

weir_result reader_finish(struct fixture *f, struct reader *self);

/** Pull at most so many buffers, which gives some. Returns how many. */
size_t reader_pull(struct fixture *f, struct reader *self, size_t max);

/** A pull gives this error, and nothing. */
void reader_check_pull_fails(struct fixture *f, struct reader *self, int error);

/** What the latest pull showed is this text, in the first buffer. */
void reader_check_shows(const struct reader *self, const char *text);

/** The next bytes are this text and are consumed, however they come. */
void reader_check_text(struct fixture *f, struct reader *self, const char *text);

/** The next bytes are the pattern from there on, and are consumed in odd portions. */
void reader_check_pattern(struct fixture *f, struct reader *self, size_t size, size_t from);

static inline void reader_consume(struct reader *self, size_t size)
{
    weir_buffer_source_consume(&self->source.source, size);
}

static inline void reader_send(const struct reader *self, const char *text, size_t size)
{
    raw_send(self->peer, text, size);
}

#endif
