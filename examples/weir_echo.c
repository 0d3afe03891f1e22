/* SPDX-License-Identifier: MIT */
/*
 * weir-echo: sends back what it receives.
 *
 *      weir-echo [--port N] [--host A] [--threads T] [--backend uring|epoll] [--spin MICROSECONDS]
 *                [--receive lent|own] [--user-timeout MILLISECONDS]
 *
 * Each thread has its own loop and its own SO_REUSEPORT listener, and shares nothing with the
 * others. A session receives into buffers of its loop, and so holds none while it waits, or into
 * its own. A client that does not read keeps what its session holds, and is lost after the user
 * timeout. SIGINT or SIGTERM stops softly: no more connections, what is being written is written,
 * for at most GRACE_NS; then, or at the second signal, hard. SIGUSR1 prints what every task waits
 * for, SIGUSR2 what every loop has counted.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/weir.h>

enum { THREADS_MAX = 64, USER_TIMEOUT_MS = 30000 };

static const int64_t GRACE_NS = INT64_C(5000000000);
static const int64_t SILENCE_NS = INT64_C(1000000000);
static const int64_t FRAME_RETRY_NS = INT64_C(10000000);

/* What a loop can be asked to print. */
enum print_kind { PRINT_TASKS = 1, PRINT_STATISTICS = 2 };

/* One connection. */
struct session {
    weir_task task;
    weir_tcp_socket socket;
    struct server *server;
};

/* One that shows what it received where it stands. */
struct lent_session {
    struct session base;
    weir_tcp_source source;
    weir_const_buffer message;
};

/* One that receives into its own memory. */
struct own_session {
    struct session base;
    uint8_t data[16384];
};

/* Waits for signals, on the first server's loop. */
struct watch {
    weir_task task;
    weir_signal_set signals;
    struct server *servers;
    int server_count;
    int live_count; /* Servers that have not ended. __atomic: who takes the last one stops it. */
    bool stopping;
    weir_deadline silence; /* When a loop that has not printed what it was asked for is named. */
    weir_root root;
};

/* One thread: its loop, its listener, its connections. */
struct server {
    weir_task task;
    weir_tcp_acceptor acceptor; /* In. Listening when the task starts. */
    weir_loop *loop;
    struct session *next; /* Allocated before the connection it will hold is accepted. */
    weir_scope sessions;
    bool lends; /* To its sessions. */
    weir_deadline grace;
    uint64_t connections; /* Out: what was served. */
    uint64_t messages;
    uint64_t bytes;

    weir_root root;
    pthread_t thread;
    int index;
    struct watch *watch; /* One for all, on the first server's loop. */

    weir_root print_root; /* Of print_task: a tree of its own, on this loop. */
    weir_task print_task;
    unsigned asked;   /* For what, enum print_kind bits: set by the watch, cleared by the loop when
                         it is printed: __atomic. The one who sets the first starts the tree. */
    unsigned printed; /* By print_task. */
};

/* Sessions. */

static weir_task *lent_session_resume(weir_task *task)
{
    struct lent_session *self = WEIR_TASK_SELF(task, struct lent_session);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, weir_buffer_source_pull(task, &self->source.source, &self->message, 1));
        if (r.error)
            break;
        self->base.server->messages++;
        weir_shield_begin(task); /* What was read is written, also when a stop comes now. */
        WEIR_AWAIT(task, r, weir_write(task, &self->base.socket.stream.out, self->message));
        weir_shield_end(task);
        self->base.server->bytes += r.count;
        if (r.error)
            break;
        weir_buffer_source_consume(&self->source.source, self->message.size);
    }
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->base.socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static weir_task *own_session_resume(weir_task *task)
{
    struct own_session *self = WEIR_TASK_SELF(task, struct own_session);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->base.socket.stream.in,
                                  weir_buffer_of(self->data, sizeof self->data)));
        if (r.error)
            break;
        self->base.server->messages++;
        weir_shield_begin(task); /* What was read is written, also when a stop comes now. */
        WEIR_AWAIT(task, r,
                   weir_write(task, &self->base.socket.stream.out,
                              weir_const_buffer_of(self->data, r.count)));
        weir_shield_end(task);
        self->base.server->bytes += r.count;
    } while (!r.error);
    WEIR_AWAIT(task, r, weir_tcp_close(task, &self->base.socket));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Servers. */

static struct session *session_init(struct session *session, struct server *server)
{
    weir_tcp_socket_init(&session->socket);
    session->server = server;
    return session;
}

