/* SPDX-License-Identifier: MIT */

/*
 * Direct descriptors: what differs from descriptors of the process. All else about them is what
 * every contract test finds in its `_direct` variant.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crowd.h"
#include "fixture.h"
#include "fuse.h"
#include "seam.h"
#include "sys.h"

/* Newer than the headers this is built with. */
enum { OP_FIXED_FD_INSTALL = 54 };

static uint64_t taken(const struct fixture *f)
{
    return weir_loop_statistics_get(f->loop).direct_taken;
}

static uint64_t backed_off(const struct fixture *f)
{
    return weir_loop_statistics_get(f->loop).accepts_backed_off;
}

/* A loop with a table of this size, or skip the test. */
static void init_direct(struct fixture *f, unsigned size, unsigned queue_depth)
{
    weir_loop_options options = {
        .backend = "uring", .direct_descriptors = size, .queue_depth = queue_depth};

    test_require_backend("uring");
    fixture_init_with(f, &options);
    CHECK_EQ(weir_loop_statistics_get(f->loop).direct_descriptors, size);
}

/* One byte from one socket to the other. */
static void pass(struct fixture *f, weir_tcp_socket *from, weir_tcp_socket *to)
{
    struct op read_op, write_op;
    char byte = 0;

    op_read(f, &read_op, to, &byte, 1);
    op_write(f, &write_op, from, "!", 1);
    CHECK_EQ(op_wait(f, &write_op).count, 1);
    CHECK_EQ(op_wait(f, &read_op).count, 1);
    CHECK_EQ(byte, '!');
}

static void greet(struct fixture *f, weir_tcp_socket *socket, int peer)
{
    struct op op;
    char byte;

    op_write(f, &op, socket, "!", 1);
    CHECK_EQ(op_wait(f, &op).count, 1);
    CHECK_EQ(raw_receive(peer, &byte, 1), 1);
}

/* The table. */

WEIR_TEST(uring_direct, a_process_holds_more_connections_than_it_may_have_descriptors)
{
    enum { LIMIT = 64, LOOPS = 3, PAIRS = 30 };
    static weir_tcp_socket near[LOOPS][PAIRS], far[LOOPS][PAIRS];
    struct rlimit limit = {.rlim_cur = LIMIT};
    struct fixture f[LOOPS];

    _Static_assert(2 * LOOPS * PAIRS > 2 * LIMIT, "or the test shows nothing");
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = LIMIT;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < LOOPS; i++) {
        init_direct(&f[i], LIMIT, 0);
        for (int j = 0; j < PAIRS; j++)
            fixture_connect(&f[i], &near[i][j], &far[i][j]);
        CHECK_EQ(taken(&f[i]), 2 * PAIRS);
    }
    for (int i = LOOPS; i-- > 0;) {
        for (int j = 0; j < PAIRS; j++) {
            pass(&f[i], &near[i][j], &far[i][j]);
            pass(&f[i], &far[i][j], &near[i][j]);
            fixture_close(&f[i], &near[i][j]);
            fixture_close(&f[i], &far[i][j]);
        }
        CHECK_EQ(taken(&f[i]), 0);
        fixture_fini(&f[i]);
    }
}

WEIR_TEST(uring_direct, a_table_is_no_larger_than_the_limit_of_descriptors)
{
    weir_loop_options options = {.backend = "uring", .direct_descriptors = UINT_MAX};
    struct rlimit limit;
    struct fixture f;

    test_require_backend("uring");
    raw_limit_descriptors(50);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    fixture_init_with(&f, &options);
    CHECK_EQ(weir_loop_statistics_get(f.loop).direct_descriptors, limit.rlim_cur);
    raw_unlimit_descriptors();
    fixture_fini(&f);
}

WEIR_TEST(uring_direct, the_option_is_ignored_where_the_kernel_lacks_an_operation)
{
    weir_loop_options options = {.backend = "uring", .direct_descriptors = 8};
    weir_loop *loop;

    test_require_backend("uring");
    fuse_hide_operation(OP_FIXED_FD_INSTALL);
    CHECK_EQ(weir_loop_new(&options, &loop), 0);
    CHECK_EQ(weir_loop_statistics_get(loop).direct_descriptors, 0);
    weir_loop_free(loop);
}

