/* SPDX-License-Identifier: MIT */
/* The client's half of HTTP/1.1: framing, limits, and servers that mean no good. */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

/* Feed in pieces of this size, until the answer is over. Returns how much belonged to it. */
static size_t feed(weir_lat_http *http, const char *data, size_t size, size_t piece)
{
    size_t taken = 0;

    weir_lat_http_init(http);
    while (taken < size && http->state != WEIR_LAT_HTTP_DONE &&
           http->state != WEIR_LAT_HTTP_FAILED) {
        size_t rest = size - taken;

        taken += weir_lat_http_feed(http, data + taken, rest < piece ? rest : piece);
    }
    return taken;
}

static void check_answer(const char *text, int status, uint64_t body_bytes)
{
    weir_lat_http http;
    size_t size = strlen(text);

    for (size_t piece = 1; piece <= size; piece++) {
        CHECK_EQ(feed(&http, text, size, piece), size);
        CHECK_STR_EQ(http.error, NULL);
        CHECK_EQ(http.state, WEIR_LAT_HTTP_DONE);
        CHECK_EQ(http.status, status);
        CHECK_EQ(http.body_bytes, body_bytes);
    }
}

static void check_error(const char *text, const char *error)
{
    weir_lat_http http;
    size_t size = strlen(text);

    for (size_t piece = 1; piece <= size; piece++) {
        feed(&http, text, size, piece);
        CHECK_EQ(http.state, WEIR_LAT_HTTP_FAILED);
        CHECK_STR_EQ(http.error, error);
    }
}

static void check_incomplete(const char *text)
{
    weir_lat_http http;

    CHECK_EQ(feed(&http, text, strlen(text), 1), strlen(text));
    CHECK_STR_EQ(http.error, NULL);
    CHECK(http.state != WEIR_LAT_HTTP_DONE);
}

WEIR_TEST(lat_http, a_body_has_the_length_that_was_announced)
{
    check_answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, 5);
    check_answer("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH:5  \r\nX: y\r\n\r\nhello", 200, 5);
    check_answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, 0);
    check_answer("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", 200, 1);
    check_answer("HTTP/1.1 200 \r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 200, 1);
}

WEIR_TEST(lat_http, chunks_are_counted_without_their_framing)
{
    check_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "5\r\nhello\r\n0A\r\n0123456789\r\n0\r\n\r\n",
                 200, 15);
    check_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 200, 0);
    check_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3;name=value\r\n\r\n\r\r\n000 ; x\r\nTrailer: yes\r\nAnother: one\r\n\r\n",
                 200, 3);
}

WEIR_TEST(lat_http, many_small_chunks_are_no_long_header)
{
    static const char chunk[] = "1\r\nx\r\n";
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    weir_lat_http http;

    feed(&http, head, sizeof head - 1, sizeof head);
    for (int i = 0; i < 100000; i++)
        CHECK_EQ(weir_lat_http_feed(&http, chunk, sizeof chunk - 1), sizeof chunk - 1);
    CHECK_EQ(weir_lat_http_feed(&http, "0\r\n\r\n", 5), 5);
    CHECK_EQ(http.state, WEIR_LAT_HTTP_DONE);
    CHECK_EQ(http.body_bytes, 100000);
}

WEIR_TEST(lat_http, some_answers_have_no_body)
{
    check_answer("HTTP/1.1 204 No Content\r\n\r\n", 204, 0);
    check_answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, 0);
}

WEIR_TEST(lat_http, interim_answers_are_skipped)
{
    check_answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                 200, 2);
}

WEIR_TEST(lat_http, what_follows_an_answer_is_left)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1";
    weir_lat_http http;

    weir_lat_http_init(&http);
    CHECK_EQ(weir_lat_http_feed(&http, text, sizeof text - 1), sizeof text - 1 - 8);
    CHECK_EQ(http.state, WEIR_LAT_HTTP_DONE);
    CHECK_EQ(weir_lat_http_feed(&http, text, sizeof text - 1), 0);
}

WEIR_TEST(lat_http, a_parser_is_used_again_and_again)
{
    weir_lat_http http;

    CHECK_EQ(feed(&http, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40, 40), 40);
    CHECK_EQ(feed(&http, "HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx", 39, 39), 39);
    CHECK_EQ(http.state, WEIR_LAT_HTTP_DONE);
    CHECK_EQ(http.status, 500);
    CHECK_EQ(http.body_bytes, 1);
}

