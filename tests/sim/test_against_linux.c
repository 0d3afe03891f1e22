/* SPDX-License-Identifier: MIT */
/* The simulated TCP does what this machine's does: the same calls on both, in any order, give the
 * same results. Each call comes when all that the calls before it sent has arrived. */
#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "net_rig.h"
#include "sys.h"

enum { CALLS = 14, ROUNDS = 1500, PATIENCE_MS = 20000 };

/* An end of a connection, in both. */
struct twin {
    sim_socket *simulated;
    int real;
    bool is_open;
};

struct twins {
    struct net net;
    struct sim_random random;
    int real_listener;
    struct twin ends[2];
    char log[2000];
    size_t log_size;
};

static void note(struct twins *t, const char *what, int end, int64_t real, int64_t simulated)
{
    t->log_size += (size_t)snprintf(t->log + t->log_size, sizeof(t->log) - t->log_size,
                                    "\n    %d %s: %d, %d", end, what, (int)real, (int)simulated);
}

static int real_listen(struct sockaddr_in *ret_address)
{
    socklen_t length = sizeof(*ret_address);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);

    *ret_address = (struct sockaddr_in){.sin_family = AF_INET};
    ret_address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(descriptor >= 0);
    CHECK_EQ(bind(descriptor, (struct sockaddr *)ret_address, length), 0);
    CHECK_EQ(listen(descriptor, 10), 0);
    CHECK_EQ(getsockname(descriptor, (struct sockaddr *)ret_address, &length), 0);
    return descriptor;
}

/* What is sent is there before the next call. */
static void send_at_once(int descriptor)
{
    int on = 1;

    CHECK_EQ(setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
}

static void twins_init(struct twins *t, uint64_t seed)
{
    struct sockaddr_in address;

    *t = (struct twins){.random = {seed}};
    net_init(&t->net, seed);
    net_pair(&t->net, &t->ends[0].simulated, &t->ends[1].simulated);
    t->real_listener = real_listen(&address);
    t->ends[0].real = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(t->ends[0].real, (struct sockaddr *)&address, sizeof(address)), 0);
    t->ends[1].real = accept(t->real_listener, NULL, NULL);
    CHECK(t->ends[1].real >= 0);
    send_at_once(t->ends[0].real);
    send_at_once(t->ends[1].real);
    t->ends[0].is_open = t->ends[1].is_open = true;
}

static void twins_fini(struct twins *t)
{
    int i;

    for (i = 0; i < 2; i++) {
        if (t->ends[i].is_open)
            (void)close(t->ends[i].real);
    }
    (void)close(t->real_listener);
    net_fini(&t->net);
}

/* What poll says: 1 readable, 2 writable. */
static unsigned real_readiness(int descriptor, int patience_ms, unsigned expected)
{
    unsigned ready;

    do {
        struct pollfd pollfd = {.fd = descriptor, .events = POLLIN | POLLOUT | POLLRDHUP};

        CHECK(poll(&pollfd, 1, 0) >= 0);
        ready = (pollfd.revents & (POLLIN | POLLRDHUP | POLLHUP | POLLERR) ? 1U : 0U) |
                (pollfd.revents & (POLLOUT | POLLHUP | POLLERR) ? 2U : 0U);
        if (ready != expected)
            (void)poll(NULL, 0, 1);
    } while (ready != expected && patience_ms-- > 0);
    return ready;
}

static void check_readiness(struct twins *t)
{
    int i;

    for (i = 0; i < 2; i++) {
        const struct twin *end = &t->ends[i];
        unsigned simulated;

        if (!end->is_open)
            continue;
        simulated = (weir_sim_socket_is_readable(end->simulated) ? 1U : 0U) |
                    (weir_sim_socket_is_writable(end->simulated) ? 2U : 0U);
        if (real_readiness(end->real, PATIENCE_MS, simulated) != simulated)
            test_fail(__FILE__, __LINE__, "end %d is not as ready as %u, after%s", i, simulated,
                      t->log);
    }
}

static int64_t result_of(ssize_t result)
{
    return result < 0 ? -errno : result;
}

static int linger_0(int descriptor)
{
    struct linger linger = {.l_onoff = 1};

    return setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static int64_t real_peer(int descriptor)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);

    return result_of(getpeername(descriptor, (struct sockaddr *)&address, &length));
}

static int64_t real_reset(int descriptor)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    return result_of(connect(descriptor, &nobody, sizeof(nobody)));
}

enum call { SEND, RECEIVE, RECEIVE_ONE, SHUTDOWN, CLOSE, LINGER, PEER, RESET, CALL_COUNT };

static int64_t call_real(struct twin *end, enum call call, int direction, char *data)
{
    switch (call) {
    case SEND:
        return result_of(send(end->real, "abc", 3, MSG_DONTWAIT | MSG_NOSIGNAL));
    case RECEIVE:
        return result_of(recv(end->real, data, 99, MSG_DONTWAIT));
    case RECEIVE_ONE:
        return result_of(recv(end->real, data, 1, MSG_DONTWAIT));
    case SHUTDOWN:
        return result_of(shutdown(end->real, direction));
    case CLOSE:
        return result_of(close(end->real));
    case LINGER:
        return result_of(linger_0(end->real));
    case PEER:
        return real_peer(end->real);
    default:
        return real_reset(end->real);
    }
}

static int64_t call_simulated(struct twin *end, enum call call, int direction)
{
    weir_endpoint peer;

    switch (call) {
    case SEND:
        return net_send(end->simulated, "abc");
    case RECEIVE:
        return net_get(end->simulated);
    case RECEIVE_ONE:
        return net_receive(end->simulated, 1, NULL);
    case SHUTDOWN:
        return weir_sim_socket_shutdown(end->simulated, direction);
    case CLOSE:
        end->is_open = false;
        net_close(end->simulated);
        return 0;
    case LINGER:
        return weir_sim_socket_option_set(end->simulated, WEIR_TCP_LINGER_SECONDS, 0);
    case PEER:
        return weir_sim_socket_peer(end->simulated, &peer);
    default:
        weir_sim_socket_reset(end->simulated);
        return 0;
    }
}

static void call_both(struct twins *t)
{
    static const char *const names[] = {"send",  "receive", "receive one", "shutdown",
                                        "close", "linger",  "peer",        "reset"};
    /* What ends connections is rare, so that there is something to end. */
    static const enum call calls[] = {SEND,     SEND,     SEND,  RECEIVE, RECEIVE, RECEIVE_ONE,
                                      SHUTDOWN, SHUTDOWN, CLOSE, PEER,    LINGER,  RESET};
    enum call call = calls[sim_random_below(&t->random, sizeof(calls) / sizeof(*calls))];
    int i = (int)sim_random_below(&t->random, 2);
    int direction = (int)sim_random_below(&t->random, 3);
    struct twin *end = &t->ends[i];
    int64_t real, simulated;
    char data[100];

    if (!end->is_open)
        return;
    real = call_real(end, call, direction, data);
    simulated = call_simulated(end, call, direction);
    note(t, names[call], i, real, simulated);
    if (real != simulated)
        test_fail(__FILE__, __LINE__, "real and simulated results differ:%s", t->log);
}

WEIR_TEST(sim_against_linux, the_same_calls_give_the_same_results)
{
    static struct twins t;
    uint64_t seed;
    int i;

    for (seed = 0; seed < ROUNDS; seed++) {
        twins_init(&t, seed);
        for (i = 0; i < CALLS; i++) {
            call_both(&t);
            net_settle(&t.net);
            check_readiness(&t);
        }
        twins_fini(&t);
    }
}