WEIR_TEST(uring_direct, a_table_for_which_there_is_no_memory_is_an_error)
{
    weir_loop_options options = {.backend = "uring", .direct_descriptors = 8};
    weir_loop *loop;

    test_require_backend("uring");
    fuse_light(FUSE_RING_REGISTER_FILES, ENOMEM, 1, 1);
    CHECK_EQ(weir_loop_new(&options, &loop), -ENOMEM);
    CHECK_EQ(fuse_put_out(), 1);
    fuse_light(FUSE_RING_REGISTER_FILES, EINVAL, 1, 1);
    CHECK_EQ(weir_loop_new(&options, &loop), 0);
    CHECK_EQ(weir_loop_statistics_get(loop).direct_descriptors, 0);
    weir_loop_free(loop);
}

/* A full table. */

/* Those that find no place stand in the backlog, and none of them is dropped: each close of a
 * socket lets the next one in. */
static void serve_through(unsigned table, unsigned queue_depth, int count)
{
    enum { COUNT_MAX = 200 };
    static weir_tcp_socket sockets[COUNT_MAX];
    static struct op ops[COUNT_MAX];
    int peers[COUNT_MAX];
    struct fixture f;

    init_direct(&f, table, queue_depth);
    for (int i = 0; i < count; i++)
        peers[i] = raw_connect(&f.endpoint);
    for (int i = 0; i < count; i++) {
        weir_tcp_socket_init(&sockets[i]);
        op_accept(&f, &ops[i], &f.acceptor, &sockets[i]);
    }
    for (int i = 0; i < (int)table; i++)
        CHECK_EQ(op_wait(&f, &ops[i]).error, 0);
    fixture_turn(&f);
    CHECK(backed_off(&f) > 0);
    CHECK_EQ(taken(&f), table);
    CHECK(!ops[table].job.done);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(op_wait(&f, &ops[i]).error, 0);
        greet(&f, &sockets[i], peers[i]);
        fixture_close(&f, &sockets[i]);
        raw_close(peers[i]);
    }
    fixture_fini(&f);
}

WEIR_TEST(uring_direct, everybody_is_served_in_the_end_by_a_full_table)
{
    serve_through(4, 0, 50);
}

/* Its completion queue is so short that the acceptor begins with a multishot. */
WEIR_TEST(uring_direct, a_multishot_accepts_no_more_than_there_is_room_for)
{
    serve_through(100, 4, 200);
}

static void listen_too(struct fixture *f, weir_tcp_acceptor *acceptor, weir_endpoint *ret_endpoint)
{
    weir_endpoint any = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);

    CHECK_EQ(weir_tcp_listen(acceptor, f->loop, &any, NULL), 0);
    CHECK_EQ(weir_tcp_acceptor_local(acceptor, ret_endpoint), 0);
}

static void close_acceptor(struct fixture *f, weir_tcp_acceptor *acceptor)
{
    struct op op;

    op_close_acceptor(f, &op, acceptor);
    CHECK_EQ(op_wait(f, &op).error, 0);
}

/* It began with a multishot, when there was room for all that that could bring. */
WEIR_TEST(uring_direct,
          an_acceptor_that_nobody_called_drops_nobody_when_another_has_filled_the_table)
{
    enum { TABLE = 100, CALLS = 2 };
    static weir_tcp_socket others[TABLE - 1], sockets[CALLS];
    struct op ops[CALLS];
    int other_peers[TABLE - 1], peers[CALLS];
    weir_tcp_acceptor quiet;
    weir_endpoint endpoint;
    struct fixture f;

    init_direct(&f, TABLE, 4);
    listen_too(&f, &quiet, &endpoint);
    for (int i = 0; i < CALLS; i++) {
        weir_tcp_socket_init(&sockets[i]);
        op_accept(&f, &ops[i], &quiet, &sockets[i]);
    }
    fixture_turn(&f);
    CHECK_EQ(taken(&f), 0);
    for (int i = 0; i < TABLE - 1; i++)
        other_peers[i] = fixture_connect_raw(&f, &others[i]);
    for (int i = 0; i < CALLS; i++)
        peers[i] = raw_connect(&endpoint);
    fixture_turn(&f);
    for (int i = 0; i < TABLE - 1; i++) {
        fixture_close(&f, &others[i]);
        raw_close(other_peers[i]);
    }
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(op_wait(&f, &ops[i]).error, 0);
        greet(&f, &sockets[i], peers[i]);
        fixture_close(&f, &sockets[i]);
        raw_close(peers[i]);
    }
    close_acceptor(&f, &quiet);
    fixture_fini(&f);
}

