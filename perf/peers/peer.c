/* SPDX-License-Identifier: MIT */

/*
 * The part of the echo servers that runs once: see peer.h.
 */

#include "peer.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

void weir_peer_die(const char *what, int error)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(error));
    exit(1);
}

static _Noreturn void usage_die(void)
{
    fprintf(stderr, "usage: %s [--port N] [--host A]\n", program_invocation_short_name);
    exit(2);
}

void weir_peer_options_parse(peer_options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"host", required_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *options = (peer_options){.host = "127.0.0.1", .port = "0"};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == 'p')
            options->port = optarg;
        else if (option == 'h')
            options->host = optarg;
        else
            usage_die();
    }
    if (optind != argc)
        usage_die();
}

static void listening_print(int listener)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    if (getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        weir_peer_die("getsockname", errno);
    int failure = getnameinfo((struct sockaddr *)&address, size, host, sizeof(host), port,
                              sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    if (failure != 0)
        weir_peer_die("getnameinfo", EINVAL);
    const char *format =
        address.ss_family == AF_INET6 ? "listening on [%s]:%s\n" : "listening on %s:%s\n";
    printf(format, host, port);
    fflush(stdout);
}

static void option_enable(int fd, int level, int name)
{
    if (setsockopt(fd, level, name, &(int){1}, sizeof(int)) < 0)
        weir_peer_die("setsockopt", errno);
}

int weir_peer_listen(const peer_options *options, int socket_flags)
{
    const struct addrinfo hints = {
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *address;
    if (getaddrinfo(options->host, options->port, &hints, &address) != 0) {
        fprintf(stderr, "%s: not an address and port: %s %s\n", program_invocation_short_name,
                options->host, options->port);
        exit(2);
    }
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | socket_flags, 0);
    if (fd < 0)
        weir_peer_die("socket", errno);
    option_enable(fd, SOL_SOCKET, SO_REUSEADDR);
    option_enable(fd, IPPROTO_TCP, TCP_NODELAY);
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0)
        weir_peer_die("bind", errno);
    if (listen(fd, SOMAXCONN) < 0)
        weir_peer_die("listen", errno);
    freeaddrinfo(address);
    listening_print(fd);
    return fd;
}

int weir_peer_signals_open(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        weir_peer_die("sigprocmask", errno);
    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        weir_peer_die("signalfd", errno);
    return fd;
}

unsigned weir_peer_connections_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        weir_peer_die("getrlimit", errno);
    if (limit.rlim_cur > PEER_CONNECTIONS_MAX) {
        limit.rlim_cur = PEER_CONNECTIONS_MAX;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            weir_peer_die("setrlimit", errno);
    }
    return (unsigned)limit.rlim_cur;
}
