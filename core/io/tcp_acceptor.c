/* SPDX-License-Identifier: MIT */
/*
 * TCP acceptors.
 *
 * One multishot accept serves all waiting tasks; it is armed when the first task waits and stays
 * armed, so that a busy server pays nothing per connection. Connections that come when nobody waits
 * stand in a queue; when it is long the accept is cancelled and the kernel's backlog
 * holds the rest.
 *
 *      IDLE --a task waits--> ARMED --queue is long--> PAUSING --cancelled--> IDLE
 *                              '--no descriptors--> STARVED --delay, or a descriptor--> ARMED
 *
 * Out of descriptors or memory an accept would fail again at once, as where the system forbids it:
 * the acceptor waits for a delay that doubles, or until its own loop releases a descriptor. The
 * connections stay in the backlog.
 */
#include "tcp.h"

#include <stdlib.h>

#include "sys.h"

enum acceptor_state { ACCEPTOR_CLOSED, ACCEPTOR_LISTENING, ACCEPTOR_CLOSING };

enum {
    QUEUE_CAPACITY = 64, /* At first; grows when one reaping brings more. */
    QUEUE_LONG = 64,     /* Then the kernel's backlog holds the rest. */
    RETRY_DELAY_MIN_NS = 5 * 1000 * 1000,
    RETRY_DELAY_MAX_NS = 320 * 1000 * 1000,
};

/* The record of a waiting accept, in the scratch of its task. */
struct accept_waiter {
    weir_wait wait;
    weir_list_node link; /* weir_tcp_acceptor.waiters. */
    weir_tcp_acceptor *acceptor;
    weir_tcp_socket *socket; /* Where the connection goes. */
};

_Static_assert(sizeof(struct accept_waiter) <= sizeof(((weir_task *)0)->scratch), "fits");

static weir_backend *backend_of(const weir_tcp_acceptor *acceptor)
{
    return acceptor->handle.loop->backend;
}

static const struct weir_sys_sockets *sockets_of(const weir_tcp_acceptor *acceptor)
{
    return weir_loop_sockets(acceptor->handle.loop);
}

static weir_task *task_of(struct accept_waiter *waiter)
{
    return WEIR_CONTAINER_OF(waiter, weir_task, scratch);
}

static struct accept_waiter *first_waiter(const weir_tcp_acceptor *acceptor)
{
    weir_list_node *node = weir_list_first(&acceptor->waiters);

    return node ? WEIR_CONTAINER_OF(node, struct accept_waiter, link) : NULL;
}

static void waiter_complete(struct accept_waiter *waiter, int error)
{
    weir_list_remove(&waiter->link);
    weir_loop_wake_task(waiter->acceptor->handle.loop, task_of(waiter), error, 0);
}

/* Nobody will have the connection. Its peer sees a reset, as of one that stands in the backlog of a
 * listener that is closed: an end would look as if it had been served. */
static void turn_away(const weir_tcp_acceptor *acceptor, intptr_t descriptor)
{
    sockets_of(acceptor)->reset(backend_of(acceptor), descriptor);
    sockets_of(acceptor)->close(backend_of(acceptor), descriptor);
}

/* The queue of accepted descriptors. */

static uint32_t queue_index(const weir_tcp_acceptor *acceptor, uint32_t position)
{
    return (acceptor->queue_head + position) & (acceptor->queue_capacity - 1);
}

static bool queue_grow(weir_tcp_acceptor *acceptor)
{
    uint32_t capacity = acceptor->queue_capacity ? 2 * acceptor->queue_capacity : QUEUE_CAPACITY;
    intptr_t *queue = malloc(capacity * sizeof *queue);
    uint32_t i;

    if (!queue)
        return false;
    for (i = 0; i < acceptor->queue_count; i++)
        queue[i] = acceptor->queue[queue_index(acceptor, i)];
    free(acceptor->queue);
    acceptor->queue = queue;
    acceptor->queue_head = 0;
    acceptor->queue_capacity = capacity;
    return true;
}

