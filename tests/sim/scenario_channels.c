/* SPDX-License-Identifier: MIT */
/*
 * What tasks agree by: channels, mutexes, semaphores and events of one loop, shared channels and
 * wakers between several.
 *
 * Each program is a cell: a loop and a crowd of workers, some of which the seed has stopped, and
 * all of which may lose patience. Nothing is lost or doubled, whoever waited longest is served
 * first, and nobody waits for what has come.
 */
#include <errno.h>

#include "play.h"
#include "scenario.h"

enum {
    CELL_MAX = 3,
    WORKER_MAX = 24, /* Of a cell. */
    ROUND_MAX = 12,
    PRODUCER_MAX = CELL_MAX * WORKER_MAX,
    RECEIPT_MAX = WORKER_MAX * ROUND_MAX,
    ROOM_MAX = 6,
};

enum kind {
    SENDER,
    RECEIVER,
    SHARED_SENDER,
    SHARED_RECEIVER,
    LOCKER,
    ACQUIRER,
    SETTER,
    WAITER,
    WAKER,  /* Of the next cell's */
    LOOKER, /* looker; a cell has one at most. */
    SABOTEUR,
    KIND_COUNT,
};

struct item {
    unsigned producer;
    unsigned number; /* Of the producer's. */
    uint64_t sent;   /* Stamp of when its send began. */
};

/* What went through a channel. */
struct traffic {
    const char *name;
    unsigned senders_left;
    unsigned receivers_left;
    unsigned sent[PRODUCER_MAX];
    bool received[PRODUCER_MAX][ROUND_MAX];
};

/* Who received what, by when the two began. */
struct receipt {
    uint64_t receive;
    uint64_t send;
};

struct cell;

struct worker {
    weir_task task;
    struct cell *cell;
    enum kind kind;
    unsigned number; /* Of all: the producer of its items. */
    bool is_alive;
    size_t rounds;
    weir_deadline deadline;
    bool at_once;
    uint64_t place; /* In a queue. */
    uint64_t begun; /* Stamp of an await. */
    size_t held;    /* Permits. */
    struct item item;
    unsigned next_number;        /* Of its items. */
    unsigned last[PRODUCER_MAX]; /* Of each producer: the number behind the last item that came. */
    weir_shared_channel_wait wait;
    weir_scope_child record;
};

struct cell {
    weir_task task;
    struct state *state;
    size_t index;
    struct play_stopper stopper;
    weir_scope scope;
    size_t worker_count;
    struct worker workers[WORKER_MAX];

    weir_channel channel;
    struct item room[ROOM_MAX];
    struct traffic traffic;
    struct receipt receipts[RECEIPT_MAX];
    size_t receipt_count;

    weir_mutex mutex;
    struct kit_exclusive inside;
    uint64_t locked; /* Place of the last that locked. */

    weir_semaphore semaphore;
    size_t permits;
    size_t held;
    uint64_t acquired; /* Place of the last that acquired after a wait. */

    weir_event event;
    unsigned setters_left;
    uint64_t set_count;

    weir_waker waker;
    bool is_open; /* The waker. */
    unsigned wakers_left;
    uint64_t news; /* What wakers wrote before they woke, */
    uint64_t seen; /* and what the looker has seen of it when it took a token. */
};

struct state {
    weir_sim *sim;
    uint64_t stamp;
    size_t cell_count;
    struct cell cells[CELL_MAX];
    weir_shared_channel channel;
    struct item room[ROOM_MAX];
    struct traffic traffic;
};

/* Waiting. */

static weir_sim *sim_of(const struct worker *self)
{
    return self->cell->state->sim;
}

static uint64_t stamp(struct worker *self)
{
    self->begun = ++self->cell->state->stamp;
    return self->begun;
}

/* Before each await: it may lose patience. */
static void be_patient(struct worker *self)
{
    if (play_chance(sim_of(self), 20))
        weir_deadline_arm_after(&self->task, &self->deadline, kit_duration_ns(2 * KIT_MS));
}

