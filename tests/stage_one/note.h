/* SPDX-License-Identifier: MIT */
#ifndef TEST_NOTE_H
#define TEST_NOTE_H

/*
 * Notes: tasks without a tree that write their number into a log when they run, and may do
 * something first. For tests of executors, which know no more of a task than that.
 *
 * A log is plain memory: its notes run one after the other, or the thread sanitizer says so.
 */

#include <weir/executor.h>
#include <weir/task.h>

#include "test.h"

enum { LOG_MAX = 256 };

struct log {
    int numbers[LOG_MAX];
    int count;
    bool is_writing; /* A note is on the stack: no other may begin. */
};

struct note {
    weir_task task;
    struct log *log; /* In, as all. */
    int number;
    void (*act)(struct note *self); /* What it does before it writes; or NULL. */
    void *object;                   /* For act. */
};

static inline weir_task *note_resume(weir_task *task)
{
    struct note *self = WEIR_TASK_SELF(task, struct note);
    struct log *log = self->log;

    CHECK(!log->is_writing);
    log->is_writing = true;
    if (self->act)
        self->act(self);
    CHECK(log->count < LOG_MAX);
    log->numbers[log->count++] = self->number;
    log->is_writing = false;
    return NULL;
}

static inline void note_init(struct note *note, struct log *log, int number)
{
    weir_task_init(&note->task, note_resume);
    note->log = log;
    note->number = number;
    note->act = NULL;
    note->object = NULL;
}

/** Notes 0, 1, ... to one log, posted in that order. */
static inline void notes_post(struct note *notes, int count, struct log *log,
                              weir_executor *executor)
{
    for (int i = 0; i < count; i++) {
        note_init(&notes[i], log, i);
        weir_executor_post(executor, &notes[i].task);
    }
}

/** The log is 0, 1, ... count - 1. */
static inline void log_check(const struct log *log, int count)
{
    CHECK_EQ(log->count, count);
    for (int i = 0; i < count; i++)
        CHECK_EQ(log->numbers[i], i);
}

#endif
