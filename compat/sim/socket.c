/* SPDX-License-Identifier: MIT */
/* What operations do with sockets, and what is done with sockets at once. */
#include <errno.h>
#include <stdlib.h>

#include "kernel.h"

/* Performing. */

size_t weir_sim_operation_limit(const sim_operation *operation, size_t size)
{
    sim_kernel *kernel = operation->kernel;
    weir_sim *sim = kernel->sim;

    if (size > 1 && weir_sim_fault_at(sim_kernel_host(kernel), sim->options.faults.partial_transfer,
                                      SIM_FAULT_PARTIAL_TRANSFER))
        return 1 + sim_random_below(&sim->random, size - 1);
    return size;
}

/* What comes goes to memory of the kernel's: the caller's gets it when the operation is reaped. */
static int64_t receive(sim_operation *operation)
{
    size_t limit = weir_sim_operation_limit(operation, operation->guard.size);
    uint8_t *bytes = weir_sim_allocate(limit ? limit : 1);
    weir_buffer buffer = weir_buffer_of(bytes, limit);
    int64_t result = weir_sim_socket_receive(operation->socket, &buffer, 1, limit);

    if (result > 0)
        operation->received = bytes;
    else
        free(bytes);
    return result;
}

int64_t weir_sim_operation_send(sim_operation *operation)
{
    const struct sim_guard *guard = &operation->guard;

    return weir_sim_socket_send(operation->socket,
                                (const weir_const_buffer *)(void *)guard->buffers, guard->count,
                                weir_sim_operation_limit(operation, guard->size));
}

/* Begin to connect: 0 or why not. */
static int begin_to_connect(sim_kernel *kernel, sim_socket *socket, const weir_endpoint *peer)
{
    weir_sim *sim = kernel->sim;

    if (weir_sim_fault_at(sim_kernel_host(kernel), sim->options.faults.no_kernel_memory,
                          SIM_FAULT_NO_KERNEL_MEMORY))
        return -ENOBUFS;
    return weir_sim_socket_connect(socket, peer);
}

static int64_t connect(sim_operation *operation)
{
    int error = 0;

    if (!operation->is_begun) {
        operation->is_begun = true;
        error = begin_to_connect(operation->kernel, operation->socket, &operation->peer);
    }
    if (!error)
        error = weir_sim_socket_connect_result(operation->socket);
    return error == -EINPROGRESS ? -EAGAIN : error;
}

static int64_t close_now(sim_operation *operation)
{
    sim_attached *attached = operation->attached;

    if (operation->shuts_down)
        (void)weir_sim_socket_shutdown(operation->socket, 2);
    weir_sim_socket_close(sim_kernel_host(operation->kernel), attached->descriptor);
    return 0;
}

/* What a poll says: nothing is promised but that it is no error. */
static int64_t ready(sim_kernel *kernel)
{
    return (int64_t)sim_random_below(&kernel->sim->random, 2);
}

int64_t weir_sim_operation_perform(sim_operation *operation)
{
    switch (operation->kind) {
    case SIM_CONNECT_OPERATION:
        return connect(operation);
    case SIM_RECEIVE_OPERATION:
        return receive(operation);
    case SIM_SEND_OPERATION:
        return weir_sim_operation_send(operation);
    case SIM_SEND_ZERO_COPY_OPERATION:
        return weir_sim_operation_send_zero_copy(operation);
    case SIM_POLL_READ_OPERATION:
        return weir_sim_socket_is_readable(operation->socket) ? ready(operation->kernel) : -EAGAIN;
    case SIM_POLL_WRITE_OPERATION:
        return weir_sim_socket_is_writable(operation->socket) ? ready(operation->kernel) : -EAGAIN;
    case SIM_CLOSE_OPERATION:
        return close_now(operation);
    case SIM_ACCEPT_OPERATION:
    case SIM_RECEIVE_LENT_OPERATION:
    case SIM_KIND_COUNT:
        break;
    }
    WEIR_UNREACHABLE("a multishot is performed by a function of its own");
}

/* What an open or an accept may fail with, or 0. */
static int shortage(weir_sim_host *host)
{
    weir_sim *sim = host->sim;
    const weir_sim_faults *faults = &sim->options.faults;
    bool other = sim_random_below(&sim->random, 2);

    if (weir_sim_fault_at(host, faults->no_descriptors, SIM_FAULT_NO_DESCRIPTORS))
        return other ? -EMFILE : -ENFILE;
    if (weir_sim_fault_at(host, faults->no_kernel_memory, SIM_FAULT_NO_KERNEL_MEMORY))
        return other ? -ENOBUFS : -ENOMEM;
    return 0;
}

