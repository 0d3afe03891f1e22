/* SPDX-License-Identifier: MIT */

/*
 * The part of the bulk servers that runs once: see bulk.h.
 */

#include "bulk.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Noreturn void weir_bulk_usage_die(void)
{
    fprintf(stderr, "usage: %s ... send|receive SIZE\n", program_invocation_short_name);
    exit(2);
}

static void end(int number)
{
    (void)number;
    _exit(0);
}

static size_t size_parse(const char *text)
{
    char *rest;
    unsigned long size = strtoul(text, &rest, 10);
    if (*rest != '\0' || size == 0 || size > BULK_SIZE_MAX)
        weir_bulk_usage_die();
    return size;
}

void weir_bulk_open(int first, int argc, char **argv, bulk *ret_bulk)
{
    if (argc != first + 2)
        weir_bulk_usage_die();
    int receives = strcmp(argv[first], "receive") == 0;
    if (!receives && strcmp(argv[first], "send") != 0)
        weir_bulk_usage_die();
    size_t size = size_parse(argv[first + 1]);
    char *buffer = malloc(size);
    if (!buffer)
        weir_peer_die("malloc", ENOMEM);
    memset(buffer, 'w', size);
    *ret_bulk = (bulk){receives, size, buffer};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, end);
}

int weir_bulk_listen(int socket_flags)
{
    const peer_options options = {.host = "127.0.0.1", .port = "0"};
    return weir_peer_listen(&options, socket_flags);
}

int weir_bulk_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        weir_peer_die("accept", errno);
    return fd;
}
