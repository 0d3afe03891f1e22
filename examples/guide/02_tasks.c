/* SPDX-License-Identifier: MIT */
/* Two ways to launch a tree, a hop to other threads and back, and results that have a type. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weir/stage_one.h>

struct count { /* A child. What it found stays in its frame. */
    weir_task task;
    const char *text; /* in */
    size_t words;     /* out */
    size_t longest;   /* out: bytes of the longest word. */
};

static weir_task *count_resume(weir_task *task)
{
    struct count *self = WEIR_TASK_SELF(task, struct count);
    const char *at;

    self->words = 0;
    self->longest = 0;
    for (at = self->text; *at;) {
        size_t length = strcspn(at, " ");

        self->words += length > 0;
        self->longest = length > self->longest ? length : self->longest;
        at += length + strspn(at + length, " ");
    }
    return weir_task_finish(task, weir_result_of(0, strlen(self->text)));
}

struct shout { /* A child with a frame from the allocator: it is gone when it is done, so it has */
    weir_task task;
    const char *text;
    char *ret_text; /* a place to put its result. */
};

static weir_task *shout_resume(weir_task *task)
{
    struct shout *self = WEIR_TASK_SELF(task, struct shout);
    size_t i;

    for (i = 0; self->text[i]; i++)
        self->ret_text[i] = (char)toupper((unsigned char)self->text[i]);
    return weir_task_finish(task, weir_result_of(0, i));
}

struct report { /* The task at the top of a tree. */
    weir_task task;
    const char *text;      /* in */
    weir_executor *worker; /* in: where words are counted. */
    char title[16];        /* out */
    struct count count;    /* Embedded: a child, and what it found. */
    struct shout *shout;
    weir_bridge bridge;
};

static weir_task *report_resume(weir_task *task)
{
    struct report *self = WEIR_TASK_SELF(task, struct report);
    weir_result r;

    WEIR_BEGIN(task);
    self->shout = weir_frame_new(task, sizeof *self->shout, shout_resume);
    if (!self->shout)
        WEIR_RETURN(task, weir_result_of(-ENOMEM, 0));
    self->shout->text = "report";
    self->shout->ret_text = self->title;
    WEIR_AWAIT(task, r, weir_call(task, &self->shout->task));
    self->title[r.count] = '\0';
    self->count.text = self->text;
    weir_task_init(&self->count.task, count_resume);
    WEIR_AWAIT(task, r, weir_run_on(task, &self->bridge, self->worker, &self->count.task));
    WEIR_RETURN(task, r); /* On this tree's executor again. */
    WEIR_END(task);
}

static void print(const struct report *report, weir_result r)
{
    printf("%s: %s, %zu bytes, %zu words, the longest has %zu\n", report->title,
           weir_error_name(r.error), r.count, report->count.words, report->count.longest);
}

static void report_done(weir_root *root, weir_result r) /* On a thread of the pool. */
{
    print(root->user, r);
}

int main(void)
{
    struct report first = {.text = "a task is a struct and a function"};
    struct report second = {.text = "a tree may change its thread at every await"};
    weir_thread_pool *pool;
    weir_root root;

    if (weir_thread_pool_new(NULL, &pool))
        return 1;
    first.worker = second.worker = weir_system_executor();
    weir_task_init(&first.task, report_resume);
    print(&first, weir_thread_pool_run(pool, &first.task));
    weir_task_init(&second.task, report_resume);
    weir_run_async(weir_thread_pool_executor(pool), &root, &second.task, report_done, &second);
    weir_thread_pool_free(pool); /* Waits until report_done has returned. */
    return 0;
}
