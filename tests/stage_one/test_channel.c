/* SPDX-License-Identifier: MIT */
/*
 * Channels: each promise by itself, then all of them at random against a plain queue.
 *
 * What local channels promise, shared ones promise too, so each test runs on both; here on one
 * thread. What only threads can show stands in test_shared_channel.c.
 */
#include <weir/channel.h>
#include <weir/shared_channel.h>

#include <errno.h>

#include "actor.h"

enum { ACTORS = 12, ROOM = 8 };

/* The calls that the two kinds of channels have in common. */
struct kind {
    void (*init)(void *channel, void *storage, size_t capacity, size_t item_size);
    void (*fini)(void *channel);
    void (*close)(void *channel);
    int (*try_send)(void *channel, const void *item);
    int (*try_receive)(void *channel, void *ret_item);
    weir_task *(*send)(struct actor *self);
    weir_task *(*receive)(struct actor *self);
};

static void local_init(void *channel, void *storage, size_t capacity, size_t item_size)
{
    weir_channel_init(channel, storage, capacity, item_size);
}

static void local_fini(void *channel)
{
    weir_channel_fini(channel);
}

static void local_close(void *channel)
{
    weir_channel_close(channel);
}

static int local_try_send(void *channel, const void *item)
{
    return weir_channel_try_send(channel, item);
}

static int local_try_receive(void *channel, void *ret_item)
{
    return weir_channel_try_receive(channel, ret_item);
}

static weir_task *local_send(struct actor *self)
{
    return weir_channel_send(&self->task, self->object, &self->item);
}

static weir_task *local_receive(struct actor *self)
{
    return weir_channel_receive(&self->task, self->object, &self->item);
}

static const struct kind local = {
    .init = local_init,
    .fini = local_fini,
    .close = local_close,
    .try_send = local_try_send,
    .try_receive = local_try_receive,
    .send = local_send,
    .receive = local_receive,
};

static void shared_init(void *channel, void *storage, size_t capacity, size_t item_size)
{
    weir_shared_channel_init(channel, storage, capacity, item_size);
}

static void shared_fini(void *channel)
{
    weir_shared_channel_fini(channel);
}

static void shared_close(void *channel)
{
    weir_shared_channel_close(channel);
}

static int shared_try_send(void *channel, const void *item)
{
    return weir_shared_channel_try_send(channel, item);
}

static int shared_try_receive(void *channel, void *ret_item)
{
    return weir_shared_channel_try_receive(channel, ret_item);
}

static weir_task *shared_send(struct actor *self)
{
    return weir_shared_channel_send(&self->task, self->object, self->record, &self->item);
}

static weir_task *shared_receive(struct actor *self)
{
    return weir_shared_channel_receive(&self->task, self->object, self->record, &self->item);
}

static const struct kind shared = {
    .init = shared_init,
    .fini = shared_fini,
    .close = shared_close,
    .try_send = shared_try_send,
    .try_receive = shared_try_receive,
    .send = shared_send,
    .receive = shared_receive,
};

/* A test for each kind of channel; the body sees it as `kind`. */
#define CHANNEL_TEST(name)                          \
    static void name##_on(const struct kind *kind); \
    WEIR_TEST(channel, name)                        \
    {                                               \
        name##_on(&local);                          \
    }                                               \
    WEIR_TEST(shared_channel, name)                 \
    {                                               \
        name##_on(&shared);                         \
    }                                               \
    static void name##_on(const struct kind *kind)

/* A stage, a channel, and those who send and receive. */
struct play {
    struct stage stage;
    const struct kind *kind;
    union {
        weir_channel local;
        weir_shared_channel shared;
    } channel;
    int storage[ROOM];
    struct actor actors[ACTORS];
    weir_shared_channel_wait records[ACTORS];
};

static void play_begin(struct play *play, const struct kind *kind, size_t capacity)
{
    memset(play, 0, sizeof *play);
    stage_init(&play->stage);
    play->kind = kind;
    kind->init(&play->channel, capacity ? play->storage : NULL, capacity, sizeof(int));
}

