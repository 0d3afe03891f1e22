/* SPDX-License-Identifier: MIT */
/* The table of connections: see connection.h. */
#include "connection.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

void *weir_peer_connections_map(size_t buffer_size)
{
    size_t size = weir_peer_connections_limit() * (sizeof(peer_connection) + buffer_size);
    void *table = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED)
        weir_peer_die("mmap", errno);
    /* Where huge pages are always on, a connection would cost 2 MiB for its first byte. */
    (void)madvise(table, size, MADV_NOHUGEPAGE);
    return table;
}
