/* SPDX-License-Identifier: MIT */
/* Crews: members at their gates, and teams that await them. */
#include "crew.h"

#include <weir/stop.h>

#include "test.h"

/* What a member returns: its bytes are never lost to a stop. */
static weir_result member_outcome(const struct member *member, weir_result waited)
{
    if (waited.error != WEIR_CANCELLED && waited.error != WEIR_TIMED_OUT)
        return waited;
    return weir_result_of(member->salvages ? 0 : waited.error, member->bytes);
}

static weir_task *member_resume(weir_task *task)
{
    struct member *self = WEIR_TASK_SELF(task, struct member);
    weir_result r;

    WEIR_BEGIN(task);
    self->journal->begun[self->journal->begun_count++] = self->id;
    if (!self->is_prompt) {
        if (self->is_shielded)
            weir_shield_begin(task);
        WEIR_AWAIT(task, r, gate_wait(task, &self->gate));
        if (self->is_shielded)
            weir_shield_end(task);
        self->outcome = member_outcome(self, r);
    }
    self->journal->ended[self->journal->ended_count++] = self->id;
    WEIR_RETURN(task, self->outcome);
    WEIR_END(task);
}

void member_init(struct member *member, int id, struct journal *journal)
{
    *member = (struct member){.id = id, .journal = journal};
    weir_task_init(&member->task, member_resume);
}

static weir_task *team_await(struct team *team)
{
    weir_task *task = &team->task;

    switch (team->combinator) {
    case ALL:
        return weir_when_all(task, &team->group, team->children, team->count);
    case ANY_COMPLETES:
        return weir_when_any(task, &team->group, WEIR_FIRST_TO_COMPLETE, team->children,
                             team->count);
    case ANY_SUCCEEDS:
        break;
    }
    return weir_when_any(task, &team->group, WEIR_FIRST_TO_SUCCEED, team->children, team->count);
}

static weir_task *team_resume(weir_task *task)
{
    struct team *self = WEIR_TASK_SELF(task, struct team);
    weir_result r;

    WEIR_BEGIN(task);
    weir_group_init(&self->group);
    if (self->stop_first)
        weir_task_stop(task, self->stop_first);
    WEIR_AWAIT(task, r, team_await(self));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

void team_init(struct team *team, enum combinator combinator, weir_task *const *children,
               size_t count)
{
    *team = (struct team){.combinator = combinator, .children = children, .count = count};
    weir_task_init(&team->task, team_resume);
}

static void tree_done(weir_root *root, weir_result result)
{
    struct tree *tree = root->user;

    tree->is_done = true;
    tree->result = result;
}

void tree_settle(struct tree *tree)
{
    while (weir_manual_poll(&tree->manual))
        ;
}

void tree_launch(struct tree *tree, weir_task *main)
{
    weir_manual_init(&tree->manual, NULL);
    tree->is_done = false;
    weir_run_async(weir_manual_executor(&tree->manual), &tree->root, main, tree_done, tree);
    tree_settle(tree);
}

void tree_finish(struct tree *tree, int error, size_t count)
{
    CHECK(tree->is_done);
    CHECK_EQ(tree->result.error, error);
    CHECK_EQ(tree->result.count, count);
    weir_manual_fini(&tree->manual);
}

void crew_init(struct crew *crew, enum combinator combinator, size_t count)
{
    crew->journal.begun_count = 0;
    crew->journal.ended_count = 0;
    for (size_t i = 0; i < count; i++) {
        member_init(&crew->members[i], (int)i, &crew->journal);
        crew->children[i] = &crew->members[i].task;
    }
    team_init(&crew->team, combinator, crew->children, count);
}

void crew_launch(struct crew *crew)
{
    tree_launch(&crew->tree, &crew->team.task);
}

void crew_open(struct crew *crew, size_t index, int error, size_t count)
{
    gate_open(&crew->members[index].gate, error, count);
    tree_settle(&crew->tree);
}

void crew_stop(struct crew *crew, unsigned bits)
{
    weir_task_stop(&crew->team.task, bits);
    tree_settle(&crew->tree);
}

void crew_check_member(const struct crew *crew, size_t index, int error, size_t count)
{
    const weir_task *task = &crew->members[index].task;

    CHECK_EQ(task->state, WEIR_TASK_DONE);
    CHECK_EQ(weir_task_result(task).error, error);
    CHECK_EQ(weir_task_result(task).count, count);
}

void crew_finish(struct crew *crew, int error, size_t count)
{
    tree_finish(&crew->tree, error, count);
}