/* Give the part of a sender or a receiver to an actor. */
static struct actor *cast(struct play *play, int i, weir_task *(*start)(struct actor *), int item)
{
    struct actor *actor = &play->actors[i];

    actor->start = start;
    actor->object = &play->channel;
    actor->record = &play->records[i];
    actor->item = item;
    return actor;
}

static struct actor *sender(struct play *play, int i, int item)
{
    struct actor *actor = cast(play, i, play->kind->send, item);

    stage_enter(&play->stage, actor);
    return actor;
}

static struct actor *receiver(struct play *play, int i)
{
    struct actor *actor = cast(play, i, play->kind->receive, -1);

    stage_enter(&play->stage, actor);
    return actor;
}

static int try_send(struct play *play, int item)
{
    return play->kind->try_send(&play->channel, &item);
}

/* The item, or -1: what else try_receive said is in ret_error. */
static int try_receive(struct play *play, int *ret_error)
{
    int item = -1;

    *ret_error = play->kind->try_receive(&play->channel, &item);
    return item;
}

#define CHECK_RECEIVES(play, wanted)                      \
    do {                                                  \
        int error_here;                                   \
        CHECK_EQ(try_receive(play, &error_here), wanted); \
        CHECK_EQ(error_here, 0);                          \
    } while (0)

static void play_end(struct play *play)
{
    play->kind->fini(&play->channel);
    stage_fini(&play->stage);
}

/* Moving items. */

CHANNEL_TEST(what_is_buffered_is_received_in_order)
{
    struct play play;

    play_begin(&play, kind, 3);
    for (int i = 0; i < 3; i++)
        CHECK_DONE(sender(&play, i, 10 + i), 0, 1);
    for (int i = 0; i < 3; i++) {
        struct actor *actor = receiver(&play, i);

        CHECK_DONE(actor, 0, 1);
        CHECK_EQ(actor->item, 10 + i);
    }
    play_end(&play);
}

CHANNEL_TEST(a_send_waits_for_room_and_keeps_its_place)
{
    struct play play;
    struct actor *first;
    struct actor *second;

    play_begin(&play, kind, 1);
    CHECK_EQ(try_send(&play, 1), 0);
    first = sender(&play, 0, 2);
    second = sender(&play, 1, 3);
    CHECK_WAITS(first);
    CHECK_RECEIVES(&play, 1);
    stage_settle(&play.stage);
    CHECK_DONE(first, 0, 1);
    CHECK_WAITS(second);
    CHECK_RECEIVES(&play, 2);
    CHECK_RECEIVES(&play, 3);
    stage_settle(&play.stage);
    CHECK_DONE(second, 0, 1);
    play_end(&play);
}

CHANNEL_TEST(receives_are_served_in_the_order_they_began)
{
    struct play play;

    play_begin(&play, kind, 2);
    receiver(&play, 1);
    receiver(&play, 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(try_send(&play, 5 + i), 0);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[1], 0, 1);
    CHECK_DONE(&play.actors[0], 0, 1);
    CHECK_EQ(play.actors[1].item, 5);
    CHECK_EQ(play.actors[0].item, 6);
    CHECK_RECEIVES(&play, 7);
    play_end(&play);
}

CHANNEL_TEST(without_capacity_a_send_meets_a_receive)
{
    struct play play;
    struct actor *one;
    struct actor *other;

    play_begin(&play, kind, 0);
    CHECK_EQ(try_send(&play, 1), -EAGAIN);
    one = sender(&play, 0, 2);
    CHECK_WAITS(one);
    other = receiver(&play, 1);
    CHECK_DONE(other, 0, 1);
    CHECK_EQ(other->item, 2);
    CHECK_DONE(one, 0, 1);

    one = receiver(&play, 2);
    CHECK_WAITS(one);
    CHECK_EQ(try_send(&play, 3), 0);
    stage_settle(&play.stage);
    CHECK_DONE(one, 0, 1);
    CHECK_EQ(one->item, 3);
    play_end(&play);
}