/* Each entry is an open descriptor, so the queue is bounded by the limit on those. A
 * connection for which there is no memory is closed: its peer sees a reset, and nothing else is
 * lost. */
static void queue_push(weir_tcp_acceptor *acceptor, intptr_t descriptor)
{
    if (acceptor->queue_count == acceptor->queue_capacity && !queue_grow(acceptor)) {
        turn_away(acceptor, descriptor);
        return;
    }
    acceptor->queue[queue_index(acceptor, acceptor->queue_count)] = descriptor;
    acceptor->queue_count++;
}

static void queue_drop_first(weir_tcp_acceptor *acceptor)
{
    acceptor->queue_head = queue_index(acceptor, 1);
    acceptor->queue_count--;
}

/* Arming, pausing, starving. */

static void arm(weir_tcp_acceptor *acceptor);

static bool is_starved(const weir_tcp_acceptor *acceptor)
{
    return weir_list_is_linked(&acceptor->watcher.link);
}

static void end_starving(weir_tcp_acceptor *acceptor)
{
    weir_list_remove(&acceptor->watcher.link);
    if (weir_wheel_node_is_armed(&acceptor->retry))
        weir_wheel_cancel(&acceptor->handle.loop->clock.wheel, &acceptor->retry);
}

static void serve(weir_tcp_acceptor *acceptor);

static void try_again(weir_tcp_acceptor *acceptor)
{
    end_starving(acceptor);
    serve(acceptor);
    arm(acceptor);
}

static void retry_fired(weir_wheel_node *node)
{
    try_again(WEIR_CONTAINER_OF(node, weir_tcp_acceptor, retry));
}

static void descriptor_released(weir_handle_watcher *watcher)
{
    try_again(WEIR_CONTAINER_OF(watcher, weir_tcp_acceptor, watcher));
}

static void starve(weir_tcp_acceptor *acceptor)
{
    weir_loop *loop = acceptor->handle.loop;

    if (is_starved(acceptor))
        return;
    loop->statistics.accepts_backed_off++;
    acceptor->watcher.released = descriptor_released;
    weir_list_push(&loop->watchers, &acceptor->watcher.link);
    weir_wheel_arm(&loop->clock.wheel, &acceptor->retry, weir_now_ns() + acceptor->retry_delay_ns,
                   retry_fired);
    if (acceptor->retry_delay_ns < RETRY_DELAY_MAX_NS)
        acceptor->retry_delay_ns *= 2;
}

/* Accept, if anybody waits and nothing speaks against it. */
static void arm(weir_tcp_acceptor *acceptor)
{
    weir_backend *backend = backend_of(acceptor);

    if (acceptor->armed || acceptor->state != ACCEPTOR_LISTENING || is_starved(acceptor))
        return;
    if (weir_list_is_empty(&acceptor->waiters))
        return;
    acceptor->closed_count = acceptor->handle.loop->closed_count;
    if (backend->ops->accept(backend, &acceptor->accept_operation, &acceptor->handle) ==
        WEIR_IN_FLIGHT)
        acceptor->armed = true;
    else
        starve(acceptor);
}

static void pause_when_long(weir_tcp_acceptor *acceptor)
{
    if (acceptor->queue_count < QUEUE_LONG || !acceptor->armed || acceptor->pausing)
        return;
    acceptor->pausing = true;
    backend_of(acceptor)->ops->cancel(backend_of(acceptor), &acceptor->accept_operation);
}

/* Hand queued connections to waiting tasks, both in order. A descriptor that cannot be taken over
 * now, for want of memory in the kernel, stays first in the queue. */
static void serve(weir_tcp_acceptor *acceptor)
{
    struct accept_waiter *waiter;

    while (acceptor->queue_count > 0 && (waiter = first_waiter(acceptor))) {
        int error = weir_tcp_socket_adopt(waiter->socket, acceptor->handle.loop,
                                          acceptor->queue[acceptor->queue_head]);

        if (error) {
            starve(acceptor);
            return;
        }
        queue_drop_first(acceptor);
        waiter_complete(waiter, 0);
    }
}

/* Closing. */

