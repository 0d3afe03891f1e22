/* SPDX-License-Identifier: MIT */
/* The loop: its inbox, its sleep and its timers, on a backend without a kernel. */
#include "loop.h"

#include <pthread.h>
#include <signal.h>

#include <weir/run.h>
#include <weir/scope.h>

#include "fake_backend.h"
#include "gate.h"
#include "sys.h"
#include "test.h"

/* A task that keeps a loop running until it is stopped, or whatever else its gate says. */
struct keeper {
    weir_task task;
    struct gate gate;
    weir_root root;
    void (*act)(struct keeper *self); /* In, or NULL: what to do before the wait. */
    void *user;                       /* In: of act. */
    int turns;                        /* In: yields before act. */
};

static weir_task *keeper_resume(weir_task *task)
{
    struct keeper *self = WEIR_TASK_SELF(task, struct keeper);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->turns-- > 0)
        WEIR_YIELD(task);
    if (self->act)
        self->act(self);
    WEIR_AWAIT(task, r, gate_wait(task, &self->gate));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void keeper_start(struct keeper *keeper, weir_loop *loop)
{
    weir_task_init(&keeper->task, keeper_resume);
    weir_run_async(weir_loop_executor(loop), &keeper->root, &keeper->task, NULL, NULL);
}

/* A task that is posted by itself, and notes that it ran. The last one opens the keeper's gate. */

enum { NOTES = 1000 };

struct note {
    weir_task task;
    struct notes *notes;
};

struct notes {
    weir_loop *loop;
    struct keeper *keeper; /* NULL: none to let go. */
    int expected_count;    /* Of notes that run, until the keeper may go. */
    struct note note[NOTES];
    int order[NOTES];
    int count;
};

static weir_task *note_resume(weir_task *task)
{
    struct note *self = WEIR_CONTAINER_OF(task, struct note, task);
    struct notes *notes = self->notes;

    notes->order[notes->count++] = (int)(self - notes->note);
    if (notes->count == notes->expected_count && notes->keeper)
        gate_open(&notes->keeper->gate, 0, 0);
    return NULL;
}

static void notes_init(struct notes *notes, weir_loop *loop, struct keeper *keeper, int count)
{
    notes->loop = loop;
    notes->keeper = keeper;
    notes->expected_count = count;
    notes->count = 0;
    for (int i = 0; i < count; i++) {
        weir_task_init(&notes->note[i].task, note_resume);
        notes->note[i].notes = notes;
    }
}

static void *post_all(void *argument)
{
    struct notes *notes = argument;

    for (int i = 0; i < notes->expected_count; i++)
        weir_executor_post(weir_loop_executor(notes->loop), &notes->note[i].task);
    return NULL;
}

static void post_from_another_thread(struct notes *notes)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, post_all, notes), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void check_order(const struct notes *notes)
{
    CHECK_EQ(notes->count, notes->expected_count);
    for (int i = 0; i < notes->count; i++)
        CHECK_EQ(notes->order[i], i);
}

/* Posting. */

WEIR_TEST(loop, tasks_posted_before_it_runs_run_in_the_order_posted)
{
    static struct notes notes;
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, NULL, NOTES);
    post_all(&notes);
    weir_loop_run(loop);

    check_order(&notes);
    weir_loop_free(loop);
}

WEIR_TEST(loop, tasks_posted_by_another_thread_run_in_the_order_posted)
{
    static struct notes notes;
    struct keeper keeper = {0};
    weir_loop *loop = fake_loop_new(NULL);
    pthread_t thread;

    notes_init(&notes, loop, &keeper, NOTES);
    keeper_start(&keeper, loop);
    CHECK_EQ(pthread_create(&thread, NULL, post_all, &notes), 0);
    weir_loop_run(loop);
    CHECK_EQ(pthread_join(thread, NULL), 0);

    check_order(&notes);
    weir_loop_free(loop);
}

static void post_all_as_keeper(struct keeper *self)
{
    post_all(self->user);
}

