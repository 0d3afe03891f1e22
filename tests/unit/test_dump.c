/* SPDX-License-Identifier: MIT */
/* The dump: which tasks it shows, and what it says of each. */
#include <weir/dump.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/run.h>
#include <weir/scope.h>
#include <weir/stop.h>

#include "fake_backend.h"
#include "gate.h"
#include "test.h"

/* What a dump printed. */
struct report {
    char *text;
    size_t size;
    size_t task_count;
};

static void take_report(struct report *report, weir_loop *loop)
{
    FILE *stream = open_memstream(&report->text, &report->size);

    CHECK(stream);
    report->task_count = weir_loop_dump(loop, stream);
    CHECK_EQ(fclose(stream), 0);
}

/* Check that the report has a line that is indented so deep and says just this. */
static void check_line(const struct report *report, int depth, const char *expected)
{
    char line[512];

    snprintf(line, sizeof line, "\n%*s%s\n", 2 * depth, "", expected);
    if (strncmp(report->text, line + 1, strlen(line + 1)) == 0 || strstr(report->text, line))
        return;
    test_fail(__FILE__, __LINE__, "no line \"%s\" at depth %d in:\n%s", expected, depth,
              report->text);
}

/* "FUNCTION at FILE:LINE, waits for WHAT". */
static void check_task(const struct report *report, int depth, const char *function, int line,
                       const char *what)
{
    char expected[400];

    snprintf(expected, sizeof expected, "%s at %s:%d, waits for %s", function, __FILE__, line,
             what);
    check_line(report, depth, expected);
}

/* Trees: a waiter, its caller, and a parent with a scope. */

struct waiter {
    weir_task task;
    struct gate gate;
    bool is_shielded; /* In. */
    int line;
};