static void nothing_to_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    /* Closing is shielded, and a waiting accept has a record of its own. */
    (void)wait;
    (void)task;
    (void)bits;
}

static const struct weir_wait_ops closing_ops = {
    .name = "close",
    .stop = nothing_to_stop,
    .dump = weir_wait_dump_nothing,
};

static bool closing_is_done(weir_tcp_acceptor *acceptor)
{
    if (acceptor->armed || acceptor->releasing)
        return false;
    free(acceptor->queue);
    acceptor->queue = NULL;
    acceptor->state = ACCEPTOR_CLOSED;
    weir_handle_closed(&acceptor->handle);
    return true;
}

static void closing_advance(weir_tcp_acceptor *acceptor)
{
    weir_task *closer = acceptor->closer;
    weir_loop *loop = acceptor->handle.loop;

    if (!closer || !closing_is_done(acceptor))
        return;
    acceptor->closer = NULL;
    /* The last touch of the acceptor: its closer may free it. */
    weir_loop_wake_task(loop, closer, 0, 0);
}

static void release_completed(weir_operation *operation, int result, unsigned flags)
{
    weir_tcp_acceptor *acceptor = operation->object;

    (void)result;
    (void)flags;
    acceptor->releasing = false;
    closing_advance(acceptor);
}

static const struct weir_operation_ops release_ops = {
    .wait = {.name = "close", .stop = nothing_to_stop, .dump = weir_wait_dump_nothing},
    .completed = release_completed,
};

static void drop_queue(weir_tcp_acceptor *acceptor)
{
    while (acceptor->queue_count > 0) {
        turn_away(acceptor, acceptor->queue[acceptor->queue_head]);
        queue_drop_first(acceptor);
    }
}

weir_task *weir_tcp_acceptor_close(weir_task *task, weir_tcp_acceptor *acceptor)
{
    weir_backend *backend;
    int result;
    struct accept_waiter *waiter;

    if (acceptor->state == ACCEPTOR_CLOSED)
        return weir_task_complete(task, 0, 0);
    WEIR_ASSERT(acceptor->state == ACCEPTOR_LISTENING, "an acceptor is closed once");
    WEIR_ASSERT(acceptor->handle.self == &acceptor->handle, "an open acceptor stays in place");
    weir_loop_assert_own(acceptor->handle.loop, task);

    backend = backend_of(acceptor);
    acceptor->state = ACCEPTOR_CLOSING;
    if (is_starved(acceptor))
        end_starving(acceptor);
    while ((waiter = first_waiter(acceptor)))
        waiter_complete(waiter, WEIR_CANCELLED);
    drop_queue(acceptor);
    if (acceptor->armed)
        backend->ops->cancel(backend, &acceptor->accept_operation);
    acceptor->close_operation.ops = &release_ops;
    acceptor->close_operation.object = acceptor;
    result = backend->ops->close_socket(backend, &acceptor->close_operation, &acceptor->handle,
                                        acceptor->armed);
    acceptor->releasing = result == WEIR_IN_FLIGHT;
    if (closing_is_done(acceptor))
        return weir_task_complete(task, 0, 0);
    acceptor->closer = task;
    acceptor->closing.ops = &closing_ops;
    return weir_task_suspend(task, &acceptor->closing);
}

/* Accepting. */

static void connection_came(weir_tcp_acceptor *acceptor, intptr_t descriptor)
{
    if (acceptor->state == ACCEPTOR_CLOSING) {
        turn_away(acceptor, descriptor);
        return;
    }
    acceptor->retry_delay_ns = RETRY_DELAY_MIN_NS;
    queue_push(acceptor, descriptor);
    serve(acceptor);
    pause_when_long(acceptor);
}

/* Whether an accept that failed so would fail again at once: the tables are full, or the system
 * forbids it. */
static bool is_lasting(int error)
{
    return error != -ECANCELED && !weir_sys_is_lost_connection(error);
}

/* An accept failed for want of something. If a socket has been closed since it was armed, that may
 * have been before: then nobody will tell, and it is worth another try. */
static void met_a_shortage(weir_tcp_acceptor *acceptor)
{
    if (acceptor->closed_count == acceptor->handle.loop->closed_count)
        starve(acceptor);
}

