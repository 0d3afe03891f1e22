/* SPDX-License-Identifier: MIT */
/*
 * Direct descriptors: sockets that stand in a table of the ring instead of the process's.
 *
 * A place in the table is written as a number above every descriptor (WEIR_SYS_DESCRIPTOR_END and
 * the place), so that the two are never taken for each other: the system knows the number as bad,
 * and core/sys asserts that it is not asked about one. Operations of the ring name the place. For
 * what the kernel does only to plain descriptors, the socket gets one for the length of the call
 * (IORING_OP_FIXED_FD_INSTALL), and -EMFILE is that call's error.
 *
 * A kernel that accepts a connection and then finds the table full drops the connection. So an
 * accept is in flight only while there is a place for all it can bring: one place for an accept of
 * one connection, and for all multishots together what a completion queue holds. When fewer are
 * left all multishots are cancelled, whoever took the places, for one that nobody calls would keep
 * counting on them; their owners start them again, and they become accepts of one; without any
 * place, -ENFILE. Sockets that connect leave multishots their places, and stay plain.
 */
#define _GNU_SOURCE

#include "uring.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/option.h>

/* Newer than the headers this is built with. */
enum { OP_FIXED_FD_INSTALL = 54 };

/* The most the kernel makes (IORING_MAX_FIXED_FILES). */
enum { SIZE_MAX_ENTRIES = 1 << 20 };

static int32_t place_of(intptr_t native)
{
    return (int32_t)(native - WEIR_SYS_DESCRIPTOR_END);
}

static int32_t place_in(uint64_t target)
{
    struct uring_head head;

    memcpy(&head, &target, sizeof head);
    return head.descriptor;
}

static uint64_t target_of(intptr_t native)
{
    if (weir_uring_is_direct(native))
        return uring_head(0, IOSQE_FIXED_FILE, 0, place_of(native));
    return uring_target_plain((int)native);
}

void weir_uring_direct_aim(weir_handle *handle)
{
    uint64_t target = target_of(handle->native);

    _Static_assert(sizeof target <= sizeof handle->scratch, "fits");
    memcpy(handle->scratch, &target, sizeof target);
}

/* The table. */

static unsigned at_most(unsigned value, uint64_t bound)
{
    return value < bound ? value : (unsigned)bound;
}

/* What came last of all that is needed is FIXED_FD_INSTALL; and with DEFER_TASKRUN nothing
 * completes in the midst of a question but the question. */
static bool can_have_table(struct uring *uring)
{
    return (uring->ring.flags & IORING_SETUP_DEFER_TASKRUN) &&
           weir_uring_probe_has(&uring->ring, OP_FIXED_FD_INSTALL);
}

