/* SPDX-License-Identifier: MIT */
/*
 * Shared channels between threads: every item is delivered exactly once and in order, whatever is
 * stopped, closed or freed meanwhile. What needs no threads stands in test_channel.c.
 *
 * An item marks its place in a table when it is received. The marks are plain bytes, so that an
 * item that were delivered to two threads would also be a data race.
 */
#include <weir/shared_channel.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/scope.h>
#include <weir/stop.h>

#include "driver.h"

enum { SIDE = 2, ITEMS = 10000, ROOM = 16, ROUNDS = 2000 };

struct item {
    int sender;
    int number;
};

/* Where senders and receivers meet. */
struct market {
    weir_shared_channel channel;
    struct item storage[ROOM];
    int senders_left; /* __atomic: the last one closes the channel. */
    int sent;         /* __atomic: items whose sends succeeded. */
    int sold[SIDE];   /* Of each sender, once its thread has ended. */
    uint8_t marks[SIDE][ITEMS];
};

static void market_init(struct market *market, size_t capacity)
{
    memset(market, 0, sizeof *market);
    market->senders_left = SIDE;
    weir_shared_channel_init(&market->channel, market->storage, capacity, sizeof(struct item));
}

/* Of each sender the receivers have exactly what it sold, from the first on. */
static void market_fini(struct market *market)
{
    weir_shared_channel_fini(&market->channel);
    for (int sender = 0; sender < SIDE; sender++) {
        for (int number = 0; number < ITEMS; number++)
            CHECK_EQ(market->marks[sender][number], number < market->sold[sender]);
    }
}

static void leave_market(struct market *market)
{
    if (__atomic_sub_fetch(&market->senders_left, 1, __ATOMIC_ACQ_REL) == 0)
        weir_shared_channel_close(&market->channel);
}

/* Mark what was received. last: of each sender, what this receiver got last. */
static void mark(struct market *market, const struct item *item, int last[SIDE])
{
    CHECK(item->number > last[item->sender]);
    last[item->sender] = item->number;
    market->marks[item->sender][item->number]++;
}

/* A task that moves one item. */
struct mover {
    weir_task task;
    weir_shared_channel *channel;
    bool sends;
    struct item item;
    weir_shared_channel_wait wait;
    weir_result result;
};

static weir_task *mover_resume(weir_task *task)
{
    struct mover *self = WEIR_TASK_SELF(task, struct mover);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->sends)
        WEIR_AWAIT(task, r,
                   weir_shared_channel_send(task, self->channel, &self->wait, &self->item));
    else
        WEIR_AWAIT(task, r,
                   weir_shared_channel_receive(task, self->channel, &self->wait, &self->item));
    CHECK_EQ(r.count, r.error ? 0 : 1);
    self->result = r;
    /* Nobody touches the record any more. */
    memset(&self->wait, 0xa5, sizeof self->wait);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* A task that moves many, on a thread of its own. */
struct trader {
    weir_task task;
    struct market *market; /* In. */
    bool sends;            /* In. */
    bool hurries;          /* In: it stops what takes long, and tries again. */
    int id;                /* In: a sender's. */
    int limit;             /* In: a sender's items. */
    int number;
    int last[SIDE];
    uint32_t random;
    int patience;
    weir_scope scope;
    weir_scope_child record;
    struct mover mover;
    struct driver driver;
};

static void start_mover(struct trader *self)
{
    self->random = self->random * 1664525u + 1013904223u;
    self->patience = (int)(self->random >> 29);
    weir_task_init(&self->mover.task, mover_resume);
    self->mover.channel = &self->market->channel;
    self->mover.sends = self->sends;
    if (self->sends)
        self->mover.item = (struct item){.sender = self->id, .number = self->number};
    weir_scope_start_embedded(&self->scope, &self->record, &self->mover.task);
}

/* Half of the time the other threads get the processor first, lest on a machine with one of it
 * nobody ever meets anybody. */
static void stop_mover(struct trader *self)
{
    if (self->random >> 28 & 1)
        sched_yield();
    weir_scope_stop(&self->scope, WEIR_STOP_REQUESTED);
}

