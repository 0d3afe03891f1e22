/* SPDX-License-Identifier: MIT */
/* The client's half of HTTP/1.1, as far as a latency harness needs it. */
#include "http.h"

#include <stdio.h>
#include <string.h>

#include <weir/assert.h>

/* A piece of a line, not terminated. */
struct text {
    const char *data;
    size_t size;
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

/* ASCII without case, since a locale must not change a protocol. */
static bool is_word(struct text text, const char *word)
{
    if (text.size != strlen(word))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (lower(text.data[i]) != word[i])
            return false;
    }
    return true;
}

static struct text trimmed(struct text text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* Cut the first element off a comma-separated list. */
static struct text next_element(struct text *list)
{
    const char *comma = memchr(list->data, ',', list->size);
    size_t size = comma ? (size_t)(comma - list->data) : list->size;
    struct text element = {list->data, size};
    size_t used = comma ? size + 1 : size;

    list->data += used;
    list->size -= used;
    return trimmed(element);
}

/* A value that would not fit in 63 bits is as wrong as no digits at all. */
static bool parse_decimal(struct text text, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (text.size == 0 || text.size > 18)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_digit(text.data[i]))
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret_value = value;
    return true;
}

static int hex_digit(char byte)
{
    if (is_digit(byte))
        return byte - '0';
    if (lower(byte) >= 'a' && lower(byte) <= 'f')
        return lower(byte) - 'a' + 10;
    return -1;
}

static const char *read_status_line(weir_lat_http *http, struct text line)
{
    const char *text = line.data;

    if (line.size < 12 || memcmp(text, "HTTP/1.", 7) != 0)
        return "the answer is not HTTP/1";
    if (text[7] != '1')
        return "the answer is HTTP/1.0, which does not keep the connection";
    if (text[8] != ' ' || !is_digit(text[9]) || !is_digit(text[10]) || !is_digit(text[11]) ||
        (line.size > 12 && text[12] != ' '))
        return "the status line is malformed";
    http->status = (text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0');
    if (http->status < 100)
        return "the status line is malformed";
    http->state = WEIR_LAT_HTTP_HEADERS;
    return NULL;
}

static const char *read_content_length(weir_lat_http *http, struct text value)
{
    uint64_t length;

    if (!parse_decimal(value, &length))
        return "Content-Length is no number";
    if (http->has_length && http->length != length)
        return "two values of Content-Length";
    http->has_length = true;
    http->length = length;
    return NULL;
}

static const char *read_transfer_encoding(weir_lat_http *http, struct text value)
{
    if (http->is_chunked || !is_word(value, "chunked"))
        return "Transfer-Encoding is not chunked alone";
    http->is_chunked = true;
    return NULL;
}

static const char *read_connection(struct text value)
{
    while (value.size > 0) {
        if (is_word(next_element(&value), "close"))
            return "the server closes the connection after an answer";
    }
    return NULL;
}

static bool is_token_byte(char byte)
{
    return is_digit(byte) || (lower(byte) >= 'a' && lower(byte) <= 'z') ||
           (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte));
}

static bool is_token(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (!is_token_byte(text.data[i]))
            return false;
    }
    return text.size > 0;
}

/* Split "Name: value". A folded line begins with a blank, and so has no token before its colon. */
static bool split_header(struct text line, struct text *ret_name, struct text *ret_value)
{
    const char *colon = memchr(line.data, ':', line.size);
    struct text name;

    if (!colon)
        return false;
    name = (struct text){line.data, (size_t)(colon - line.data)};
    if (!is_token(name))
        return false;
    *ret_name = name;
    *ret_value = trimmed((struct text){colon + 1, line.size - name.size - 1});
    return true;
}

static const char *read_header(weir_lat_http *http, struct text line)
{
    struct text name;
    struct text value;

    if (!split_header(line, &name, &value))
        return "a header line is malformed";
    if (is_word(name, "content-length"))
        return read_content_length(http, value);
    if (is_word(name, "transfer-encoding"))
        return read_transfer_encoding(http, value);
    if (is_word(name, "connection"))
        return read_connection(value);
    return NULL;
}

static bool has_no_body(const weir_lat_http *http)
{
    return http->status == 204 || http->status == 304;
}

/* The empty line behind the headers: what follows is told by the status, then by the encoding, then
 * by the length (RFC 9112, section 6.3). */
static const char *end_headers(weir_lat_http *http)
{
    if (http->is_chunked && http->has_length)
        return "both Content-Length and Transfer-Encoding";
    if (http->status == 101)
        return "the server switches protocols";
    if (http->status < 200) {
        size_t header_bytes = http->header_bytes;

        weir_lat_http_init(http);
        http->header_bytes = header_bytes;
        return NULL;
    }
    if (has_no_body(http)) {
        http->state = WEIR_LAT_HTTP_DONE;
        return NULL;
    }
    if (!http->is_chunked && !http->has_length)
        return "neither Content-Length nor chunked";
    http->left = http->length;
    http->state = http->is_chunked    ? WEIR_LAT_HTTP_CHUNK_SIZE
                  : http->length == 0 ? WEIR_LAT_HTTP_DONE
                                      : WEIR_LAT_HTTP_BODY;
    return NULL;
}