WEIR_TEST(loop, tasks_posted_by_its_own_thread_run_in_the_order_posted)
{
    static struct notes notes;
    struct keeper keeper = {.act = post_all_as_keeper, .user = &notes};
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, &keeper, NOTES);
    keeper_start(&keeper, loop);
    weir_loop_run(loop);

    check_order(&notes);
    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).wakes, 0);
    weir_loop_free(loop);
}

static bool post_while_it_sleeps(fake_backend *fake, int64_t deadline_ns, void *user)
{
    (void)deadline_ns;
    fake_backend_on_sleep(fake, NULL, NULL);
    post_from_another_thread(user);
    return false;
}

WEIR_TEST(loop, posts_to_a_sleeping_loop_wake_it_exactly_once)
{
    static struct notes notes;
    struct keeper keeper = {0};
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, &keeper, 10);
    keeper_start(&keeper, loop);
    fake_backend_on_sleep(fake_backend_of(loop), post_while_it_sleeps, &notes);
    weir_loop_run(loop);

    check_order(&notes);
    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).wakes, 1);
    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).sleeps, 1);
    weir_loop_free(loop);
}

/* A task that posts some of the notes, from a loop of its own or from none. */
struct part {
    weir_task task;
    struct notes *notes;
    int first;
    int end;
};

static void *post_some(void *argument)
{
    const struct part *self = argument;

    for (int i = self->first; i < self->end; i++)
        weir_executor_post(weir_loop_executor(self->notes->loop), &self->notes->note[i].task);
    return NULL;
}

static weir_task *part_resume(weir_task *task)
{
    WEIR_BEGIN(task);
    post_some(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

static void *post_some_from_a_loop(void *argument)
{
    struct part *self = argument;
    weir_loop *loop = fake_loop_new(NULL);

    weir_task_init(&self->task, part_resume);
    (void)weir_run(loop, &self->task);
    weir_loop_free(loop);
    return NULL;
}

static bool post_from_two_loops_and_none(fake_backend *fake, int64_t deadline_ns, void *user)
{
    struct part parts[] = {{.notes = user, .end = 3},
                           {.notes = user, .first = 3, .end = 6},
                           {.notes = user, .first = 6, .end = 9}};
    void *(*const ways[])(void *) = {post_some_from_a_loop, post_some_from_a_loop, post_some};
    pthread_t thread;

    (void)deadline_ns;
    fake_backend_on_sleep(fake, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&thread, NULL, ways[i], &parts[i]), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    return false;
}

/* The wake of a loop goes out when that waits next, which may be long after. */
WEIR_TEST(loop, nobody_counts_on_the_wake_of_another_loop)
{
    static struct notes notes;
    struct keeper keeper = {0};
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, &keeper, 9);
    keeper_start(&keeper, loop);
    fake_backend_on_sleep(fake_backend_of(loop), post_from_two_loops_and_none, &notes);
    weir_loop_run(loop);

    check_order(&notes);
    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).wakes, 3);
    weir_loop_free(loop);
}

WEIR_TEST(loop, a_wake_by_another_thread_is_counted)
{
    static struct notes notes;
    struct keeper keeper = {0};
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, &keeper, 1);
    keeper_start(&keeper, loop);
    fake_backend_on_sleep(fake_backend_of(loop), post_while_it_sleeps, &notes);
    weir_loop_run(loop);

    CHECK_EQ(weir_loop_statistics_get(loop).wakeups, 1);
    weir_loop_free(loop);
}

static void post_from_another_thread_as_keeper(struct keeper *self)
{
    post_from_another_thread(self->user);
}

WEIR_TEST(loop, posts_to_a_loop_that_is_awake_do_not_wake_it)
{
    static struct notes notes;
    struct keeper keeper = {.act = post_from_another_thread_as_keeper, .user = &notes};
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, &keeper, 10);
    keeper_start(&keeper, loop);
    weir_loop_run(loop);

    check_order(&notes);
    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).wakes, 0);
    weir_loop_free(loop);
}

