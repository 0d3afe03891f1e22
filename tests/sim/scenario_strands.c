/* SPDX-License-Identifier: MIT */
/*
 * Strands over a loop, over a thread pool and over one another, fed by several programs; and trees
 * on strands and pools, stopped by those.
 *
 * What is posted later never runs earlier, nothing on a strand runs beside anything else on it,
 * also where a thread is held up in the middle, and a turn has an end. All that was posted has run
 * when the last who refers to a strand lets it go.
 */
#include <errno.h>

#include "play.h"
#include "scenario.h"

enum {
    LINE_MAX = 4,
    FEEDER_MAX = 3,
    JOB_MAX = 160,
    TREE_MAX = 5,
    STEP_MAX = 8,
};

struct state;

/* A strand. */
struct line {
    struct state *state;
    weir_strand strand;       /* Or */
    weir_any_executor shared; /* one that goes with its last reference. */
    bool is_shared;
    bool is_on_line; /* Its inner executor is another line. */
    int budget;
    weir_executor *executor;
    struct kit_exclusive inside;
    struct kit_order order;
    uint64_t run_count;          /* Resumptions that were surely each one of a turn. */
    unsigned number;             /* As a producer of jobs. */
    uint64_t produced[LINE_MAX]; /* From this line, for each. */
};

/* A task that is posted, alone. */
struct job {
    weir_task task;
    struct line *line; /* NULL: a marker. */
    unsigned producer;
    uint64_t number;     /* Of those of its producer for its line. */
    uint64_t post_begun; /* Stamps. */
    uint64_t post_ended; /* 0: not yet. */
    bool has_run;
    bool is_dispatched;               /* It may overtake what is queued. */
    struct line *marked;              /* A marker's: who posted it, */
    uint64_t marked_counts[LINE_MAX]; /* and how many had run on each line. */
};

/* What a tree does elsewhere. */
struct visit {
    weir_task task;
    struct line *line; /* NULL: on the inner executor. */
    size_t yields;
};

/* One end of a rendezvous. */
struct partner {
    weir_task task;
    struct tree *tree;
    weir_shared_channel_wait wait;
    unsigned item;
};

struct tree {
    weir_task task;
    struct state *state;
    struct line *line; /* NULL: right on the inner executor. */
    weir_root root;
    struct kit_exclusive inside;
    bool is_launched;
    bool is_done;
    bool is_asked; /* To stop. */
    bool has_met;
    size_t left;
    uint64_t calls; /* Results that visits gave. */
    weir_bridge bridge;
    struct visit visit;
    weir_group group;
    weir_scope scope;
    size_t errand_count;
    weir_deadline deadline;
    bool is_in_line; /* It goes on where it was posted to. */
    weir_shared_channel meeting;
    struct partner sender;
    struct partner receiver;
};

struct feeder {
    struct state *state;
    unsigned number; /* As a producer. */
    size_t left;
    uint64_t produced[LINE_MAX];
    struct visit visit;
    weir_work work;
};

struct state {
    weir_sim *sim;
    weir_sim_host *host;
    weir_loop *loop; /* Or */
    weir_thread_pool *pool;
    bool is_single; /* One thread runs it all. */
    weir_executor *inner;
    uint64_t stamp;
    size_t open_count; /* Jobs, trees and feeders that have not ended. */
    size_t job_count;
    size_t line_count;
    size_t feeder_count;
    size_t tree_count;
    struct line lines[LINE_MAX];
    struct feeder feeders[FEEDER_MAX];
    struct job jobs[JOB_MAX];
    struct tree trees[TREE_MAX];
    weir_shared_channel noise; /* For being held up. */
    unsigned noise_room[2];
    struct watch {
        weir_task task;
        struct state *state;
        weir_waker waker;
        bool is_open;
    } watch;
};

static void retire(struct state *state)
{
    if (--state->open_count == 0 && state->watch.is_open)
        weir_waker_wake(&state->watch.waker);
}