static void accept_completed(weir_operation *operation, int result, unsigned flags)
{
    weir_tcp_acceptor *acceptor = operation->object;

    if (!(flags & WEIR_OPERATION_MORE)) {
        acceptor->armed = false;
        acceptor->pausing = false;
    }
    if (result >= 0)
        connection_came(acceptor, result);
    else if (is_lasting(result) && acceptor->state == ACCEPTOR_LISTENING)
        met_a_shortage(acceptor);
    arm(acceptor);
    closing_advance(acceptor);
}

static const struct weir_operation_ops accept_ops = {
    .wait = {.name = "accept", .stop = nothing_to_stop, .dump = weir_wait_dump_nothing},
    .completed = accept_completed,
};

int weir_tcp_listen(weir_tcp_acceptor *acceptor, weir_loop *loop, const weir_endpoint *local,
                    const weir_tcp_listen_options *options)
{
    static const weir_tcp_listen_options defaults;
    const struct weir_sys_sockets *sockets = weir_loop_sockets(loop);
    intptr_t descriptor;
    int error;

    *acceptor = (weir_tcp_acceptor){.state = ACCEPTOR_CLOSED, .retry_delay_ns = RETRY_DELAY_MIN_NS};
    weir_list_init(&acceptor->waiters);
    acceptor->accept_operation.ops = &accept_ops;
    acceptor->accept_operation.object = acceptor;
    error = sockets->listen(local, options ? options : &defaults, &descriptor);
    if (error)
        return error;
    error = weir_handle_open(&acceptor->handle, loop, descriptor);
    if (error) {
        sockets->close(loop->backend, descriptor);
        return error;
    }
    acceptor->state = ACCEPTOR_LISTENING;
    return 0;
}

int weir_tcp_acceptor_local(const weir_tcp_acceptor *acceptor, weir_endpoint *ret_endpoint)
{
    if (acceptor->state != ACCEPTOR_LISTENING)
        return WEIR_CLOSED;
    return sockets_of(acceptor)->local(backend_of(acceptor), acceptor->handle.native, ret_endpoint);
}

static void waiter_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    (void)bits;
    waiter_complete((struct accept_waiter *)(void *)wait, weir_task_stop_error(task));
}

static const struct weir_wait_ops waiter_ops = {
    .name = "accept",
    .stop = waiter_stop,
    .dump = weir_wait_dump_nothing,
};

/* Take a connection that is queued already. Returns whether there was one. */
static bool take_queued(weir_tcp_acceptor *acceptor, weir_tcp_socket *socket)
{
    if (acceptor->queue_count == 0 || !weir_list_is_empty(&acceptor->waiters))
        return false;
    if (weir_tcp_socket_adopt(socket, acceptor->handle.loop,
                              acceptor->queue[acceptor->queue_head]) < 0)
        return false;
    queue_drop_first(acceptor);
    return true;
}

weir_task *weir_tcp_accept(weir_task *task, weir_tcp_acceptor *acceptor,
                           weir_tcp_socket *ret_socket)
{
    struct accept_waiter *waiter = (struct accept_waiter *)(void *)task->scratch;
    int error = weir_task_stop_error(task);

    if (acceptor->state != ACCEPTOR_LISTENING)
        return weir_task_complete(task, WEIR_CLOSED, 0);
    WEIR_ASSERT(acceptor->handle.self == &acceptor->handle, "an open acceptor stays in place");
    weir_loop_assert_own(acceptor->handle.loop, task);
    if (error || take_queued(acceptor, ret_socket))
        return weir_task_complete(task, error, 0);

    waiter->wait.ops = &waiter_ops;
    waiter->link.next = NULL;
    waiter->link.prev = NULL;
    waiter->acceptor = acceptor;
    waiter->socket = ret_socket;
    weir_list_push(&acceptor->waiters, &waiter->link);
    if (acceptor->queue_count > 0)
        starve(acceptor);
    arm(acceptor);
    return weir_task_suspend(task, &waiter->wait);
}