static int accept_one(sim_operation *operation)
{
    const weir_sim_faults *faults = &operation->kernel->sim->options.faults;
    weir_sim_host *here = sim_kernel_host(operation->kernel);
    int error;

    /* A ring finds a descriptor before it looks for a connection. */
    if (!weir_sim_socket_is_readable(operation->socket))
        return operation->kernel->at_once == 0 ? weir_sim_socket_accept(operation->socket)
                                               : -EAGAIN;
    if (weir_sim_fault_at(here, faults->lost_connection, SIM_FAULT_LOST_CONNECTION) &&
        weir_sim_socket_lose(operation->socket))
        return -ECONNABORTED;
    error = shortage(here);
    return error ? error : weir_sim_socket_accept(operation->socket);
}

/* 0: it is connected no more. */
static uint16_t remote_port(const sim_socket *socket)
{
    weir_endpoint peer;

    return weir_sim_socket_peer(socket, &peer) == 0 ? peer.port : 0;
}

void weir_sim_operation_accept(sim_operation *operation)
{
    const weir_sim_faults *faults = &operation->kernel->sim->options.faults;
    weir_sim_host *here = sim_kernel_host(operation->kernel);

    while (operation->state == SIM_INSIDE) {
        int result = accept_one(operation);
        unsigned flags = WEIR_OPERATION_MORE;

        if (result == -EAGAIN)
            return;
        if (result < 0 || weir_sim_fault_at(here, faults->multishot_end, SIM_FAULT_MULTISHOT_END))
            flags = 0;
        if (result >= 0)
            weir_sim_trace_at(here, SIM_ACCEPTED, result,
                              remote_port(weir_sim_socket_at(here, result)));
        weir_sim_operation_complete(operation, result, flags);
    }
}

/* Attached sockets. */

sim_attached *weir_sim_attached_of(sim_kernel *kernel, weir_handle *handle)
{
    sim_attached *attached = weir_sim_attached_marked(handle);

    SIM_CHECK(kernel->sim, attached && attached->handle == handle && attached->kernel == kernel,
              "an operation starts on a socket that is attached");
    weir_sim_attached_check(attached);
    return attached;
}

static bool is_idle(const sim_attached *attached)
{
    return !attached->pending[WEIR_READING] && !attached->pending[WEIR_WRITING] &&
           !attached->closing;
}

static void let_go(sim_attached *attached)
{
    weir_sim_socket_watch(attached->socket, NULL, NULL);
    weir_sim_socket_release(attached->socket);
    weir_list_remove(&attached->link);
    free(attached);
}

static void forget(sim_attached *attached)
{
    weir_sim_attached_unmark(attached);
    let_go(attached);
}

void weir_sim_kernel_drop_attached(sim_kernel *kernel)
{
    weir_list_node *node;

    while ((node = weir_list_first(&kernel->attached)))
        let_go(WEIR_CONTAINER_OF(node, sim_attached, link));
}

void weir_sim_attached_release(sim_attached *attached)
{
    if (attached->is_closed && is_idle(attached))
        forget(attached);
}

static void socket_changed(sim_socket *socket)
{
    sim_attached *attached = weir_sim_socket_watcher(socket);
    int i;

    for (i = WEIR_READING; i <= WEIR_WRITING; i++) {
        if (attached->pending[i])
            weir_sim_operation_try_soon(attached->pending[i]);
    }
}

int weir_sim_kernel_attach(weir_backend *backend, weir_handle *handle)
{
    sim_kernel *kernel = sim_kernel_of(backend);
    weir_sim *sim = kernel->sim;
    sim_attached *attached;

    if (weir_sim_fault(sim, sim->options.faults.no_kernel_memory, SIM_FAULT_NO_KERNEL_MEMORY))
        return -ENOMEM;
    attached = weir_sim_allocate(sizeof *attached);
    attached->kernel = kernel;
    attached->handle = handle;
    attached->descriptor = handle->native;
    attached->socket = weir_sim_socket_at(sim_kernel_host(kernel), handle->native);
    SIM_CHECK(sim, attached->socket, "an open descriptor is attached");
    SIM_CHECK(sim, !weir_sim_socket_watcher(attached->socket), "a socket is attached once");
    weir_sim_socket_hold(attached->socket);
    weir_sim_socket_watch(attached->socket, socket_changed, attached);
    weir_list_push(&kernel->attached, &attached->link);
    weir_sim_attached_mark(attached);
    return 0;
}

void weir_sim_kernel_detach(weir_backend *backend, weir_handle *handle)
{
    sim_kernel *kernel = sim_kernel_of(backend);
    sim_attached *attached = weir_sim_attached_of(kernel, handle);

    SIM_CHECK(kernel->sim, is_idle(attached), "a socket goes when nothing is in flight on it");
    forget(attached);
}

