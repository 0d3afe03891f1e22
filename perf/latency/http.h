/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LAT_HTTP_H
#define WEIR_LAT_HTTP_H

/*
 * The answer to an HTTP/1.1 GET, taken apart as its bytes arrive.
 *
 * The parser does no I/O: it is fed what was read, in pieces of any size, and says how much of it
 * belongs to the answer and whether that is complete. It knows the status line, the headers that
 * frame a body (Content-Length, Transfer-Encoding: chunked), chunks with their trailers, interim
 * answers (1xx, skipped) and answers without a body (204, 304). It is as strict as RFC 9112 lets a
 * client be, since what it measures is a server that frames correctly; every limit and every
 * departure is an error with a sentence, and nothing can be fed after it.
 *
 *      STATUS_LINE --> HEADERS --> BODY ---------------------------------> DONE
 *                             \--> CHUNK_SIZE <-> CHUNK_DATA, CHUNK_END
 *                                            \--> TRAILERS --------------> DONE
 *
 * An answer whose end is the end of the connection, or that announces one, is an error: the harness
 * keeps its connections.
 *
 * Source: perf/latency/http.c. Tests: tests/unit/test_lat_http.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WEIR_LAT_HTTP_LINE_MAX = 8192, /* Bytes of a line with its CRLF. */
    WEIR_LAT_HTTP_HEADERS_MAX =
        64 * 1024, /* Bytes of all header lines of an answer; of all trailers too. */
};

typedef enum weir_lat_http_state {
    WEIR_LAT_HTTP_STATUS_LINE,
    WEIR_LAT_HTTP_HEADERS,
    WEIR_LAT_HTTP_BODY,
    WEIR_LAT_HTTP_CHUNK_SIZE,
    WEIR_LAT_HTTP_CHUNK_DATA,
    WEIR_LAT_HTTP_CHUNK_END,
    WEIR_LAT_HTTP_TRAILERS,
    WEIR_LAT_HTTP_DONE,
    WEIR_LAT_HTTP_FAILED,
} weir_lat_http_state;

/** One answer. Read state, status, body_bytes and error; the rest is private. */
typedef struct weir_lat_http {
    weir_lat_http_state state;
    int status;          /* 200; 0 before the status line was read. */
    uint64_t body_bytes; /* Of the body, without its framing, as far as it was fed. */
    const char *error;   /* Why it FAILED, in static memory; NULL otherwise. */
    uint64_t left;       /* Of the body or of the chunk. */
    uint64_t length;     /* What Content-Length said. */
    bool has_length;     /* There was a Content-Length. */
    bool is_chunked;     /* There was a Transfer-Encoding: chunked. */
    size_t header_bytes; /* Of all lines since the last chunk size. */
    size_t line_size;    /* Of what line holds. */
    char line[WEIR_LAT_HTTP_LINE_MAX];
} weir_lat_http;

/** Begin an answer. */
void weir_lat_http_init(weir_lat_http *http);

/**
 * Take the bytes that belong to the answer.
 *
 * Result  how many were taken: all of them unless the state is now DONE (what is left belongs to
 *         the next answer) or FAILED
 */
size_t weir_lat_http_feed(weir_lat_http *http, const char *data, size_t size);

/**
 * Write the request: a GET of / with the Host header.
 *
 * Result  its size; 0 when it does not fit
 */
size_t weir_lat_http_request(char *data, size_t size, const char *host);

#endif