/*
 * What an await's error means: go on, or end. An await that began after a stop has not succeeded.
 */
static bool goes_on(struct worker *self, weir_result r)
{
    weir_sim *sim = sim_of(self);
    bool is_late = weir_deadline_disarm(&self->task, &self->deadline);
    unsigned bits = weir_task_stop_bits(&self->task);

    PLAY_EXPECT(sim, !(bits & WEIR_STOP_EXPIRED), "a disarmed deadline is in force");
    if (r.error == WEIR_TIMED_OUT)
        PLAY_EXPECT(sim, is_late, "timed out, and no deadline has passed");
    if (r.error == WEIR_CANCELLED)
        PLAY_EXPECT(sim, bits, "cancelled, and nobody asked for it");
    return !bits && (r.error == 0 || r.error == WEIR_TIMED_OUT);
}

static weir_result end(struct worker *self)
{
    self->is_alive = false;
    return weir_result_of(0, 0);
}

static int64_t pause(struct worker *self)
{
    return play_chance(sim_of(self), 50) ? 0 : kit_duration_ns(KIT_MS);
}

/* Items. */

static const struct item *next_item(struct worker *self)
{
    self->item = (struct item){self->number, self->next_number, stamp(self)};
    return &self->item;
}

static void note_sent(struct worker *self, struct traffic *traffic, weir_result r)
{
    weir_sim *sim = sim_of(self);

    PLAY_EXPECT(sim, r.count == (r.error ? 0 : 1), "%s: a send counts %zu items and gives %s",
                traffic->name, r.count, weir_error_name(r.error));
    kit_expect("a send", r.error, KIT_STOPPED | KIT_LATE | KIT_CLOSED);
    if (r.error)
        return;
    traffic->sent[self->number]++;
    self->next_number++;
}

static void take_note(weir_sim *sim, struct traffic *traffic, struct item item)
{
    PLAY_EXPECT(sim, item.producer < PRODUCER_MAX && item.number < ROUND_MAX,
                "%s: an item that nobody sent", traffic->name);
    PLAY_EXPECT(sim, !traffic->received[item.producer][item.number],
                "%s: item %u of producer %u came twice", traffic->name, item.number, item.producer);
    traffic->received[item.producer][item.number] = true;
}

static void note_received(struct worker *self, struct traffic *traffic, weir_result r)
{
    weir_sim *sim = sim_of(self);
    struct item item = self->item;

    PLAY_EXPECT(sim, r.count == (r.error ? 0 : 1), "%s: a receive counts %zu items and gives %s",
                traffic->name, r.count, weir_error_name(r.error));
    kit_expect("a receive", r.error, KIT_STOPPED | KIT_LATE | KIT_END);
    if (r.error)
        return;
    take_note(sim, traffic, item);
    PLAY_EXPECT(sim, self->last[item.producer] <= item.number,
                "%s: item %u of producer %u came behind a later one", traffic->name, item.number,
                item.producer);
    self->last[item.producer] = item.number + 1;
}

/* Every item that was sent has been received, or was left; nothing else has. */
static void check_traffic(weir_sim *sim, const struct traffic *traffic)
{
    for (unsigned producer = 0; producer < PRODUCER_MAX; producer++) {
        for (unsigned number = 0; number < ROUND_MAX; number++) {
            bool was_sent = number < traffic->sent[producer];

            PLAY_EXPECT(sim, traffic->received[producer][number] == was_sent,
                        "%s: item %u of producer %u was %s", traffic->name, number, producer,
                        was_sent ? "lost" : "never sent and came");
        }
    }
}

