/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ENDPOINT_H
#define WEIR_ENDPOINT_H

/*
 * Internet addresses and endpoints, as values and as text.
 *
 * An address is its bytes in network order, an endpoint an address of either family and a port in
 * host order. They are plain values: copy them, compare them with the _equals functions (never with
 * memcmp: they have padding), keep them as long as you like. Nothing here asks a resolver or the
 * system; text is numeric and ASCII, and there is one way to write a value.
 *
 * Parsing takes a whole NUL-terminated text: no blanks around it, nothing behind it. It returns 0,
 * or WEIR_BAD_ADDRESS with the output untouched. Formatting writes a terminated text, always fits a
 * buffer of the _TEXT_MAX size, and what it writes parses back to an equal value.
 *
 * Any thread may call anything here. Source: core/base/endpoint.c. Tests:
 * tests/unit/test_endpoint.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/export.h>

WEIR_C_BEGIN

/** Sizes that hold every text of each kind, with its NUL. */
enum {
    WEIR_IPV4_TEXT_MAX = 16,     /* 255.255.255.255 */
    WEIR_IPV6_TEXT_MAX = 51,     /* 39 characters of address, %4294967295 */
    WEIR_ENDPOINT_TEXT_MAX = 59, /* An IPv6 text in brackets, :65535 */
};

typedef struct weir_ipv4 {
    uint8_t bytes[4]; /* Network order: 127.0.0.1 is {127, 0, 0, 1}. */
} weir_ipv4;

typedef struct weir_ipv6 {
    uint8_t bytes[16]; /* Network order. */
    uint32_t scope;    /* The zone of a scoped address, an interface index; 0: the default. */
} weir_ipv6;

/** No family is 0, so that a zeroed endpoint is none and is caught where it is used. */
typedef enum weir_family {
    WEIR_IPV4 = 4,
    WEIR_IPV6 = 6,
} weir_family;

typedef struct weir_endpoint {
    weir_family family; /* Says which address is there. */
    uint16_t port;      /* Host order; 0 asks the system for one where that has a meaning. */
    union {
        weir_ipv4 ipv4;
        weir_ipv6 ipv6;
    } address;
} weir_endpoint;

/* IPv4 addresses. */

/** The address a.b.c.d. */
static inline weir_ipv4 weir_ipv4_make(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    weir_ipv4 address;

    address.bytes[0] = a;
    address.bytes[1] = b;
    address.bytes[2] = c;
    address.bytes[3] = d;
    return address;
}

/** 0.0.0.0: every address of this host. */
static inline weir_ipv4 weir_ipv4_any(void)
{
    return weir_ipv4_make(0, 0, 0, 0);
}

/** 127.0.0.1. */
static inline weir_ipv4 weir_ipv4_loopback(void)
{
    return weir_ipv4_make(127, 0, 0, 1);
}

