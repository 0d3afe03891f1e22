/* SPDX-License-Identifier: MIT */
/* The session over TCP, on io_uring and on epoll. */
#include <string.h>

#include "dialogue.h"
#include "fixture.h"
#include "session.h"

static void hold(struct fixture *f, const struct dialogue *dialogue)
{
    size_t size = strlen(dialogue->answered);
    char answered[DIALOGUE_ANSWER_MAX];
    weir_tcp_socket socket;
    struct session session;
    weir_result r;
    int peer;

    peer = fixture_connect_raw(f, &socket);
    raw_send(peer, dialogue->sent, strlen(dialogue->sent));
    raw_shutdown(peer, WEIR_TCP_WRITES);
    session_init(&session, &socket.stream);
    r = fixture_run(f, &session.task);
    CHECK_EQ(r.error, dialogue->error);
    CHECK_EQ(r.count, dialogue->lines);
    CHECK_EQ(raw_receive(peer, answered, size), size);
    CHECK_EQ(memcmp(answered, dialogue->answered, size), 0);
    if (!dialogue->error)
        CHECK_EQ(raw_receive(peer, answered, 1), 0);
    fixture_close(f, &socket);
    raw_close(peer);
}

WEIR_KERNEL_TEST(business_tcp, the_session_holds_every_dialogue)
{
    struct fixture f;

    fixture_init(&f, backend);
    for (size_t i = 0; i < DIALOGUE_COUNT; i++)
        hold(&f, &dialogues[i]);
    fixture_fini(&f);
}