/* Calls that let other programs run, if the seed wants it. */
static void be_held_up(struct state *state)
{
    unsigned item = 0;

    for (size_t i = play_below(state->sim, 4); i > 0; i--) {
        int error = weir_shared_channel_try_send(&state->noise, &item);

        if (error)
            error = weir_shared_channel_try_receive(&state->noise, &item);
        PLAY_EXPECT(state->sim, !error || error == -EAGAIN, "a channel gives %s",
                    weir_error_name(error));
    }
}

/* Be on a line, or in a tree, for a while. */
static void stay(struct state *state, struct kit_exclusive *inside, const char *what)
{
    kit_exclusive_enter(inside, what);
    be_held_up(state);
    kit_exclusive_leave(inside);
}

static void stay_on(struct line *line)
{
    if (!line->is_shared)
        PLAY_EXPECT(line->state->sim, weir_strand_is_inside(&line->strand),
                    "a task of a strand runs outside of it");
    stay(line->state, &line->inside, "a strand");
}

/* Jobs. */

static void check_turn_order(const struct job *job)
{
    struct state *state = job->line->state;

    for (size_t i = 0; i < state->job_count; i++) {
        const struct job *other = &state->jobs[i];

        PLAY_EXPECT(state->sim,
                    other->line != job->line || other->has_run || other->is_dispatched ||
                        !other->post_ended || other->post_ended > job->post_begun,
                    "a job ran before one that had been posted to its strand");
    }
}

static void post(struct state *state, struct job *job, weir_executor *executor)
{
    state->open_count++;
    job->post_begun = ++state->stamp;
    weir_executor_post(executor, &job->task);
    job->post_ended = ++state->stamp;
}

static struct job *take_job(struct state *state, weir_resume_fn *resume)
{
    struct job *job;

    if (state->job_count == JOB_MAX)
        return NULL;
    job = &state->jobs[state->job_count++];
    weir_task_init(&job->task, resume);
    return job;
}

static weir_task *job_resume(weir_task *task);

static void produce(struct line *line, unsigned producer, uint64_t *produced)
{
    struct job *job = take_job(line->state, job_resume);

    if (!job)
        return;
    job->line = line;
    job->producer = producer;
    job->number = produced[line->number]++;
    post(line->state, job, line->executor);
}

/* Posted by a task of a line past the strand: what else that line runs before it is in the same
 * turn, and of each other line at most one turn is. */
static weir_task *marker_resume(weir_task *task)
{
    struct job *self = WEIR_TASK_SELF(task, struct job);
    struct state *state = self->marked->state;

    for (size_t i = 0; i < state->line_count; i++) {
        struct line *line = &state->lines[i];
        uint64_t count = line->run_count - self->marked_counts[i];

        if (line->is_on_line)
            continue;
        PLAY_EXPECT(state->sim, count <= (uint64_t)line->budget,
                    "a strand's turn took %llu resumptions and its budget is %d",
                    (unsigned long long)count, line->budget);
    }
    self->has_run = true;
    retire(state);
    return NULL;
}

static void mark(struct line *line)
{
    struct state *state = line->state;
    struct job *job;

    if (!state->is_single || line->is_on_line)
        return;
    job = take_job(state, marker_resume);
    if (!job)
        return;
    job->marked = line;
    for (size_t i = 0; i < state->line_count; i++)
        job->marked_counts[i] = state->lines[i].run_count;
    post(state, job, state->inner);
}

/* Another line that is there as long as this one. */
static struct line *any_lasting_line(struct state *state)
{
    struct line *line = &state->lines[play_below(state->sim, state->line_count)];

    return line->is_shared ? NULL : line;
}

static void spawn(struct line *line)
{
    struct line *other = any_lasting_line(line->state);

    switch (play_below(line->state->sim, 12)) {
    case 0:
    case 1:
        produce(line, FEEDER_MAX + line->number, line->produced);
        return;
    case 2:
        if (other)
            produce(other, FEEDER_MAX + line->number, line->produced);
        return;
    case 3:
        mark(line);
        return;
    default:
        return;
    }
}

