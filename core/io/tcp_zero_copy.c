/* SPDX-License-Identifier: MIT */
/*
 * Whole writes from the caller's memory without a copy.
 *
 * A write is cut into parts. One part at a time is being sent; when its result has come the next
 * one is started, while the kernel still has the memory of those before it. The write completes
 * when all notifications have come. What may not be lent any more (the loop's limit, a refusal) is
 * sent as a copy in between, in order.
 *
 *      SENDING --all sent, failed, stopped--> WAITING --last notification--> done
 *                                               '--stopped or closed, and GRACE_NS later: reset
 *
 * The record comes from the loop, which keeps them for reuse: writes that have none are copied.
 */
#include "tcp_zero_copy.h"

#include <stdlib.h>

#include <weir/stop.h>

#include "sys.h"
#include "tcp.h"

enum {
    PARTS = 4, /* Lent at a time. */
    PART_BYTES = 1024 * 1024,
};

/* What a peer is given to acknowledge when nobody waits for the write any more: a few round trips,
 * and a delayed acknowledgement. */
static const int64_t GRACE_NS = 500 * 1000 * 1000;

struct part {
    weir_operation operation;
    size_t size;  /* Lent. */
    size_t sent;  /* Of it, by the result. */
    bool is_lent; /* It counts against the loop's limit, until its notification. */
    bool has_result;
};

struct lent_write {
    weir_wait wait; /* First: what the writing task waits for. */
    weir_task *task;
    weir_tcp_socket *socket;
    weir_zero_copy *zero_copy;
    weir_const_buffer rest; /* Not sent. */
    size_t total;           /* Sent. */
    int64_t begin_ns;       /* When it was started, */
    int64_t sent_ns;        /* and when all was sent. */
    int error;              /* Why it has ended early, or 0. */
    uint8_t peer_class;     /* enum weir_peer_class. */
    bool has_ended;         /* No part is started any more. */
    bool is_cancelled;      /* By weir_tcp_cancel, or the socket's close. */
    bool is_refused;        /* All that is left is copied. */
    bool is_broken_off;     /* It has been, and is again when the grace is over. */
    struct part *sending;   /* The part that has no result, or NULL. */
    unsigned lent_count;    /* Parts whose notification has not come. */
    weir_wheel_node grace;
    weir_task turn; /* While it waits for its turn: nothing is being sent. */
    struct part parts[PARTS];
    struct lent_write *next; /* Free ones. */
};

static weir_loop *loop_of(const struct lent_write *self)
{
    return self->zero_copy->loop;
}

/* Peers. */

static bool is_loopback(const weir_endpoint *endpoint)
{
    if (endpoint->family == WEIR_IPV4)
        return weir_ipv4_is_loopback(endpoint->address.ipv4);
    return weir_ipv6_is_loopback(endpoint->address.ipv6);
}

/* Both ends of a connection. 0 or a negative errno. */
static int ask_for_ends(const weir_tcp_socket *socket, weir_endpoint *ret_local,
                        weir_endpoint *ret_peer)
{
    int error = weir_tcp_peer(socket, ret_peer);

    return error ? error : weir_tcp_local(socket, ret_local);
}

/* A peer of this machine has its address: mostly the one that the connection has here. Who asks of
 * a direct descriptor may find no room for the question, and asks again with the next large
 * write. */
static enum weir_peer_class find_peer_class(const weir_tcp_socket *socket)
{
    weir_endpoint local;
    weir_endpoint peer;
    int error = ask_for_ends(socket, &local, &peer);

    if (error == -EMFILE || error == -ENFILE || error == -EAGAIN)
        return WEIR_PEER_NOT_ASKED;
    if (error)
        return WEIR_PEER_UNKNOWN;
    local.port = peer.port;
    return is_loopback(&peer) || weir_endpoint_equals(&local, &peer) ? WEIR_PEER_LOCAL
                                                                     : WEIR_PEER_REMOTE;
}

enum weir_peer_class weir_tcp_peer_class(weir_tcp_socket *socket)
{
    _Static_assert((int)WEIR_PEER_NOT_ASKED == 3, "two bits hold a class");
    if (socket->peer_class == WEIR_PEER_NOT_ASKED)
        socket->peer_class = find_peer_class(socket) & 3u;
    if (socket->peer_class == WEIR_PEER_NOT_ASKED)
        return WEIR_PEER_UNKNOWN;
    return (enum weir_peer_class)socket->peer_class;
}

