/* SPDX-License-Identifier: MIT */
/* Contexts: services and their order, and the roots that are counted. */
#include <weir/context.h>

#include <stdlib.h>

#include <weir/run.h>

#include "fake_backend.h"
#include "test.h"

/* A service that notes when it is shut down. */
struct noting_service {
    weir_service service;
    int id;
};

static int shut_down[4];
static int shut_down_count;

static void note_shutdown(weir_service *service)
{
    shut_down[shut_down_count++] = WEIR_CONTAINER_OF(service, struct noting_service, service)->id;
}

static const struct weir_service_ops keys[3] = {
    {.name = "first", .shutdown = note_shutdown},
    {.name = "second", .shutdown = note_shutdown},
    {.name = "third", .shutdown = note_shutdown},
};

static void add_three(weir_context *context, struct noting_service services[3])
{
    for (int i = 0; i < 3; i++) {
        services[i] = (struct noting_service){.service.ops = &keys[i], .id = i};
        weir_context_add_service(context, &services[i].service);
    }
}

WEIR_TEST(context, services_are_shut_down_in_reverse_order)
{
    struct noting_service services[3];
    weir_context context;

    weir_context_init(&context, NULL, 0);
    add_three(&context, services);
    weir_context_fini(&context);

    CHECK_EQ(shut_down_count, 3);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(shut_down[i], 2 - i);
}

WEIR_TEST(context, the_end_of_a_loop_shuts_its_services_down_once)
{
    struct noting_service services[3];
    weir_loop *loop = fake_loop_new(NULL);

    add_three(weir_loop_context(loop), services);
    CHECK_EQ(shut_down_count, 0);
    weir_loop_free(loop);

    CHECK_EQ(shut_down_count, 3);
}

WEIR_TEST(context, a_service_is_found_by_its_key)
{
    struct noting_service services[3];
    weir_context context;

    weir_context_init(&context, NULL, 0);
    add_three(&context, services);

    for (int i = 0; i < 3; i++)
        CHECK(weir_context_find_service(&context, &keys[i]) == &services[i].service);
    weir_context_fini(&context);
}

WEIR_TEST(context, a_service_that_was_not_added_is_not_found)
{
    weir_context context;

    weir_context_init(&context, NULL, 0);

    CHECK(weir_context_find_service(&context, &keys[0]) == NULL);
    weir_context_fini(&context);
}

/* A service that holds a frame until it is shut down, as one with tasks of its own would. */

struct holding_service {
    weir_service service;
    weir_frame_allocator *frames;
    void *frame;
};

static void release_frame(weir_service *service)
{
    struct holding_service *self = WEIR_CONTAINER_OF(service, struct holding_service, service);

    weir_frame_release(self->frames, self->frame, 1);
}

WEIR_TEST(context, a_service_may_give_frames_back_in_its_shutdown)
{
    static const struct weir_service_ops key = {.name = "holding", .shutdown = release_frame};
    struct holding_service service = {.service.ops = &key};
    weir_context context;

    weir_context_init(&context, NULL, 0);
    service.frames = &context.frames;
    service.frame = weir_frame_allocate(&context.frames, 1);
    weir_context_add_service(&context, &service.service);

    weir_context_fini(&context);
}

WEIR_ABORT_TEST(context, a_key_is_added_once)
{
    struct noting_service services[2] = {{.service.ops = &keys[0]}, {.service.ops = &keys[0]}};
    weir_context context;

    weir_context_init(&context, NULL, 0);
    weir_context_add_service(&context, &services[0].service);
    weir_context_add_service(&context, &services[1].service);
}

/* Roots. */

struct counter {
    weir_task task;
    size_t roots;
};

static weir_task *counter_resume(weir_task *task)
{
    struct counter *self = WEIR_TASK_SELF(task, struct counter);

    WEIR_BEGIN(task);
    WEIR_YIELD(task);
    self->roots = weir_executor_context(task->environment->executor)->root_count;
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_TEST(context, every_tree_that_lives_is_counted)
{
    weir_loop *loop = fake_loop_new(NULL);
    struct counter counters[3];
    weir_root roots[3];

    for (int i = 0; i < 3; i++) {
        weir_task_init(&counters[i].task, counter_resume);
        weir_run_async(weir_loop_executor(loop), &roots[i], &counters[i].task, NULL, NULL);
    }
    weir_loop_run(loop);

    for (int i = 0; i < 3; i++)
        CHECK_EQ(counters[i].roots, 3 - i);
    CHECK_EQ(weir_loop_context(loop)->root_count, 0);
    weir_loop_free(loop);
}

WEIR_TEST(context, the_executor_of_a_loop_leads_to_its_context)
{
    weir_loop *loop = fake_loop_new(NULL);

    CHECK(weir_executor_context(weir_loop_executor(loop)) == weir_loop_context(loop));
    CHECK(weir_loop_context(loop)->loop == loop);
    weir_loop_free(loop);
}