/* A task for a line, or past all lines, that is to run next where that is right. */
static weir_task *dispatch(struct line *line)
{
    struct line *other = kit_chance(500) ? line : any_lasting_line(line->state);
    struct job *job = other ? take_job(line->state, job_resume) : NULL;

    if (!job)
        return NULL;
    job->line = other;
    job->is_dispatched = true;
    line->state->open_count++;
    return weir_executor_dispatch(other->executor, &job->task);
}

static weir_task *job_resume(weir_task *task)
{
    struct job *self = WEIR_TASK_SELF(task, struct job);
    struct line *line = self->line;
    weir_task *next = NULL;

    PLAY_EXPECT(line->state->sim, !self->has_run, "a job runs twice");
    self->has_run = true;
    if (!self->is_dispatched) {
        check_turn_order(self);
        kit_order_arrived(&line->order, "a strand", self->producer, self->number);
        line->run_count++;
    }
    stay_on(line);
    if (play_chance(line->state->sim, 5))
        next = dispatch(line);
    else
        spawn(line);
    retire(line->state);
    return next;
}

/* Trees. */

static weir_task *visit_resume(weir_task *task)
{
    struct visit *self = WEIR_TASK_SELF(task, struct visit);

    WEIR_BEGIN(task);
    while (self->yields > 0) {
        if (self->line) {
            self->line->run_count++;
            stay_on(self->line);
        }
        self->yields--;
        WEIR_YIELD(task);
    }
    WEIR_RETURN(task, weir_result_of(0, 7));
    WEIR_END(task);
}