/* Records. */

static void free_records(void *records)
{
    struct lent_write *self = records;

    while (self) {
        struct lent_write *next = self->next;

        free(self);
        self = next;
    }
}

static struct lent_write *take_record(weir_zero_copy *zero_copy)
{
    struct lent_write *self = zero_copy->writes;

    if (self)
        zero_copy->writes = self->next;
    else
        self = malloc(sizeof *self);
    zero_copy->writes_free = free_records;
    return self;
}

static void give_record(struct lent_write *self)
{
    self->next = self->zero_copy->writes;
    self->zero_copy->writes = self;
}

/* Parts. */

static weir_backend *backend_of(const struct lent_write *self)
{
    return loop_of(self)->backend;
}

static struct part *free_part(struct lent_write *self)
{
    struct part *part = self->parts;

    while (part < self->parts + PARTS && part->is_lent)
        part++;
    return part < self->parts + PARTS ? part : NULL;
}

static const struct weir_operation_ops part_ops;

/* How much of the rest may be lent now: 0: it is copied. */
static size_t lendable(const struct lent_write *self, size_t size)
{
    size_t room = weir_zero_copy_room(self->zero_copy);

    if (self->is_refused || loop_of(self)->zero_copy_bytes == SIZE_MAX)
        return 0;
    if (size <= room)
        return size;
    loop_of(self)->statistics.zero_copy_capped++;
    return room - room % 4096;
}

static void lend(struct part *part, weir_zero_copy *zero_copy, size_t size)
{
    part->is_lent = true;
    part->size = size;
    zero_copy->lent_bytes += size;
}

static void is_back(struct lent_write *self, struct part *part)
{
    part->is_lent = false;
    self->zero_copy->lent_bytes -= part->size;
}

/* Start to send the rest, or a part of it. Returns what the starter does. */
static int start_part(struct lent_write *self, struct part *part)
{
    size_t size = self->rest.size < PART_BYTES ? self->rest.size : PART_BYTES;
    size_t lent = lendable(self, size);
    weir_backend *backend = backend_of(self);
    weir_handle *handle = &self->socket->handle;
    int result;

    part->operation.ops = &part_ops;
    part->operation.object = self;
    part->has_result = false;
    part->sent = 0;
    if (lent > 0) {
        result = backend->ops->send_zero_copy(backend, &part->operation, handle,
                                              weir_const_buffer_of(self->rest.data, lent), false);
        if (result == WEIR_IN_FLIGHT) {
            lend(part, self->zero_copy, lent);
            self->lent_count++;
            return result;
        }
        weir_zero_copy_give_up(self->zero_copy);
    }
    return backend->ops->send(backend, &part->operation, handle,
                              weir_const_buffer_of(self->rest.data, size));
}

static void end_early(struct lent_write *self, int error)
{
    self->has_ended = true;
    self->error = error;
}

/* Why no part is to be started any more, or 0. */
static int why_not_go_on(const struct lent_write *self)
{
    int error = weir_task_stop_error(self->task);

    if (!error && (self->is_cancelled || self->socket->state != TCP_OPEN))
        error = WEIR_CANCELLED;
    return error;
}

/* What a part gives. */
static void count_part(struct lent_write *self, int result)
{
    weir_result outcome = weir_tcp_write_result(self->task, self->socket, result);
    int error = outcome.error;

    self->total += outcome.count;
    self->rest = weir_const_buffer_after(self->rest, outcome.count);
    if (self->rest.size > 0 && !error)
        error = why_not_go_on(self);
    if (self->rest.size == 0)
        self->sent_ns = weir_sys_now_ns();
    if (self->rest.size == 0 || error)
        end_early(self, self->rest.size == 0 ? 0 : error);
}

static weir_task *turn_resume(weir_task *task);

static void wait_for_turn(struct lent_write *self)
{
    weir_task_init(&self->turn, turn_resume);
    weir_loop_push_ready(loop_of(self), &self->turn);
}

/* Start parts until one is being sent, all are lent, or the turn is over. Returns whether the
 * write is done. */
static bool go_on(struct lent_write *self)
{
    weir_executor *executor = &loop_of(self)->executor;

    while (!self->has_ended) {
        struct part *part = free_part(self);
        int result;

        if (!part)
            return false;
        result = start_part(self, part);
        if (result == WEIR_IN_FLIGHT) {
            self->sending = part;
            return false;
        }
        count_part(self, result);
        if (self->has_ended)
            break;
        if (!weir_executor_spend(executor, result > 0 ? (size_t)result : 0)) {
            wait_for_turn(self);
            return false;
        }
    }
    return self->lent_count == 0;
}

