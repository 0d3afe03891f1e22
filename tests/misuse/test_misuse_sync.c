/* SPDX-License-Identifier: MIT */
/* What only a bug in the caller can do with events, mutexes, semaphores, channels and wakers. */
#include <weir/channel.h>
#include <weir/event.h>
#include <weir/mutex.h>
#include <weir/semaphore.h>
#include <weir/shared_channel.h>
#include <weir/waker.h>

#include "actor.h"

/* Two executors, one of each object, and tasks that do not go with each other. */
struct scene {
    struct stage stage;
    struct stage elsewhere;
    weir_event event;
    weir_mutex mutex;
    weir_semaphore semaphore;
    weir_channel channel;
    weir_shared_channel shared_channel;
    weir_shared_channel_wait wait;
    weir_waker waker;
    struct actor owner; /* Opens the waker, and waits for something else. */
    struct actor first;
    struct actor second;
};

static weir_task *own(struct actor *self)
{
    struct scene *scene = self->object;

    weir_waker_open(&scene->waker, &self->task);
    return weir_event_wait(&self->task, &scene->event);
}

static void enter(struct scene *scene, struct stage *stage, struct actor *actor,
                  weir_task *(*start)(struct actor *))
{
    actor->start = start;
    actor->object = scene;
    stage_enter(stage, actor);
}

/* Channels without room, a semaphore without permits: whoever awaits them waits. */
static void scene_begin(struct scene *scene)
{
    memset(scene, 0, sizeof *scene);
    stage_init(&scene->stage);
    stage_init(&scene->elsewhere);
    weir_event_init(&scene->event);
    weir_mutex_init(&scene->mutex);
    weir_semaphore_init(&scene->semaphore, 0);
    weir_channel_init(&scene->channel, NULL, 0, sizeof(int));
    weir_shared_channel_init(&scene->shared_channel, NULL, 0, sizeof(int));
    enter(scene, &scene->stage, &scene->owner, own);
}

/* One task awaits here. */
static void await_once(struct scene *scene, weir_task *(*start)(struct actor *))
{
    scene_begin(scene);
    enter(scene, &scene->stage, &scene->first, start);
}

/* One task awaits here, then another one there. */
static void await_on_two_executors(weir_task *(*start)(struct actor *))
{
    struct scene scene;

    await_once(&scene, start);
    enter(&scene, &scene.elsewhere, &scene.second, start);
}

/* Events. */

static weir_task *wait_for_event(struct actor *self)
{
    return weir_event_wait(&self->task, &((struct scene *)self->object)->event);
}

WEIR_ABORT_TEST(misuse_sync, an_event_ends_while_a_task_waits_for_it)
{
    struct scene scene;

    await_once(&scene, wait_for_event);
    weir_event_fini(&scene.event);
}

WEIR_ABORT_TEST(misuse_sync, an_event_is_awaited_on_two_executors)
{
    await_on_two_executors(wait_for_event);
}

/* Mutexes. */

static weir_task *lock(struct actor *self)
{
    return weir_mutex_lock(&self->task, &((struct scene *)self->object)->mutex);
}

WEIR_ABORT_TEST(misuse_sync, a_mutex_ends_while_it_is_held)
{
    struct scene scene;

    await_once(&scene, lock);
    weir_mutex_fini(&scene.mutex);
}

WEIR_ABORT_TEST(misuse_sync, a_mutex_is_locked_on_two_executors)
{
    await_on_two_executors(lock);
}

WEIR_ABORT_TEST(misuse_sync, a_mutex_is_locked_twice_by_one_task)
{
    struct scene scene;

    await_once(&scene, lock);
    (void)lock(&scene.first);
}

WEIR_ABORT_TEST(misuse_sync, a_mutex_is_tried_by_its_holder)
{
    struct scene scene;

    await_once(&scene, lock);
    CHECK(!weir_mutex_try_lock(&scene.first.task, &scene.mutex));
}

WEIR_ABORT_TEST(misuse_sync, a_mutex_is_unlocked_by_a_task_that_waits_for_it)
{
    struct scene scene;

    await_once(&scene, lock);
    enter(&scene, &scene.stage, &scene.second, lock);
    weir_mutex_unlock(&scene.second.task, &scene.mutex);
}

WEIR_ABORT_TEST(misuse_sync, a_mutex_is_unlocked_while_it_is_free)
{
    struct scene scene;

    scene_begin(&scene);
    weir_mutex_unlock(&scene.owner.task, &scene.mutex);
}

