/* SPDX-License-Identifier: MIT */
#ifndef TEST_NATIVE_STARTERS_H
#define TEST_NATIVE_STARTERS_H

/*
 * Before every source of this folder's tests: the contract tests of TCP, word for word, on the
 * starters of <weir/uring/tcp.h>. What a test starts on a socket of a loop on io_uring is started
 * natively, all else as it stands there. Each contract test becomes two, with plain and with direct
 * descriptors.
 */
#include <string.h>

#include <weir/uring/tcp.h>
#include <weir/weir.h>

#include "test.h"

static inline bool native_is(const char *name, const weir_tcp_socket *socket)
{
    return strcmp(name, "tcp") == 0 && (!socket->handle.loop || weir_uring_is(socket->handle.loop));
}

static inline weir_task *native_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_tcp_socket *socket = WEIR_CONTAINER_OF(in, weir_tcp_socket, stream.in);

    if (native_is(in->ops->name, socket))
        return weir_uring_read_some(task, socket, buffer);
    return weir_read_some(task, in, buffer);
}

static inline weir_task *native_read(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_tcp_socket *socket = WEIR_CONTAINER_OF(in, weir_tcp_socket, stream.in);

    if (native_is(in->ops->name, socket))
        return weir_uring_read(task, socket, buffer);
    return weir_read(task, in, buffer);
}

static inline weir_task *native_write_some(weir_task *task, weir_write_stream *out,
                                           weir_const_buffer buffer)
{
    weir_tcp_socket *socket = WEIR_CONTAINER_OF(out, weir_tcp_socket, stream.out);

    if (native_is(out->ops->name, socket))
        return weir_uring_write_some(task, socket, buffer);
    return weir_write_some(task, out, buffer);
}

static inline weir_task *native_write(weir_task *task, weir_write_stream *out,
                                      weir_const_buffer buffer)
{
    weir_tcp_socket *socket = WEIR_CONTAINER_OF(out, weir_tcp_socket, stream.out);

    if (native_is(out->ops->name, socket))
        return weir_uring_write(task, socket, buffer);
    return weir_write(task, out, buffer);
}

static inline weir_task *native_pull(weir_task *task, weir_buffer_source *in,
                                     weir_const_buffer *ret_buffers, size_t max)
{
    weir_tcp_source *source = WEIR_CONTAINER_OF(in, weir_tcp_source, source);

    if (native_is(in->ops->name, weir_tcp_source_socket(source)))
        return weir_uring_pull(task, source, ret_buffers, max);
    return weir_buffer_source_pull(task, in, ret_buffers, max);
}

static inline void test_on_native(const char *name, test_on_fn *body)
{
    (void)name;
    test_on_kernel("uring", body);
}

static inline void test_on_native_direct(const char *name, test_on_fn *body)
{
    (void)name;
    test_on_direct("uring", body);
}

#define weir_read_some          native_read_some
#define weir_read               native_read
#define weir_write_some         native_write_some
#define weir_write              native_write
#define weir_buffer_source_pull native_pull

#undef WEIR_KERNEL_TEST
#undef WEIR_SOCKET_TEST
#undef WEIR_CONTRACT_TEST
#undef WEIR_CONTRACT_TEST_BUT_SIM
#undef WEIR_CONTRACT_TEST_BUT_DIRECT
#define WEIR_KERNEL_TEST(suite, name)                                        \
    static void suite##_##name##_on(const char *backend);                    \
    TEST_DEFINE_ON(test_on_native, suite, name, native, suite##_##name##_on) \
    static void suite##_##name##_on(const char *backend)
#define WEIR_SOCKET_TEST(suite, name)                                                      \
    static void suite##_##name##_on(const char *backend);                                  \
    TEST_DEFINE_ON(test_on_native_direct, suite, name, native_direct, suite##_##name##_on) \
    WEIR_KERNEL_TEST(suite, name)
#define WEIR_CONTRACT_TEST                                 WEIR_SOCKET_TEST
#define WEIR_CONTRACT_TEST_BUT_SIM(suite, name, reason)    WEIR_SOCKET_TEST(suite, name)
#define WEIR_CONTRACT_TEST_BUT_DIRECT(suite, name, reason) WEIR_KERNEL_TEST(suite, name)

#endif