int weir_uring_direct_open(struct uring *uring, unsigned wanted)
{
    struct rlimit limit;
    int error;

    if (wanted == 0 || !can_have_table(uring) || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    wanted = at_most(at_most(wanted, SIZE_MAX_ENTRIES), limit.rlim_cur);
    error = io_uring_register_files_sparse(&uring->ring, wanted);
    if (error)
        return error == -ENOMEM ? error : 0;
    uring->direct.size = wanted;
    uring->statistics->direct_descriptors = wanted;
    return 0;
}

static unsigned places_left(const struct uring *uring)
{
    return uring->direct.size - uring->direct.taken;
}

/* What those in flight can bring: all that the completion queue holds, and of each one more, which
 * ends it because the queue is full. */
static unsigned brought_by(const struct uring *uring, unsigned multishot_count)
{
    return multishot_count > 0 ? *uring->ring.cq.kring_entries + multishot_count : 0;
}

/* As many as there may be. */
static unsigned needed_by_multishots(const struct uring *uring)
{
    return brought_by(uring, URING_MULTISHOTS_MAX);
}

static void cancel_multishots(struct uring *uring)
{
    unsigned i;

    for (i = 0; i < uring->direct.multishot_count; i++)
        weir_uring_cancel(&uring->base, uring->direct.multishots[i]);
}

static void take_place(struct uring *uring)
{
    WEIR_ASSERT(uring->direct.taken < uring->direct.size,
                "a table holds no more than it has places");
    uring->direct.taken++;
    uring->statistics->direct_taken++;
    if (places_left(uring) < needed_by_multishots(uring))
        cancel_multishots(uring);
}

static void free_place(struct uring *uring)
{
    WEIR_ASSERT(uring->direct.taken > 0, "only a place that was taken is freed");
    uring->direct.taken--;
    uring->statistics->direct_taken--;
}

/* Accepting and closing. */

static bool has_room_for_multishot(const struct uring *uring)
{
    return uring->direct.multishot_count < URING_MULTISHOTS_MAX &&
           places_left(uring) >= needed_by_multishots(uring);
}

/* What multishots in flight count on is not for others. */

static bool has_room_for_one(const struct uring *uring)
{
    return places_left(uring) > brought_by(uring, uring->direct.multishot_count);
}

static bool has_room_for_connect(const struct uring *uring)
{
    return places_left(uring) >
           (uring->direct.multishot_count > 0 ? needed_by_multishots(uring) : 0);
}

static void remember_multishot(struct uring *uring, weir_operation *operation)
{
    uring->direct.multishots[uring->direct.multishot_count++] = operation;
}

static void forget_multishot(struct uring *uring, const weir_operation *operation)
{
    struct uring_direct *direct = &uring->direct;
    unsigned i = 0;

    while (direct->multishots[i] != operation)
        i++;
    direct->multishots[i] = direct->multishots[--direct->multishot_count];
}

int weir_uring_direct_accept(struct uring *uring, weir_operation *operation, weir_handle *handle)
{
    struct uring_operation *mine = uring_operation_of(operation);
    bool is_multishot = has_room_for_multishot(uring);

    if (!is_multishot && !has_room_for_one(uring)) {
        cancel_multishots(uring); /* They may count on more than they get. */
        return -ENFILE;
    }
    mine->request = (struct uring_request){
        .opcode = IORING_OP_ACCEPT,
        .target = uring_target_of(handle),
        .flags = SOCK_NONBLOCK, /* Close-on-exec is refused: no program inherits the table. */
        .priority = is_multishot ? IORING_ACCEPT_MULTISHOT : 0,
        .kind = URING_ACCEPT_DIRECT,
    };
    if (is_multishot)
        remember_multishot(uring, operation);
    else
        take_place(uring);
    return weir_uring_submit_slowly(uring, operation, &mine->request);
}

static int accept_completed(struct uring *uring, weir_operation *operation, int result,
                            unsigned more)
{
    bool is_multishot = uring_operation_of(operation)->request.priority;

    if (is_multishot && !more)
        forget_multishot(uring, operation);
    if (result < 0) {
        if (!is_multishot)
            free_place(uring);
        return result;
    }
    if (is_multishot)
        take_place(uring);
    return WEIR_SYS_DESCRIPTOR_END + result;
}

int weir_uring_direct_completed(struct uring *uring, weir_operation *operation, int result,
                                unsigned more)
{
    if (uring_operation_of(operation)->kind == URING_ACCEPT_DIRECT)
        return accept_completed(uring, operation, result, more);
    /* The kernel frees the place whatever it reports. */
    free_place(uring);
    return result;
}

void weir_uring_direct_fill(struct io_uring_sqe *entry, const struct uring_request *request)
{
    if (request->kind == URING_ACCEPT_DIRECT) {
        entry->file_index = IORING_FILE_INDEX_ALLOC;
        return;
    }
    entry->file_index = (uint32_t)place_in(request->target) + 1;
    entry->fd = 0;
    entry->flags = 0;
}

/* Asking: an entry that the kernel completes while it takes it. */

/* The entry is the last in the queue. What the kernel has not taken it takes later, as nothing. */
static void withdraw(const struct uring *uring, struct io_uring_sqe *entry)
{
    if (io_uring_sq_ready(&uring->ring) > 0)
        io_uring_prep_nop(entry);
    io_uring_sqe_set_data64(entry, URING_IGNORED);
}

/* liburing's submit looks for completions too when any are due, and those would fill the queue that
 * the answer needs room in. (Its versions differ in who fills the array.) */
static void submit_only(struct uring *uring)
{
    struct io_uring_sq *queue = &uring->ring.sq;
    unsigned mask = *queue->kring_mask;

    for (; queue->sqe_head != queue->sqe_tail; queue->sqe_head++) {
        if (queue->array)
            queue->array[queue->sqe_head & mask] = queue->sqe_head & mask;
    }
    __atomic_store_n(queue->ktail, queue->sqe_tail, __ATOMIC_RELEASE);
    uring->statistics->enters++;
    (void)syscall(__NR_io_uring_enter, uring->ring.ring_fd, io_uring_sq_ready(&uring->ring), 0, 0,
                  NULL, 0);
}

/* Take a completion out of the queue, so that answers do not fill it: those before it move up. Not
 * while they are being reaped: then it stays, as nothing. */
static void take_out(struct uring *uring, unsigned at)
{
    const struct io_uring_cq *queue = &uring->ring.cq;
    unsigned mask = *queue->kring_mask;

    if (uring->is_reaping) {
        queue->cqes[at & mask].user_data = URING_IGNORED;
        return;
    }
    for (; at != *queue->khead; at--)
        queue->cqes[at & mask] = queue->cqes[(at - 1) & mask];
    io_uring_cq_advance(&uring->ring, 1);
}

/* What the question came to, among completions that are left for whom they are for. The latest is
 * looked at first. */
static bool find_answer(struct uring *uring, int *ret_result)
{
    const struct io_uring_cq *queue = &uring->ring.cq;
    unsigned at = *queue->khead + io_uring_cq_ready(&uring->ring);

    while (at-- != *queue->khead) {
        const struct io_uring_cqe *completion = &queue->cqes[at & *queue->kring_mask];

        if (completion->user_data != URING_ASKED)
            continue;
        *ret_result = completion->res;
        take_out(uring, at);
        return true;
    }
    return false;
}

/* Whether there is room for an answer once what stands in the submission queue is gone. */
static bool can_ask(struct uring *uring)
{
    if (io_uring_sq_ready(&uring->ring) > 0)
        submit_only(uring);
    return io_uring_sq_ready(&uring->ring) == 0 &&
           !(*uring->ring.sq.kflags & IORING_SQ_CQ_OVERFLOW) &&
           io_uring_cq_ready(&uring->ring) < *uring->ring.cq.kring_entries;
}

/* Submit the request and return what it gives; -EAGAIN: the kernel takes none now. */
static int ask(struct uring *uring, const struct uring_request *request)
{
    struct io_uring_sqe *entry;
    int result;

    if (!can_ask(uring))
        return -EAGAIN;
    entry = uring_take_entry(uring);
    uring_fill(entry, request, URING_ASKED);
    submit_only(uring);
    if (find_answer(uring, &result))
        return result;
    withdraw(uring, entry);
    return -EAGAIN;
}

void weir_uring_direct_adopt(struct uring *uring, weir_handle *handle)
{
    int32_t descriptor = (int32_t)handle->native;
    struct uring_request request = {
        .opcode = IORING_OP_FILES_UPDATE,
        .target = uring_target_plain(-1),
        .address = (uintptr_t)&descriptor,
        .offset = IORING_FILE_INDEX_ALLOC,
        .length = 1,
    };

    if (!has_room_for_connect(uring) || ask(uring, &request) != 1)
        return;
    take_place(uring);
    weir_sys_close(handle->native);
    handle->native = WEIR_SYS_DESCRIPTOR_END + descriptor;
    weir_uring_direct_aim(handle);
}

/* At once. */

/* A plain descriptor of the same socket, for the length of a call. */
static int borrow(weir_backend *backend, intptr_t native, intptr_t *ret_descriptor)
{
    struct uring_request request = {.opcode = OP_FIXED_FD_INSTALL, .target = target_of(native)};
    int result;

    if (!weir_uring_is_direct(native)) {
        *ret_descriptor = native;
        return 0;
    }
    result = ask(uring_of(backend), &request);
    if (result < 0)
        return result;
    *ret_descriptor = result;
    return 0;
}

static void give_back(intptr_t native, intptr_t descriptor)
{
    if (weir_uring_is_direct(native))
        weir_sys_close(descriptor);
}

static int open_socket(const weir_endpoint *endpoint, intptr_t *ret_descriptor)
{
    return weir_sys_sockets.open(endpoint, ret_descriptor);
}

static int listen_on(const weir_endpoint *local, const struct weir_tcp_listen_options *options,
                     intptr_t *ret_descriptor)
{
    return weir_sys_sockets.listen(local, options, ret_descriptor);
}

/* Let the kernel take the request with what comes next. What it says is not heard. */
static int push_unheard(struct uring *uring, const struct uring_request *request,
                        uint64_t user_data)
{
    struct io_uring_sqe *entry = weir_uring_get_entry(uring);

    if (!entry)
        return -EAGAIN;
    uring_fill(entry, request, user_data);
    return 0;
}

/* Out of descriptors or of room, one of the kernel's threads does it, soon, and what it says is not
 * heard; but that it is done is: until then no place is freed (op.c). */
static int shut_down_later(struct uring *uring, intptr_t native, int direction)
{
    static const uint32_t how[] = {
        [WEIR_TCP_READS] = SHUT_RD, [WEIR_TCP_WRITES] = SHUT_WR, [WEIR_TCP_BOTH] = SHUT_RDWR};
    struct uring_request request = {
        .opcode = IORING_OP_SHUTDOWN,
        .target = target_of(native),
        .length = how[direction],
    };
    int error = push_unheard(uring, &request, URING_SHUT_DOWN);

    if (!error)
        uring->direct.shutdown_count++;
    return error;
}

static int shut_down(weir_backend *backend, intptr_t native, int direction)
{
    intptr_t descriptor;
    int error = borrow(backend, native, &descriptor);

    if (error == -EMFILE || error == -ENFILE || error == -EAGAIN)
        return shut_down_later(uring_of(backend), native, direction);
    if (error)
        return error;
    error = weir_sys_sockets.shutdown(NULL, descriptor, direction);
    give_back(native, descriptor);
    return error;
}

/* The kernel connects to nobody at once, and fails on what is not connected any more. Without room
 * for the answer nobody hears it: the entry goes before the shutdown and the close. */
static void reset(weir_backend *backend, intptr_t native)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct uring_request request = {
        .opcode = IORING_OP_CONNECT,
        .target = target_of(native),
        .address = (uintptr_t)&nobody,
        .offset = sizeof nobody,
    };

    if (!weir_uring_is_direct(native))
        weir_sys_sockets.reset(NULL, native);
    else if (ask(uring_of(backend), &request) == -EAGAIN)
        (void)push_unheard(uring_of(backend), &request, URING_IGNORED);
}