CHANNEL_TEST(trying_says_when_it_would_wait)
{
    struct play play;
    int error;

    play_begin(&play, kind, 1);
    CHECK_EQ(try_receive(&play, &error), -1); /* Untouched. */
    CHECK_EQ(error, -EAGAIN);
    CHECK_EQ(try_send(&play, 1), 0);
    CHECK_EQ(try_send(&play, 2), -EAGAIN);
    CHECK_RECEIVES(&play, 1);
    play_end(&play);
}

CHANNEL_TEST(trying_overtakes_nobody)
{
    struct play play;

    play_begin(&play, kind, 1);
    CHECK_EQ(try_send(&play, 1), 0);
    sender(&play, 0, 2);
    CHECK_RECEIVES(&play, 1); /* 2 is in the buffer now, though its sender has not run. */
    CHECK_EQ(try_send(&play, 3), -EAGAIN);
    stage_settle(&play.stage);
    CHECK_RECEIVES(&play, 2);
    play_end(&play);
}

struct parcel {
    char text[7];
};

CHANNEL_TEST(items_of_odd_size_come_through_whole)
{
    char storage[3 * sizeof(struct parcel)];
    struct play play = {.kind = kind};
    struct parcel parcel;

    kind->init(&play.channel, storage, 3, sizeof parcel);
    for (int i = 0; i < 10; i++) {
        memset(&parcel, 'a' + i, sizeof parcel);
        CHECK_EQ(kind->try_send(&play.channel, &parcel), 0);
        if (i < 2)
            continue; /* Stay two ahead, so that the ring wraps. */
        CHECK_EQ(kind->try_receive(&play.channel, &parcel), 0);
        for (size_t byte = 0; byte < sizeof parcel; byte++)
            CHECK_EQ(parcel.text[byte], 'a' + i - 2);
    }
    kind->fini(&play.channel);
}

/* Stopping. */

CHANNEL_TEST(a_stop_before_a_send_sends_nothing)
{
    struct play play;
    int error;

    play_begin(&play, kind, 1);
    stage_enter_stopped(&play.stage, cast(&play, 0, kind->send, 1), WEIR_STOP_REQUESTED);
    CHECK_DONE(&play.actors[0], WEIR_CANCELLED, 0);
    CHECK_EQ(try_receive(&play, &error), -1);
    play_end(&play);
}

CHANNEL_TEST(a_stop_before_a_receive_takes_nothing)
{
    struct play play;

    play_begin(&play, kind, 1);
    CHECK_EQ(try_send(&play, 1), 0);
    stage_enter_stopped(&play.stage, cast(&play, 0, kind->receive, -1), WEIR_STOP_EXPIRED);
    CHECK_DONE(&play.actors[0], WEIR_TIMED_OUT, 0);
    CHECK_EQ(play.actors[0].item, -1);
    CHECK_RECEIVES(&play, 1);
    play_end(&play);
}

CHANNEL_TEST(a_stop_during_a_send_keeps_that_item_back_alone)
{
    struct play play;

    play_begin(&play, kind, 0);
    for (int i = 0; i < 3; i++)
        sender(&play, i, i);
    actor_stop(&play.actors[1]);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[1], WEIR_CANCELLED, 0);
    CHECK_RECEIVES(&play, 0);
    CHECK_RECEIVES(&play, 2);
    stage_settle(&play.stage);
    play_end(&play);
}

CHANNEL_TEST(a_stop_during_a_receive_leaves_the_item_to_the_next)
{
    struct play play;

    play_begin(&play, kind, 0);
    receiver(&play, 0);
    receiver(&play, 1);
    actor_stop(&play.actors[0]);
    CHECK_EQ(try_send(&play, 4), 0);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[0], WEIR_CANCELLED, 0);
    CHECK_EQ(play.actors[0].item, -1);
    CHECK_DONE(&play.actors[1], 0, 1);
    CHECK_EQ(play.actors[1].item, 4);
    play_end(&play);
}