/* Who began to receive first got what was first sent. */
static void check_receipts(weir_sim *sim, struct receipt *receipts, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct receipt receipt = receipts[i];
        size_t at = i;

        for (; at > 0 && receipts[at - 1].receive > receipt.receive; at--)
            receipts[at] = receipts[at - 1];
        receipts[at] = receipt;
    }
    for (size_t i = 1; i < count; i++)
        PLAY_EXPECT(sim, receipts[i - 1].send < receipts[i].send,
                    "a later receive got the earlier item");
}

/* Local channels. */

static void leave_channel(struct cell *cell, unsigned *left)
{
    if (--*left == 0 || kit_chance(20))
        weir_channel_close(&cell->channel);
}

static weir_task *sender_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rounds-- > 0) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, pause(self)));
        be_patient(self);
        if (kit_chance(100)) {
            r.error = weir_channel_try_send(&self->cell->channel, next_item(self));
            r.count = !r.error;
            if (r.error == -EAGAIN)
                r.error = WEIR_TIMED_OUT;
            note_sent(self, &self->cell->traffic, r);
            (void)weir_deadline_disarm(task, &self->deadline);
            continue;
        }
        WEIR_AWAIT(task, r, weir_channel_send(task, &self->cell->channel, next_item(self)));
        note_sent(self, &self->cell->traffic, r);
        if (!goes_on(self, r))
            break;
    }
    leave_channel(self->cell, &self->cell->traffic.senders_left);
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

static void note_receipt(struct worker *self, weir_result r)
{
    struct cell *cell = self->cell;

    note_received(self, &cell->traffic, r);
    if (!r.error)
        cell->receipts[cell->receipt_count++] = (struct receipt){self->begun, self->item.sent};
}

static weir_task *receiver_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, pause(self)));
        be_patient(self);
        (void)stamp(self);
        WEIR_AWAIT(task, r, weir_channel_receive(task, &self->cell->channel, &self->item));
        note_receipt(self, r);
        if (!goes_on(self, r))
            break;
    }
    leave_channel(self->cell, &self->cell->traffic.receivers_left);
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

/* Shared channels. */

static void leave_shared(struct state *state, unsigned *left)
{
    if (--*left == 0 || kit_chance(20))
        weir_shared_channel_close(&state->channel);
}

static weir_task *shared_sender_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rounds-- > 0) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, pause(self)));
        be_patient(self);
        WEIR_AWAIT(task, r,
                   weir_shared_channel_send(task, &self->cell->state->channel, &self->wait,
                                            next_item(self)));
        note_sent(self, &self->cell->state->traffic, r);
        if (!goes_on(self, r))
            break;
    }
    leave_shared(self->cell->state, &self->cell->state->traffic.senders_left);
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

static weir_task *shared_receiver_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, pause(self)));
        be_patient(self);
        WEIR_AWAIT(task, r,
                   weir_shared_channel_receive(task, &self->cell->state->channel, &self->wait,
                                               &self->item));
        note_received(self, &self->cell->state->traffic, r);
        if (!goes_on(self, r))
            break;
    }
    leave_shared(self->cell->state, &self->cell->state->traffic.receivers_left);
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

/* Mutexes and semaphores. */

/* Now and then only if it is free. */
static weir_task *lock(struct worker *self)
{
    self->place = stamp(self);
    if (kit_chance(150) && weir_mutex_try_lock(&self->task, &self->cell->mutex))
        return weir_task_complete(&self->task, 0, 0);
    return weir_mutex_lock(&self->task, &self->cell->mutex);
}

static void enter(struct worker *self)
{
    struct cell *cell = self->cell;

    kit_exclusive_enter(&cell->inside, "a mutex");
    PLAY_EXPECT(sim_of(self), cell->locked < self->place, "a mutex was locked out of turn");
    cell->locked = self->place;
}

static weir_task *locker_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rounds-- > 0) {
        be_patient(self);
        WEIR_AWAIT(task, r, lock(self));
        if (!r.error) {
            enter(self);
            WEIR_AWAIT(task, r, weir_sleep_for(task, pause(self)));
            kit_exclusive_leave(&self->cell->inside);
            weir_mutex_unlock(task, &self->cell->mutex);
        }
        if (!goes_on(self, r))
            break;
    }
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