WEIR_TEST(loop, posts_to_a_loop_that_does_not_run_do_not_wake_it)
{
    static struct notes notes;
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, NULL, 10);
    post_all(&notes);
    weir_loop_run(loop);

    check_order(&notes);
    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).wakes, 0);
    weir_loop_free(loop);
}

static bool check_inbox_is_empty(fake_backend *fake, int64_t deadline_ns, void *user)
{
    weir_loop *loop = user;

    (void)fake;
    (void)deadline_ns;
    CHECK(__atomic_load_n(&loop->inbox, __ATOMIC_SEQ_CST) == NULL);
    return false;
}

/* A loop that runs until something is done does not empty its inbox between running its tasks and
 * falling asleep: what comes there meanwhile wakes nobody, so only its last look can find it. */
WEIR_TEST(loop, a_post_between_its_tasks_and_its_sleep_is_seen)
{
    static struct notes notes;
    struct keeper keeper = {.act = post_from_another_thread_as_keeper, .user = &notes};
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, &keeper, 1);
    weir_task_init(&keeper.task, keeper_resume);
    fake_backend_on_sleep(fake_backend_of(loop), check_inbox_is_empty, loop);
    CHECK_EQ(weir_run(loop, &keeper.task).error, 0);

    check_order(&notes);
    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).sleeps, 0);
    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).wakes, 0);
    weir_loop_free(loop);
}

/* Many threads post while the loop goes to sleep and wakes all the time. */

enum { POSTERS = 3, POSTS = 5000 };

struct poster {
    weir_task task;
    weir_loop *loop;
    uint32_t ran; /* As turn, of this poster. */
    struct keeper *keeper;
    int *left; /* Posters that still post. Loop's thread. */
};

static weir_task *poster_resume(weir_task *task)
{
    struct poster *self = WEIR_CONTAINER_OF(task, struct poster, task);
    bool is_last = self->ran + 1 == POSTS;

    if (is_last && --*self->left == 0)
        gate_open(&self->keeper->gate, 0, 0);
    __atomic_store_n(&self->ran, self->ran + 1, __ATOMIC_RELEASE);
    return NULL;
}

/* Post the same task again as soon as it has run: every post finds the loop about to sleep. */
static void *post_one_by_one(void *argument)
{
    struct poster *self = argument;

    for (uint32_t i = 0; i < POSTS; i++) {
        weir_executor_post(weir_loop_executor(self->loop), &self->task);
        while (__atomic_load_n(&self->ran, __ATOMIC_ACQUIRE) <= i)
            weir_sys_yield();
    }
    return NULL;
}

WEIR_TEST(loop, no_post_is_lost_while_it_falls_asleep)
{
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    struct keeper keeper = {0};
    weir_loop *loop = fake_loop_new(NULL);
    int left = POSTERS;

    keeper_start(&keeper, loop);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.loop = loop, .keeper = &keeper, .left = &left};
        weir_task_init(&posters[i].task, poster_resume);
        CHECK_EQ(pthread_create(&threads[i], NULL, post_one_by_one, &posters[i]), 0);
    }
    weir_loop_run(loop);
    for (int i = 0; i < POSTERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    weir_loop_free(loop);
}

/* A thread that has posted, and is slow to leave the loop that it woke. */

struct straggler {
    struct notes *notes;
    pthread_t thread;
    uint32_t is_ending; /* __atomic: the loop is about to be freed. */
};

static bool start_straggler(fake_backend *fake, int64_t deadline_ns, void *user)
{
    struct straggler *straggler = user;

    (void)deadline_ns;
    fake_backend_on_sleep(fake, NULL, NULL);
    CHECK_EQ(pthread_create(&straggler->thread, NULL, post_all, straggler->notes), 0);
    return false;
}

static void linger(fake_backend *fake, void *user)
{
    struct straggler *straggler = user;

    (void)fake;
    while (!__atomic_load_n(&straggler->is_ending, __ATOMIC_ACQUIRE))
        weir_sys_yield();
    for (int i = 0; i < 1000; i++)
        weir_sys_yield();
}