static struct session *lent_session_new(struct server *server)
{
    struct lent_session *session =
        weir_scope_new(&server->sessions, sizeof *session, lent_session_resume);

    if (!session)
        return NULL;
    session_init(&session->base, server);
    weir_tcp_source_init(&session->source, &session->base.socket);
    return &session->base;
}

static struct session *own_session_new(struct server *server)
{
    struct own_session *session =
        weir_scope_new(&server->sessions, sizeof *session, own_session_resume);

    return session ? session_init(&session->base, server) : NULL;
}

static struct session *session_new(struct server *server)
{
    return server->lends ? lent_session_new(server) : own_session_new(server);
}

/* The watch outlives all servers: until then a second signal is to be heard. */
static void leave(struct server *server)
{
    if (__atomic_sub_fetch(&server->watch->live_count, 1, __ATOMIC_ACQ_REL) == 0)
        weir_root_stop(&server->watch->root, WEIR_STOP_REQUESTED);
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->sessions, task);
    for (;;) {
        self->next = session_new(self);
        if (!self->next) { /* Out of memory: those who are here go on, others wait. */
            WEIR_AWAIT(task, r, weir_sleep_for(task, FRAME_RETRY_NS));
            if (r.error)
                break;
            continue;
        }
        WEIR_AWAIT(task, r, weir_tcp_accept(task, &self->acceptor, &self->next->socket));
        if (r.error) {
            weir_scope_discard(&self->sessions, &self->next->task);
            break;
        }
        self->connections++;
        weir_scope_start(&self->sessions, &self->next->task);
    }
    WEIR_AWAIT(task, r, weir_tcp_acceptor_close(task, &self->acceptor));
    weir_deadline_arm_hard_after(task, &self->grace, GRACE_NS);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->sessions));
    (void)weir_deadline_disarm(task, &self->grace);
    leave(self);
    WEIR_RETURN(task, weir_result_of(0, self->messages));
    WEIR_END(task);
}

static void *server_thread(void *argument)
{
    struct server *server = argument;

    weir_loop_run(server->loop);
    return NULL;
}

/* Printing: each loop prints its own, on its own thread. */

static void print_tasks(struct server *server)
{
    fprintf(stderr, "tasks of the %s loop of thread %d:\n", weir_loop_backend_name(server->loop),
            server->index);
    fprintf(stderr, "%zu tasks\n", weir_loop_dump(server->loop, stderr));
}

static void print_statistics(const struct server *server)
{
    weir_loop_statistics statistics = weir_loop_statistics_get(server->loop);

    fprintf(stderr, "statistics of the %s loop of thread %d:\n",
            weir_loop_backend_name(server->loop), server->index);
    weir_loop_statistics_print(&statistics, stderr);
    fputc('\n', stderr);
}

static void print_asked(struct server *server)
{
    server->printed = __atomic_load_n(&server->asked, __ATOMIC_ACQUIRE);
    flockfile(stderr);
    if (server->printed & PRINT_TASKS)
        print_tasks(server);
    if (server->printed & PRINT_STATISTICS)
        print_statistics(server);
    funlockfile(stderr);
}

static weir_task *print_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    print_asked(WEIR_CONTAINER_OF(task, struct server, print_task));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void print_done(weir_root *root, weir_result result);

static void start_printing(struct server *server)
{
    weir_task_init(&server->print_task, print_resume);
    weir_run_async(weir_loop_executor(server->loop), &server->print_root, &server->print_task,
                   print_done, server);
}

/* What it was asked for since it looked, it prints now. */
static void print_done(weir_root *root, weir_result result)
{
    struct server *server = root->user;

    (void)result;
    if (__atomic_and_fetch(&server->asked, ~server->printed, __ATOMIC_ACQ_REL))
        start_printing(server);
}

/* Ask every loop; one that is still busy with the last request prints this in turn, once. */
static void ask_to_print(struct watch *watch, enum print_kind kind)
{
    int i;

    for (i = 0; i < watch->server_count; i++) {
        struct server *server = &watch->servers[i];

        if (!__atomic_fetch_or(&server->asked, (unsigned)kind, __ATOMIC_ACQ_REL))
            start_printing(server);
    }
}

static void name_silent_loops(const struct watch *watch)
{
    int i;

    for (i = 0; i < watch->server_count; i++) {
        if (__atomic_load_n(&watch->servers[i].asked, __ATOMIC_ACQUIRE))
            fprintf(stderr, "the loop of thread %d has been silent for a second\n", i);
    }
}

/* Signals. */

