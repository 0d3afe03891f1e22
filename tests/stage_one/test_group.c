/* SPDX-License-Identifier: MIT */
/*
 * Combinators against a model, over random children, outcomes, orders of completion and stops.
 *
 * The model does not know groups. It keeps a log of who ended with what, and reads the result off
 * the log as the words of the header define it; from the log as it stands it also knows when the
 * others are stopped. Who is ready waits in one queue, first in, first out, as on an executor.
 */
#include <weir/group.h>

#include <errno.h>
#include <stdint.h>

#include <weir/stop.h>

#include "crew.h"
#include "test.h"

enum { ROUNDS = 30000, MEMBERS_MAX = 7 };

/* One child that has ended. */
struct entry {
    size_t index;
    weir_result result;
    bool after_stop; /* Of the team. */
};

enum phase { UNBEGUN, AT_GATE, READY, ENDED };

struct actor {
    enum phase phase;
    unsigned bits;      /* Of the stops that are in force. */
    weir_result result; /* From READY on. */
};

struct model {
    const struct crew *crew; /* For what its members are: prompt, shielded, stubborn. */
    unsigned bits;           /* Of the team. */
    struct actor actors[MEMBERS_MAX];
    size_t queue[MEMBERS_MAX]; /* At most once in it: first to begin, later to end. */
    size_t queue_count;
    struct entry log[MEMBERS_MAX];
    size_t log_count;
};

/* Random numbers: xorshift, from a seed. */

static uint64_t random_state;

static size_t random_below(size_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)((random_state >> 32) % limit);
}

static bool one_in(size_t odds)
{
    return random_below(odds) == 0;
}

static unsigned random_bits(void)
{
    static const unsigned choices[] = {WEIR_STOP_REQUESTED, WEIR_STOP_EXPIRED, WEIR_STOP_HARD};

    return choices[random_below(3)];
}

static weir_result random_result(void)
{
    static const int errors[] = {0, 0, -EIO, -EPIPE, WEIR_EOF};

    return weir_result_of(errors[random_below(5)], random_below(100));
}

/* Reading the log. */

static bool entry_wins(const struct entry *entry, enum combinator combinator)
{
    switch (combinator) {
    case ALL:
        return entry->result.error != 0;
    case ANY_COMPLETES:
        return entry->result.error == 0 || !entry->after_stop;
    case ANY_SUCCEEDS:
        break;
    }
    return entry->result.error == 0;
}

/* The first entry that decides, or NULL. */
static const struct entry *find_decisive(const struct model *model)
{
    for (size_t i = 0; i < model->log_count; i++) {
        if (entry_wins(&model->log[i], model->crew->team.combinator))
            return &model->log[i];
    }
    return NULL;
}

static weir_result read_result(const struct model *model)
{
    const struct entry *decisive = find_decisive(model);
    size_t success_count = 0;

    if (model->crew->team.combinator != ALL) {
        decisive = decisive ? decisive : &model->log[0];
        return weir_result_of(decisive->result.error, decisive->index);
    }
    for (size_t i = 0; i < model->log_count; i++)
        success_count += model->log[i].result.error == 0;
    return weir_result_of(decisive ? decisive->result.error : 0, success_count);
}

/* What happens to the children. */

static void model_make_ready(struct model *model, size_t index, weir_result result)
{
    model->actors[index].phase = READY;
    model->actors[index].result = result;
    model->queue[model->queue_count++] = index;
}

/* What a member returns when these bits end its wait. */
static weir_result stopped_result(const struct member *member, unsigned bits)
{
    int error = bits & (WEIR_STOP_REQUESTED | WEIR_STOP_HARD) ? WEIR_CANCELLED : WEIR_TIMED_OUT;

    return weir_result_of(member->salvages ? 0 : error, member->bytes);
}

static void model_stop_member(struct model *model, size_t index, unsigned bits)
{
    const struct member *member = &model->crew->members[index];
    struct actor *actor = &model->actors[index];

    if (actor->phase == AT_GATE && member->is_shielded)
        bits &= WEIR_STOP_HARD;
    if (!bits)
        return;
    actor->bits |= bits;
    if (actor->phase == AT_GATE && !member->gate.ignores_stop)
        model_make_ready(model, index, stopped_result(member, actor->bits));
}

static void model_stop_all(struct model *model, unsigned bits)
{
    for (size_t i = 0; i < model->crew->team.count; i++)
        model_stop_member(model, i, bits);
}

