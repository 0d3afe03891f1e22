/* SPDX-License-Identifier: MIT */
/* The session over memory: no kernel, and every wait that can happen. */
#include <string.h>

#include <weir/test/stream_pair.h>

#include "actor.h"
#include "dialogue.h"
#include "session.h"
#include "test.h"

/* The pair's ways are this short, so that lines are cut everywhere and both sides wait. */
enum { WAY_MAX = 7 };

struct client {
    struct stage stage;
    weir_stream_pair pair;
    char memory[2][WAY_MAX];
    char answered[DIALOGUE_ANSWER_MAX];
};

static void client_init(struct client *t, size_t way_size)
{
    stage_init(&t->stage);
    weir_stream_pair_init(&t->pair, weir_buffer_of(t->memory[0], way_size),
                          weir_buffer_of(t->memory[1], way_size));
}

static void client_fini(struct client *t)
{
    weir_stream_pair_fini(&t->pair);
    stage_fini(&t->stage);
}

static weir_task *serve(struct actor *actor)
{
    return weir_call(&actor->task, &((struct session *)actor->object)->task);
}

static weir_task *say(struct actor *actor)
{
    struct client *t = actor->object;
    const char *sent = actor->record;

    return weir_write_eof(&actor->task, &t->pair.first.stream.out,
                          weir_const_buffer_of(sent, strlen(sent)));
}

static weir_task *listen(struct actor *actor)
{
    struct client *t = actor->object;

    return weir_read(&actor->task, &t->pair.first.stream.in,
                     weir_buffer_of(t->answered, (size_t)actor->item));
}

static void hold(const struct dialogue *dialogue, size_t way_size)
{
    size_t size = strlen(dialogue->answered);
    struct session session;
    struct client t;
    struct actor server = {.start = serve, .object = &session};
    struct actor speaker = {.start = say, .object = &t, .record = (void *)dialogue->sent};
    struct actor listener = {.start = listen, .object = &t, .item = (int)size};

    client_init(&t, way_size);
    session_init(&session, &t.pair.second.stream);
    stage_enter(&t.stage, &server);
    stage_enter(&t.stage, &speaker);
    stage_enter(&t.stage, &listener);
    CHECK_DONE(&server, dialogue->error, dialogue->lines);
    CHECK_DONE(&listener, 0, size);
    CHECK_EQ(memcmp(t.answered, dialogue->answered, size), 0);
    if (!speaker.done) /* The session left before it had heard all. */
        weir_stream_pair_reset(&t.pair);
    stage_settle(&t.stage);
    client_fini(&t);
}

WEIR_TEST(business_memory, the_session_holds_every_dialogue)
{
    for (size_t i = 0; i < DIALOGUE_COUNT; i++) {
        for (size_t way_size = 1; way_size <= WAY_MAX; way_size++)
            hold(&dialogues[i], way_size);
    }
}
