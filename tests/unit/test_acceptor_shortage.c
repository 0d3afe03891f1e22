/* SPDX-License-Identifier: MIT */

/*
 * Accepting when descriptors are scarce, against a kernel that answers when the test says: what
 * comes between an accept's failure and its reaping. tests/contract/test_acceptor.c has real
 * shortages.
 */
#include <errno.h>

#include <weir/weir.h>

#include "fake_backend.h"
#include "handle.h"
#include "loop.h"
#include "sys.h"
#include "test.h"

struct rig {
    weir_task task;
    weir_root root;
    weir_loop *loop;
    fake_backend *fake;
    weir_tcp_acceptor acceptor;
    weir_tcp_socket socket;
};

static weir_task *accept_resume(weir_task *task)
{
    struct rig *self = WEIR_TASK_SELF(task, struct rig);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->socket));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void turn(struct rig *t)
{
    fake_loop_turn(t->loop);
}

static void rig_init(struct rig *t)
{
    weir_endpoint any = weir_endpoint_make_ipv4(weir_ipv4_loopback(), 0);

    t->loop = fake_loop_new(NULL);
    t->fake = fake_backend_of(t->loop);
    CHECK_EQ(weir_tcp_listen(&t->acceptor, t->loop, &any, NULL), 0);
    weir_tcp_socket_init(&t->socket);
    weir_task_init(&t->task, accept_resume);
    weir_run_async(weir_loop_executor(t->loop), &t->root, &t->task, NULL, NULL);
    turn(t);
    CHECK_EQ(fake_backend_in_flight(t->fake), 1);
}

static void fail_accept(struct rig *t, int error)
{
    CHECK_EQ(fake_backend_operation(t->fake, 0).kind, FAKE_ACCEPT);
    fake_backend_complete(t->fake, fake_backend_operation(t->fake, 0).operation, error, 0);
    turn(t);
}

static void close_another(struct rig *t)
{
    weir_handle other;

    CHECK_EQ(weir_handle_open(&other, t->loop, 1000), 0);
    weir_handle_closed(&other);
}

static uint64_t backed_off(const struct rig *t)
{
    return weir_loop_statistics_get(t->loop).accepts_backed_off;
}

static weir_task *close_resume(weir_task *task)
{
    struct rig *self = WEIR_CONTAINER_OF(task, struct rig, task);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* The waiting accept is cancelled by the close; then the close is completed, and the
 * descriptor closed. */
static void rig_fini(struct rig *t)
{
    weir_root_stop(&t->root, WEIR_STOP_REQUESTED);
    turn(t);
    weir_task_init(&t->task, close_resume);
    weir_run_async(weir_loop_executor(t->loop), &t->root, &t->task, NULL, NULL);
    turn(t);
    while (fake_backend_in_flight(t->fake) > 0) {
        fake_backend_complete(t->fake, fake_backend_operation(t->fake, 0).operation, -ECANCELED, 0);
        turn(t);
    }
    CHECK_EQ(t->task.state, WEIR_TASK_DONE);
    weir_sys_close(t->acceptor.handle.native);
    weir_loop_free(t->loop);
}

WEIR_TEST(acceptor_shortage, of_before_a_close_is_not_waited_for)
{
    struct rig t;

    rig_init(&t);
    close_another(&t);
    fail_accept(&t, -EMFILE);
    CHECK_EQ(fake_backend_in_flight(t.fake), 1); /* Another try. */
    CHECK_EQ(backed_off(&t), 0);
    fail_accept(&t, -EMFILE);
    CHECK_EQ(fake_backend_in_flight(t.fake), 0); /* And no more of them, until something changes. */
    CHECK_EQ(backed_off(&t), 1);
    close_another(&t);
    CHECK_EQ(fake_backend_in_flight(t.fake), 1);
    rig_fini(&t);
}
