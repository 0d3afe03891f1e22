/* SPDX-License-Identifier: MIT */
/*
 * Internet addresses and endpoints as text.
 *
 * The readers are a recursive descent over a terminated text. Each take_ function reads one piece
 * at the cursor: true, the cursor behind the piece and the output set, or false, the output
 * untouched. take_ipv4 and the pieces it is made of then leave the cursor where it was, because
 * what is no dotted quad may be something else. None looks beyond the NUL. The writers append at a
 * pointer and return the new end. Nothing is shared, so any thread may call.
 */
#include <weir/endpoint.h>

#include <weir/assert.h>
#include <weir/error.h>

enum {
    GROUP_SIZE = 2, /* Bytes of a group of an IPv6 address. */
    GROUPS = 8,
    IPV6_SIZE = GROUP_SIZE * GROUPS,
    NO_GAP = -1,
};

/* What stands before and behind the "::" of an address, as one row of bytes. */
typedef struct ipv6_parts {
    uint8_t bytes[IPV6_SIZE];
    int length; /* Bytes used. */
    int gap;    /* Where "::" stood among them, or NO_GAP. */
} ipv6_parts;

/* A run of zero groups. */
typedef struct zero_run {
    int first;
    int length;
} zero_run;

/* Reading. */

static bool take_char(const char **cursor, char expected)
{
    if (**cursor != expected)
        return false;
    (*cursor)++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A decimal number up to a maximum, without leading zeros. */
static bool take_decimal(const char **cursor, uint32_t max, uint32_t *ret_value)
{
    const char *at = *cursor;
    uint64_t value = 0;

    if (!is_digit(at[0]) || (at[0] == '0' && is_digit(at[1])))
        return false;
    for (; is_digit(*at); at++) {
        value = value * 10 + (uint64_t)(*at - '0');
        if (value > max)
            return false;
    }
    *ret_value = (uint32_t)value;
    *cursor = at;
    return true;
}

static bool take_ipv4(const char **cursor, uint8_t ret_bytes[4])
{
    const char *at = *cursor;
    uint8_t bytes[4];

    for (int i = 0; i < 4; i++) {
        uint32_t value;

        if (i > 0 && !take_char(&at, '.'))
            return false;
        if (!take_decimal(&at, UINT8_MAX, &value))
            return false;
        bytes[i] = (uint8_t)value;
    }
    memcpy(ret_bytes, bytes, sizeof(bytes));
    *cursor = at;
    return true;
}

/* The value of a hexadecimal digit, or -1. */
static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One to four hexadecimal digits. */
static bool take_group(const char **cursor, uint8_t ret_bytes[GROUP_SIZE])
{
    const char *at = *cursor;
    unsigned value = 0;

    while (at - *cursor < 4 && hex_value(*at) >= 0)
        value = value * 16 + (unsigned)hex_value(*at++);
    if (at == *cursor)
        return false;
    ret_bytes[0] = (uint8_t)(value >> 8);
    ret_bytes[1] = (uint8_t)(value & 0xff);
    *cursor = at;
    return true;
}

/* Groups between colons, with at most one "::" and perhaps a dotted quad at the end. */
static bool take_ipv6_parts(const char **cursor, ipv6_parts *parts)
{
    while (parts->length < IPV6_SIZE) {
        if ((*cursor)[0] == ':' && (*cursor)[1] == ':') {
            if (parts->gap != NO_GAP)
                return false;
            parts->gap = parts->length;
            *cursor += 2;
            if (hex_value(**cursor) < 0)
                return true;
        } else if (parts->length > 0 && !take_char(cursor, ':')) {
            return true;
        }
        if (parts->length <= IPV6_SIZE - 4 && take_ipv4(cursor, &parts->bytes[parts->length])) {
            parts->length += 4;
            return true;
        }
        if (!take_group(cursor, &parts->bytes[parts->length]))
            return false;
        parts->length += GROUP_SIZE;
    }
    return true;
}

/* Put the zeros of the gap where they belong. False unless the parts make one whole address. */
static bool ipv6_parts_join(const ipv6_parts *parts, weir_ipv6 *ret_address)
{
    size_t head = (size_t)parts->gap;
    size_t tail = (size_t)(parts->length - parts->gap);

    if (parts->gap == NO_GAP) {
        if (parts->length != IPV6_SIZE)
            return false;
        *ret_address = weir_ipv6_make(parts->bytes, 0);
        return true;
    }
    if (parts->length > IPV6_SIZE - GROUP_SIZE)
        return false;
    *ret_address = weir_ipv6_any();
    memcpy(ret_address->bytes, parts->bytes, head);
    memcpy(ret_address->bytes + IPV6_SIZE - tail, parts->bytes + head, tail);
    return true;
}

static bool take_ipv6(const char **cursor, weir_ipv6 *ret_address)
{
    const char *at = *cursor;
    ipv6_parts parts = {.gap = NO_GAP};
    weir_ipv6 address;

    if (!take_ipv6_parts(&at, &parts) || !ipv6_parts_join(&parts, &address))
        return false;
    if (take_char(&at, '%') && !take_decimal(&at, UINT32_MAX, &address.scope))
        return false;
    *ret_address = address;
    *cursor = at;
    return true;
}

static bool take_endpoint_address(const char **cursor, weir_endpoint *ret_endpoint)
{
    weir_ipv4 ipv4;
    weir_ipv6 ipv6;

    if (take_ipv4(cursor, ipv4.bytes)) {
        *ret_endpoint = weir_endpoint_make_ipv4(ipv4, 0);
        return true;
    }
    if (take_char(cursor, '[') && take_ipv6(cursor, &ipv6) && take_char(cursor, ']')) {
        *ret_endpoint = weir_endpoint_make_ipv6(ipv6, 0);
        return true;
    }
    return false;
}

int weir_ipv4_parse(const char *text, weir_ipv4 *ret_address)
{
    weir_ipv4 address;

    if (!take_ipv4(&text, address.bytes) || *text != '\0')
        return WEIR_BAD_ADDRESS;
    *ret_address = address;
    return 0;
}

int weir_ipv6_parse(const char *text, weir_ipv6 *ret_address)
{
    weir_ipv6 address;

    if (!take_ipv6(&text, &address) || *text != '\0')
        return WEIR_BAD_ADDRESS;
    *ret_address = address;
    return 0;
}

int weir_endpoint_parse(const char *text, weir_endpoint *ret_endpoint)
{
    weir_endpoint endpoint;
    uint32_t port;

    if (!take_endpoint_address(&text, &endpoint) || !take_char(&text, ':'))
        return WEIR_BAD_ADDRESS;
    if (!take_decimal(&text, UINT16_MAX, &port) || *text != '\0')
        return WEIR_BAD_ADDRESS;
    endpoint.port = (uint16_t)port;
    *ret_endpoint = endpoint;
    return 0;
}

/* Writing. */

static char *put_char(char *at, char c)
{
    *at = c;
    return at + 1;
}

/* A number in base 10 or 16, without leading zeros. */
static char *put_number(char *at, uint32_t value, uint32_t base)
{
    if (value >= base)
        at = put_number(at, value / base, base);
    return put_char(at, "0123456789abcdef"[value % base]);
}

/* End the text; returns its length. */
static size_t put_end(const char *text, char *at)
{
    *at = '\0';
    return (size_t)(at - text);
}

static char *put_ipv4(char *at, const uint8_t bytes[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            at = put_char(at, '.');
        at = put_number(at, bytes[i], 10);
    }
    return at;
}

static uint32_t group_of(weir_ipv6 address, int group)
{
    const uint8_t *bytes = &address.bytes[GROUP_SIZE * group];

    return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* The first of the longest runs of zero groups; one group alone is none. */
static zero_run longest_zero_run(weir_ipv6 address, int groups)
{
    zero_run longest = {groups, 1};
    zero_run run = {0, 0};

    for (int group = 0; group < groups; group++) {
        if (group_of(address, group) != 0) {
            run = (zero_run){group + 1, 0};
            continue;
        }
        run.length++;
        if (run.length > longest.length)
            longest = run;
    }
    return longest;
}

/* The leading groups, with the longest run of zeros among them as "::". */
static char *put_groups(char *at, weir_ipv6 address, int groups)
{
    zero_run gap = longest_zero_run(address, groups);
    int group = 0;

    while (group < groups) {
        if (group == gap.first) {
            at = put_char(put_char(at, ':'), ':');
            group += gap.length;
            continue;
        }
        if (group > 0 && group != gap.first + gap.length)
            at = put_char(at, ':');
        at = put_number(at, group_of(address, group), 16);
        group++;
    }
    return at;
}

static char *put_ipv6(char *at, weir_ipv6 address)
{
    if (weir_ipv6_is_v4_mapped(address)) {
        at = put_char(put_groups(at, address, GROUPS - 2), ':');
        at = put_ipv4(at, &address.bytes[12]);
    } else {
        at = put_groups(at, address, GROUPS);
    }
    if (address.scope != 0)
        at = put_number(put_char(at, '%'), address.scope, 10);
    return at;
}

static char *put_endpoint_address(char *at, const weir_endpoint *endpoint)
{
    switch (endpoint->family) {
    case WEIR_IPV4:
        return put_ipv4(at, endpoint->address.ipv4.bytes);
    case WEIR_IPV6:
        return put_char(put_ipv6(put_char(at, '['), endpoint->address.ipv6), ']');
    }
    WEIR_UNREACHABLE("an endpoint has a family");
}

size_t weir_ipv4_format(weir_ipv4 address, char ret_text[WEIR_IPV4_TEXT_MAX])
{
    return put_end(ret_text, put_ipv4(ret_text, address.bytes));
}

size_t weir_ipv6_format(weir_ipv6 address, char ret_text[WEIR_IPV6_TEXT_MAX])
{
    return put_end(ret_text, put_ipv6(ret_text, address));
}

size_t weir_endpoint_format(const weir_endpoint *endpoint, char ret_text[WEIR_ENDPOINT_TEXT_MAX])
{
    char *at = put_char(put_endpoint_address(ret_text, endpoint), ':');

    return put_end(ret_text, put_number(at, endpoint->port, 10));
}

/* Values. */

bool weir_endpoint_equals(const weir_endpoint *a, const weir_endpoint *b)
{
    if (a->family != b->family || a->port != b->port)
        return false;
    switch (a->family) {
    case WEIR_IPV4:
        return weir_ipv4_equals(a->address.ipv4, b->address.ipv4);
    case WEIR_IPV6:
        return weir_ipv6_equals(a->address.ipv6, b->address.ipv6);
    }
    WEIR_UNREACHABLE("an endpoint has a family");
}