WEIR_TEST(lat_http, an_answer_that_is_cut_is_not_done)
{
    check_incomplete("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
    check_incomplete("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n");
    check_incomplete("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    check_incomplete("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
}

WEIR_TEST(lat_http, other_protocols_are_refused)
{
    check_error("SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP/1");
    check_error("HTTP/2 200 OK\r\n", "the answer is not HTTP/1");
    check_error("\r\n", "the answer is not HTTP/1");
    check_error("HTTP/1.0 200 OK\r\n",
                "the answer is HTTP/1.0, which does not keep the connection");
}

WEIR_TEST(lat_http, malformed_status_lines_are_refused)
{
    static const char error[] = "the status line is malformed";

    check_error("HTTP/1.1  200 OK\r\n", error);
    check_error("HTTP/1.1 2000 OK\r\n", error);
    check_error("HTTP/1.1 20x OK\r\n", error);
    check_error("HTTP/1.1 099 OK\r\n", error);
    check_error("HTTP/1.1 200OK\r\n", error);
}

WEIR_TEST(lat_http, lines_end_in_cr_lf)
{
    check_error("HTTP/1.1 200 OK\n", "a line does not end in CR LF");
    check_error("HTTP/1.1 200 OK\r\n\n", "a line does not end in CR LF");
    check_error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\n",
                "a line does not end in CR LF");
}

WEIR_TEST(lat_http, malformed_headers_are_refused)
{
    static const char *const wrong[] = {"no colon",      ": no name",     "a b: c",
                                        "name : value",  " folded: line", "\tfolded",
                                        "n\xc3\xa4me: x"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[128];

        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\n", wrong[i]);
        check_error(text, "a header line is malformed");
    }
}

WEIR_TEST(lat_http, a_length_is_a_number)
{
    static const char *const wrong[] = {
        "", "-1", "+5", "5x", "0x5", "5 5", "5, 5", "5.0", "9999999999999999999"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[128];

        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n", wrong[i]);
        check_error(text, "Content-Length is no number");
    }
}

WEIR_TEST(lat_http, ambiguous_framing_is_refused)
{
    check_error("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                "two values of Content-Length");
    check_error("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "both Content-Length and Transfer-Encoding");
    check_error("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                "Transfer-Encoding is not chunked alone");
    check_error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "Transfer-Encoding is not chunked alone");
    check_error("HTTP/1.1 200 OK\r\n\r\n", "neither Content-Length nor chunked");
    check_error("HTTP/1.1 101 Switching\r\n\r\n", "the server switches protocols");
}

WEIR_TEST(lat_http, a_server_that_closes_is_refused)
{
    check_error("HTTP/1.1 200 OK\r\nConnection: close\r\n",
                "the server closes the connection after an answer");
    check_error("HTTP/1.1 200 OK\r\nConnection: x,\t Close ,y\r\n",
                "the server closes the connection after an answer");
    check_answer("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200, 0);
    check_answer("HTTP/1.1 200 OK\r\nConnection: closed,, \r\nContent-Length: 0\r\n\r\n", 200, 0);
}

WEIR_TEST(lat_http, malformed_chunks_are_refused)
{
    static const char *const wrong[] = {"",      ";x",  "g",    "-1",
                                        "0x5",   "5 5", "+5",   "1000000000000000",
                                        "5\r;x", "5:5", "\xff", "ffffffffffffffffffff"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[160];

        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
                 wrong[i]);
        check_error(text, "a chunk size is malformed");
    }
    check_error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
                "a chunk is longer than its size");
}

WEIR_TEST(lat_http, a_line_has_a_largest_size)
{
    weir_lat_http http;
    char *text = malloc(WEIR_LAT_HTTP_LINE_MAX + 1);

    CHECK(text);
    memset(text, 'x', WEIR_LAT_HTTP_LINE_MAX + 1);
    feed(&http, text, WEIR_LAT_HTTP_LINE_MAX, 100);
    CHECK_STR_EQ(http.error, NULL);
    feed(&http, text, WEIR_LAT_HTTP_LINE_MAX + 1, 100);
    CHECK_STR_EQ(http.error, "a line is too long");
    feed(&http, text, WEIR_LAT_HTTP_LINE_MAX + 1, WEIR_LAT_HTTP_LINE_MAX + 1);
    CHECK_STR_EQ(http.error, "a line is too long");
    free(text);
}

/* Feed the same line again and again, until the parser has enough. Returns how often. */
static int feed_forever(const char *head, const char *line, weir_lat_http *http)
{
    feed(http, head, strlen(head), strlen(head));
    for (int i = 0; i < 1000000; i++) {
        if (http->state == WEIR_LAT_HTTP_FAILED)
            return i;
        weir_lat_http_feed(http, line, strlen(line));
    }
    return -1;
}

WEIR_TEST(lat_http, endless_headers_trailers_and_interim_answers_end)
{
    weir_lat_http http;

    CHECK(feed_forever("HTTP/1.1 200 OK\r\n", "A: b\r\n", &http) > 10000);
    CHECK_STR_EQ(http.error, "the headers are too long");
    CHECK(feed_forever("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n",
                       &http) > 10000);
    CHECK_STR_EQ(http.error, "the headers are too long");
    CHECK(feed_forever("HTTP/1.1 100 Go\r\n\r\n", "HTTP/1.1 100 Go\r\n\r\n", &http) > 1000);
    CHECK_STR_EQ(http.error, "the headers are too long");
}

/* Whatever a server sends, the parser takes it, ends, or says why not. */
WEIR_TEST(lat_http, mutated_answers_never_confuse_it)
{
    static const char seed[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                               "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                               "5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
    static const char alphabet[] = "\r\n:;, 0159afHTP/.\0x\xff";
    uint64_t state = 42;

    for (int round = 0; round < 200000; round++) {
        char text[sizeof seed];
        weir_lat_http http;

        memcpy(text, seed, sizeof seed);
        for (int change = 0; change < 4; change++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
            text[(state >> 33) % (sizeof seed - 1)] = alphabet[(state >> 20) % sizeof alphabet];
        }
        feed(&http, text, sizeof seed - 1, 1 + (state >> 50) % 40);
        CHECK((http.state == WEIR_LAT_HTTP_FAILED) == (http.error != NULL));
        CHECK(http.body_bytes <= sizeof seed);
    }
}

WEIR_TEST(lat_http, the_request_is_a_get_with_a_host)
{
    static const char expected[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n";
    char data[128];

    CHECK_EQ(weir_lat_http_request(data, sizeof data, "127.0.0.1:80"), sizeof expected - 1);
    CHECK_STR_EQ(data, expected);
    CHECK_EQ(weir_lat_http_request(data, sizeof expected, "127.0.0.1:80"), sizeof expected - 1);
    CHECK_EQ(weir_lat_http_request(data, sizeof expected - 1, "127.0.0.1:80"), 0);
}