/* Semaphores. */

static weir_task *acquire(struct actor *self)
{
    return weir_semaphore_acquire(&self->task, &((struct scene *)self->object)->semaphore);
}

WEIR_ABORT_TEST(misuse_sync, a_semaphore_ends_while_a_task_waits_for_it)
{
    struct scene scene;

    await_once(&scene, acquire);
    weir_semaphore_fini(&scene.semaphore);
}

WEIR_ABORT_TEST(misuse_sync, a_semaphore_is_acquired_on_two_executors)
{
    await_on_two_executors(acquire);
}

WEIR_ABORT_TEST(misuse_sync, a_semaphore_gets_more_permits_than_it_can_count)
{
    weir_semaphore semaphore;

    weir_semaphore_init(&semaphore, 1);
    weir_semaphore_release(&semaphore, SIZE_MAX);
}

/* Channels. */

static weir_task *receive(struct actor *self)
{
    return weir_channel_receive(&self->task, &((struct scene *)self->object)->channel, &self->item);
}

static weir_task *send_item(struct actor *self)
{
    return weir_channel_send(&self->task, &((struct scene *)self->object)->channel, &self->item);
}

WEIR_ABORT_TEST(misuse_sync, a_channel_ends_while_a_task_sends)
{
    struct scene scene;

    await_once(&scene, send_item);
    weir_channel_fini(&scene.channel);
}

WEIR_ABORT_TEST(misuse_sync, a_channel_ends_while_a_task_receives)
{
    struct scene scene;

    await_once(&scene, receive);
    weir_channel_fini(&scene.channel);
}

WEIR_ABORT_TEST(misuse_sync, a_channel_is_received_from_on_two_executors)
{
    await_on_two_executors(receive);
}

WEIR_ABORT_TEST(misuse_sync, a_channel_is_sent_to_on_two_executors)
{
    await_on_two_executors(send_item);
}

WEIR_ABORT_TEST(misuse_sync, a_channel_has_items_of_no_size)
{
    weir_channel channel;
    int storage;

    weir_channel_init(&channel, &storage, 1, 0);
}

WEIR_ABORT_TEST(misuse_sync, a_channel_has_a_capacity_and_no_storage)
{
    weir_channel channel;

    weir_channel_init(&channel, NULL, 1, sizeof(int));
}

static weir_task *receive_from_shared(struct actor *self)
{
    struct scene *scene = self->object;

    return weir_shared_channel_receive(&self->task, &scene->shared_channel, &scene->wait,
                                       &self->item);
}

WEIR_ABORT_TEST(misuse_sync, a_shared_channel_ends_while_a_task_receives)
{
    struct scene scene;

    await_once(&scene, receive_from_shared);
    weir_shared_channel_fini(&scene.shared_channel);
}

/* Wakers. */

static weir_task *wait_for_waker(struct actor *self)
{
    return weir_waker_wait(&self->task, &((struct scene *)self->object)->waker);
}

static weir_task *close_waker(struct actor *self)
{
    return weir_waker_close(&self->task, &((struct scene *)self->object)->waker);
}

WEIR_ABORT_TEST(misuse_sync, two_tasks_wait_for_a_waker)
{
    struct scene scene;

    await_once(&scene, wait_for_waker);
    enter(&scene, &scene.stage, &scene.second, wait_for_waker);
}

WEIR_ABORT_TEST(misuse_sync, a_waker_is_awaited_on_another_executor)
{
    struct scene scene;

    scene_begin(&scene);
    enter(&scene, &scene.elsewhere, &scene.first, wait_for_waker);
}

WEIR_ABORT_TEST(misuse_sync, a_waker_is_closed_on_another_executor)
{
    struct scene scene;

    scene_begin(&scene);
    enter(&scene, &scene.elsewhere, &scene.first, close_waker);
}

WEIR_ABORT_TEST(misuse_sync, a_waker_is_closed_twice)
{
    struct scene scene;

    await_once(&scene, close_waker);
    enter(&scene, &scene.stage, &scene.second, close_waker);
}

WEIR_ABORT_TEST(misuse_sync, a_waker_is_awaited_after_it_was_closed)
{
    struct scene scene;

    await_once(&scene, close_waker);
    enter(&scene, &scene.stage, &scene.second, wait_for_waker);
}