/* Each of them may bring one connection more than the completion queue holds. */
WEIR_TEST(uring_direct, many_acceptors_that_are_called_at_once_drop_nobody)
{
    enum { TABLE = 90, ACCEPTORS = 100, QUEUE = 2 };
    static weir_tcp_acceptor acceptors[ACCEPTORS];
    static weir_tcp_socket sockets[ACCEPTORS];
    static struct op ops[ACCEPTORS];
    weir_endpoint endpoint;
    int peers[ACCEPTORS];
    struct fixture f;

    init_direct(&f, TABLE, QUEUE);
    for (int i = 0; i < ACCEPTORS; i++) {
        listen_too(&f, &acceptors[i], &endpoint);
        peers[i] = raw_connect(&endpoint);
    }
    for (int i = 0; i < ACCEPTORS; i++) {
        weir_tcp_socket_init(&sockets[i]);
        op_accept(&f, &ops[i], &acceptors[i], &sockets[i]);
    }
    fixture_turn(&f);
    for (int i = 0; i < ACCEPTORS; i++) {
        CHECK_EQ(op_wait(&f, &ops[i]).error, 0);
        greet(&f, &sockets[i], peers[i]);
        fixture_close(&f, &sockets[i]);
        raw_close(peers[i]);
    }
    for (int i = 0; i < ACCEPTORS; i++)
        close_acceptor(&f, &acceptors[i]);
    fixture_fini(&f);
}

WEIR_TEST(uring_direct, an_acceptor_without_a_place_waits_without_turning)
{
    weir_loop_statistics before;
    weir_tcp_socket first, second;
    struct op op, sleep_op;
    struct fixture f;
    int peers[2];

    init_direct(&f, 1, 0);
    peers[0] = fixture_connect_raw(&f, &first);
    peers[1] = raw_connect(&f.endpoint);
    weir_tcp_socket_init(&second);
    op_accept(&f, &op, &f.acceptor, &second);
    before = weir_loop_statistics_get(f.loop);
    op_sleep_until(&f, &sleep_op, weir_now_ns() + 100 * MILLISECOND_NS);
    CHECK_EQ(op_wait(&f, &sleep_op).error, 0);
    CHECK(weir_loop_statistics_get(f.loop).iterations - before.iterations < 1000);
    CHECK(!op.job.done);
    fixture_close(&f, &first);
    CHECK_EQ(op_wait(&f, &op).error, 0);
    fixture_close(&f, &second);
    raw_close(peers[0]);
    raw_close(peers[1]);
    fixture_fini(&f);
}

WEIR_TEST(uring_direct, close_of_an_acceptor_while_its_table_is_full)
{
    weir_tcp_socket first, second;
    struct op op, close_op;
    struct fixture f;
    int peers[2];
    char byte;

    init_direct(&f, 1, 0);
    peers[0] = fixture_connect_raw(&f, &first);
    peers[1] = raw_connect(&f.endpoint);
    weir_tcp_socket_init(&second);
    op_accept(&f, &op, &f.acceptor, &second);
    fixture_turn(&f);
    op_close_acceptor(&f, &close_op, &f.acceptor);
    CHECK_EQ(op_wait(&f, &close_op).error, 0);
    CHECK_EQ(op_wait(&f, &op).error, WEIR_CANCELLED);
    CHECK_EQ(raw_receive_some(peers[1], &byte, 1), -ECONNRESET);
    fixture_close(&f, &first);
    raw_close(peers[0]);
    raw_close(peers[1]);
    fixture_fini(&f);
}