static int local_of(weir_backend *backend, intptr_t native, weir_endpoint *ret_endpoint)
{
    intptr_t descriptor;
    int error = borrow(backend, native, &descriptor);

    if (error)
        return error;
    error = weir_sys_sockets.local(NULL, descriptor, ret_endpoint);
    give_back(native, descriptor);
    return error;
}

static int peer_of(weir_backend *backend, intptr_t native, weir_endpoint *ret_endpoint)
{
    intptr_t descriptor;
    int error = borrow(backend, native, &descriptor);

    if (error)
        return error;
    error = weir_sys_sockets.peer(NULL, descriptor, ret_endpoint);
    give_back(native, descriptor);
    return error;
}

static int option_set(weir_backend *backend, intptr_t native, int option, int value)
{
    intptr_t descriptor;
    int error = borrow(backend, native, &descriptor);

    if (error)
        return error;
    error = weir_sys_sockets.option_set(NULL, descriptor, option, value);
    give_back(native, descriptor);
    return error;
}

static int option_get(weir_backend *backend, intptr_t native, int option, int *ret_value)
{
    intptr_t descriptor;
    int error = borrow(backend, native, &descriptor);

    if (error)
        return error;
    error = weir_sys_sockets.option_get(NULL, descriptor, option, ret_value);
    give_back(native, descriptor);
    return error;
}

