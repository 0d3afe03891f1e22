/* SPDX-License-Identifier: MIT */

/*
 * Connections that were accepted and cannot be taken over, because the kernel lacks the memory to
 * watch them. On epoll only: io_uring watches nothing beforehand.
 */
#include <errno.h>

#include "fixture.h"
#include "fuse.h"

/* The accept stays armed, and no further connection comes: nothing but the retry can serve. */
WEIR_TEST(fault_epoll, a_connection_that_could_not_be_taken_over_is_handed_out_after_the_delay)
{
    weir_tcp_socket socket;
    struct fixture f;
    struct op op;
    char byte = 0;
    int peer;

    test_require_backend("epoll");
    fixture_init(&f, "epoll");
    weir_tcp_socket_init(&socket);
    op_accept(&f, &op, &f.acceptor, &socket);
    fixture_turn(&f);
    fuse_light(FUSE_EPOLL_CTL, ENOMEM, 1, 1);
    peer = raw_connect(&f.endpoint);

    CHECK_EQ(op_wait(&f, &op).error, 0);
    CHECK_EQ(fuse_put_out(), 1);
    CHECK_EQ(weir_loop_statistics_get(f.loop).accepts_backed_off, 1);
    raw_send(peer, "!", 1);
    op_read(&f, &op, &socket, &byte, 1);
    CHECK_EQ(op_wait(&f, &op).count, 1);
    CHECK_EQ(byte, '!');
    fixture_close(&f, &socket);
    raw_close(peer);
    fixture_fini(&f);
}