WEIR_TEST(uring_direct, a_connect_that_finds_no_place_has_a_descriptor_of_the_process)
{
    weir_tcp_socket near, far;
    struct op accept_op, connect_op;
    struct fixture f;
    int before;

    init_direct(&f, 1, 0);
    weir_tcp_socket_init(&near);
    weir_tcp_socket_init(&far);
    op_accept(&f, &accept_op, &f.acceptor, &far);
    fixture_turn(&f);
    CHECK_EQ(taken(&f), 1);
    before = raw_descriptor_count();
    op_connect(&f, &connect_op, &near, &f.endpoint);
    CHECK_EQ(op_wait(&f, &connect_op).error, 0);
    CHECK_EQ(op_wait(&f, &accept_op).error, 0);
    CHECK_EQ(raw_descriptor_count(), before + 1);
    pass(&f, &near, &far);
    pass(&f, &far, &near);
    fixture_close(&f, &near);
    fixture_close(&f, &far);
    fixture_fini(&f);
}

/* They go elsewhere, more of them than the table has places. */
WEIR_TEST(uring_direct, connects_take_no_place_that_a_multishot_counts_on)
{
    enum { TABLE = 100, CONNECTS = 100, ACCEPTS = 30 };
    static weir_tcp_socket near[CONNECTS], far[ACCEPTS];
    struct op op, accept_ops[ACCEPTS];
    weir_endpoint elsewhere;
    int peers[ACCEPTS];
    struct fixture f;
    int listener;

    init_direct(&f, TABLE, 4);
    listener = seam_listen(CONNECTS, &elsewhere);
    weir_tcp_socket_init(&far[0]);
    op_accept(&f, &accept_ops[0], &f.acceptor, &far[0]);
    fixture_turn(&f);
    CHECK_EQ(taken(&f), 0);
    for (int i = 0; i < CONNECTS; i++) {
        weir_tcp_socket_init(&near[i]);
        op_connect(&f, &op, &near[i], &elsewhere);
        CHECK_EQ(op_wait(&f, &op).error, 0);
    }
    CHECK(taken(&f) > 0);
    for (int i = 0; i < ACCEPTS; i++)
        peers[i] = raw_connect(&f.endpoint);
    for (int i = 1; i < ACCEPTS; i++) {
        weir_tcp_socket_init(&far[i]);
        op_accept(&f, &accept_ops[i], &f.acceptor, &far[i]);
    }
    for (int i = 0; i < ACCEPTS; i++) {
        CHECK_EQ(op_wait(&f, &accept_ops[i]).error, 0);
        greet(&f, &far[i], peers[i]);
        fixture_close(&f, &far[i]);
        raw_close(peers[i]);
    }
    for (int i = 0; i < CONNECTS; i++)
        fixture_close(&f, &near[i]);
    raw_close(listener);
    fixture_fini(&f);
}

/* At once: what takes a descriptor of the process for the length of a call. */

static void check_asking(weir_tcp_socket *near, weir_tcp_socket *far, int error)
{
    weir_endpoint one, other;
    int value = 0;

    CHECK_EQ(weir_tcp_local(near, &one), error);
    CHECK_EQ(weir_tcp_peer(far, &other), error);
    CHECK(error || weir_endpoint_equals(&one, &other));
    CHECK_EQ(weir_tcp_option_set(near, WEIR_TCP_KEEP_ALIVE, 1), error);
    CHECK_EQ(weir_tcp_option_get(near, WEIR_TCP_KEEP_ALIVE, &value), error);
    CHECK_EQ(value, error ? 0 : 1);
}

WEIR_TEST(uring_direct, without_descriptors_sockets_still_work_but_tell_nothing)
{
    weir_tcp_socket near, far;
    struct fixture f;
    struct op op;
    char byte;

    init_direct(&f, 8, 0);
    fixture_connect(&f, &near, &far);
    check_asking(&near, &far, 0);
    raw_limit_descriptors(0);
    check_asking(&near, &far, -EMFILE);
    pass(&f, &near, &far);
    CHECK_EQ(weir_tcp_shutdown(&near, WEIR_TCP_WRITES), 0);
    op_read(&f, &op, &far, &byte, 1);
    CHECK_EQ(op_wait(&f, &op).error, WEIR_EOF);
    pass(&f, &far, &near);
    raw_unlimit_descriptors();
    fixture_close(&f, &near);
    fixture_close(&f, &far);
    fixture_fini(&f);
}