/* Ending. */

static void disarm(struct lent_write *self)
{
    if (weir_wheel_node_is_armed(&self->grace))
        weir_wheel_cancel(&loop_of(self)->clock.wheel, &self->grace);
}

enum { LATE_MOST = 7 }; /* What the socket's three bits hold. */

/* Whether a write of so much is large for this connection. */
static bool is_large(const weir_tcp_socket *socket, size_t size)
{
    size_t least = socket->handle.loop->zero_copy_bytes;

    return socket->late < LATE_MOST && size >> socket->late >= least;
}

/* While its writer waited for the memory of this write nothing was sent: if that was long, the next
 * one of this size does not wait. */
static void learn(const struct lent_write *self)
{
    weir_tcp_socket *socket = self->socket;
    int64_t waiting_ns = weir_sys_now_ns() - self->sent_ns;

    if (!weir_zero_copy_is_late(self->total, self->sent_ns - self->begin_ns, waiting_ns))
        return;
    loop_of(self)->statistics.zero_copy_late++;
    while (is_large(socket, self->total))
        socket->late = (socket->late + 1u) & LATE_MOST;
}

/* The memory is the caller's again. */
static void end(struct lent_write *self)
{
    weir_tcp_socket *socket = self->socket;

    if (!self->error && socket->state == TCP_OPEN)
        learn(self);
    disarm(self);
    socket->pending[WEIR_WRITING] = NULL;
    weir_loop_wake_task(loop_of(self), self->task, self->error, self->total);
    give_record(self);
    if (WEIR_UNLIKELY(socket->state == TCP_CLOSING))
        weir_tcp_socket_release(socket, socket->pending[WEIR_READING] != NULL);
    if (WEIR_UNLIKELY(socket->closer != NULL))
        weir_tcp_socket_advance_closing(socket);
}

static void grace_is_over(weir_wheel_node *node);

static void give_grace(struct lent_write *self)
{
    if (!weir_wheel_node_is_armed(&self->grace))
        weir_wheel_arm(&loop_of(self)->clock.wheel, &self->grace, weir_sys_now_ns() + GRACE_NS,
                       grace_is_over);
}

/* The peer has not acknowledged: what is on its way to it is dropped, and the notifications come.
 * It counts as sent, but not as success. The reset may fail for the moment, and does not tell:
 * while they do not come it is repeated. */
static void break_off(struct lent_write *self)
{
    weir_tcp_socket *socket = self->socket;

    disarm(self);
    if (!socket->failure)
        socket->failure = -ECONNABORTED;
    if (!self->error)
        self->error = why_not_go_on(self);
    self->is_broken_off = true;
    weir_loop_sockets(loop_of(self))->reset(loop_of(self)->backend, socket->handle.native);
    give_grace(self);
}

static void grace_is_over(weir_wheel_node *node)
{
    break_off(WEIR_CONTAINER_OF(node, struct lent_write, grace));
}

/* Nobody wants the write any more, and nothing of it is being sent: bound what is left of it. */
static void bound(struct lent_write *self)
{
    if ((self->task->stop & WEIR_STOP_HARD) && !self->is_broken_off)
        break_off(self);
    else
        give_grace(self);
}

static void advance(struct lent_write *self)
{
    if (self->sending || self->turn.state == WEIR_TASK_READY)
        return;
    if (go_on(self))
        end(self);
    else if (self->has_ended && why_not_go_on(self))
        bound(self);
}

static weir_task *turn_resume(weir_task *task)
{
    struct lent_write *self = WEIR_CONTAINER_OF(task, struct lent_write, turn);
    int error = why_not_go_on(self);

    task->state = WEIR_TASK_DONE;
    if (error)
        end_early(self, error);
    advance(self);
    return NULL;
}

static void told_notification(struct lent_write *self, struct part *part, int result)
{
    if (part->sent > 0) /* Else it says nothing. */
        weir_zero_copy_notified(self->zero_copy, (enum weir_peer_class)self->peer_class,
                                result == WEIR_SEND_COPIED);
    is_back(self, part);
    self->lent_count--;
}

