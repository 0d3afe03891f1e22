/* SPDX-License-Identifier: MIT */
/* Sockets: what is done to them outside the completion of operations. */
#define _GNU_SOURCE

#include "sys.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/option.h>

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof(((weir_sys_address *)0)->words), "fits");
_Static_assert(sizeof(weir_buffer) == sizeof(struct iovec), "a sequence is an iovec array");
_Static_assert(sizeof(weir_const_buffer) == sizeof(struct iovec), "likewise");
_Static_assert(offsetof(weir_buffer, data) == offsetof(struct iovec, iov_base), "same layout");
_Static_assert(offsetof(weir_buffer, size) == offsetof(struct iovec, iov_len), "same layout");
_Static_assert(offsetof(weir_const_buffer, data) == offsetof(struct iovec, iov_base), "same");
_Static_assert(offsetof(weir_const_buffer, size) == offsetof(struct iovec, iov_len), "same");

void weir_sys_address_of(const weir_endpoint *endpoint, weir_sys_address *ret_address)
{
    memset(ret_address, 0, sizeof *ret_address);
    if (endpoint->family == WEIR_IPV4) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};

        memcpy(&v4.sin_addr, endpoint->address.ipv4.bytes, sizeof v4.sin_addr);
        memcpy(ret_address->words, &v4, sizeof v4);
        ret_address->length = sizeof v4;
    } else {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};

        memcpy(&v6.sin6_addr, endpoint->address.ipv6.bytes, sizeof v6.sin6_addr);
        v6.sin6_scope_id = endpoint->address.ipv6.scope;
        memcpy(ret_address->words, &v6, sizeof v6);
        ret_address->length = sizeof v6;
    }
}

/* What a backend knows by numbers of its own lies above those of the system. */
static int number_of(intptr_t descriptor)
{
    WEIR_ASSERT(descriptor >= 0 && descriptor < WEIR_SYS_DESCRIPTOR_END,
                "the system is asked about descriptors of its own");
    return (int)descriptor;
}

static int address_to_endpoint(const weir_sys_address *address, weir_endpoint *ret_endpoint)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;
    sa_family_t family;

    memcpy(&family, address->words, sizeof family);
    if (family == AF_INET) {
        weir_ipv4 host;

        memcpy(&v4, address->words, sizeof v4);
        memcpy(host.bytes, &v4.sin_addr, sizeof host.bytes);
        *ret_endpoint = weir_endpoint_make_ipv4(host, ntohs(v4.sin_port));
        return 0;
    }
    if (family == AF_INET6) {
        weir_ipv6 host;

        memcpy(&v6, address->words, sizeof v6);
        memcpy(host.bytes, &v6.sin6_addr, sizeof host.bytes);
        host.scope = v6.sin6_scope_id;
        *ret_endpoint = weir_endpoint_make_ipv6(host, ntohs(v6.sin6_port));
        return 0;
    }
    return -EAFNOSUPPORT;
}

static int open_socket(const weir_endpoint *endpoint, intptr_t *ret_descriptor)
{
    int domain;
    int descriptor;

    if (endpoint->family != WEIR_IPV4 && endpoint->family != WEIR_IPV6)
        return -EAFNOSUPPORT;
    domain = endpoint->family == WEIR_IPV4 ? AF_INET : AF_INET6;
    descriptor = socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (descriptor < 0)
        return -errno;
    *ret_descriptor = descriptor;
    return 0;
}

static int set_int(intptr_t descriptor, int level, int name, int value)
{
    return setsockopt(number_of(descriptor), level, name, &value, sizeof value) < 0 ? -errno : 0;
}

static int get_int(intptr_t descriptor, int level, int name, int *ret_value)
{
    socklen_t length = sizeof *ret_value;

    return getsockopt(number_of(descriptor), level, name, ret_value, &length) < 0 ? -errno : 0;
}

