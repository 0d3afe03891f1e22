/* SPDX-License-Identifier: MIT */
/* The session over TCP of libuv's, on libuv's loop. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dialogue.h"
#include "rig.h"
#include "session.h"

static weir_task *serve(struct op *op)
{
    return weir_call(&op->task, &((struct session *)op->object)->task);
}

static void hold(struct rig *rig, const struct dialogue *dialogue)
{
    size_t size = strlen(dialogue->answered);
    char answered[DIALOGUE_ANSWER_MAX];
    struct session session;
    struct op op = {.object = &session};
    struct end end;
    int peer;

    peer = rig_connect_raw(rig, &end);
    raw_send(peer, dialogue->sent, strlen(dialogue->sent));
    CHECK_EQ(shutdown(peer, SHUT_WR), 0);
    session_init(&session, &end.connection.stream);
    op_launch(rig, &op, serve);
    CHECK_OP(rig, &op, dialogue->error, dialogue->lines);
    CHECK_EQ(raw_receive(peer, answered, size), size);
    CHECK_EQ(memcmp(answered, dialogue->answered, size), 0);
    if (!dialogue->error)
        CHECK_EQ(raw_receive(peer, answered, 1), 0);
    rig_close(rig, &end);
    close(peer);
}

WEIR_TEST(business_libuv, the_session_holds_every_dialogue)
{
    struct rig rig;

    rig_init(&rig);
    for (size_t i = 0; i < DIALOGUE_COUNT; i++)
        hold(&rig, &dialogues[i]);
    rig_fini(&rig);
}
