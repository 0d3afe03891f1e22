/* SPDX-License-Identifier: MIT */
/* Printing what tasks wait for. Reads headers only. */
#include <weir/dump.h>

#include <weir/executor.h>
#include <weir/scope.h>

#include "scope_task.h"

static const char *stop_text(const weir_task *task)
{
    if (task->stop & WEIR_STOP_HARD)
        return ", stopped hard";
    if (task->stop & WEIR_STOP_REQUESTED)
        return ", stopped";
    if (task->stop & WEIR_STOP_EXPIRED)
        return ", past its deadline";
    return task->flags & WEIR_TASK_SHIELDED ? ", shielded" : "";
}

static const char *wait_text(const weir_task *task)
{
    switch ((enum weir_task_state)task->state) {
    case WEIR_TASK_WAITING:
        return task->down.wait->ops->name;
    case WEIR_TASK_CALLING:
        return "a child";
    case WEIR_TASK_READY:
        return "its turn";
    case WEIR_TASK_RUNNING:
        return "nothing: it runs";
    case WEIR_TASK_NEW:
    case WEIR_TASK_DONE:
        break;
    }
    return "nothing";
}

static void print_line(weir_dump *dump, const weir_task *task)
{
    fprintf(dump->stream, "%*s", 2 * dump->depth, "");
    if (task->source && task->line == 0) /* It runs, and has awaited nothing yet. */
        fprintf(dump->stream, "%s in %s", task->source->function, task->source->file);
    else if (task->source)
        fprintf(dump->stream, "%s at %s:%u", task->source->function, task->source->file,
                (unsigned)task->line);
    else
        fputs("a task that has not begun", dump->stream);
    fprintf(dump->stream, ", waits for %s%s\n", wait_text(task), stop_text(task));
    dump->task_count++;
}

/* Print the children of the task's scopes, whether it waits for them or for something else. */
static void dump_scopes(weir_dump *dump, const weir_task *owner)
{
    const weir_list *scopes = owner->environment->scopes;
    weir_list_node *node = weir_list_first(scopes);
    weir_list_node *child;

    for (; node; node = weir_list_next(scopes, node)) {
        const weir_scope *scope = WEIR_CONTAINER_OF(node, weir_scope, link);

        if (scope->owner != owner)
            continue;
        child = weir_list_first(&scope->children);
        for (; child; child = weir_list_next(&scope->children, child))
            weir_dump_task(dump, weir_scope_task_at(child));
    }
}

void weir_dump_task(weir_dump *dump, weir_task *task)
{
    int depth = dump->depth;

    for (;;) {
        print_line(dump, task);
        dump->depth++;
        if (task->flags >= WEIR_TASK_HELD)
            dump_scopes(dump, task);
        if (task->state != WEIR_TASK_CALLING)
            break;
        task = task->down.child;
    }
    if (task->state == WEIR_TASK_WAITING)
        task->down.wait->ops->dump(task->down.wait, dump);
    dump->depth = depth;
}
