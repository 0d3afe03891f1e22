/* SPDX-License-Identifier: MIT */

/*
 * bulk-blocking send|receive SIZE: one thread in one blocking call, which is what a bulk transfer
 * should cost and no more.
 */

#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bulk.h"

static bool transfer(const bulk *self, int fd)
{
    if (self->receives)
        return recv(fd, self->buffer, self->size, 0) > 0;
    return send(fd, self->buffer, self->size, MSG_NOSIGNAL) > 0;
}

int main(int argc, char **argv)
{
    bulk self;
    weir_bulk_open(1, argc, argv, &self);
    int listener = weir_bulk_listen(0);
    for (;;) {
        int fd = weir_bulk_accept(listener);
        while (transfer(&self, fd)) {
        }
        close(fd);
    }
}
