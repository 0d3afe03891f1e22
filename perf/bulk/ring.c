/* SPDX-License-Identifier: MIT */

/*
 * bulk-uring send|receive SIZE: by hand on liburing, one-shot. Each operation is submitted by the
 * call that waits for it; a send is resumed by the kernel until all of it is taken (MSG_WAITALL).
 */

#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bulk.h"
#include "ring.h"

static void transfer_prepare(const bulk *self, struct io_uring_sqe *sqe, int fd)
{
    if (self->receives)
        io_uring_prep_recv(sqe, fd, self->buffer, self->size, 0);
    else
        io_uring_prep_send(sqe, fd, self->buffer, self->size, MSG_NOSIGNAL | MSG_WAITALL);
}

static bool transfer(const bulk *self, struct io_uring *ring, int fd)
{
    struct io_uring_cqe *cqe;
    transfer_prepare(self, ring_sqe(ring), fd);
    do
        ring_enter(ring);
    while (io_uring_peek_cqe(ring, &cqe) != 0);
    bool moved = cqe->res > 0;
    io_uring_cqe_seen(ring, cqe);
    return moved;
}

int main(int argc, char **argv)
{
    bulk self;
    struct io_uring ring;
    weir_bulk_open(1, argc, argv, &self);
    ring_open(&ring);
    int listener = weir_bulk_listen(0);
    for (;;) {
        int fd = weir_bulk_accept(listener);
        while (transfer(&self, &ring, fd)) {
        }
        close(fd);
    }
}