CHANNEL_TEST(a_stop_after_the_hand_over_loses_nothing)
{
    struct play play;

    play_begin(&play, kind, 0);
    receiver(&play, 0);
    CHECK_EQ(try_send(&play, 4), 0);
    actor_stop(&play.actors[0]);
    sender(&play, 1, 5);
    CHECK_RECEIVES(&play, 5);
    actor_stop(&play.actors[1]);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[0], 0, 1);
    CHECK_EQ(play.actors[0].item, 4);
    CHECK_DONE(&play.actors[1], 0, 1);
    play_end(&play);
}

/* Closing. */

CHANNEL_TEST(after_closing_what_is_buffered_is_received_then_the_end)
{
    struct play play;
    struct actor *late;
    int error;

    play_begin(&play, kind, 2);
    CHECK_EQ(try_send(&play, 1), 0);
    CHECK_EQ(try_send(&play, 2), 0);
    late = sender(&play, 0, 3);
    kind->close(&play.channel);
    kind->close(&play.channel);
    stage_settle(&play.stage);
    CHECK_DONE(late, WEIR_CLOSED, 0);

    CHECK_RECEIVES(&play, 1);
    CHECK_EQ(try_send(&play, 4), WEIR_CLOSED);
    CHECK_RECEIVES(&play, 2);
    CHECK_EQ(try_receive(&play, &error), -1);
    CHECK_EQ(error, WEIR_EOF);
    CHECK_DONE(receiver(&play, 1), WEIR_EOF, 0);
    CHECK_DONE(sender(&play, 2, 5), WEIR_CLOSED, 0);
    play_end(&play);
}

CHANNEL_TEST(closing_wakes_all_who_wait_in_order)
{
    struct play play;

    play_begin(&play, kind, 0);
    for (int i = 0; i < 3; i++)
        receiver(&play, i);
    kind->close(&play.channel);
    stage_settle(&play.stage);
    for (int i = 0; i < 3; i++) {
        CHECK_DONE(&play.actors[i], WEIR_EOF, 0);
        CHECK_EQ(play.actors[i].place, i + 1);
        CHECK_EQ(play.actors[i].item, -1);
    }
    play_end(&play);
}

CHANNEL_TEST(a_stop_after_closing_reports_the_closing)
{
    struct play play;

    play_begin(&play, kind, 0);
    sender(&play, 0, 1);
    kind->close(&play.channel);
    actor_stop(&play.actors[0]);
    stage_settle(&play.stage);
    CHECK_DONE(&play.actors[0], WEIR_CLOSED, 0);
    play_end(&play);
}

/* At random, against a model. */

enum { STEPS = 400, SEEDS = 200 };

/* What one actor of the cast ought to be told. */
struct fate {
    bool on_stage; /* Launched, and not yet looked at after its end. */
    bool decided;  /* The model knows the result. */
    bool sends;
    int error;
    int item;
};

/* The channel as two plain queues of actors and one of items. */
struct model {
    int items[ROOM];
    int waiting[ACTORS]; /* Actors, oldest first: all senders, or all receivers. */
    int items_count;
    int waiting_count;
    int capacity;
    bool closed;
    struct fate fates[ACTORS];
};

struct rehearsal {
    struct play play;
    struct model model;
    uint32_t random;
    int next_item;
};

static int pick(struct rehearsal *self, int bound)
{
    self->random = self->random * 1664525u + 1013904223u;
    return (int)((self->random >> 8) % (uint32_t)bound);
}

static int shift(int *queue, int *count)
{
    int first = queue[0];

    memmove(queue, queue + 1, (size_t)-- * count * sizeof *queue);
    return first;
}