/* Starters. */

static bool is_on_its_way(const sim_operation *operation)
{
    return operation && operation->state != SIM_INSIDE;
}

/* A kernel may have the result at once, and then it never owned anything. But nothing overtakes
 * what has been started on the socket and has not entered, or has completed and was not reaped:
 * whoever answers at once does and tells everything at once. */
static bool is_tried_at_once(const sim_operation *operation)
{
    const sim_attached *attached = operation->attached;
    weir_sim *sim = operation->kernel->sim;

    weir_sim_interleave(sim);
    if (is_on_its_way(attached->pending[WEIR_READING]) ||
        is_on_its_way(attached->pending[WEIR_WRITING]))
        return false;
    return sim_random_chance(&sim->random, operation->kernel->at_once);
}

static int answer_at_once(sim_operation *operation, int64_t result)
{
    weir_sim_trace_operation(operation, SIM_PHASE_AT_ONCE, result);
    weir_sim_operation_drop(operation);
    return (int)result;
}

/* As the system call does it, in the caller's own memory. */
static int64_t transfer_at_once(sim_operation *operation, const weir_buffer *buffers, size_t count)
{
    size_t size = 0;
    size_t limit;
    size_t i;

    for (i = 0; i < count; i++)
        size += buffers[i].size;
    limit = weir_sim_operation_limit(operation, size);
    if (operation->kind == SIM_SEND_OPERATION)
        return weir_sim_socket_send(operation->socket,
                                    (const weir_const_buffer *)(const void *)buffers, count, limit);
    return weir_sim_socket_receive(operation->socket, buffers, count, limit);
}

/* @sequence  the caller's own, or NULL when it is a single buffer by value */
static int start_transfer(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                          enum sim_kind kind, weir_message *message, const weir_buffer *buffers,
                          size_t count, const void *sequence)
{
    sim_operation *self = weir_sim_operation_new(sim_kernel_of(backend), operation, handle, kind);

    if (is_tried_at_once(self)) {
        int64_t result = transfer_at_once(self, buffers, count);

        if (result != -EAGAIN)
            return answer_at_once(self, result);
    }
    self->guard.message = message;
    weir_sim_guard_take(self, buffers, count, sequence);
    return weir_sim_operation_queue(self);
}

int weir_sim_kernel_receive(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                            weir_buffer buffer)
{
    return start_transfer(backend, operation, handle, SIM_RECEIVE_OPERATION, NULL, &buffer, 1,
                          NULL);
}

int weir_sim_kernel_send(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                         weir_const_buffer buffer)
{
    weir_buffer same = weir_buffer_of((void *)(uintptr_t)buffer.data, buffer.size);

    return start_transfer(backend, operation, handle, SIM_SEND_OPERATION, NULL, &same, 1, NULL);
}

int weir_sim_kernel_receive_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                              weir_message *message, const weir_buffer *buffers, size_t count)
{
    return start_transfer(backend, operation, handle, SIM_RECEIVE_OPERATION, message, buffers,
                          count, buffers);
}

int weir_sim_kernel_send_v(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                           weir_message *message, const weir_const_buffer *buffers, size_t count)
{
    return start_transfer(backend, operation, handle, SIM_SEND_OPERATION, message,
                          (const weir_buffer *)(const void *)buffers, count, buffers);
}

int weir_sim_kernel_accept(weir_backend *backend, weir_operation *operation, weir_handle *handle)
{
    return weir_sim_operation_queue(
        weir_sim_operation_new(sim_kernel_of(backend), operation, handle, SIM_ACCEPT_OPERATION));
}

int weir_sim_kernel_connect(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                            weir_message *message, const weir_endpoint *peer)
{
    sim_operation *self =
        weir_sim_operation_new(sim_kernel_of(backend), operation, handle, SIM_CONNECT_OPERATION);

    self->guard.message = message;
    self->peer = *peer;
    if (is_tried_at_once(self)) {
        int64_t result = connect(self);

        if (result != -EAGAIN)
            return answer_at_once(self, result);
    }
    return weir_sim_operation_queue(self);
}

int weir_sim_kernel_poll(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                         enum weir_direction direction)
{
    enum sim_kind kind =
        direction == WEIR_READING ? SIM_POLL_READ_OPERATION : SIM_POLL_WRITE_OPERATION;
    sim_operation *self = weir_sim_operation_new(sim_kernel_of(backend), operation, handle, kind);

    if (is_tried_at_once(self)) {
        int64_t result = weir_sim_operation_perform(self);

        if (result != -EAGAIN)
            return answer_at_once(self, result);
    }
    return weir_sim_operation_queue(self);
}