WEIR_TEST(uring_direct, a_kernel_that_takes_no_question_is_an_error_of_that_call)
{
    weir_tcp_socket near, far;
    weir_endpoint endpoint;
    struct fixture f;

    init_direct(&f, 8, 0);
    fixture_connect(&f, &near, &far);
    fuse_light(FUSE_SYSCALL, EBUSY, 1, 1);
    CHECK_EQ(weir_tcp_local(&near, &endpoint), -EAGAIN);
    CHECK_EQ(fuse_put_out(), 1);
    CHECK_EQ(weir_tcp_local(&near, &endpoint), 0);
    pass(&f, &near, &far);
    fixture_close(&f, &near);
    fixture_close(&f, &far);
    fixture_fini(&f);
}

WEIR_TEST(uring_direct, a_shutdown_and_a_reset_do_without_an_answer)
{
    weir_tcp_socket first, second;
    struct op read_op, close_op;
    struct fixture f;
    int peers[2];
    char byte;

    init_direct(&f, 8, 0);
    peers[0] = fixture_connect_raw(&f, &first);
    peers[1] = fixture_connect_raw(&f, &second);
    CHECK_EQ(weir_tcp_option_set(&second, WEIR_TCP_LINGER_SECONDS, 0), 0);
    op_read(&f, &read_op, &second, &byte, 1);
    fixture_turn(&f);
    fuse_light(FUSE_SYSCALL, EBUSY, 1, FUSE_FOREVER);
    CHECK_EQ(weir_tcp_shutdown(&first, WEIR_TCP_WRITES), 0);
    op_close(&f, &close_op, &second);
    CHECK_EQ(op_wait(&f, &close_op).error, 0);
    CHECK(fuse_put_out() > 1);
    CHECK_EQ(op_wait(&f, &read_op).error, WEIR_CANCELLED);
    CHECK_EQ(raw_receive_some(peers[0], &byte, 1), 0);
    CHECK_EQ(raw_receive_some(peers[1], &byte, 1), -ECONNRESET);
    fixture_close(&f, &first);
    raw_close(peers[0]);
    raw_close(peers[1]);
    fixture_fini(&f);
}

/* Neither what completes meanwhile fills the queue of completions, nor the answers do. */
WEIR_TEST(uring_direct, questions_are_answered_while_more_completes_than_the_queue_holds)
{
    enum { QUEUE = 16, COUNT = 3 * QUEUE };
    static weir_tcp_socket sockets[COUNT];
    static struct op ops[COUNT];
    weir_endpoint endpoint;
    int peers[COUNT];
    char bytes[COUNT];
    struct fixture f;

    init_direct(&f, COUNT, QUEUE / 4);
    for (int i = 0; i < COUNT; i++) {
        peers[i] = fixture_connect_raw(&f, &sockets[i]);
        op_read(&f, &ops[i], &sockets[i], &bytes[i], 1);
    }
    fixture_turn(&f);
    for (int i = 0; i < COUNT; i++)
        raw_send(peers[i], "!", 1);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(weir_tcp_peer(&sockets[i], &endpoint), 0);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(op_wait(&f, &ops[i]).count, 1);
        fixture_close(&f, &sockets[i]);
        raw_close(peers[i]);
    }
    fixture_fini(&f);
}

static weir_task *start_asking(weir_task *task, struct op *op)
{
    return weir_task_complete(task, weir_tcp_local(op->object, &op->peer), 0);
}

/* The write is submitted with the question, and completes before its answer is looked for. */
WEIR_TEST(uring_direct, a_question_leaves_other_completions_to_their_owners)
{
    struct op write_op, ask_op, read_op;
    weir_tcp_socket near, far;
    struct fixture f;
    char bytes[3];

    init_direct(&f, 8, 0);
    fixture_connect(&f, &near, &far);
    op_read(&f, &read_op, &far, bytes, 3);
    op_write(&f, &write_op, &near, "abc", 3);
    ask_op.object = &near;
    op_start(&f, &ask_op, start_asking);
    CHECK_EQ(op_wait(&f, &ask_op).error, 0);
    CHECK_EQ(op_wait(&f, &write_op).count, 3);
    CHECK_EQ(op_wait(&f, &read_op).count, 3);
    CHECK_EQ(memcmp(bytes, "abc", 3), 0);
    fixture_close(&f, &near);
    fixture_close(&f, &far);
    fixture_fini(&f);
}

