/* SPDX-License-Identifier: MIT */
/*
 * Frames run out, all the time: for a server, whose clients wait and lose nothing; and for trees
 * that add numbers, each of which has children by calls, by scopes and with frames of their own.
 * Every number is added once, every result is right, and every frame comes home.
 */
#include <stdlib.h>
#include <string.h>

#include "echo.h"

enum {
    VISITORS_MAX = 8,
    VISITS_MAX = 4,
    NUMBERS_MAX = 400,
    LEAF_MAX = 3,
    CHILDREN_MAX = 4,
    PADDING_MAX = 6000,
    RETRIES_MAX = 3,
};

/* Adding. */

/** Memory that holds so many blocks. */
struct tight_memory {
    weir_memory memory;
    size_t live_count;
    size_t live_max;
};

/** A tree that adds numbers: the argument of adder_main. */
struct adder {
    uint64_t count;     /* In: of the numbers, from 0. */
    int64_t limit_ns;   /* 0: none. Then it may not get through. */
    uint64_t total;     /* Out. */
    uint64_t frames;    /* That there were, */
    uint64_t exhausted; /* and were not. */
    uint8_t times[NUMBERS_MAX];
};

/** How a node goes on. */
enum way { BY_CALL, BY_SCOPE, BY_SUBTREE };

/** Adds the numbers from first to the one before last. Allocated, with bytes behind
 * it, or embedded. */
struct node {
    weir_task task;
    struct adder *adder;
    uint64_t first;
    uint64_t last;
    uint64_t *ret_total; /* Gets the sum as well. */
    size_t padding;      /* Bytes behind the frame. */
    unsigned char mark;  /* What they are. */

    uint64_t part;  /* The children's results so far. */
    uint64_t begun; /* Numbers that children were given, or that were added. */
    uint64_t sums[CHILDREN_MAX];
    struct node *children[CHILDREN_MAX];
    size_t child_count;
    enum way way;
    unsigned retries;
    int error;
    weir_scope scope;
    struct inner *inner;
};

/** A subtree with frames of its own. */
struct inner {
    weir_subtree subtree;
    struct tight_memory memory;
    weir_frame_allocator frames;
    struct node node;
};

static weir_task *node_resume(weir_task *task);

static void *tight_allocate(weir_memory *memory, size_t size)
{
    struct tight_memory *self = WEIR_CONTAINER_OF(memory, struct tight_memory, memory);

    if (self->live_count == self->live_max)
        return NULL;
    self->live_count++;
    return malloc(size);
}

static void tight_release(weir_memory *memory, void *block, size_t size)
{
    struct tight_memory *self = WEIR_CONTAINER_OF(memory, struct tight_memory, memory);

    (void)size;
    self->live_count--;
    free(block);
}

static void node_init(struct node *node, struct adder *adder, uint64_t first, uint64_t last,
                      uint64_t *ret_total, size_t padding)
{
    node->adder = adder;
    node->first = first;
    node->last = last;
    node->ret_total = ret_total;
    node->padding = padding;
    node->mark = (unsigned char)first;
    memset((char *)node + sizeof *node, node->mark, padding);
    node->part = 0;
    node->begun = first;
    node->child_count = 0;
    node->retries = 0;
    node->error = 0;
    *ret_total = 0;
}

static void check_padding(const struct node *node)
{
    const unsigned char *bytes = (const unsigned char *)node + sizeof *node;
    size_t i;

    for (i = 0; i < node->padding; i++)
        KIT_CHECK(bytes[i] == node->mark, "somebody has written to a frame that lives");
}

/* A frame for a child of a call or of a scope, for the next numbers; NULL: there is none. */
static struct node *child_new(weir_task *task, struct node *parent, bool in_scope)
{
    uint64_t left = parent->last - parent->begun;
    uint64_t size = kit_between(1, left / 2 + 1);
    size_t padding = (size_t)kit_small(0, PADDING_MAX);
    struct node *child = in_scope
                             ? weir_scope_new(&parent->scope, sizeof *child + padding, node_resume)
                             : weir_frame_new(task, sizeof *child + padding, node_resume);

    if (!child) {
        parent->adder->exhausted++;
        return NULL;
    }
    parent->adder->frames++;
    node_init(child, parent->adder, parent->begun, parent->begun + size,
              &parent->sums[parent->child_count], padding);
    return child;
}

static void add_directly(struct node *self, uint64_t last)
{
    for (; self->begun < last; self->begun++) {
        self->part += self->begun;
        self->adder->times[self->begun]++;
    }
}