/* Nothing is in flight but a receive into lent buffers, whose cancel goes before
 * whatever follows. */
static bool is_being_left(const sim_attached *attached)
{
    const sim_operation *receive = attached->pending[WEIR_READING];

    return receive && receive->kind == SIM_RECEIVE_LENT_OPERATION && receive->is_cancelled &&
           !attached->pending[WEIR_WRITING] && !attached->closing;
}

int weir_sim_kernel_close_socket(weir_backend *backend, weir_operation *operation,
                                 weir_handle *handle, bool shut_down)
{
    sim_kernel *kernel = sim_kernel_of(backend);
    sim_attached *attached = weir_sim_attached_of(kernel, handle);
    sim_operation *self;

    SIM_CHECK(kernel->sim, shut_down || is_idle(attached) || is_being_left(attached),
              "a socket with operations in flight is shut down when it is closed");
    self = weir_sim_operation_new(kernel, operation, handle, SIM_CLOSE_OPERATION);
    self->shuts_down = shut_down;
    attached->is_closed = true;
    if (!is_tried_at_once(self))
        return weir_sim_operation_queue(self);
    return answer_at_once(self, close_now(self));
}

/* At once. */

static weir_sim_host *host(void)
{
    SIM_CHECK(weir_sim_running, weir_sim_running->running, "sockets are used by programs");
    return sim_program_current()->host;
}

/* The socket of a descriptor that a program of this host has. */
static sim_socket *socket_at(intptr_t descriptor)
{
    sim_socket *socket = weir_sim_socket_at(host(), descriptor);

    SIM_CHECK(weir_sim_running, socket, "a descriptor is used while it is open");
    return socket;
}

static int socket_open(const weir_endpoint *endpoint, intptr_t *ret_descriptor)
{
    int descriptor = shortage(host());

    if (!descriptor)
        descriptor = weir_sim_socket_open(host(), endpoint->family);
    if (descriptor < 0)
        return descriptor;
    *ret_descriptor = descriptor;
    return 0;
}

static int socket_listen(const weir_endpoint *local, const struct weir_tcp_listen_options *options,
                         intptr_t *ret_descriptor)
{
    intptr_t descriptor;
    int error = socket_open(local, &descriptor);

    if (error)
        return error;
    error = weir_sim_socket_listen(socket_at(descriptor), local, options);
    if (error) {
        weir_sim_socket_close(host(), descriptor);
        return error;
    }
    *ret_descriptor = descriptor;
    return 0;
}

static int socket_shutdown(struct weir_backend *backend, intptr_t descriptor, int direction)
{
    (void)backend;
    return weir_sim_socket_shutdown(socket_at(descriptor), direction);
}

static void socket_reset(struct weir_backend *backend, intptr_t descriptor)
{
    sim_socket *socket = socket_at(descriptor);
    const sim_attached *attached = weir_sim_socket_watcher(socket);

    (void)backend;
    weir_sim_socket_reset(socket);
    if (attached)
        weir_sim_kernel_hurry_notifications(attached->kernel, socket);
}

static int socket_local(struct weir_backend *backend, intptr_t descriptor,
                        weir_endpoint *ret_endpoint)
{
    (void)backend;
    return weir_sim_socket_local(socket_at(descriptor), ret_endpoint);
}

static int socket_peer(struct weir_backend *backend, intptr_t descriptor,
                       weir_endpoint *ret_endpoint)
{
    (void)backend;
    return weir_sim_socket_peer(socket_at(descriptor), ret_endpoint);
}

static int socket_option_set(struct weir_backend *backend, intptr_t descriptor, int option,
                             int value)
{
    (void)backend;
    return weir_sim_socket_option_set(socket_at(descriptor), option, value);
}

static int socket_option_get(struct weir_backend *backend, intptr_t descriptor, int option,
                             int *ret_value)
{
    (void)backend;
    return weir_sim_socket_option_get(socket_at(descriptor), option, ret_value);
}

static void socket_close(struct weir_backend *backend, intptr_t descriptor)
{
    (void)backend;
    SIM_CHECK(weir_sim_running, !weir_sim_socket_watcher(socket_at(descriptor)),
              "a descriptor that is closed directly is not attached to a loop");
    weir_sim_socket_close(host(), descriptor);
}

const struct weir_sys_sockets weir_sim_sockets = {
    .open = socket_open,
    .listen = socket_listen,
    .shutdown = socket_shutdown,
    .reset = socket_reset,
    .local = socket_local,
    .peer = socket_peer,
    .option_set = socket_option_set,
    .option_get = socket_option_get,
    .close = socket_close,
};