static weir_task *acquire(struct worker *self)
{
    weir_task *next;

    self->place = stamp(self);
    self->at_once = false;
    next = weir_semaphore_acquire(&self->task, &self->cell->semaphore);
    if (next == &self->task)
        self->at_once = true;
    return next;
}

static void hold(struct worker *self)
{
    struct cell *cell = self->cell;

    cell->held++;
    PLAY_EXPECT(sim_of(self),
                cell->held + weir_semaphore_available(&cell->semaphore) <= cell->permits,
                "%zu permits of %zu are held, and %zu available", cell->held, cell->permits,
                weir_semaphore_available(&cell->semaphore));
    if (self->at_once)
        return;
    PLAY_EXPECT(sim_of(self), cell->acquired < self->place, "a permit was given out of turn");
    cell->acquired = self->place;
}

/* One more permit, if nobody waits for it. */
static size_t try_another(struct cell *cell)
{
    size_t before = weir_semaphore_available(&cell->semaphore);
    bool has = kit_chance(300) && weir_semaphore_try_acquire(&cell->semaphore);

    PLAY_EXPECT(cell->state->sim, !has || before > 0, "a permit came from nowhere");
    cell->held += has;
    return has;
}

static void give_back(struct cell *cell, size_t permits)
{
    weir_semaphore *semaphore = &cell->semaphore;

    cell->held -= permits;
    weir_semaphore_release(semaphore, permits);
    PLAY_EXPECT(cell->state->sim,
                weir_semaphore_available(semaphore) == 0 || weir_list_is_empty(&semaphore->waiters),
                "somebody waits for a permit, and there is one");
}

static weir_task *acquirer_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rounds-- > 0) {
        be_patient(self);
        WEIR_AWAIT(task, r, acquire(self));
        if (!r.error) {
            hold(self);
            self->held = 1 + try_another(self->cell);
            WEIR_AWAIT(task, r, weir_sleep_for(task, pause(self)));
            give_back(self->cell, self->held);
        }
        if (!goes_on(self, r))
            break;
    }
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

/* Events. The last setter leaves it set. */

static weir_task *setter_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rounds-- > 0) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, pause(self)));
        self->cell->set_count++;
        weir_event_set(&self->cell->event);
        if (r.error)
            break;
        if (self->cell->setters_left > 0 && kit_chance(700))
            weir_event_clear(&self->cell->event);
    }
    if (--self->cell->setters_left == 0) {
        self->cell->set_count++;
        weir_event_set(&self->cell->event);
    }
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

static weir_task *wait_for_event(struct worker *self)
{
    self->place = self->cell->set_count;
    self->at_once = weir_event_is_set(&self->cell->event);
    return weir_event_wait(&self->task, &self->cell->event);
}

static weir_task *waiter_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rounds-- > 0) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, pause(self)));
        be_patient(self);
        WEIR_AWAIT(task, r, wait_for_event(self));
        PLAY_EXPECT(sim_of(self), r.error || self->at_once || self->place < self->cell->set_count,
                    "a wait for an event ended, and nobody has set it");
        if (!goes_on(self, r))
            break;
    }
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

/* Wakers. */

static struct cell *neighbour(struct worker *self)
{
    struct state *state = self->cell->state;

    return &state->cells[(self->cell->index + 1) % state->cell_count];
}

static void bring_news(struct cell *cell)
{
    cell->news++;
    if (cell->is_open)
        weir_waker_wake(&cell->waker);
}

static weir_task *waker_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rounds-- > 0) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, pause(self)));
        bring_news(neighbour(self));
        if (r.error)
            break;
    }
    neighbour(self)->wakers_left--;
    bring_news(neighbour(self));
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