WEIR_TEST(loop, it_is_not_freed_under_a_thread_that_still_posts)
{
    static struct notes notes;
    struct straggler straggler = {.notes = &notes};
    struct keeper keeper = {0};
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, &keeper, 1);
    keeper_start(&keeper, loop);
    fake_backend_on_sleep(fake_backend_of(loop), start_straggler, &straggler);
    fake_backend_on_wake(fake_backend_of(loop), linger, &straggler);
    weir_loop_run(loop);
    __atomic_store_n(&straggler.is_ending, 1, __ATOMIC_RELEASE);
    weir_loop_free(loop);

    CHECK_EQ(pthread_join(straggler.thread, NULL), 0);
}

/* Signal handlers on the loop's own thread. */

static struct notes *notes_of_handler;

static void post_from_handler(int number)
{
    (void)number;
    for (int i = 0; i < notes_of_handler->expected_count; i++)
        weir_loop_post_from_signal(notes_of_handler->loop, &notes_of_handler->note[i].task);
}

static void raise_as_keeper(struct keeper *self)
{
    (void)self;
    CHECK_EQ(raise(SIGUSR1), 0);
}

WEIR_TEST(loop, a_signal_handler_that_interrupts_a_task_can_post)
{
    static struct notes notes;
    struct keeper keeper = {.act = raise_as_keeper};
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, &keeper, 3);
    notes_of_handler = &notes;
    CHECK_EQ(weir_sys_signal_catch(SIGUSR1, post_from_handler), 0);
    keeper_start(&keeper, loop);
    weir_loop_run(loop);
    weir_sys_signal_restore(SIGUSR1);

    check_order(&notes);
    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).wakes, 0);
    weir_loop_free(loop);
}

static bool raise_while_it_sleeps(fake_backend *fake, int64_t deadline_ns, void *user)
{
    (void)deadline_ns;
    (void)user;
    fake_backend_on_sleep(fake, NULL, NULL);
    CHECK_EQ(raise(SIGUSR1), 0);
    return false;
}

WEIR_TEST(loop, a_signal_handler_that_interrupts_the_sleep_wakes_it_once)
{
    static struct notes notes;
    struct keeper keeper = {0};
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, &keeper, 3);
    notes_of_handler = &notes;
    CHECK_EQ(weir_sys_signal_catch(SIGUSR1, post_from_handler), 0);
    keeper_start(&keeper, loop);
    fake_backend_on_sleep(fake_backend_of(loop), raise_while_it_sleeps, NULL);
    weir_loop_run(loop);
    weir_sys_signal_restore(SIGUSR1);

    check_order(&notes);
    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).wakes, 1);
    weir_loop_free(loop);
}

/* Dispatching. */

static void dispatch_as_keeper(struct keeper *self)
{
    weir_executor *executor = self->task.environment->executor;
    struct notes *notes = self->user;

    executor->budget = 1;
    CHECK(weir_executor_dispatch(executor, &notes->note[0].task) == &notes->note[0].task);
    CHECK_EQ(executor->budget, 0);
    CHECK_EQ(notes->note[0].task.state, WEIR_TASK_RUNNING);
    CHECK(note_resume(&notes->note[0].task) == NULL);

    CHECK(weir_executor_dispatch(executor, &notes->note[1].task) == NULL);
    CHECK_EQ(notes->count, 1);
}

WEIR_TEST(loop, dispatch_hands_the_task_back_while_there_is_a_budget_and_else_posts_it)
{
    static struct notes notes;
    struct keeper keeper = {.act = dispatch_as_keeper, .user = &notes};
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, &keeper, 2);
    keeper_start(&keeper, loop);
    weir_loop_run(loop);

    check_order(&notes);
    weir_loop_free(loop);
}

WEIR_TEST(loop, dispatch_from_outside_posts)
{
    static struct notes notes;
    weir_loop *loop = fake_loop_new(NULL);

    notes_init(&notes, loop, NULL, 1);
    CHECK(weir_executor_dispatch(weir_loop_executor(loop), &notes.note[0].task) == NULL);
    CHECK_EQ(notes.count, 0);
    weir_loop_run(loop);

    check_order(&notes);
    weir_loop_free(loop);
}

