/* SPDX-License-Identifier: MIT */

/* What raw sockets do on every system. */
#include "raw.h"

#include "test.h"

const struct raw_system *raw_system = &raw_posix;

void raw_send(int socket, const void *data, size_t size)
{
    const char *rest = data;

    while (size > 0) {
        size_t sent = raw_system->send(socket, rest, size);

        rest += sent;
        size -= sent;
    }
}

size_t raw_receive(int socket, void *data, size_t size)
{
    char *rest = data;
    size_t total = 0;

    while (total < size) {
        int64_t received = raw_receive_some(socket, rest + total, size - total);

        CHECK(received >= 0);
        if (received == 0)
            break;
        total += (size_t)received;
    }
    return total;
}
