/* SPDX-License-Identifier: MIT */
/* A race of mirrors, a pipeline with two workers, and a time limit: on virtual time. */
#include <stdio.h>
#include <weir/stage_one.h>

enum { MS = 1000000 }; /* Nanoseconds. */

static weir_channel numbers; /* From the producer to the workers. */
static int room[4];          /* For those on their way. */

struct fetch { /* From a mirror, which takes its time. */
    weir_task task;
    int64_t delay_ns;
    int error; /* How it ends. */
};

static weir_task *fetch_resume(weir_task *task)
{
    struct fetch *self = WEIR_TASK_SELF(task, struct fetch);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, self->delay_ns));
    WEIR_RETURN(task, weir_result_of(r.error ? r.error : self->error, 0));
    WEIR_END(task);
}

struct producer {
    weir_task task;
    int next;
};

static weir_task *producer_resume(weir_task *task)
{
    struct producer *self = WEIR_TASK_SELF(task, struct producer);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        self->next++;
        WEIR_AWAIT(task, r, weir_channel_send(task, &numbers, &self->next));
    } while (!r.error && self->next < 100);
    weir_channel_close(&numbers);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

struct worker {
    weir_task task;
    int number;
    int sum; /* out */
};

static weir_task *worker_resume(weir_task *task)
{
    struct worker *self = WEIR_TASK_SELF(task, struct worker);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        self->sum += self->number;
        WEIR_AWAIT(task, r, weir_channel_receive(task, &numbers, &self->number));
    } while (!r.error);
    WEIR_RETURN(task, weir_result_of(r.error == WEIR_EOF ? 0 : r.error, 0));
    WEIR_END(task);
}

struct program {
    weir_task task;
    weir_group group;
    struct fetch mirrors[3];
    struct producer producer;
    struct worker one, two;
    weir_timeout_frame timeout;
};

static weir_task *program_resume(weir_task *task)
{
    struct program *self = WEIR_TASK_SELF(task, struct program);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_when_any_3(task, &self->group, WEIR_FIRST_TO_SUCCEED, &self->mirrors[0].task,
                               &self->mirrors[1].task, &self->mirrors[2].task));
    printf("mirror %zu won, after %d ms\n", r.count, (int)(weir_task_now_ns(task) / MS));
    for (int i = 0; i < 3; i++)
        printf("  %d: %s\n", i, weir_error_name(weir_task_result(&self->mirrors[i].task).error));
    WEIR_AWAIT(task, r,
               weir_when_all_3(task, &self->group, &self->producer.task, &self->one.task,
                               &self->two.task));
    printf("%zu of 3 succeeded, the sum is %d\n", r.count, self->one.sum + self->two.sum);
    weir_task_init(&self->mirrors[0].task, fetch_resume); /* Once more. */
    WEIR_AWAIT(task, r, weir_timeout(task, &self->timeout, &self->mirrors[0].task, 200 * MS));
    printf("in 200 ms: %s\n", weir_error_name(r.error));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

int main(void)
{
    struct program self = {.mirrors = {{.delay_ns = 300 * MS},
                                       {.delay_ns = 50 * MS, .error = WEIR_CLOSED},
                                       {.delay_ns = 120 * MS}}};
    weir_manual manual;

    weir_task_init(&self.task, program_resume);
    for (int i = 0; i < 3; i++)
        weir_task_init(&self.mirrors[i].task, fetch_resume);
    weir_task_init(&self.producer.task, producer_resume);
    weir_task_init(&self.one.task, worker_resume);
    weir_task_init(&self.two.task, worker_resume);
    weir_channel_init(&numbers, room, sizeof room / sizeof room[0], sizeof room[0]);
    weir_manual_init(&manual, NULL);
    (void)weir_manual_run(&manual, &self.task);
    weir_manual_fini(&manual);
    weir_channel_fini(&numbers);
    return 0;
}