static void told_result(struct lent_write *self, struct part *part, int result, bool is_lent)
{
    bool was_lent = part->is_lent;

    part->has_result = true;
    self->sending = NULL;
    if (was_lent && !is_lent) {
        is_back(self, part);
        self->lent_count--;
    }
    if (was_lent && weir_zero_copy_is_refused(self->zero_copy,
                                              (enum weir_peer_class)self->peer_class, result)) {
        self->is_refused = true;
        if (why_not_go_on(self))
            end_early(self, why_not_go_on(self));
        return;
    }
    if (was_lent && result > 0) {
        part->sent = (size_t)result;
        loop_of(self)->statistics.zero_copy_sends++;
    }
    count_part(self, result);
}

static void part_completed(weir_operation *operation, int result, unsigned flags)
{
    struct part *part = WEIR_CONTAINER_OF(operation, struct part, operation);
    struct lent_write *self = operation->object;

    if (part->has_result)
        told_notification(self, part, result);
    else
        told_result(self, part, result, flags & WEIR_OPERATION_MORE);
    advance(self);
}

static void lent_stop(weir_wait *wait, weir_task *task, unsigned bits)
{
    struct lent_write *self = (struct lent_write *)(void *)wait;
    weir_backend *backend = backend_of(self);

    (void)task;
    if (bits == 0)
        self->is_cancelled = true;
    if (self->sending)
        backend->ops->cancel(backend, &self->sending->operation);
    if (self->sending || self->turn.state == WEIR_TASK_READY)
        return; /* It is looked at when the result comes, or its turn. */
    if (!self->has_ended)
        end_early(self, why_not_go_on(self));
    bound(self);
}

static const struct weir_operation_ops part_ops = {
    .wait = {.name = "part of a write", .stop = lent_stop, .dump = weir_wait_dump_nothing},
    .completed = part_completed,
};

static const struct weir_wait_ops lent_ops = {
    .name = "write without a copy",
    .stop = lent_stop,
    .dump = weir_wait_dump_nothing,
};

bool weir_tcp_is_lending(const weir_tcp_socket *socket)
{
    const weir_task *task = socket->pending[WEIR_WRITING];

    return task && task->state == WEIR_TASK_WAITING && task->down.wait->ops == &lent_ops;
}

/* Starting. */

static struct lent_write *make(weir_zero_copy *zero_copy, weir_task *task, weir_tcp_socket *socket,
                               weir_const_buffer buffer)
{
    struct lent_write *self = take_record(zero_copy);
    int i;

    if (!self)
        return NULL;
    *self = (struct lent_write){
        .wait.ops = &lent_ops,
        .task = task,
        .socket = socket,
        .zero_copy = zero_copy,
        .rest = buffer,
        .peer_class = (uint8_t)socket->peer_class,
        .begin_ns = weir_sys_now_ns(),
    };
    for (i = 0; i < PARTS; i++)
        self->parts[i].is_lent = false;
    return self;
}

/* Whether it is to be tried. */
static bool is_wanted(weir_zero_copy *zero_copy, weir_tcp_socket *socket, size_t size)
{
    size_t least = size < PART_BYTES ? size : PART_BYTES;
    enum weir_peer_class peer_class;

    if (!zero_copy || !is_large(socket, size))
        return false;
    if (weir_zero_copy_room(zero_copy) < least) {
        zero_copy->loop->statistics.zero_copy_capped++;
        return false;
    }
    peer_class = weir_tcp_peer_class(socket);
    return peer_class != WEIR_PEER_UNKNOWN && weir_zero_copy_is_wanted(zero_copy, peer_class);
}

weir_task *weir_tcp_write_zero_copy(weir_task *task, weir_write_stream *out,
                                    weir_const_buffer buffer)
{
    weir_tcp_socket *socket = WEIR_CONTAINER_OF(out, weir_tcp_socket, stream.out);
    weir_zero_copy *zero_copy = weir_zero_copy_of(socket->handle.loop);
    struct lent_write *self = NULL;

    if (weir_tcp_check_write(task, socket) == 0 && is_wanted(zero_copy, socket, buffer.size))
        self = make(zero_copy, task, socket, buffer);
    if (!self)
        return weir_tcp_write_copied(task, out, buffer);
    if (go_on(self)) {
        int error = self->error;
        size_t total = self->total;

        give_record(self);
        return weir_task_complete(task, error, total);
    }
    socket->pending[WEIR_WRITING] = task;
    return weir_task_suspend(task, &self->wait);
}
