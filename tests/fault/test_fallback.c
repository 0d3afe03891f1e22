/* SPDX-License-Identifier: MIT */

/*
 * Where io_uring is forbidden, as in most containers: the next backend serves, unless io_uring was
 * asked for by name. A filter of the kernel (seccomp) forbids it to the process of the
 * test for good.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <libgen.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/weir.h>

#include "exchange.h"
#include "sys.h"
#include "test.h"

/* From now on this system call fails with this errno, here and in what is executed. */
static void forbid(long number, int error)
{
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {
        .len = sizeof instructions / sizeof instructions[0],
        .filter = instructions,
    };

    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        test_skip("no seccomp filters here: %s", strerror(errno));
}

/* What is chosen when nothing is asked for, and that it works. */
static void check_default(const char *expected)
{
    struct exchange exchange;
    weir_loop *loop;

    CHECK_EQ(weir_loop_new(NULL, &loop), 0);
    CHECK_STR_EQ(weir_loop_backend_name(loop), expected);
    weir_loop_free(loop);

    exchange_run(&exchange, NULL);
    CHECK_EQ(exchange.loop_error, 0);
    CHECK_EQ(exchange.listen_error, 0);
    CHECK_EQ(exchange_failed_clients(&exchange), 0);
}

static void falls_back(long number, int error, int expected)
{
    CHECK_EQ(unsetenv("WEIR_BACKEND"), 0);
    forbid(number, error);
    check_default("epoll");
    CHECK_EQ(weir_backend_probe("uring"), expected);
    CHECK_EQ(weir_backend_probe("epoll"), 0);
}

WEIR_TEST(fallback, a_forbidden_io_uring_gives_epoll)
{
    falls_back(SYS_io_uring_setup, EPERM, -EPERM);
}

WEIR_TEST(fallback, a_missing_io_uring_gives_epoll)
{
    falls_back(SYS_io_uring_setup, ENOSYS, -ENOSYS);
}

WEIR_TEST(fallback, a_ring_that_may_not_be_entered_gives_epoll)
{
    test_require_backend("uring");
    falls_back(SYS_io_uring_enter, EPERM, -EPERM);
}

WEIR_TEST(fallback, a_ring_that_may_not_be_asked_what_it_can_gives_epoll)
{
    test_require_backend("uring");
    falls_back(SYS_io_uring_register, EPERM, -ENOSYS);
}

WEIR_TEST(fallback, io_uring_asked_for_by_name_is_refused)
{
    weir_loop_options options = {.backend = "uring"};
    weir_loop *loop = NULL;

    forbid(SYS_io_uring_setup, EPERM);
    CHECK_EQ(weir_loop_new(&options, &loop), -EPERM);
    CHECK(!loop);
    CHECK_EQ(setenv("WEIR_BACKEND", "uring", 1), 0);
    CHECK_EQ(weir_loop_new(NULL, &loop), -EPERM);
    CHECK(!loop);
}

WEIR_TEST(fallback, the_environment_chooses_a_backend)
{
    CHECK_EQ(setenv("WEIR_BACKEND", "epoll", 1), 0);
    check_default("epoll");
}

WEIR_TEST(fallback, an_empty_environment_chooses_nothing)
{
    const char *best = weir_backend_probe("uring") == 0 ? "uring" : "epoll";

    CHECK_EQ(setenv("WEIR_BACKEND", "", 1), 0);
    check_default(best);
    CHECK_EQ(unsetenv("WEIR_BACKEND"), 0);
    check_default(best);
}

WEIR_TEST(fallback, an_option_is_stronger_than_the_environment)
{
    weir_loop_options options = {.backend = "epoll"};
    weir_loop *loop;

    CHECK_EQ(setenv("WEIR_BACKEND", "nonsense", 1), 0);
    CHECK_EQ(weir_loop_new(NULL, &loop), -EINVAL);
    CHECK_EQ(weir_loop_new(&options, &loop), 0);
    CHECK_STR_EQ(weir_loop_backend_name(loop), "epoll");
    weir_loop_free(loop);
}

/* The example server, which stands beside this program. */

struct server {
    pid_t process;
    FILE *output;
    weir_endpoint endpoint;
};

static void find_example(char *ret_path, size_t size)
{
    char self[4096] = "";

    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(ret_path, size, "%s/weir-echo", dirname(self));
    if (access(ret_path, X_OK) < 0)
        test_skip("the example was not built");
}

static void server_start(struct server *server)
{
    char line[128];
    char address[64];
    char path[4200];
    int ends[2];

    find_example(path, sizeof path);
    CHECK_EQ(unsetenv("WEIR_BACKEND"), 0);
    CHECK_EQ(pipe(ends), 0);
    server->process = fork();
    CHECK(server->process >= 0);
    if (server->process == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        CHECK(dup2(ends[1], STDOUT_FILENO) >= 0);
        execl(path, path, (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    CHECK_EQ(close(ends[1]), 0);
    server->output = fdopen(ends[0], "r");
    CHECK(server->output);
    CHECK(fgets(line, sizeof line, server->output));
    CHECK_EQ(sscanf(line, "listening on %63s", address), 1);
    CHECK_EQ(weir_endpoint_parse(address, &server->endpoint), 0);
}

static void server_echoes(const struct server *server)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    weir_sys_address address;
    char data[5];

    weir_sys_address_of(&server->endpoint, &address);
    CHECK_EQ(connect(client, (const struct sockaddr *)address.words, address.length), 0);
    CHECK_EQ(send(client, "hello", 5, 0), 5);
    CHECK_EQ(recv(client, data, 5, MSG_WAITALL), 5);
    CHECK_EQ(memcmp(data, "hello", 5), 0);
    CHECK_EQ(close(client), 0);
}

static void server_stop(struct server *server)
{
    char line[256];
    int status;

    CHECK_EQ(kill(server->process, SIGTERM), 0);
    CHECK_EQ(waitpid(server->process, &status, 0), server->process);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    CHECK(fgets(line, sizeof line, server->output));
    CHECK(strstr(line, "served 1 connections, 1 messages, 5 bytes"));
    CHECK_EQ(fclose(server->output), 0);
}

static void server_serves(void)
{
    struct server server;

    server_start(&server);
    server_echoes(&server);
    server_stop(&server);
}

WEIR_TEST(fallback, the_example_serves_without_io_uring)
{
    forbid(SYS_io_uring_setup, EPERM);
    server_serves();
}

WEIR_TEST(fallback, the_example_serves_where_a_ring_may_not_be_entered)
{
    forbid(SYS_io_uring_enter, ENOSYS);
    server_serves();
}