static inline bool weir_ipv4_equals(weir_ipv4 a, weir_ipv4 b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

static inline bool weir_ipv4_is_any(weir_ipv4 address)
{
    return weir_ipv4_equals(address, weir_ipv4_any());
}

/** Whether the address is in 127.0.0.0/8. */
static inline bool weir_ipv4_is_loopback(weir_ipv4 address)
{
    return address.bytes[0] == 127;
}

/** Whether the address is in 224.0.0.0/4. */
static inline bool weir_ipv4_is_multicast(weir_ipv4 address)
{
    return (address.bytes[0] & 0xf0) == 0xe0;
}

/**
 * Read a dotted quad.
 *
 * The strict form of RFC 6943 3.1.1: four decimal numbers from 0 to 255 without leading zeros. The
 * octal, hexadecimal and short forms that inet_aton reads are errors.
 */
WEIR_PUBLIC WEIR_MUST_USE int weir_ipv4_parse(const char *text, weir_ipv4 *ret_address);

/** Write a dotted quad; returns its length without the NUL. */
WEIR_PUBLIC size_t weir_ipv4_format(weir_ipv4 address, char ret_text[WEIR_IPV4_TEXT_MAX]);

/* IPv6 addresses. */

/** The address of these bytes in network order; a scope of 0 is the default zone. */
static inline weir_ipv6 weir_ipv6_make(const uint8_t bytes[16], uint32_t scope)
{
    weir_ipv6 address;

    memcpy(address.bytes, bytes, sizeof(address.bytes));
    address.scope = scope;
    return address;
}

/** ::, every address of this host. */
static inline weir_ipv6 weir_ipv6_any(void)
{
    weir_ipv6 address;

    memset(&address, 0, sizeof(address));
    return address;
}

/** ::1. */
static inline weir_ipv6 weir_ipv6_loopback(void)
{
    weir_ipv6 address = weir_ipv6_any();

    address.bytes[15] = 1;
    return address;
}

/** Whether address and scope are the same. */
static inline bool weir_ipv6_equals(weir_ipv6 a, weir_ipv6 b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0 && a.scope == b.scope;
}

/** Whether the address is ::, in any scope. */
static inline bool weir_ipv6_is_any(weir_ipv6 address)
{
    return memcmp(address.bytes, weir_ipv6_any().bytes, sizeof(address.bytes)) == 0;
}

/** Whether the address is ::1, in any scope. A mapped 127.0.0.1 is not. */
static inline bool weir_ipv6_is_loopback(weir_ipv6 address)
{
    return memcmp(address.bytes, weir_ipv6_loopback().bytes, sizeof(address.bytes)) == 0;
}

/** Whether the address is in ff00::/8. */
static inline bool weir_ipv6_is_multicast(weir_ipv6 address)
{
    return address.bytes[0] == 0xff;
}

/** Whether the address is in ::ffff:0:0/96, which stands for an IPv4 address in its last bytes. */
static inline bool weir_ipv6_is_v4_mapped(weir_ipv6 address)
{
    return memcmp(address.bytes, weir_ipv6_any().bytes, 10) == 0 && address.bytes[10] == 0xff &&
           address.bytes[11] == 0xff;
}

/**
 * Read an IPv6 address.
 *
 * Every form of RFC 4291 2.2 in either case, with "::" for one group of zeros or more and a strict
 * dotted quad for the last two groups; then, if the address has a scope, "%" and its number in
 * decimal without leading zeros. Names of interfaces are errors: only the system knows them.
 */
WEIR_PUBLIC WEIR_MUST_USE int weir_ipv6_parse(const char *text, weir_ipv6 *ret_address);

/**
 * Write an IPv6 address in the canonical form of RFC 5952; returns its length without the NUL.
 *
 * Lower case, no leading zeros, the longest run of two or more zero groups as "::" and the first of
 * equal ones; a mapped address ends in a dotted quad. A scope other than 0 follows behind "%".
 */
WEIR_PUBLIC size_t weir_ipv6_format(weir_ipv6 address, char ret_text[WEIR_IPV6_TEXT_MAX]);

/* Endpoints. */

/** An IPv4 endpoint; the port in host order. */
static inline weir_endpoint weir_endpoint_make_ipv4(weir_ipv4 address, uint16_t port)
{
    weir_endpoint endpoint;

    memset(&endpoint, 0, sizeof(endpoint));
    endpoint.family = WEIR_IPV4;
    endpoint.port = port;
    endpoint.address.ipv4 = address;
    return endpoint;
}

/** An IPv6 endpoint; the port in host order. */
static inline weir_endpoint weir_endpoint_make_ipv6(weir_ipv6 address, uint16_t port)
{
    weir_endpoint endpoint;

    memset(&endpoint, 0, sizeof(endpoint));
    endpoint.family = WEIR_IPV6;
    endpoint.port = port;
    endpoint.address.ipv6 = address;
    return endpoint;
}

/** Whether family, address, scope and port are the same. A mapped address is not its IPv4 one. */
WEIR_PUBLIC bool weir_endpoint_equals(const weir_endpoint *a, const weir_endpoint *b);

/**
 * Read an endpoint: "192.0.2.1:80", "[2001:db8::1]:80", "[fe80::1%3]:80".
 *
 * The addresses are those of weir_ipv4_parse and weir_ipv6_parse, and only an IPv6 address stands
 * in brackets. The port is required: 0 to 65535 in decimal, without leading zeros.
 */
WEIR_PUBLIC WEIR_MUST_USE int weir_endpoint_parse(const char *text, weir_endpoint *ret_endpoint);

/** Write an endpoint as weir_endpoint_parse reads it; returns the length without the NUL. */
WEIR_PUBLIC size_t weir_endpoint_format(const weir_endpoint *endpoint,
                                        char ret_text[WEIR_ENDPOINT_TEXT_MAX]);

WEIR_C_END

#endif