static void decide(struct model *model, int actor, int error, int item)
{
    model->fates[actor].decided = true;
    model->fates[actor].error = error;
    model->fates[actor].item = item;
}

static bool waits(const struct model *model, bool senders)
{
    return model->waiting_count > 0 && model->fates[model->waiting[0]].sends == senders;
}

static int model_send(struct model *model, int item)
{
    if (model->closed)
        return WEIR_CLOSED;
    if (waits(model, false))
        decide(model, shift(model->waiting, &model->waiting_count), 0, item);
    else if (model->items_count < model->capacity)
        model->items[model->items_count++] = item;
    else
        return -EAGAIN;
    return 0;
}

static int model_receive(struct rehearsal *self, int *ret_item)
{
    struct model *model = &self->model;

    if (model->items_count > 0)
        *ret_item = shift(model->items, &model->items_count);
    else if (!waits(model, true))
        return model->closed ? WEIR_EOF : -EAGAIN;
    if (waits(model, true)) {
        int actor = shift(model->waiting, &model->waiting_count);

        decide(model, actor, 0, self->play.actors[actor].item);
        if (model->capacity > 0)
            model->items[model->items_count++] = self->play.actors[actor].item;
        else
            *ret_item = self->play.actors[actor].item;
    }
    return 0;
}

static void model_close(struct model *model)
{
    model->closed = true;
    while (model->waiting_count > 0) {
        int actor = shift(model->waiting, &model->waiting_count);

        decide(model, actor, model->fates[actor].sends ? WEIR_CLOSED : WEIR_EOF, -1);
    }
}

static void model_stop(struct model *model, int actor)
{
    int kept = 0;

    for (int i = 0; i < model->waiting_count; i++) {
        if (model->waiting[i] == actor)
            decide(model, actor, WEIR_CANCELLED, -1);
        else
            model->waiting[kept++] = model->waiting[i];
    }
    model->waiting_count = kept;
}

/* Steps of the rehearsal. */

static void enter_at_random(struct rehearsal *self, bool sends)
{
    int i = pick(self, ACTORS);
    struct fate *fate = &self->model.fates[i];
    const struct kind *kind = self->play.kind;
    int item = -1;
    int error;

    if (fate->on_stage)
        return;
    stage_settle(&self->play.stage); /* So that it starts now. */
    *fate = (struct fate){.on_stage = true, .sends = sends};
    if (sends)
        item = cast(&self->play, i, kind->send, self->next_item++)->item;
    else
        (void)cast(&self->play, i, kind->receive, -1);
    error = sends ? model_send(&self->model, item) : model_receive(self, &item);
    if (error == -EAGAIN)
        self->model.waiting[self->model.waiting_count++] = i;
    else
        decide(&self->model, i, error, item);
    stage_enter(&self->play.stage, &self->play.actors[i]);
}

static void try_at_random(struct rehearsal *self)
{
    int wanted_item = -1;
    int item;
    int error;

    if (pick(self, 2)) {
        item = self->next_item++;
        CHECK_EQ(try_send(&self->play, item), model_send(&self->model, item));
        return;
    }
    item = try_receive(&self->play, &error);
    CHECK_EQ(error, model_receive(self, &wanted_item));
    CHECK_EQ(item, wanted_item);
}

static void stop_at_random(struct rehearsal *self)
{
    int i = pick(self, ACTORS);

    if (!self->model.fates[i].on_stage || self->play.actors[i].done)
        return;
    actor_stop(&self->play.actors[i]);
    model_stop(&self->model, i);
}

static void step(struct rehearsal *self)
{
    int choice = pick(self, 100);

    if (choice < 25)
        enter_at_random(self, true);
    else if (choice < 50)
        enter_at_random(self, false);
    else if (choice < 80)
        try_at_random(self);
    else if (choice < 99)
        stop_at_random(self);
    else if (pick(self, 4) == 0) {
        self->play.kind->close(&self->play.channel);
        model_close(&self->model);
    }
}

