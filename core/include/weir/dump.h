/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DUMP_H
#define WEIR_DUMP_H

/*
 * The dump of suspended tasks: what each waits for, with function, file and line.
 *
 * A dump walks from each root down through children, scopes and operations, on the thread of the
 * executor. It reads headers only and stops nothing.
 *
 * Source: core/task/dump.c. Tests: tests/unit/test_dump.c.
 */

#include <stdio.h>

#include <weir/task.h>

WEIR_C_BEGIN

/** Where a dump stands. Fields are private. */
typedef struct weir_dump {
    FILE *stream;
    int depth; /* Indentation: one level per task. */
    size_t task_count;
} weir_dump;

/** Print a task and what it waits for. For weir_wait_ops.dump. */
WEIR_PUBLIC void weir_dump_task(weir_dump *dump, weir_task *task);

WEIR_C_END

#endif