/* Over the seam. */

static struct uring *start_with_table(unsigned size)
{
    weir_backend_options options = {
        .queue_depth = DEPTH, .statistics = &seam_statistics, .direct_descriptors = size};
    weir_backend *backend;

    seam_require();
    CHECK_EQ(SEAM_OPS->open(&options, &backend), 0);
    if (uring_of(backend)->direct.size == 0) {
        SEAM_OPS->close(backend);
        test_skip("this machine has no direct descriptors");
    }
    CHECK_EQ(SEAM_OPS->start(backend), 0);
    return uring_of(backend);
}

static int accept_on(struct seam_operation *self)
{
    return SEAM_OPS->accept(&self->uring->base, &self->operation, &self->handle);
}

WEIR_TEST(uring_direct, an_accept_that_is_cancelled_before_it_is_submitted_gives_its_place_back)
{
    struct uring *uring = start_with_table(3);
    struct seam_operation self;
    weir_endpoint endpoint;

    seam_init_on(&self, uring, seam_listen(8, &endpoint));
    init_many(uring, DEPTH + 2);
    refuse(EBUSY);
    fill_queue();
    CHECK_EQ(accept_on(&self), WEIR_IN_FLIGHT);
    CHECK_EQ(uring->direct.taken, 1);
    seam_cancel(&self);
    (void)fuse_put_out();
    CHECK_EQ(seam_finish(&self), -ECANCELED);
    CHECK_EQ(uring->direct.taken, 0);
    drain(DEPTH);
    fini_many(DEPTH + 2);
    seam_close_handle(&self);
    seam_close(uring);
}

WEIR_TEST(uring_direct, a_connection_is_a_number_that_no_system_call_takes)
{
    struct uring *uring = start_with_table(1);
    struct seam_operation self, connection;
    weir_endpoint endpoint;
    int peer;

    seam_init_on(&self, uring, seam_listen(8, &endpoint));
    CHECK_EQ(accept_on(&self), WEIR_IN_FLIGHT);
    peer = seam_connect(&endpoint);
    CHECK(seam_finish(&self) >= WEIR_SYS_DESCRIPTOR_END);
    CHECK_EQ(close(self.result), -1);
    CHECK_EQ(errno, EBADF);
    CHECK_EQ(accept_on(&self), -ENFILE);
    seam_init_on(&connection, uring, self.result);
    connection.peer = peer;
    seam_feed(&connection, 7);
    seam_receive(&connection);
    CHECK_EQ(seam_finish(&connection), 1);
    seam_close_handle(&connection);
    CHECK_EQ(uring->direct.taken, 0);
    CHECK_EQ(close(peer), 0);
    seam_close_handle(&self);
    seam_close(uring);
}

static void accept_connection(struct seam_operation *listener,
                              struct seam_operation *ret_connection, int peer)
{
    CHECK(seam_finish(listener) >= WEIR_SYS_DESCRIPTOR_END);
    seam_init_on(ret_connection, listener->uring, listener->result);
    ret_connection->peer = peer;
}

static void check_sending(struct seam_operation *connection)
{
    uint8_t data[SEAM_DATA_MAX];

    seam_send(connection);
    CHECK_EQ(seam_finish(connection), SEAM_DATA_MAX);
    CHECK_EQ(recv(connection->peer, data, sizeof data, MSG_WAITALL), SEAM_DATA_MAX);
}