/* Iterating. */

static void note_current_loop(struct keeper *self)
{
    CHECK(weir_loop_current() == weir_task_loop(&self->task));
    gate_open(self->user, 0, 0);
}

WEIR_TEST(loop, it_is_the_threads_current_loop_only_while_it_runs)
{
    struct gate gate = {0};
    struct keeper first = {.gate = gate};
    struct keeper second = {.act = note_current_loop, .user = &first.gate};
    weir_loop *loop = fake_loop_new(NULL);

    CHECK(weir_loop_current() == NULL);
    keeper_start(&first, loop);
    keeper_start(&second, loop);
    weir_root_stop(&second.root, WEIR_STOP_REQUESTED);
    weir_loop_run(loop);

    CHECK(weir_loop_current() == NULL);
    weir_loop_free(loop);
}

WEIR_TEST(loop, it_returns_at_once_when_no_tree_lives)
{
    weir_loop *loop = fake_loop_new(NULL);

    weir_loop_run(loop);

    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).sleeps, 0);
    weir_loop_free(loop);
}

struct yielder {
    weir_task task;
    int turns; /* In. */
    const bool *until;
};

static weir_task *yielder_resume(weir_task *task)
{
    struct yielder *self = WEIR_TASK_SELF(task, struct yielder);

    WEIR_BEGIN(task);
    while (self->until ? !*self->until : self->turns-- > 0)
        WEIR_YIELD(task);
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(loop, it_does_not_sleep_while_a_task_is_ready)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct yielder yielder = {.turns = 10000};

    weir_task_init(&yielder.task, yielder_resume);
    (void)weir_run(loop, &yielder.task);

    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).sleeps, 0);
    CHECK(fake_backend_counts(fake_backend_of(loop)).polls > 0);
    weir_loop_free(loop);
}

WEIR_TEST(loop, an_iteration_runs_no_more_tasks_than_its_budget)
{
    weir_loop_options options = fake_loop_options();
    struct yielder yielder = {.turns = 1000};
    weir_loop_statistics statistics;
    weir_loop *loop;

    options.budget = 4;
    loop = fake_loop_new(&options);
    weir_task_init(&yielder.task, yielder_resume);
    (void)weir_run(loop, &yielder.task);
    statistics = weir_loop_statistics_get(loop);

    CHECK(statistics.resumptions >= 1000);
    CHECK(statistics.iterations >= statistics.resumptions / 4);
    weir_loop_free(loop);
}

/* An operation of the fake backend, by itself. */

struct reading {
    weir_operation operation;
    int result;
    bool is_complete;
};

static void reading_completed(weir_operation *operation, int result, unsigned flags)
{
    struct reading *self = WEIR_CONTAINER_OF(operation, struct reading, operation);

    (void)flags;
    self->result = result;
    self->is_complete = true;
}

static const struct weir_operation_ops reading_ops = {
    .wait = {.name = "a reading"},
    .completed = reading_completed,
};

WEIR_TEST(loop, completions_are_reaped_though_a_task_is_always_ready)
{
    weir_loop *loop = fake_loop_new(NULL);
    fake_backend *fake = fake_backend_of(loop);
    struct reading reading = {.operation.ops = &reading_ops};
    struct yielder yielder = {.until = &reading.is_complete};
    weir_handle handle = {.loop = loop};

    CHECK_EQ(
        loop->backend->ops->receive(loop->backend, &reading.operation, &handle, (weir_buffer){0}),
        WEIR_IN_FLIGHT);
    fake_backend_complete(fake, &reading.operation, 17, 0);
    weir_task_init(&yielder.task, yielder_resume);
    (void)weir_run(loop, &yielder.task);

    CHECK_EQ(reading.result, 17);
    weir_loop_free(loop);
}

/* Timers. */

struct alarm {
    weir_wheel_node node;
    struct keeper *keeper;
    int64_t deadline_ns;
    int64_t fired_ns;
};

