/* SPDX-License-Identifier: MIT */
#include "net_rig.h"

#include <errno.h>
#include <string.h>

void net_init_with(struct net *net, const weir_sim_options *options)
{
    net->sim = weir_sim_new(options);
    net->server = weir_sim_host_new(net->sim, "server");
    net->client = weir_sim_host_new(net->sim, "client");
    CHECK_EQ(net_listen(net->server, "0.0.0.0:80", (weir_tcp_listen_options){0}, &net->listener),
             0);
}

void net_init(struct net *net, uint64_t seed)
{
    weir_sim_options options = {.seed = seed};

    net_init_with(net, &options);
}

void net_fini(struct net *net)
{
    weir_sim_free(net->sim);
}

bool net_step(struct net *net)
{
    sim_alarm *alarm = weir_sim_agenda_first(&net->sim->agenda);

    if (!alarm)
        return false;
    CHECK(alarm->at_ns >= net->sim->now_ns);
    net->sim->now_ns = alarm->at_ns;
    weir_sim_agenda_clear(&net->sim->agenda, alarm);
    alarm->fired(alarm);
    return true;
}

void net_run_until(struct net *net, int64_t at_ns)
{
    const sim_alarm *alarm;

    while ((alarm = weir_sim_agenda_first(&net->sim->agenda)) && alarm->at_ns <= at_ns)
        (void)net_step(net);
    net->sim->now_ns = at_ns;
}

void net_settle(struct net *net)
{
    net_run_until(net, net->sim->now_ns + NET_SECOND_NS * 9 / 10);
}

sim_socket *net_open(weir_sim_host *host)
{
    int descriptor = weir_sim_socket_open(host, WEIR_IPV4);

    CHECK(descriptor >= 0);
    return weir_sim_socket_at(host, descriptor);
}

static weir_endpoint parse(const char *text)
{
    weir_endpoint endpoint;

    CHECK_EQ(weir_endpoint_parse(text, &endpoint), 0);
    return endpoint;
}

int net_listen(weir_sim_host *host, const char *endpoint, weir_tcp_listen_options options,
               sim_socket **ret_socket)
{
    weir_endpoint local = parse(endpoint);
    int descriptor = weir_sim_socket_open(host, local.family);
    int error;

    CHECK(descriptor >= 0);
    error = weir_sim_socket_listen(weir_sim_socket_at(host, descriptor), &local, &options);
    if (error || !ret_socket)
        weir_sim_socket_close(host, descriptor);
    else
        *ret_socket = weir_sim_socket_at(host, descriptor);
    return error;
}

sim_socket *net_connect(weir_sim_host *host, const char *endpoint)
{
    weir_endpoint peer = parse(endpoint);
    int descriptor = weir_sim_socket_open(host, peer.family);

    CHECK(descriptor >= 0);
    CHECK_EQ(weir_sim_socket_connect(weir_sim_socket_at(host, descriptor), &peer), 0);
    return weir_sim_socket_at(host, descriptor);
}

int net_try(struct net *net, weir_sim_host *host, const char *endpoint, sim_socket **ret_socket)
{
    sim_socket *socket = net_connect(host, endpoint);
    int error;

    net_settle(net);
    error = weir_sim_socket_connect_result(socket);
    if (error)
        net_close(socket);
    else
        *ret_socket = socket;
    return error;
}

sim_socket *net_accept(sim_socket *listener)
{
    int descriptor = weir_sim_socket_accept(listener);

    CHECK(descriptor >= 0);
    return weir_sim_socket_at(listener->host, descriptor);
}

void net_pair(struct net *net, sim_socket **ret_client, sim_socket **ret_server)
{
    CHECK_EQ(net_try(net, net->client, "10.0.0.1:80", ret_client), 0);
    *ret_server = net_accept(net->listener);
}

int64_t net_send(sim_socket *socket, const char *text)
{
    weir_const_buffer buffer = weir_const_buffer_of(text, strlen(text));
    int64_t result = weir_sim_socket_send(socket, &buffer, 1, 100);

    CHECK(result != -EAGAIN || !weir_sim_socket_is_writable(socket));
    return result;
}

int64_t net_receive(sim_socket *socket, size_t limit, const char *text)
{
    bool was_readable = weir_sim_socket_is_readable(socket);
    char data[100] = "";
    weir_buffer buffer = weir_buffer_of(data, sizeof(data) - 1);
    int64_t result = weir_sim_socket_receive(socket, &buffer, 1, limit);

    CHECK_EQ(was_readable, result != -EAGAIN);
    if (text)
        CHECK_STR_EQ(data, text);
    return result;
}

int64_t net_get(sim_socket *socket)
{
    return net_receive(socket, 99, NULL);
}

void net_close(sim_socket *socket)
{
    weir_sim_socket_close(socket->host, weir_sim_socket_descriptor(socket));
}

void net_link(struct net *net, enum weir_sim_link_state state)
{
    weir_sim_link_set(net->server, net->client, &(weir_sim_link){.state = state});
}

static void check_endpoint(const weir_endpoint *endpoint, const char *text)
{
    char is[WEIR_ENDPOINT_TEXT_MAX];

    (void)weir_endpoint_format(endpoint, is);
    CHECK_STR_EQ(is, text);
}

void net_check_local(const sim_socket *socket, const char *text)
{
    weir_endpoint endpoint;

    CHECK_EQ(weir_sim_socket_local(socket, &endpoint), 0);
    check_endpoint(&endpoint, text);
}

void net_check_peer(const sim_socket *socket, const char *text)
{
    weir_endpoint endpoint;

    CHECK_EQ(weir_sim_socket_peer(socket, &endpoint), 0);
    check_endpoint(&endpoint, text);
}