/* So short that wakes often come when it has just passed. */
static void be_impatient(struct worker *self)
{
    if (play_chance(sim_of(self), 60))
        weir_deadline_arm_after(&self->task, &self->deadline, kit_duration_ns(100 * KIT_US));
}

/* Looks after each token, until all wakers have gone; a wake that is lost is a world
 * that stands still. */
static weir_task *looker_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    weir_waker_open(&self->cell->waker, task);
    self->cell->is_open = true;
    self->cell->seen = self->cell->news;
    while (self->cell->wakers_left > 0 || self->cell->seen != self->cell->news) {
        be_impatient(self);
        WEIR_AWAIT(task, r, weir_waker_wait(task, &self->cell->waker));
        if (!r.error)
            self->cell->seen = self->cell->news;
        if (!goes_on(self, r))
            break;
    }
    WEIR_AWAIT(task, r, weir_waker_close(task, &self->cell->waker));
    PLAY_EXPECT(sim_of(self), r.error == 0, "a waker's close gives %s", weir_error_name(r.error));
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

/* Stops others. */

static void stop_a_worker(struct cell *cell)
{
    struct worker *victim = &cell->workers[play_below(cell->state->sim, cell->worker_count)];

    if (victim->is_alive)
        weir_task_stop(&victim->task, WEIR_STOP_REQUESTED);
}

static weir_task *saboteur_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->rounds-- > 0) {
        WEIR_AWAIT(task, r, weir_sleep_for(task, kit_duration_ns(5 * KIT_MS)));
        if (r.error)
            break;
        stop_a_worker(self->cell);
    }
    WEIR_RETURN(task, end(self));
    WEIR_END(task);
}

/* Cells. */

static weir_resume_fn *const resumes[KIND_COUNT] = {
    [SENDER] = sender_resume,
    [RECEIVER] = receiver_resume,
    [SHARED_SENDER] = shared_sender_resume,
    [SHARED_RECEIVER] = shared_receiver_resume,
    [LOCKER] = locker_resume,
    [ACQUIRER] = acquirer_resume,
    [SETTER] = setter_resume,
    [WAITER] = waiter_resume,
    [WAKER] = waker_resume,
    [LOOKER] = looker_resume,
    [SABOTEUR] = saboteur_resume,
};

static void start_worker(struct cell *cell, struct worker *worker)
{
    worker->is_alive = true;
    weir_deadline_init(&worker->deadline);
    weir_task_init(&worker->task, resumes[worker->kind]);
    weir_scope_start_embedded(&cell->scope, &worker->record, &worker->task);
}

static void open_cell(struct cell *cell)
{
    weir_channel_init(&cell->channel, cell->room, kit_between(0, ROOM_MAX), sizeof cell->room[0]);
    if (cell->traffic.senders_left == 0 || cell->traffic.receivers_left == 0)
        weir_channel_close(&cell->channel);
    weir_mutex_init(&cell->mutex);
    cell->permits = kit_between(1, 4);
    weir_semaphore_init(&cell->semaphore, cell->permits);
    weir_event_init(&cell->event);
    if (cell->setters_left == 0)
        weir_event_set(&cell->event);
}

static void close_cell(struct cell *cell)
{
    weir_sim *sim = cell->state->sim;
    struct item item;

    while (weir_channel_try_receive(&cell->channel, &item) == 0)
        take_note(sim, &cell->traffic, item);
    check_traffic(sim, &cell->traffic);
    check_receipts(sim, cell->receipts, cell->receipt_count);
    PLAY_EXPECT(sim, weir_semaphore_available(&cell->semaphore) == cell->permits,
                "%zu permits of %zu are left", weir_semaphore_available(&cell->semaphore),
                cell->permits);
    PLAY_EXPECT(sim, cell->held == 0 && cell->inside.inside == 0, "somebody is still inside");
    weir_channel_fini(&cell->channel);
    weir_mutex_fini(&cell->mutex);
    weir_semaphore_fini(&cell->semaphore);
    weir_event_fini(&cell->event);
}