static void stop_servers(struct watch *watch)
{
    unsigned bits = watch->stopping ? WEIR_STOP_HARD : WEIR_STOP_REQUESTED;
    int i;

    watch->stopping = true;
    for (i = 0; i < watch->server_count; i++)
        weir_root_stop(&watch->servers[i].root, bits);
}

static weir_task *watch_resume(weir_task *task)
{
    struct watch *self = WEIR_TASK_SELF(task, struct watch);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, weir_signal_wait(task, &self->signals));
        if (weir_deadline_disarm(task, &self->silence))
            name_silent_loops(self);
        if (r.error == WEIR_TIMED_OUT)
            continue;
        if (r.error)
            break;
        if (r.count != SIGUSR1 && r.count != SIGUSR2) {
            stop_servers(self);
        } else if (!self->stopping) { /* After that, loops may have ended. */
            ask_to_print(self, r.count == SIGUSR1 ? PRINT_TASKS : PRINT_STATISTICS);
            weir_deadline_arm_after(task, &self->silence, SILENCE_NS);
        }
    }
    (void)weir_deadline_disarm(task, &self->silence);
    WEIR_AWAIT(task, r, weir_signal_close(task, &self->signals));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* The command line. */

struct options {
    const char *host;
    const char *backend; /* NULL: the best there is. */
    long port;
    long threads;
    long spin_us; /* -1: the default. */
    long user_timeout_ms;
    bool lends;
};

static void usage(FILE *stream)
{
    fputs("usage: weir-echo [--port N] [--host A] [--threads T] [--backend uring|epoll]\n"
          "                 [--spin MICROSECONDS] [--receive lent|own]\n"
          "                 [--user-timeout MILLISECONDS]\n",
          stream);
}

static void fail_usage(const char *option, const char *value, const char *expected)
{
    fprintf(stderr, "weir-echo: %s: '%s': expected %s\n", option, value, expected);
    exit(2);
}

static long parse_number(const char *option, const char *value, long min, long max)
{
    char expected[64];
    char *end;
    long number;

    errno = 0;
    number = strtol(value, &end, 10);
    if (errno || end == value || *end || number < min || number > max) {
        snprintf(expected, sizeof expected, "%ld to %ld", min, max);
        fail_usage(option, value, expected);
    }
    return number;
}

static bool parse_receive(const char *value)
{
    if (strcmp(value, "lent") != 0 && strcmp(value, "own") != 0)
        fail_usage("--receive", value, "lent or own");
    return strcmp(value, "lent") == 0;
}

static void parse_option(struct options *options, const char *option, const char *value)
{
    if (strcmp(option, "--port") == 0)
        options->port = parse_number(option, value, 0, 65535);
    else if (strcmp(option, "--host") == 0)
        options->host = value;
    else if (strcmp(option, "--threads") == 0)
        options->threads = parse_number(option, value, 1, THREADS_MAX);
    else if (strcmp(option, "--backend") == 0)
        options->backend = value;
    else if (strcmp(option, "--receive") == 0)
        options->lends = parse_receive(value);
    else if (strcmp(option, "--user-timeout") == 0)
        options->user_timeout_ms = parse_number(option, value, 0, INT_MAX);
    else
        options->spin_us = parse_number(option, value, 0, 1000000);
}

static bool is_option(const char *argument)
{
    static const char *const names[] = {"--port", "--host",    "--threads",     "--backend",
                                        "--spin", "--receive", "--user-timeout"};
    size_t i;

    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(argument, names[i]) == 0)
            return true;
    }
    return false;
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = {.host = "127.0.0.1",
                              .port = 0,
                              .threads = 1,
                              .spin_us = -1,
                              .lends = true,
                              .user_timeout_ms = USER_TIMEOUT_MS};
    int i;

    for (i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            exit(0);
        }
        if (!is_option(argv[i]))
            fail_usage("argument", argv[i], "an option; see --help");
        if (i + 1 == argc)
            fail_usage(argv[i], "", "a value");
        parse_option(&options, argv[i], argv[i + 1]);
    }
    return options;
}

static weir_endpoint parse_host(const struct options *options)
{
    uint16_t port = (uint16_t)options->port;
    weir_ipv4 v4;
    weir_ipv6 v6;

    if (weir_ipv4_parse(options->host, &v4) == 0)
        return weir_endpoint_make_ipv4(v4, port);
    if (weir_ipv6_parse(options->host, &v6) < 0)
        fail_usage("--host", options->host, "an IPv4 or IPv6 address");
    return weir_endpoint_make_ipv6(v6, port);
}

/* Setting up. */