/* No frame: some numbers are added without, so that it goes on in any case. */
static void do_without(struct node *self)
{
    uint64_t left = self->last - self->begun;

    if (++self->retries <= RETRIES_MAX)
        return;
    self->retries = 0;
    add_directly(self, self->begun + (left < LEAF_MAX ? left : LEAF_MAX));
}

static void count_child(struct node *self, weir_result r, uint64_t sum)
{
    self->part += sum;
    if (r.error)
        self->error = r.error;
}

/* Children that start together, as many as there are frames for. */
static void start_children(weir_task *task, struct node *self)
{
    self->child_count = 0;
    while (self->begun < self->last && self->child_count < CHILDREN_MAX) {
        struct node *child = child_new(task, self, true);

        if (!child)
            break;
        if (kit_chance(100)) { /* It changes its mind. */
            weir_scope_discard(&self->scope, &child->task);
            continue;
        }
        self->begun = child->last;
        self->child_count++;
        weir_scope_start(&self->scope, &child->task);
    }
    if (self->child_count == 0)
        do_without(self);
}

static void count_children(struct node *self, weir_result r)
{
    size_t i;

    KIT_CHECK(r.count == self->child_count, "a join counts %zu of %zu children", r.count,
              self->child_count);
    for (i = 0; i < self->child_count; i++)
        self->part += self->sums[i];
    self->child_count = 0;
    if (r.error)
        self->error = r.error;
}

static struct inner *inner_new(struct node *self)
{
    struct inner *inner = malloc(sizeof *inner);

    KIT_CHECK(inner, "no memory");
    inner->memory = (struct tight_memory){{tight_allocate, tight_release}, 0, kit_small(0, 12)};
    weir_frame_allocator_init(&inner->frames, &inner->memory.memory, (size_t)kit_small(0, 20000));
    node_init(&inner->node, self->adder, self->begun, self->last, &self->sums[0], 0);
    weir_task_init(&inner->node.task, node_resume);
    self->begun = self->last;
    return inner;
}

static void inner_free(struct inner *inner)
{
    KIT_CHECK(weir_frame_live_count(&inner->frames) == 0, "%zu frames of a subtree are not home",
              weir_frame_live_count(&inner->frames));
    weir_frame_allocator_fini(&inner->frames);
    KIT_CHECK(inner->memory.live_count == 0, "an allocator keeps %zu blocks when it ends",
              inner->memory.live_count);
    free(inner);
}

static struct node *call_new(weir_task *task, struct node *self)
{
    struct node *child = child_new(task, self, false);

    if (!child) {
        do_without(self);
        return NULL;
    }
    if (kit_chance(100)) {
        weir_frame_discard(task, &child->task);
        return NULL;
    }
    self->begun = child->last;
    return child;
}

static void choose_way(struct node *self)
{
    if (self->last - self->begun > 20 && kit_chance(50))
        self->way = BY_SUBTREE;
    else
        self->way = kit_chance(500) ? BY_CALL : BY_SCOPE;
}

static weir_result finish(struct node *self)
{
    check_padding(self);
    *self->ret_total = self->part;
    return weir_result_of(self->error, 0);
}

static weir_task *call_child(weir_task *task, struct node *self)
{
    self->children[0] = call_new(task, self);
    if (!self->children[0])
        return weir_task_yield(task);
    return weir_call(task, &self->children[0]->task);
}

static weir_task *node_resume(weir_task *task)
{
    struct node *self = WEIR_TASK_SELF(task, struct node);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    if (self->last - self->first <= LEAF_MAX) {
        if (kit_chance(300))
            WEIR_AWAIT(task, r, weir_sleep_for(task, kit_duration_ns(KIT_MS)));
        add_directly(self, self->last);
    }
    while (self->begun < self->last && !self->error) {
        choose_way(self);
        if (self->way == BY_CALL) {
            self->sums[0] = 0;
            WEIR_AWAIT(task, r, call_child(task, self));
            count_child(self, r, self->sums[0]);
        } else if (self->way == BY_SCOPE) {
            start_children(task, self);
            WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
            count_children(self, r);
        } else {
            self->inner = inner_new(self);
            WEIR_AWAIT(task, r,
                       weir_call_with_frames(task, &self->inner->subtree, &self->inner->node.task,
                                             &self->inner->frames));
            count_child(self, r, self->sums[0]);
            inner_free(self->inner);
        }
        if (!self->error)
            self->error = weir_task_stop_error(task);
    }
    weir_scope_fini(&self->scope);
    WEIR_RETURN(task, finish(self));
    WEIR_END(task);
}

struct adding {
    weir_task task;
    struct adder *adder;
    struct node node;
    weir_timeout_frame timeout;
};