static weir_task *sender_resume(weir_task *task)
{
    struct partner *self = WEIR_TASK_SELF(task, struct partner);
    weir_result r;

    WEIR_BEGIN(task);
    self->item = 42;
    WEIR_AWAIT(task, r,
               weir_shared_channel_send(task, &self->tree->meeting, &self->wait, &self->item));
    stay(self->tree->state, &self->tree->inside, "a tree");
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *receiver_resume(weir_task *task)
{
    struct partner *self = WEIR_TASK_SELF(task, struct partner);
    weir_result r;

    WEIR_BEGIN(task);
    self->item = 0;
    if (play_chance(self->tree->state->sim, 50))
        WEIR_YIELD(task);
    WEIR_AWAIT(task, r,
               weir_shared_channel_receive(task, &self->tree->meeting, &self->wait, &self->item));
    stay(self->tree->state, &self->tree->inside, "a tree");
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* A child with a frame of the context's. */
struct errand {
    weir_task task;
    struct tree *tree;
    size_t yields;
};

static weir_task *errand_resume(weir_task *task)
{
    struct errand *self = WEIR_TASK_SELF(task, struct errand);

    WEIR_BEGIN(task);
    do {
        stay(self->tree->state, &self->tree->inside, "a tree");
        WEIR_YIELD(task);
    } while (self->yields-- > 0);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Start some in the scope, as far as there is memory. */
static weir_task *send_errands(struct tree *self)
{
    struct errand *errand;

    self->errand_count = 0;
    for (size_t i = play_below(self->state->sim, 4); i > 0; i--) {
        errand = weir_scope_new(&self->scope, sizeof *errand, errand_resume);
        if (!errand)
            continue;
        errand->tree = self;
        errand->yields = play_below(self->state->sim, 3);
        weir_scope_start(&self->scope, &errand->task);
        self->errand_count++;
    }
    return weir_scope_join(&self->task, &self->scope);
}

/* Only loops know time; there a sleep ends on the loop and not in line. */
static weir_task *take_time(struct tree *self)
{
    int64_t duration_ns = kit_duration_ns(KIT_MS);

    if (!self->state->loop)
        return weir_task_yield(&self->task);
    if (kit_chance(500))
        weir_deadline_arm_after(&self->task, &self->deadline, kit_duration_ns(KIT_MS));
    return weir_sleep_for(&self->task, duration_ns);
}

static void check_time(struct tree *self, weir_result r)
{
    bool is_late = weir_deadline_disarm(&self->task, &self->deadline);

    PLAY_EXPECT(self->state->sim,
                r.error == 0 || (r.error == WEIR_TIMED_OUT && is_late) ||
                    (r.error == WEIR_CANCELLED && self->is_asked),
                "a sleep gives %s", weir_error_name(r.error));
}

static weir_task *go_visiting(struct tree *self)
{
    struct line *line = any_lasting_line(self->state);

    self->visit.line = line;
    self->visit.yields = play_below(self->state->sim, 4);
    weir_task_init(&self->visit.task, visit_resume);
    return weir_run_on(&self->task, &self->bridge, line ? line->executor : self->state->inner,
                       &self->visit.task);
}

static weir_task *meet(struct tree *self)
{
    PLAY_EXPECT(self->state->sim,
                !self->has_met || play_is_poisoned(&self->meeting, sizeof self->meeting),
                "a channel was touched when it had ended");
    self->has_met = true;
    weir_shared_channel_init(&self->meeting, NULL, 0, sizeof(unsigned));
    self->sender.tree = self;
    self->receiver.tree = self;
    weir_task_init(&self->sender.task, sender_resume);
    weir_task_init(&self->receiver.task, receiver_resume);
    return weir_when_all_2(&self->task, &self->group, &self->sender.task, &self->receiver.task);
}

/* Both or none. */
static void check_meeting(struct tree *self, weir_result r)
{
    weir_sim *sim = self->state->sim;
    int sent = weir_task_result(&self->sender.task).error;
    int received = weir_task_result(&self->receiver.task).error;

    weir_shared_channel_fini(&self->meeting);
    play_poison(&self->meeting, sizeof self->meeting);
    PLAY_EXPECT(sim, sent == received, "a send gives %s, its receive %s", weir_error_name(sent),
                weir_error_name(received));
    PLAY_EXPECT(sim, (self->receiver.item == 42) == !received, "an item came to nobody");
    PLAY_EXPECT(sim, r.error == sent && r.count == (sent ? 0 : 2), "when_all tells another story");
    PLAY_EXPECT(sim, !sent || (sent == WEIR_CANCELLED && self->is_asked), "a meeting gives %s",
                weir_error_name(sent));
}

static void check_place(struct tree *self)
{
    PLAY_EXPECT(self->state->sim,
                !self->line || !self->is_in_line || weir_strand_is_inside(&self->line->strand),
                "a tree goes on outside of its strand");
    PLAY_EXPECT(self->state->sim, self->is_asked || !weir_task_stop_bits(&self->task),
                "a tree is stopped, and nobody asked for it");
    stay(self->state, &self->inside, "a tree");
    if (self->line && self->is_in_line)
        stay_on(self->line);
}

static weir_task *tree_resume(weir_task *task)
{
    struct tree *self = WEIR_TASK_SELF(task, struct tree);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_deadline_init(&self->deadline);
    self->is_in_line = true;
    while (self->left-- > 0) {
        check_place(self);
        self->is_in_line = true;
        if (play_chance(self->state->sim, 30)) {
            WEIR_YIELD(task);
        } else if (play_chance(self->state->sim, 30)) {
            WEIR_AWAIT(task, r, send_errands(self));
            PLAY_EXPECT(self->state->sim, r.error == 0 && r.count == self->errand_count,
                        "%zu errands, a join counts %zu", self->errand_count, r.count);
        } else if (play_chance(self->state->sim, 30)) {
            WEIR_AWAIT(task, r, take_time(self));
            check_time(self, r);
        } else if (play_chance(self->state->sim, 50)) {
            WEIR_AWAIT(task, r, go_visiting(self));
            PLAY_EXPECT(self->state->sim, r.error == 0 && r.count == 7 && !self->visit.yields,
                        "a visit has another result");
        } else {
            WEIR_AWAIT(task, r, meet(self));
            check_meeting(self, r);
        }
    }
    check_place(self);
    WEIR_RETURN(task, weir_result_of(0, 5));
    WEIR_END(task);
}

static void tree_done(weir_root *root, weir_result result)
{
    struct tree *tree = root->user;

    PLAY_EXPECT(tree->state->sim, !tree->is_done, "a tree ends twice");
    PLAY_EXPECT(tree->state->sim, result.error == 0 && result.count == 5,
                "a tree has another result");
    tree->is_done = true;
    play_poison(root, sizeof *root);
    retire(tree->state);
}

static void launch(struct state *state)
{
    struct tree *tree;

    if (state->tree_count == TREE_MAX)
        return;
    tree = &state->trees[state->tree_count++];
    tree->state = state;
    tree->line = any_lasting_line(state);
    tree->left = play_below(state->sim, STEP_MAX);
    weir_task_init(&tree->task, tree_resume);
    state->open_count++;
    tree->is_launched = true;
    weir_run_async(tree->line ? tree->line->executor : state->inner, &tree->root, &tree->task,
                   tree_done, tree);
}

static void stop_a_tree(struct state *state)
{
    struct tree *tree = &state->trees[play_below(state->sim, TREE_MAX)];

    if (!tree->is_launched || tree->is_done)
        return;
    tree->is_asked = true;
    weir_root_stop(&tree->root, play_chance(state->sim, 50) ? WEIR_STOP_REQUESTED : WEIR_STOP_HARD);
}

/* Feeders: programs without a loop. */

/* A tree that blocks who launches it. */
static void run_a_visit(struct feeder *self)
{
    struct state *state = self->state;
    weir_result r;

    if (!state->pool)
        return;
    self->visit.line = NULL;
    self->visit.yields = play_below(state->sim, 4);
    weir_task_init(&self->visit.task, visit_resume);
    r = weir_thread_pool_run(state->pool, &self->visit.task);
    PLAY_EXPECT(state->sim, r.error == 0 && r.count == 7, "a visit has another result");
}

static void feed(struct feeder *self)
{
    struct state *state = self->state;

    switch (play_below(state->sim, 10)) {
    case 0:
        launch(state);
        return;
    case 1:
        stop_a_tree(state);
        return;
    case 2:
        be_held_up(state);
        return;
    case 3:
        run_a_visit(self);
        return;
    default:
        produce(&state->lines[play_below(state->sim, state->line_count)], self->number,
                self->produced);
        return;
    }
}

static void feeder_main(void *argument)
{
    struct feeder *self = argument;
    struct state *state = self->state;
    weir_any_executor held[LINE_MAX];

    for (size_t i = 0; i < state->line_count; i++)
        held[i] = state->lines[i].shared; /* Its own reference. */
    while (self->left-- > 0)
        feed(self);
    for (size_t i = 0; i < state->line_count; i++)
        weir_any_executor_unref(&held[i]);
    retire(state);
    weir_work_end(&self->work);
}

/* The program whose loop or pool it is. */

static void open_line(struct state *state, size_t index)
{
    struct line *line = &state->lines[index];
    weir_executor *inner = state->inner;

    line->state = state;
    line->number = (unsigned)index;
    line->budget = WEIR_STRAND_BUDGET;
    if (index > 0 && !state->lines[0].is_shared && play_chance(state->sim, 25)) {
        line->is_on_line = true;
        inner = state->lines[0].executor;
    }
    if (!line->is_on_line && play_chance(state->sim, 25)) {
        line->is_shared = true;
        PLAY_EXPECT(state->sim,
                    weir_strand_new(weir_any_executor_of(inner), NULL, &line->shared) == 0,
                    "a strand cannot be made");
        line->executor = line->shared.executor;
        return;
    }
    weir_strand_init(&line->strand, inner);
    if (play_chance(state->sim, 70)) {
        line->budget = (int)kit_small(1, 20);
        weir_strand_set_budget(&line->strand, line->budget);
    }
    line->executor = weir_strand_executor(&line->strand);
}

static void start_feeder(struct state *state, size_t index)
{
    struct feeder *feeder = &state->feeders[index];

    feeder->state = state;
    feeder->number = (unsigned)index;
    feeder->left = kit_between(1, 60);
    state->open_count++;
    weir_work_begin(&feeder->work, state->inner);
    weir_sim_start(state->host, "feeder", feeder_main, feeder);
}

/* One reference for each feeder; the maker's is the first one's. */
static void share(struct state *state, struct line *line)
{
    for (size_t i = 1; line->is_shared && i < state->feeder_count; i++)
        (void)weir_any_executor_ref(line->shared);
}

static void open_all(struct state *state)
{
    weir_shared_channel_init(&state->noise, state->noise_room, 2, sizeof(unsigned));
    for (size_t i = 0; i < state->line_count; i++) {
        open_line(state, i);
        share(state, &state->lines[i]);
    }
    for (size_t i = 0; i < state->feeder_count; i++)
        start_feeder(state, i);
}

static weir_task *watch_resume(weir_task *task)
{
    struct watch *self = WEIR_TASK_SELF(task, struct watch);
    weir_result r;

    WEIR_BEGIN(task);
    weir_waker_open(&self->waker, task);
    self->is_open = true;
    while (self->state->open_count > 0) {
        WEIR_AWAIT(task, r, weir_waker_wait(task, &self->waker));
        PLAY_EXPECT(self->state->sim, r.error == 0, "a waker gives %s", weir_error_name(r.error));
    }
    WEIR_AWAIT(task, r, weir_waker_close(task, &self->waker));
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* The outermost first: one that lies on another is that one's guest. */
static void close_all(struct state *state)
{
    for (size_t i = state->line_count; i-- > 0;) {
        if (state->lines[i].is_shared)
            continue;
        weir_strand_fini(&state->lines[i].strand);
        play_poison(&state->lines[i].strand, sizeof state->lines[i].strand);
    }
    weir_shared_channel_fini(&state->noise);
}

static void loop_main(void *argument)
{
    struct state *state = argument;

    state->loop = kit_loop_new();
    state->inner = weir_loop_executor(state->loop);
    state->is_single = true;
    open_all(state);
    (void)weir_run(state->loop, &state->watch.task);
    close_all(state);
    weir_loop_run(state->loop);
    kit_loop_free(state->loop);
}

static void pool_main(void *argument)
{
    struct state *state = argument;
    weir_thread_pool_options options = {.threads = (unsigned)kit_between(1, 3)};
    int error = weir_thread_pool_new(&options, &state->pool);

    PLAY_EXPECT(state->sim, !error, "a pool cannot be made: %s", weir_error_name(error));
    state->inner = weir_thread_pool_executor(state->pool);
    state->is_single = options.threads == 1;
    open_all(state);
    (void)weir_thread_pool_run(state->pool, &state->watch.task);
    close_all(state);
    weir_thread_pool_free(state->pool);
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;

    state->sim = sim;
    state->host = weir_sim_host_new(sim, "host");
    state->line_count = 1 + play_below(sim, LINE_MAX);
    state->feeder_count = 1 + play_below(sim, FEEDER_MAX);
    state->watch.state = state;
    weir_task_init(&state->watch.task, watch_resume);
    weir_sim_start(state->host, "base", play_chance(sim, 50) ? loop_main : pool_main, state);
}

static void check_line(weir_sim *sim, const struct line *line)
{
    PLAY_EXPECT(sim, line->inside.inside == 0, "somebody is still on a strand");
    PLAY_EXPECT(sim, line->is_shared || play_is_poisoned(&line->strand, sizeof line->strand),
                "a strand was touched when it had ended");
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;

    PLAY_EXPECT(sim, state->open_count == 0, "%zu jobs and trees have not ended",
                state->open_count);
    for (size_t i = 0; i < state->job_count; i++)
        PLAY_EXPECT(sim, state->jobs[i].has_run, "a job that was posted has not run");
    for (size_t i = 0; i < state->tree_count; i++)
        PLAY_EXPECT(sim, play_is_poisoned(&state->trees[i].root, sizeof(weir_root)),
                    "a root was touched when it had ended");
    for (size_t i = 0; i < state->line_count; i++)
        check_line(sim, &state->lines[i]);
}

const struct scenario scenario_strands = {
    .name = "strands",
    .summary = "strands and trees over loops, pools and each other, fed by several programs",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