/* One of the kernel's threads does it, and looks for the socket only then. */
WEIR_TEST(uring_direct, a_shutdown_that_nobody_hears_is_not_of_who_has_the_place_next)
{
    enum { ROUNDS = 100 };
    struct uring *uring = start_with_table(2);
    struct seam_operation listener, connection, closing;
    weir_endpoint endpoint;

    seam_init_on(&listener, uring, seam_listen(8, &endpoint));
    CHECK_EQ(accept_on(&listener), WEIR_IN_FLIGHT);
    accept_connection(&listener, &connection, seam_connect(&endpoint));
    for (int round = 0; round < ROUNDS; round++) {
        int next = seam_connect(&endpoint);

        check_sending(&connection);
        fuse_light(FUSE_SYSCALL, EBUSY, 1, FUSE_FOREVER);
        CHECK_EQ(uring->base.ops->sockets->shutdown(&uring->base, connection.handle.native,
                                                    WEIR_TCP_BOTH),
                 0);
        CHECK(fuse_put_out() > 0);
        seam_init(&closing, uring);
        CHECK_EQ(
            SEAM_OPS->close_socket(&uring->base, &closing.operation, &connection.handle, false),
            WEIR_IN_FLIGHT);
        CHECK_EQ(accept_on(&listener), WEIR_IN_FLIGHT);
        CHECK_EQ(seam_finish(&closing), 0);
        CHECK_EQ(close(connection.peer), 0);
        accept_connection(&listener, &connection, next);
        check_sending(&connection);
    }
    seam_close_handle(&connection);
    CHECK_EQ(close(connection.peer), 0);
    seam_close_handle(&listener);
    seam_close(uring);
}

/* Turn a connection away, as an acceptor that closes does. */
static void turn_away(struct seam_operation *connection)
{
    const struct weir_sys_sockets *sockets = SEAM_OPS->sockets;

    sockets->reset(&connection->uring->base, connection->handle.native);
    sockets->close(&connection->uring->base, connection->handle.native);
}

static void check_reset(struct seam_operation *connection)
{
    CHECK_EQ(raw_receive_some(connection->peer, connection->data, 1), -ECONNRESET);
    CHECK_EQ(close(connection->peer), 0);
}

WEIR_TEST(uring_direct, who_is_turned_away_while_completions_overflow_sees_a_reset)
{
    enum { COUNT = 6 * DEPTH };
    struct uring *uring = start_with_table(1);
    struct seam_operation listener, connection;
    weir_endpoint endpoint;

    CHECK(COUNT > *uring->ring.cq.kring_entries);
    seam_init_on(&listener, uring, seam_listen(8, &endpoint));
    CHECK_EQ(accept_on(&listener), WEIR_IN_FLIGHT);
    accept_connection(&listener, &connection, seam_connect(&endpoint));
    init_many(uring, COUNT);
    for (int i = 0; i < COUNT; i++) {
        seam_feed(&many[i], 1);
        seam_receive(&many[i]);
    }
    turn_away(&connection);
    CHECK_EQ(uring->direct.taken, 0);
    check_reset(&connection);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(seam_finish(&many[i]), 1);
    fini_many(COUNT);
    seam_close_handle(&listener);
    seam_close(uring);
}

/* The accept stands before the reset in the queue, and takes the place. */
WEIR_TEST(uring_direct, a_reset_that_the_kernel_did_not_take_is_not_of_who_has_the_place_next)
{
    struct uring *uring = start_with_table(2);
    struct seam_operation listener, turned_away, connection;
    weir_endpoint endpoint;
    int next;

    seam_init_on(&listener, uring, seam_listen(8, &endpoint));
    CHECK_EQ(accept_on(&listener), WEIR_IN_FLIGHT);
    accept_connection(&listener, &turned_away, seam_connect(&endpoint));
    next = seam_connect(&endpoint);
    CHECK_EQ(accept_on(&listener), WEIR_IN_FLIGHT);
    fuse_light(FUSE_SYSCALL, EBUSY, 1, FUSE_FOREVER);
    turn_away(&turned_away);
    CHECK(fuse_put_out() > 0);
    accept_connection(&listener, &connection, next);
    check_sending(&connection);
    CHECK_EQ(close(turned_away.peer), 0);
    seam_close_handle(&connection);
    CHECK_EQ(close(connection.peer), 0);
    seam_close_handle(&listener);
    seam_close(uring);
}

WEIR_ABORT_TEST(uring_direct, the_system_is_not_asked_about_a_place_in_a_table)
{
    weir_endpoint endpoint;

    (void)weir_sys_sockets.local(NULL, WEIR_SYS_DESCRIPTOR_END, &endpoint);
}