/* Learn what became of the mover. Returns whether to go on. */
static bool look_at_mover(struct trader *self)
{
    struct market *market = self->market;
    int error = self->mover.result.error;

    if (error == WEIR_CANCELLED) {
        CHECK(self->hurries);
        return true;
    }
    if (error) {
        CHECK_EQ(error, self->sends ? WEIR_CLOSED : WEIR_EOF);
        return false;
    }
    if (self->sends) {
        self->number++;
        __atomic_fetch_add(&market->sent, 1, __ATOMIC_RELAXED);
    } else {
        mark(market, &self->mover.item, self->last);
    }
    return !self->sends || self->number < self->limit;
}

static weir_task *trader_resume(weir_task *task)
{
    struct trader *self = WEIR_TASK_SELF(task, struct trader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    do {
        start_mover(self);
        while (self->hurries && self->patience-- > 0)
            WEIR_YIELD(task);
        if (self->hurries)
            stop_mover(self);
        WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    } while (look_at_mover(self));
    if (self->sends) {
        self->market->sold[self->id] = self->number;
        leave_market(self->market);
    }
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void trader_start(struct trader *trader, struct market *market, int id, bool sends,
                         bool hurries)
{
    memset(trader, 0, sizeof *trader);
    weir_task_init(&trader->task, trader_resume);
    trader->market = market;
    trader->id = id;
    trader->sends = sends;
    trader->hurries = hurries;
    trader->limit = ITEMS;
    trader->random = (uint32_t)(2 * id + sends);
    for (int i = 0; i < SIDE; i++)
        trader->last[i] = -1;
    driver_start(&trader->driver, &trader->task);
}

/* Which of the traders stop what takes long. */
enum hurry { NOBODY, SENDERS, RECEIVERS, EVERYBODY };

static void trade(size_t capacity, enum hurry hurry)
{
    static struct market market;
    static struct trader senders[SIDE];
    static struct trader receivers[SIDE];

    market_init(&market, capacity);
    for (int i = 0; i < SIDE; i++) {
        trader_start(&receivers[i], &market, i, false, hurry & RECEIVERS);
        trader_start(&senders[i], &market, i, true, hurry & SENDERS);
    }
    for (int i = 0; i < SIDE; i++) {
        driver_join(&senders[i].driver);
        driver_join(&receivers[i].driver);
    }
    for (int i = 0; i < SIDE; i++) {
        driver_fini(&senders[i].driver);
        driver_fini(&receivers[i].driver);
        CHECK_EQ(market.sold[i], ITEMS);
    }
    market_fini(&market);
}

WEIR_TEST(shared_channel, every_item_is_delivered_once_and_in_order_through_a_buffer)
{
    trade(1, NOBODY);
    trade(ROOM, NOBODY);
}

WEIR_TEST(shared_channel, every_item_is_delivered_once_and_in_order_from_hand_to_hand)
{
    trade(0, NOBODY);
}

WEIR_TEST(shared_channel, cancelled_sends_lose_and_double_nothing)
{
    trade(0, SENDERS);
    trade(1, SENDERS);
}

WEIR_TEST(shared_channel, cancelled_receives_lose_and_double_nothing)
{
    trade(0, RECEIVERS);
    trade(1, RECEIVERS);
}

WEIR_TEST(shared_channel, cancelled_sends_and_receives_lose_and_double_nothing)
{
    trade(0, EVERYBODY);
    trade(1, EVERYBODY);
    trade(ROOM, EVERYBODY);
}

/* Closing in the middle. */

static void *close_in_the_middle(void *argument)
{
    struct market *market = argument;

    while (__atomic_load_n(&market->sent, __ATOMIC_RELAXED) < ITEMS / 4)
        sched_yield();
    weir_shared_channel_close(&market->channel);
    return NULL;
}

static void trade_and_close(size_t capacity, enum hurry hurry)
{
    static struct market market;
    static struct trader senders[SIDE];
    static struct trader receivers[SIDE];
    pthread_t closer;

    market_init(&market, capacity);
    CHECK_EQ(pthread_create(&closer, NULL, close_in_the_middle, &market), 0);
    for (int i = 0; i < SIDE; i++) {
        trader_start(&receivers[i], &market, i, false, hurry & RECEIVERS);
        trader_start(&senders[i], &market, i, true, hurry & SENDERS);
    }
    for (int i = 0; i < SIDE; i++) {
        driver_join(&senders[i].driver);
        driver_join(&receivers[i].driver);
    }
    CHECK_EQ(pthread_join(closer, NULL), 0);
    for (int i = 0; i < SIDE; i++) {
        driver_fini(&senders[i].driver);
        driver_fini(&receivers[i].driver);
    }
    market_fini(&market);
}

WEIR_TEST(shared_channel, closing_while_sending_delivers_what_sends_say_they_sent)
{
    trade_and_close(0, NOBODY);
    trade_and_close(1, NOBODY);
    trade_and_close(ROOM, NOBODY);
}

WEIR_TEST(shared_channel, closing_while_sends_and_receives_are_cancelled_loses_nothing)
{
    trade_and_close(0, EVERYBODY);
    trade_and_close(1, EVERYBODY);
}

/* Threads that know nothing of tasks. */

static void *send_by_trying(void *argument)
{
    struct market *market = argument;
    struct item item = {.sender = 0, .number = 0};

    while (item.number < ITEMS) {
        int error = weir_shared_channel_try_send(&market->channel, &item);

        CHECK(!error || error == -EAGAIN);
        if (error)
            sched_yield();
        else
            item.number++;
    }
    market->sold[0] = ITEMS;
    weir_shared_channel_close(&market->channel);
    return NULL;
}

WEIR_TEST(shared_channel, a_thread_sends_to_a_task)
{
    for (size_t capacity = 0; capacity <= ROOM; capacity += ROOM / 2) {
        static struct market market;
        static struct trader receiver;
        pthread_t sender;

        market_init(&market, capacity);
        trader_start(&receiver, &market, 0, false, false);
        CHECK_EQ(pthread_create(&sender, NULL, send_by_trying, &market), 0);
        CHECK_EQ(pthread_join(sender, NULL), 0);
        driver_join(&receiver.driver);
        driver_fini(&receiver.driver);
        market_fini(&market);
    }
}

static void *receive_by_trying(void *argument)
{
    struct market *market = argument;
    int last[SIDE] = {-1, -1};
    struct item item;

    for (;;) {
        int error = weir_shared_channel_try_receive(&market->channel, &item);

        CHECK(!error || error == -EAGAIN || error == WEIR_EOF);
        if (error == WEIR_EOF)
            return NULL;
        if (error)
            sched_yield();
        else
            mark(market, &item, last);
    }
}

WEIR_TEST(shared_channel, a_task_sends_to_a_thread)
{
    for (size_t capacity = 0; capacity <= ROOM; capacity += ROOM / 2) {
        static struct market market;
        static struct trader sender;
        pthread_t receiver;

        market_init(&market, capacity);
        market.senders_left = 1;
        trader_start(&sender, &market, 0, true, false);
        CHECK_EQ(pthread_create(&receiver, NULL, receive_by_trying, &market), 0);
        CHECK_EQ(pthread_join(receiver, NULL), 0);
        driver_join(&sender.driver);
        driver_fini(&sender.driver);
        CHECK_EQ(market.sold[0], ITEMS);
        market_fini(&market);
    }
}

/* The last touch: who gets the only answer frees the channel, whose other end may still be on its
 * way out of the call. */

struct question {
    weir_shared_channel channel;
    int storage;
};

struct asker {
    weir_task task;
    struct question *question; /* On the heap. */
    struct question *posed;    /* __atomic: taken by who answers. */
    size_t capacity;           /* In. */
    int round;
    int answer;
    weir_shared_channel_wait wait;
    struct driver driver;
};

static void pose(struct asker *self)
{
    self->question = malloc(sizeof *self->question);
    CHECK(self->question);
    weir_shared_channel_init(&self->question->channel, &self->question->storage, self->capacity,
                             sizeof self->answer);
    self->answer = -1;
    __atomic_store_n(&self->posed, self->question, __ATOMIC_RELEASE);
}

static void dispose(struct asker *self)
{
    weir_shared_channel_fini(&self->question->channel);
    free(self->question);
}

static weir_task *asker_resume(weir_task *task)
{
    struct asker *self = WEIR_TASK_SELF(task, struct asker);
    weir_result r;

    WEIR_BEGIN(task);
    for (self->round = 0; self->round < ROUNDS; self->round++) {
        pose(self);
        WEIR_AWAIT(task, r,
                   weir_shared_channel_receive(task, &self->question->channel, &self->wait,
                                               &self->answer));
        CHECK_EQ(r.error, self->round % 2 ? WEIR_EOF : 0);
        CHECK_EQ(self->answer, self->round % 2 ? -1 : self->round);
        dispose(self);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

/* Answer every other question, and close the others. */
static void *answer(void *argument)
{
    struct asker *asker = argument;

    for (int round = 0; round < ROUNDS; round++) {
        struct question *question;

        while (!(question = __atomic_exchange_n(&asker->posed, NULL, __ATOMIC_ACQUIRE)))
            sched_yield();
        if (round % 2) {
            weir_shared_channel_close(&question->channel);
            continue;
        }
        while (weir_shared_channel_try_send(&question->channel, &round))
            sched_yield();
    }
    return NULL;
}

WEIR_TEST(shared_channel, who_receives_the_only_answer_frees_the_channel)
{
    for (size_t capacity = 0; capacity <= 1; capacity++) {
        static struct asker asker;
        pthread_t thread;

        memset(&asker, 0, sizeof asker);
        weir_task_init(&asker.task, asker_resume);
        asker.capacity = capacity;
        driver_start(&asker.driver, &asker.task);
        CHECK_EQ(pthread_create(&thread, NULL, answer, &asker), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        driver_join(&asker.driver);
        driver_fini(&asker.driver);
    }
}

/* Close wakes many at once; as each leaves, the last one frees the channel. */

enum { LISTENERS = 3 };

struct listener {
    weir_task task;
    struct question *question;
    int *arrived; /* __atomic: listeners that are about to receive. */
    int *left;    /* __atomic: listeners that have not got their answer. */
    int answer;
    weir_shared_channel_wait wait;
    struct driver driver;
};

static weir_task *listener_resume(weir_task *task)
{
    struct listener *self = WEIR_TASK_SELF(task, struct listener);
    weir_result r;

    WEIR_BEGIN(task);
    __atomic_fetch_add(self->arrived, 1, __ATOMIC_RELEASE);
    WEIR_AWAIT(
        task, r,
        weir_shared_channel_receive(task, &self->question->channel, &self->wait, &self->answer));
    CHECK_EQ(r.error, WEIR_EOF);
    if (__atomic_sub_fetch(self->left, 1, __ATOMIC_ACQ_REL) == 0) {
        weir_shared_channel_fini(&self->question->channel);
        free(self->question);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(shared_channel, the_last_that_a_close_wakes_frees_the_channel)
{
    for (int round = 0; round < 100; round++) {
        static struct listener listeners[LISTENERS];
        struct question *question = malloc(sizeof *question);
        int arrived = 0;
        int left = LISTENERS;

        CHECK(question);
        weir_shared_channel_init(&question->channel, NULL, 0, sizeof(int));
        for (int i = 0; i < LISTENERS; i++) {
            weir_task_init(&listeners[i].task, listener_resume);
            listeners[i].question = question;
            listeners[i].arrived = &arrived;
            listeners[i].left = &left;
            driver_start(&listeners[i].driver, &listeners[i].task);
        }
        while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < LISTENERS)
            sched_yield();
        for (int i = 0; i < round % 4; i++)
            sched_yield();
        weir_shared_channel_close(&question->channel);
        for (int i = 0; i < LISTENERS; i++)
            driver_join(&listeners[i].driver);
        for (int i = 0; i < LISTENERS; i++)
            driver_fini(&listeners[i].driver);
    }
}