static void alarm_fired(weir_wheel_node *node)
{
    struct alarm *self = WEIR_CONTAINER_OF(node, struct alarm, node);

    self->fired_ns = weir_now_ns();
    gate_open(&self->keeper->gate, 0, 0);
}

static void set_alarm_as_keeper(struct keeper *self)
{
    struct alarm *alarm = self->user;
    weir_loop *loop = weir_task_loop(&self->task);

    alarm->keeper = self;
    alarm->deadline_ns = weir_now_ns() + 2000000;
    weir_wheel_arm(&loop->clock.wheel, &alarm->node, alarm->deadline_ns, alarm_fired);
}

WEIR_TEST(loop, it_sleeps_until_the_next_timer_and_never_fires_it_early)
{
    struct alarm alarm = {0};
    struct keeper keeper = {.act = set_alarm_as_keeper, .user = &alarm};
    weir_loop *loop = fake_loop_new(NULL);
    struct fake_counts counts;

    keeper_start(&keeper, loop);
    weir_loop_run(loop);
    counts = fake_backend_counts(fake_backend_of(loop));

    CHECK(alarm.fired_ns >= alarm.deadline_ns);
    CHECK(counts.sleeps >= 1);
    CHECK(counts.deadline_ns < WEIR_WAIT_FOREVER);
    weir_loop_free(loop);
}

static bool check_forever(fake_backend *fake, int64_t deadline_ns, void *user)
{
    struct keeper *keeper = user;

    (void)fake;
    CHECK_EQ(deadline_ns, WEIR_WAIT_FOREVER);
    gate_open(&keeper->gate, 0, 0);
    return true;
}

WEIR_TEST(loop, it_sleeps_without_a_deadline_when_no_timer_is_set)
{
    struct keeper keeper = {0};
    weir_loop *loop = fake_loop_new(NULL);

    fake_backend_on_sleep(fake_backend_of(loop), check_forever, &keeper);
    keeper_start(&keeper, loop);
    weir_loop_run(loop);

    CHECK_EQ(fake_backend_counts(fake_backend_of(loop)).sleeps, 1);
    weir_loop_free(loop);
}

/* Spinning. */

static bool open_the_gate(fake_backend *fake, int64_t deadline_ns, void *user)
{
    (void)fake;
    (void)deadline_ns;
    gate_open(user, 0, 0);
    return true;
}

/* Run a task that waits once, which the sleep ends, with this bound of spinning. */
static struct fake_counts run_one_sleep(int64_t spin_ns_max, weir_loop_statistics *ret_statistics)
{
    weir_loop_options options = fake_loop_options();
    struct keeper keeper = {0};
    struct fake_counts counts;
    weir_loop *loop;

    options.spin_ns_max = spin_ns_max;
    loop = fake_loop_new(&options);
    fake_backend_on_sleep(fake_backend_of(loop), open_the_gate, &keeper.gate);
    keeper_start(&keeper, loop);
    weir_loop_run(loop);
    counts = fake_backend_counts(fake_backend_of(loop));
    *ret_statistics = weir_loop_statistics_get(loop);
    weir_loop_free(loop);
    return counts;
}

WEIR_TEST(loop, it_never_looks_before_it_sleeps_when_told_not_to_spin)
{
    weir_loop_statistics statistics;
    struct fake_counts counts = run_one_sleep(-1, &statistics);

    CHECK_EQ(counts.peeks, 0);
    CHECK_EQ(counts.sleeps, 1);
    CHECK_EQ(statistics.spin_misses, 0);
}

WEIR_TEST(loop, a_spin_that_finds_nothing_is_followed_by_a_sleep)
{
    weir_loop_statistics statistics;
    struct fake_counts counts;

    if (weir_sys_processor_count() < 2)
        test_skip("one processor: no loop spins");
    counts = run_one_sleep(100000, &statistics);

    CHECK(counts.peeks > 0);
    CHECK_EQ(counts.sleeps, 1);
    CHECK_EQ(statistics.spin_misses, 1);
    CHECK_EQ(statistics.spin_hits, 0);
}