static int listen_set_up(intptr_t descriptor, const weir_endpoint *local,
                         const weir_tcp_listen_options *options)
{
    weir_sys_address address;
    int error = 0;

    if (!options->no_reuse_address)
        error = set_int(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!error && options->reuse_port)
        error = set_int(descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
    if (!error && local->family == WEIR_IPV6)
        error = set_int(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, options->v6_only);
    /* Accepted sockets inherit it, which saves a call per connection. */
    if (!error && !options->delay)
        error = set_int(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    if (!error && options->user_timeout_ms)
        error = set_int(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, options->user_timeout_ms);
    if (error)
        return error;

    weir_sys_address_of(local, &address);
    if (bind((int)descriptor, (const struct sockaddr *)address.words, address.length) < 0)
        return -errno;
    if (listen((int)descriptor, options->backlog > 0 ? options->backlog : 4096) < 0)
        return -errno;
    return 0;
}

static int listen_on(const weir_endpoint *local, const weir_tcp_listen_options *options,
                     intptr_t *ret_descriptor)
{
    intptr_t descriptor = -1;
    int error = open_socket(local, &descriptor);

    if (error)
        return error;
    error = listen_set_up(descriptor, local, options);
    if (error) {
        weir_sys_close(descriptor);
        return error;
    }
    *ret_descriptor = descriptor;
    return 0;
}

static int shut_down(struct weir_backend *backend, intptr_t descriptor, int direction)
{
    static const int how[] = {
        [WEIR_TCP_READS] = SHUT_RD, [WEIR_TCP_WRITES] = SHUT_WR, [WEIR_TCP_BOTH] = SHUT_RDWR};

    (void)backend;
    return shutdown(number_of(descriptor), how[direction]) < 0 ? -errno : 0;
}

static void reset(struct weir_backend *backend, intptr_t descriptor)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    (void)backend;
    /* Fails on what is not connected any more, and then there is nothing to break off. */
    (void)connect(number_of(descriptor), &nobody, sizeof nobody);
}

static int local_of(struct weir_backend *backend, intptr_t descriptor, weir_endpoint *ret_endpoint)
{
    weir_sys_address address;
    socklen_t length = sizeof address.words;

    (void)backend;
    if (getsockname(number_of(descriptor), (struct sockaddr *)address.words, &length) < 0)
        return -errno;
    return address_to_endpoint(&address, ret_endpoint);
}

static int peer_of(struct weir_backend *backend, intptr_t descriptor, weir_endpoint *ret_endpoint)
{
    weir_sys_address address;
    socklen_t length = sizeof address.words;

    (void)backend;
    if (getpeername(number_of(descriptor), (struct sockaddr *)address.words, &length) < 0)
        return -errno;
    return address_to_endpoint(&address, ret_endpoint);
}

static int set_linger(intptr_t descriptor, int seconds)
{
    struct linger linger = {.l_onoff = seconds >= 0, .l_linger = seconds >= 0 ? seconds : 0};

    if (setsockopt(number_of(descriptor), SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0)
        return -errno;
    return 0;
}

static int get_linger(intptr_t descriptor, int *ret_value)
{
    struct linger linger;
    socklen_t length = sizeof linger;

    if (getsockopt(number_of(descriptor), SOL_SOCKET, SO_LINGER, &linger, &length) < 0)
        return -errno;
    *ret_value = linger.l_onoff ? linger.l_linger : -1;
    return 0;
}

/* The level and name of the options that are one int. */
static const struct {
    int level;
    int name;
} int_options[] = {
    [WEIR_TCP_NO_DELAY] = {IPPROTO_TCP, TCP_NODELAY},
    [WEIR_TCP_KEEP_ALIVE] = {SOL_SOCKET, SO_KEEPALIVE},
    [WEIR_TCP_SEND_BUFFER_BYTES] = {SOL_SOCKET, SO_SNDBUF},
    [WEIR_TCP_RECEIVE_BUFFER_BYTES] = {SOL_SOCKET, SO_RCVBUF},
    [WEIR_TCP_USER_TIMEOUT_MS] = {IPPROTO_TCP, TCP_USER_TIMEOUT},
};

static int option_set(struct weir_backend *backend, intptr_t descriptor, int option, int value)
{
    (void)backend;
    if (option == WEIR_TCP_LINGER_SECONDS)
        return set_linger(descriptor, value);
    if (value < 0)
        return -EINVAL;
    return set_int(descriptor, int_options[option].level, int_options[option].name, value);
}

static int option_get(struct weir_backend *backend, intptr_t descriptor, int option, int *ret_value)
{
    (void)backend;
    if (option == WEIR_TCP_LINGER_SECONDS)
        return get_linger(descriptor, ret_value);
    return get_int(descriptor, int_options[option].level, int_options[option].name, ret_value);
}

void weir_sys_close(intptr_t descriptor)
{
    /* Linux releases the descriptor whatever close reports, so there is nothing to retry. */
    (void)close(number_of(descriptor));
}

static void close_one(struct weir_backend *backend, intptr_t descriptor)
{
    (void)backend;
    weir_sys_close(descriptor);
}

const struct weir_sys_sockets weir_sys_sockets = {
    .open = open_socket,
    .listen = listen_on,
    .shutdown = shut_down,
    .reset = reset,
    .local = local_of,
    .peer = peer_of,
    .option_set = option_set,
    .option_get = option_get,
    .close = close_one,
};

/* What accept(2) hands on of a connection that is gone with its error; and interruptions. */
bool weir_sys_is_lost_connection(int error)
{
    switch (-error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
        return true;
    default:
        return false;
    }
}

/* What Linux keeps for the next call on a socket whose connection has failed (sk_err): a reset, a
 * timeout, or what ICMP said of the way when that came (icmp_err_convert, icmpv6_err_convert). Not
 * EPIPE: it is of one direction, and may be of our own shutdown. */
bool weir_sys_ends_connection(int error)
{
    switch (-error) {
    case EACCES:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPROTO:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}