/* Who is done has what the model says; who is not waits in the model too. */
static void look(struct rehearsal *self)
{
    stage_settle(&self->play.stage);
    for (int i = 0; i < ACTORS; i++) {
        struct fate *fate = &self->model.fates[i];
        struct actor *actor = &self->play.actors[i];

        if (!fate->on_stage)
            continue;
        CHECK_EQ(actor->done, fate->decided);
        if (!fate->decided)
            continue;
        CHECK_EQ(actor->result.error, fate->error);
        CHECK_EQ(actor->result.count, fate->error ? 0 : 1);
        if (!fate->sends)
            CHECK_EQ(actor->item, fate->item);
        fate->on_stage = false;
    }
}

static void rehearse(const struct kind *kind, uint32_t seed, int capacity)
{
    struct rehearsal self;

    memset(&self, 0, sizeof self);
    self.random = seed;
    self.model.capacity = capacity;
    play_begin(&self.play, kind, (size_t)capacity);
    for (int i = 0; i < STEPS; i++) {
        step(&self);
        if (pick(&self, 3) == 0)
            look(&self);
    }
    kind->close(&self.play.channel);
    model_close(&self.model);
    look(&self);
    for (int i = 0; i < self.model.items_count; i++)
        CHECK_RECEIVES(&self.play, self.model.items[i]);
    play_end(&self.play);
}

CHANNEL_TEST(at_random_it_is_a_queue_that_loses_and_doubles_nothing)
{
    for (int capacity = 0; capacity <= ROOM; capacity = 2 * capacity + 1) {
        for (uint32_t seed = 1; seed <= SEEDS; seed++)
            rehearse(kind, seed, capacity);
    }
}

/* Fairness. */

/* A task that sends to itself, for as long as nobody else runs. */
struct hog {
    struct actor actor; /* Whose start is that of the latest await. */
    struct play *play;  /* In: its channel has room. */
    const bool *let_go; /* In: another task has run. */
    int turns;          /* Out. */
};

static weir_task *hog_resume(weir_task *task)
{
    struct hog *self = WEIR_TASK_SELF(task, struct hog);
    weir_result r;

    WEIR_BEGIN(task);
    while (!*self->let_go) {
        WEIR_AWAIT(task, r, self->play->kind->send(&self->actor));
        CHECK_EQ(r.error, 0);
        WEIR_AWAIT(task, r, self->play->kind->receive(&self->actor));
        CHECK_EQ(r.error, 0);
        CHECK(++self->turns < 100000);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

CHANNEL_TEST(awaits_that_never_suspend_starve_nobody)
{
    struct play play;
    struct hog hog = {.play = &play, .let_go = &play.actors[0].done};

    play_begin(&play, kind, 2);
    hog.actor.object = &play.channel;
    hog.actor.record = &play.records[1];
    weir_task_init(&hog.actor.task, hog_resume);
    weir_run_async(weir_manual_executor(&play.stage.manual), &hog.actor.root, &hog.actor.task, NULL,
                   NULL);
    sender(&play, 0, 1);
    CHECK(play.actors[0].done);
    CHECK(hog.turns > 0);
    play_end(&play);
}

/* What local channels have alone. */

WEIR_TEST(channel, it_tells_what_it_holds_and_whether_it_is_closed)
{
    weir_channel channel;
    int storage[2];
    int item = 1;

    weir_channel_init(&channel, storage, 2, sizeof item);
    CHECK_EQ(weir_channel_count(&channel), 0);
    CHECK_EQ(weir_channel_try_send(&channel, &item), 0);
    CHECK_EQ(weir_channel_count(&channel), 1);
    CHECK(!weir_channel_is_closed(&channel));
    weir_channel_close(&channel);
    CHECK(weir_channel_is_closed(&channel));
    CHECK_EQ(weir_channel_count(&channel), 1);
    weir_channel_fini(&channel);
}