static weir_task *cell_resume(weir_task *task)
{
    struct cell *self = WEIR_TASK_SELF(task, struct cell);
    weir_result r;

    WEIR_BEGIN(task);
    play_stopper_open(self->state->sim, &self->stopper, task);
    open_cell(self);
    weir_scope_init(&self->scope, task);
    for (size_t i = 0; i < self->worker_count; i++)
        start_worker(self, &self->workers[i]);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    PLAY_EXPECT(self->state->sim, r.error == 0 && r.count == self->worker_count,
                "%zu workers, a join counts %zu", self->worker_count, r.count);
    WEIR_AWAIT(task, r, weir_stop_source_close(task, &self->stopper.source));
    close_cell(self);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void program(void *argument)
{
    struct cell *cell = argument;

    weir_task_init(&cell->task, cell_resume);
    (void)play_run(&cell->task);
}

/* Building. */

static enum kind choose_kind(weir_sim *sim, size_t place)
{
    if (place == 0)
        return LOOKER;
    return play_chance(sim, 3) ? SABOTEUR : (enum kind)play_below(sim, LOOKER);
}

/* What others count on: how many of each kind there will be. */
static void enlist(struct cell *cell, const struct worker *worker)
{
    struct state *state = cell->state;

    cell->traffic.senders_left += worker->kind == SENDER;
    cell->traffic.receivers_left += worker->kind == RECEIVER;
    state->traffic.senders_left += worker->kind == SHARED_SENDER;
    state->traffic.receivers_left += worker->kind == SHARED_RECEIVER;
    cell->setters_left += worker->kind == SETTER;
    state->cells[(cell->index + 1) % state->cell_count].wakers_left += worker->kind == WAKER;
}

static void build_cell(struct state *state, size_t index)
{
    struct cell *cell = &state->cells[index];
    weir_sim *sim = state->sim;

    cell->state = state;
    cell->index = index;
    cell->traffic.name = "a channel";
    cell->worker_count = 2 + play_below(sim, WORKER_MAX - 1);
    for (size_t i = 0; i < cell->worker_count; i++) {
        struct worker *worker = &cell->workers[i];

        worker->cell = cell;
        worker->kind = choose_kind(sim, i);
        worker->number = (unsigned)(index * WORKER_MAX + i);
        worker->rounds = 1 + play_below(sim, ROUND_MAX);
        enlist(cell, worker);
    }
    if (play_chance(sim, 20))
        play_stop_at(sim, &cell->stopper, WEIR_STOP_REQUESTED, KIT_S + play_magnitude(sim, 24));
}

static void build(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    weir_sim_host *host = weir_sim_host_new(sim, "host");

    state->sim = sim;
    state->traffic.name = "a shared channel";
    state->cell_count = 1 + play_below(sim, CELL_MAX);
    weir_shared_channel_init(&state->channel, state->room, play_below(sim, ROOM_MAX + 1),
                             sizeof state->room[0]);
    for (size_t i = 0; i < state->cell_count; i++)
        build_cell(state, i);
    if (state->traffic.senders_left == 0 || state->traffic.receivers_left == 0)
        weir_shared_channel_close(&state->channel);
    for (size_t i = 0; i < state->cell_count; i++)
        weir_sim_start(host, "cell", program, &state->cells[i]);
}

static void check(weir_sim *sim, struct scenario_run *run)
{
    struct state *state = run->state;
    struct item item;

    while (weir_shared_channel_try_receive(&state->channel, &item) == 0)
        take_note(sim, &state->traffic, item);
    check_traffic(sim, &state->traffic);
    weir_shared_channel_fini(&state->channel);
}

const struct scenario scenario_channels = {
    .name = "channels",
    .summary = "channels, mutexes, semaphores, events and wakers, with stops",
    .state_size_bytes = sizeof(struct state),
    .build = build,
    .check = check,
};