static weir_task *waiter_resume(weir_task *task)
{
    struct waiter *self = WEIR_TASK_SELF(task, struct waiter);
    weir_result r;

    WEIR_BEGIN(task);
    if (self->is_shielded)
        weir_shield_begin(task);
    self->line = __LINE__ + 1;
    WEIR_AWAIT(task, r, gate_wait(task, &self->gate));
    if (self->is_shielded)
        weir_shield_end(task);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct caller {
    weir_task task;
    struct waiter child;
    int line;
};

static weir_task *caller_resume(weir_task *task)
{
    struct caller *self = WEIR_TASK_SELF(task, struct caller);
    weir_result r;

    WEIR_BEGIN(task);
    weir_task_init(&self->child.task, waiter_resume);
    self->line = __LINE__ + 1;
    WEIR_AWAIT(task, r, weir_call(task, &self->child.task));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct parent {
    weir_task task;
    weir_scope scope;
    weir_scope_child records[2];
    struct caller caller;
    struct waiter waiter;
    int line;
};

static weir_task *parent_resume(weir_task *task)
{
    struct parent *self = WEIR_TASK_SELF(task, struct parent);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    weir_task_init(&self->caller.task, caller_resume);
    weir_task_init(&self->waiter.task, waiter_resume);
    weir_scope_start_embedded(&self->scope, &self->records[0], &self->caller.task);
    weir_scope_start_embedded(&self->scope, &self->records[1], &self->waiter.task);
    self->line = __LINE__ + 1;
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* Runs a tree until the loop goes to sleep, takes the dump there and stops the tree. */
struct stage {
    weir_loop *loop;
    weir_root root;
    unsigned stop_first; /* Bits to stop the main task with before the dump; 0: none. */
    weir_task *main;
    struct report report;
};

static bool report_and_stop(fake_backend *fake, int64_t deadline_ns, void *user)
{
    struct stage *stage = user;

    (void)deadline_ns;
    fake_backend_on_sleep(fake, NULL, NULL);
    if (stage->stop_first)
        weir_task_stop(stage->main, stage->stop_first);
    take_report(&stage->report, stage->loop);
    weir_root_stop(&stage->root, WEIR_STOP_HARD);
    return true;
}

/* The dump of a tree whose leaves all wait; the caller frees its text. */
static struct report report_on(weir_task *main, unsigned stop_first)
{
    struct stage stage = {.stop_first = stop_first, .main = main};

    stage.loop = fake_loop_new(NULL);
    fake_backend_on_sleep(fake_backend_of(stage.loop), report_and_stop, &stage);
    weir_run_async(weir_loop_executor(stage.loop), &stage.root, main, NULL, NULL);
    weir_loop_run(stage.loop);
    CHECK(stage.report.text);
    weir_loop_free(stage.loop);
    return stage.report;
}

WEIR_TEST(dump, a_waiting_task_shows_its_function_file_line_and_what_it_waits_for)
{
    struct waiter waiter = {0};
    struct report report;

    weir_task_init(&waiter.task, waiter_resume);
    report = report_on(&waiter.task, 0);

    check_task(&report, 0, "waiter_resume", waiter.line, "a gate");
    CHECK_EQ(report.task_count, 1);
    free(report.text);
}

WEIR_TEST(dump, a_chain_of_calls_is_shown_caller_before_child)
{
    struct caller caller = {0};
    struct report report;

    weir_task_init(&caller.task, caller_resume);
    report = report_on(&caller.task, 0);

    check_task(&report, 0, "caller_resume", caller.line, "a child");
    check_task(&report, 1, "waiter_resume", caller.child.line, "a gate");
    CHECK(strstr(report.text, "caller_resume") < strstr(report.text, "waiter_resume"));
    CHECK_EQ(report.task_count, 2);
    free(report.text);
}

WEIR_TEST(dump, the_children_of_a_scope_are_shown_below_who_joins_them)
{
    struct parent parent = {0};
    struct report report;

    weir_task_init(&parent.task, parent_resume);
    report = report_on(&parent.task, 0);

    check_task(&report, 0, "parent_resume", parent.line, "join");
    check_task(&report, 1, "caller_resume", parent.caller.line, "a child");
    check_task(&report, 2, "waiter_resume", parent.caller.child.line, "a gate");
    check_task(&report, 1, "waiter_resume", parent.waiter.line, "a gate");
    CHECK_EQ(report.task_count, 4);
    free(report.text);
}

/* Check what a dump says of a waiter that was stopped with these bits. */
static void check_stopped(bool is_shielded, unsigned bits, const char *what)
{
    struct waiter waiter = {.is_shielded = is_shielded};
    struct report report;

    weir_task_init(&waiter.task, waiter_resume);
    report = report_on(&waiter.task, bits);

    check_task(&report, 0, "waiter_resume", waiter.line, what);
    free(report.text);
}

WEIR_TEST(dump, a_stopped_task_is_shown_with_the_reason)
{
    check_stopped(false, WEIR_STOP_REQUESTED, "its turn, stopped");
    check_stopped(false, WEIR_STOP_EXPIRED, "its turn, past its deadline");
    check_stopped(false, WEIR_STOP_HARD, "its turn, stopped hard");
}

WEIR_TEST(dump, a_shielded_task_is_shown_as_such)
{
    check_stopped(true, WEIR_STOP_REQUESTED, "a gate, shielded");
    check_stopped(true, WEIR_STOP_HARD, "its turn, stopped hard");
}

/* A dump that a task takes itself. */

struct reporter {
    weir_task task;
    weir_scope scope;
    weir_scope_child record;
    struct waiter waiter;
    struct report report;
    int line; /* The latest await before the dump. */
};

static weir_task *reporter_resume(weir_task *task)
{
    struct reporter *self = WEIR_TASK_SELF(task, struct reporter);
    weir_result r;

    WEIR_BEGIN(task);
    weir_scope_init(&self->scope, task);
    self->line = __LINE__ + 1;
    WEIR_YIELD(task);
    weir_task_init(&self->waiter.task, waiter_resume);
    weir_scope_start_embedded(&self->scope, &self->record, &self->waiter.task);
    take_report(&self->report, weir_task_loop(task));
    weir_scope_stop(&self->scope, WEIR_STOP_REQUESTED);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(dump, the_running_task_is_shown_at_its_latest_await)
{
    struct reporter reporter = {0};

    weir_task_init(&reporter.task, reporter_resume);
    (void)fake_run(&reporter.task);

    check_task(&reporter.report, 0, "reporter_resume", reporter.line, "nothing: it runs");
    free(reporter.report.text);
}

/* As a server that waits for the next connection: its sessions must not be missing. */
WEIR_TEST(dump, children_are_shown_while_their_owner_does_not_join_them)
{
    struct reporter reporter = {0};

    weir_task_init(&reporter.task, reporter_resume);
    (void)fake_run(&reporter.task);

    check_line(&reporter.report, 1, "a task that has not begun, waits for its turn");
    CHECK_EQ(reporter.report.task_count, 2);
    free(reporter.report.text);
}

WEIR_TEST(dump, a_task_that_has_not_begun_is_shown_as_such)
{
    struct report report = {0};
    FILE *stream = open_memstream(&report.text, &report.size);
    weir_dump dump = {.stream = stream};
    struct waiter waiter;

    weir_task_init(&waiter.task, waiter_resume);
    weir_dump_task(&dump, &waiter.task);
    CHECK_EQ(fclose(stream), 0);

    check_line(&report, 0, "a task that has not begun, waits for nothing");
    CHECK_EQ(dump.task_count, 1);
    free(report.text);
}

WEIR_TEST(dump, a_loop_without_trees_prints_nothing)
{
    struct report report = {0};
    weir_loop *loop = fake_loop_new(NULL);

    take_report(&report, loop);

    CHECK_STR_EQ(report.text, "");
    CHECK_EQ(report.task_count, 0);
    free(report.text);
    weir_loop_free(loop);
}