/* What nobody hears, names the place and has not been taken by the kernel does nothing. */
static void withdraw_all_of(const struct uring *uring, int32_t place)
{
    const struct io_uring_sq *queue = &uring->ring.sq;
    unsigned i;

    for (i = queue->sqe_tail - io_uring_sq_ready(&uring->ring); i != queue->sqe_tail; i++) {
        struct io_uring_sqe *entry = &queue->sqes[i & *queue->kring_mask];

        if (entry->user_data != URING_IGNORED || !(entry->flags & IOSQE_FIXED_FILE) ||
            entry->fd != place)
            continue;
        io_uring_prep_nop(entry);
        io_uring_sqe_set_data64(entry, URING_IGNORED);
    }
}

/* By the other way into the table, which waits for no room in a queue. Nothing is in flight, but a
 * reset may stand in the submission queue: it goes first, or else not at all, for the place may be
 * another's by then. */
static void close_now(weir_backend *backend, intptr_t native)
{
    static const int none = -1;
    struct uring *uring = uring_of(backend);

    if (!weir_uring_is_direct(native)) {
        weir_sys_close(native);
        return;
    }
    if (io_uring_sq_ready(&uring->ring) > 0)
        submit_only(uring);
    withdraw_all_of(uring, place_of(native));
    /* Only want of memory in the kernel keeps it, and then the place is freed with the ring. */
    if (io_uring_register_files_update(&uring->ring, (unsigned)place_of(native), &none, 1) == 1)
        free_place(uring);
}

const struct weir_sys_sockets weir_uring_sockets = {
    .open = open_socket,
    .listen = listen_on,
    .shutdown = shut_down,
    .reset = reset,
    .local = local_of,
    .peer = peer_of,
    .option_set = option_set,
    .option_get = option_get,
    .close = close_now,
};