static void model_end(struct model *model, size_t index, weir_result result)
{
    bool was_decided = find_decisive(model) != NULL;
    struct entry *entry = &model->log[model->log_count++];

    model->actors[index].phase = ENDED;
    entry->index = index;
    entry->result = result;
    entry->after_stop = model->bits != 0;
    if (!was_decided && find_decisive(model))
        model_stop_all(model, WEIR_STOP_REQUESTED);
}

static void model_begin(struct model *model, size_t index)
{
    const struct member *member = &model->crew->members[index];
    struct actor *actor = &model->actors[index];

    if (member->is_shielded)
        actor->bits &= WEIR_STOP_HARD;
    if (member->is_prompt)
        model_end(model, index, member->outcome);
    else if (actor->bits)
        model_end(model, index, stopped_result(member, actor->bits));
    else
        actor->phase = AT_GATE;
}

static void model_settle(struct model *model)
{
    while (model->queue_count > 0) {
        size_t index = model->queue[0];

        model->queue_count--;
        for (size_t i = 0; i < model->queue_count; i++)
            model->queue[i] = model->queue[i + 1];
        if (model->actors[index].phase == UNBEGUN)
            model_begin(model, index);
        else
            model_end(model, index, model->actors[index].result);
    }
}

static void model_launch(struct model *model, const struct crew *crew)
{
    *model = (struct model){.crew = crew, .bits = crew->team.stop_first};
    for (size_t i = 0; i < crew->team.count; i++) {
        model->actors[i].bits = model->bits;
        model->queue[model->queue_count++] = i;
    }
    model_settle(model);
}

/* One round. */

static void draw_crew(struct crew *crew)
{
    size_t count = 1 + random_below(MEMBERS_MAX);

    crew_init(crew, (enum combinator)random_below(3), count);
    if (one_in(6))
        crew->team.stop_first = random_bits();
    for (size_t i = 0; i < count; i++) {
        struct member *member = &crew->members[i];

        member->is_prompt = one_in(6);
        member->is_shielded = one_in(4);
        member->salvages = one_in(4);
        member->gate.ignores_stop = one_in(4);
        member->bytes = random_below(100);
        member->outcome = random_result();
    }
}

static void open_random_gate(struct crew *crew, struct model *model)
{
    size_t index = random_below(crew->team.count);
    weir_result result = random_result();

    CHECK_EQ(crew->members[index].gate.waiter != NULL, model->actors[index].phase == AT_GATE);
    if (model->actors[index].phase != AT_GATE)
        return;
    gate_open(&crew->members[index].gate, result.error, result.count);
    model_make_ready(model, index, result);
}

static void stop_at_random(struct crew *crew, struct model *model)
{
    unsigned bits = random_bits();

    weir_task_stop(&crew->team.task, bits);
    model->bits |= bits;
    model_stop_all(model, bits);
}

/* Up to three things that happen before anybody runs. */
static void act_at_random(struct crew *crew, struct model *model)
{
    for (size_t actions = 1 + random_below(3); actions > 0; actions--) {
        if (one_in(10))
            stop_at_random(crew, model);
        else
            open_random_gate(crew, model);
    }
    tree_settle(&crew->tree);
    model_settle(model);
}

static void compare(struct crew *crew, const struct model *model)
{
    weir_result expected = read_result(model);
    const struct entry *decisive = find_decisive(model);

    CHECK_EQ(crew->journal.ended_count, model->log_count);
    for (size_t i = 0; i < model->log_count; i++) {
        const struct entry *entry = &model->log[i];

        CHECK_EQ(crew->journal.ended[i], entry->index);
        crew_check_member(crew, entry->index, entry->result.error, entry->result.count);
    }
    if (decisive)
        CHECK(weir_group_chosen(&crew->team.group) == crew->children[decisive->index]);
    crew_finish(crew, expected.error, expected.count);
}

static void play_round(uint64_t seed)
{
    static struct crew crew;
    struct model model;

    random_state = seed;
    draw_crew(&crew);
    crew_launch(&crew);
    model_launch(&model, &crew);
    while (model.log_count < crew.team.count) {
        CHECK(!crew.tree.is_done);
        act_at_random(&crew, &model);
    }
    compare(&crew, &model);
}

WEIR_TEST(group, does_what_the_model_does_whatever_happens)
{
    for (uint64_t round = 1; round <= ROUNDS; round++)
        play_round(round * UINT64_C(0x9e3779b97f4a7c15));
}