/* Hexadecimal digits, then nothing, or an extension, which nobody needs. */
static const char *read_chunk_size(weir_lat_http *http, struct text line)
{
    const char *semicolon = memchr(line.data, ';', line.size);
    struct text digits = line;
    uint64_t size = 0;

    if (semicolon)
        digits.size = (size_t)(semicolon - line.data);
    digits = trimmed(digits);
    if (digits.size == 0 || digits.size > 15)
        return "a chunk size is malformed";
    for (size_t i = 0; i < digits.size; i++) {
        int digit = hex_digit(digits.data[i]);

        if (digit < 0)
            return "a chunk size is malformed";
        size = size * 16 + (uint64_t)digit;
    }
    http->left = size;
    http->header_bytes = 0;
    http->state = size > 0 ? WEIR_LAT_HTTP_CHUNK_DATA : WEIR_LAT_HTTP_TRAILERS;
    return NULL;
}

static const char *end_chunk(weir_lat_http *http, struct text line)
{
    if (line.size > 0)
        return "a chunk is longer than its size";
    http->state = WEIR_LAT_HTTP_CHUNK_SIZE;
    return NULL;
}

static const char *read_trailer(weir_lat_http *http, struct text line)
{
    if (line.size == 0)
        http->state = WEIR_LAT_HTTP_DONE;
    return NULL;
}

static const char *read_line(weir_lat_http *http, struct text line)
{
    switch (http->state) {
    case WEIR_LAT_HTTP_STATUS_LINE:
        return read_status_line(http, line);
    case WEIR_LAT_HTTP_HEADERS:
        return line.size > 0 ? read_header(http, line) : end_headers(http);
    case WEIR_LAT_HTTP_CHUNK_SIZE:
        return read_chunk_size(http, line);
    case WEIR_LAT_HTTP_CHUNK_END:
        return end_chunk(http, line);
    case WEIR_LAT_HTTP_TRAILERS:
        return read_trailer(http, line);
    case WEIR_LAT_HTTP_BODY:
    case WEIR_LAT_HTTP_CHUNK_DATA:
    case WEIR_LAT_HTTP_DONE:
    case WEIR_LAT_HTTP_FAILED:
        break;
    }
    WEIR_UNREACHABLE("only the states above read lines");
}

/* The line is complete, and ends in a newline. */
static const char *end_line(weir_lat_http *http, size_t line_size)
{
    http->line_size = 0;
    if (line_size < 2 || http->line[line_size - 2] != '\r')
        return "a line does not end in CR LF";
    if (http->header_bytes > WEIR_LAT_HTTP_HEADERS_MAX)
        return "the headers are too long";
    return read_line(http, (struct text){http->line, line_size - 2});
}

/* Keep bytes up to the end of the line; once it is there, read it. */
static const char *take_line(weir_lat_http *http, const char *data, size_t size, bool is_complete)
{
    if (size > WEIR_LAT_HTTP_LINE_MAX - http->line_size)
        return "a line is too long";
    memcpy(http->line + http->line_size, data, size);
    http->line_size += size;
    http->header_bytes += size;
    return is_complete ? end_line(http, http->line_size) : NULL;
}

static size_t feed_line(weir_lat_http *http, const char *data, size_t size)
{
    const char *newline = memchr(data, '\n', size);
    size_t taken = newline ? (size_t)(newline - data) + 1 : size;

    http->error = take_line(http, data, taken, newline != NULL);
    if (http->error)
        http->state = WEIR_LAT_HTTP_FAILED;
    return taken;
}

static size_t feed_body(weir_lat_http *http, size_t size)
{
    size_t taken = size < http->left ? size : (size_t)http->left;

    http->left -= taken;
    http->body_bytes += taken;
    if (http->left == 0)
        http->state = http->is_chunked ? WEIR_LAT_HTTP_CHUNK_END : WEIR_LAT_HTTP_DONE;
    return taken;
}

static bool is_over(const weir_lat_http *http)
{
    return http->state == WEIR_LAT_HTTP_DONE || http->state == WEIR_LAT_HTTP_FAILED;
}

static bool is_in_body(const weir_lat_http *http)
{
    return http->state == WEIR_LAT_HTTP_BODY || http->state == WEIR_LAT_HTTP_CHUNK_DATA;
}

void weir_lat_http_init(weir_lat_http *http)
{
    /* The line is filled before it is read; clearing 8 KiB for each answer would be measured. */
    memset(http, 0, offsetof(weir_lat_http, line));
}

size_t weir_lat_http_feed(weir_lat_http *http, const char *data, size_t size)
{
    size_t taken = 0;

    WEIR_ASSERT(http->state != WEIR_LAT_HTTP_FAILED, "nothing is fed after an error");

    while (taken < size && !is_over(http)) {
        if (is_in_body(http))
            taken += feed_body(http, size - taken);
        else
            taken += feed_line(http, data + taken, size - taken);
    }
    return taken;
}

size_t weir_lat_http_request(char *data, size_t size, const char *host)
{
    int length = snprintf(data, size, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);

    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}