static weir_task *adding_resume(weir_task *task)
{
    struct adding *self = WEIR_TASK_SELF(task, struct adding);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->adder->limit_ns)
        WEIR_AWAIT(task, r,
                   weir_timeout(task, &self->timeout, &self->node.task, self->adder->limit_ns));
    else
        WEIR_AWAIT(task, r, weir_call(task, &self->node.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Each number once: if there was time. */
static void check_sum(const struct adder *adder, weir_result r)
{
    uint64_t sum = 0;
    uint64_t i;

    kit_expect("an adder", r.error, adder->limit_ns ? KIT_LATE : 0);
    for (i = 0; i < adder->count; i++) {
        KIT_CHECK(adder->times[i] <= 1, "%llu is added %u times", (unsigned long long)i,
                  adder->times[i]);
        KIT_CHECK(adder->times[i] == 1 || r.error, "%llu is not added", (unsigned long long)i);
        sum += adder->times[i] ? i : 0;
    }
    KIT_CHECK(adder->total == sum, "the sum is %llu and not %llu", (unsigned long long)adder->total,
              (unsigned long long)sum);
}

static void adder_main(void *argument)
{
    struct adder *adder = argument;
    struct adding adding = {.adder = adder};
    weir_loop *loop = kit_loop_new();
    weir_result r;

    weir_task_init(&adding.task, adding_resume);
    weir_task_init(&adding.node.task, node_resume);
    node_init(&adding.node, adder, 0, adder->count, &adder->total, 0);
    r = weir_run(loop, &adding.task);
    check_sum(adder, r);
    kit_loop_free(loop);
}

/* The world. */

struct state {
    struct echo_world world;
    struct echo_server server;
    struct echo_crowd crowd;
    struct echo_visitor visitors[VISITORS_MAX];
    weir_scope_child children[VISITORS_MAX];
    struct adder adders[2];
};

static void build_echo(weir_sim *sim, struct state *state)
{
    weir_sim_host *host = weir_sim_host_new(sim, "server");
    struct echo_crowd *crowd = &state->crowd;
    size_t i;

    state->world.servers = &state->server;
    state->world.server_count = 1;
    state->world.crowd_count = 1;
    state->server.world = &state->world;
    state->server.local = weir_sim_host_endpoint(host, ECHO_PORT);
    state->server.door_count = (unsigned)kit_small(1, ECHO_DOORS_MAX);
    state->server.grace_ns = kit_duration_ns(KIT_S);
    weir_sim_start(host, "server", echo_server_main, &state->server);
    crowd->world = &state->world;
    crowd->visitors = state->visitors;
    crowd->children = state->children;
    crowd->count = (size_t)kit_between(1, VISITORS_MAX);
    for (i = 0; i < crowd->count; i++) {
        struct echo_visitor *visitor = &crowd->visitors[i];

        visitor->world = &state->world;
        visitor->server = state->server.local;
        visitor->visits = (unsigned)kit_between(1, VISITS_MAX);
        visitor->attempts_max = 30;
        visitor->size_max = kit_small(KIT_NUMBER_BYTES, 3000);
        visitor->pause_ns_max = kit_duration_ns(5 * KIT_MS);
        visitor->behaviours = 1U << ECHO_THROUGH | 1U << ECHO_DIALOGUE;
    }
    weir_sim_start(weir_sim_host_new(sim, "client"), "client", echo_crowd_main, crowd);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    size_t i;

    kit_begin(sim);
    state->world.failures = kit_failures_by(&run->faults);
    if (kit_chance(700))
        build_echo(sim, state);
    for (i = 0; i < sizeof state->adders / sizeof state->adders[0]; i++) {
        struct adder *adder = &state->adders[i];

        adder->count = kit_small(1, NUMBERS_MAX);
        adder->limit_ns = kit_chance(200) ? kit_duration_ns(5 * KIT_MS) + 1 : 0;
        weir_sim_start(weir_sim_host_new(sim, "adder"), "adder", adder_main, adder);
    }
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;

    (void)sim;
    echo_world_check(&state->world);
    if (!state->world.failures)
        echo_visitors_check(state->visitors, sizeof state->visitors / sizeof state->visitors[0]);
}

/* At any level frames are what is rare. */
static void adjust(struct scenario_run *run)
{
    run->faults.no_frames = (uint16_t)(20 + run->seed % 600);
}

const struct scenario scenario_frames = {
    .name = "frames",
    .summary = "frames run out, for a server and for trees of every kind of child",
    .state_size_bytes = sizeof(struct state),
    .adjust = adjust,
    .build = build,
    .check = check,
};