static void check(int error, const char *what)
{
    if (!error)
        return;
    fprintf(stderr, "weir-echo: %s: %s\n", what, weir_error_text(error));
    exit(1);
}

/* Somebody reads there where we listen, and in the end what was served. */
static void check_output(void)
{
    errno = 0;
    if (fflush(stdout) == EOF || ferror(stdout))
        check(errno ? -errno : -EIO, "standard output");
}

static void open_loop(struct server *server, const struct options *options)
{
    weir_loop_options loop_options = {.backend = options->backend};
    int error;

    if (options->spin_us >= 0)
        loop_options.spin_ns_max = options->spin_us > 0 ? options->spin_us * 1000 : -1;
    error = weir_loop_new(&loop_options, &server->loop);
    if (error == -EINVAL && options->backend)
        fail_usage("--backend", options->backend, "uring or epoll");
    if (error == -EINVAL && getenv("WEIR_BACKEND"))
        fail_usage("WEIR_BACKEND", getenv("WEIR_BACKEND"), "uring or epoll");
    check(error, options->backend ? options->backend : "loop");
}

/* Every loop listens on the endpoint; the first one fixes the port. */
static void open_servers(struct server *servers, const struct options *options, struct watch *watch)
{
    weir_tcp_listen_options listen_options = {
        .reuse_port = options->threads > 1,
        .user_timeout_ms = (int)options->user_timeout_ms, /* For those who do not read. */
    };
    weir_endpoint local = parse_host(options);
    int i;

    for (i = 0; i < options->threads; i++) {
        struct server *server = &servers[i];

        server->index = i;
        server->lends = options->lends;
        server->watch = watch;
        open_loop(server, options);
        check(weir_tcp_listen(&server->acceptor, server->loop, &local, &listen_options), "listen");
        check(weir_tcp_acceptor_local(&server->acceptor, &local), "listen");
        weir_task_init(&server->task, server_resume);
        weir_run_async(weir_loop_executor(server->loop), &server->root, &server->task, NULL, NULL);
    }
}

static void announce(const struct server *server)
{
    char text[WEIR_ENDPOINT_TEXT_MAX];
    weir_endpoint local;

    check(weir_tcp_acceptor_local(&server->acceptor, &local), "listen");
    (void)weir_endpoint_format(&local, text);
    printf("listening on %s\n", text);
    check_output();
}

static void open_watch(struct watch *watch, struct server *servers, int server_count)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    size_t i;

    watch->servers = servers;
    watch->server_count = server_count;
    watch->live_count = server_count;
    check(weir_signal_open(&watch->signals, servers[0].loop), "signals");
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        /* What comes back when the set is closed: a late signal must not end us
         * before our report. */
        (void)signal(numbers[i], SIG_IGN);
        check(weir_signal_add(&watch->signals, numbers[i]), "signals");
    }
    weir_task_init(&watch->task, watch_resume);
    weir_run_async(weir_loop_executor(servers[0].loop), &watch->root, &watch->task, NULL, NULL);
}

static void run_servers(struct server *servers, int server_count)
{
    int i;

    for (i = 1; i < server_count; i++)
        check(-pthread_create(&servers[i].thread, NULL, server_thread, &servers[i]), "thread");
    weir_loop_run(servers[0].loop);
    for (i = 1; i < server_count; i++)
        (void)pthread_join(servers[i].thread, NULL);
}

static void report(const struct server *servers, int server_count)
{
    uint64_t connections = 0;
    uint64_t messages = 0;
    uint64_t bytes = 0;
    int i;

    for (i = 0; i < server_count; i++) {
        connections += servers[i].connections;
        messages += servers[i].messages;
        bytes += servers[i].bytes;
    }
    printf("served %llu connections, %llu messages, %llu bytes; frame %zu bytes\n",
           (unsigned long long)connections, (unsigned long long)messages, (unsigned long long)bytes,
           servers->lends ? sizeof(struct lent_session) : sizeof(struct own_session));
    check_output();
}

int main(int argc, char **argv)
{
    static struct server servers[THREADS_MAX];
    static struct watch watch;
    struct options options = parse_options(argc, argv);
    int i;

    open_servers(servers, &options, &watch);
    open_watch(&watch, servers, (int)options.threads);
    announce(&servers[0]); /* After the signal set is open: whoever reads it may send a signal. */
    run_servers(servers, (int)options.threads);
    for (i = 0; i < options.threads; i++)
        weir_loop_free(servers[i].loop);
    report(servers, (int)options.threads);
    return 0;
}
