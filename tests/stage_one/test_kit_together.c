/* SPDX-License-Identifier: MIT */
/* The tools of the kit used together: every operation of a stream, ground; and a conversation. */
#include <errno.h>

#include <weir/scope.h>

#include "test_kit_grind.h"

static const struct subject subjects[] = {
    {.start = start_read_some, .reads = true, .is_whole = false, .buffers_max = 1},
    {.start = start_read, .reads = true, .is_whole = true, .buffers_max = 1},
    {.start = start_write_some, .reads = false, .is_whole = false, .buffers_max = 1},
    {.start = start_write, .reads = false, .is_whole = true, .buffers_max = 1},
    {.start = start_read_some_v, .reads = true, .is_whole = false, .buffers_max = 3},
    {.start = start_write_some_v, .reads = false, .is_whole = false, .buffers_max = 3},
    {.start = start_read_v, .reads = true, .is_whole = true, .buffers_max = 3},
    {.start = start_write_v, .reads = false, .is_whole = true, .buffers_max = 3},
    {.start = start_read_until, .reads = true, .is_whole = true, .buffers_max = 1},
    {.start = start_read_to_end,
     .reads = true,
     .is_whole = true,
     .is_to_end = true,
     .buffers_max = 1},
    {.start = start_write_eof, .reads = false, .is_whole = true, .ends = true, .buffers_max = 1},
};

enum { SUBJECTS = sizeof subjects / sizeof subjects[0] };

WEIR_TEST(kit_together, each_operation_counts_what_moved_whichever_part_fails)
{
    for (size_t i = 0; i < SUBJECTS; i++)
        grind_through_fuse(&subjects[i]);
}

WEIR_TEST(kit_together, each_operation_counts_what_moved_beside_an_error)
{
    for (size_t i = 0; i < SUBJECTS; i++)
        grind_through_early_end(&subjects[i]);
}

WEIR_TEST(kit_together, each_operation_counts_what_moved_wherever_it_is_stopped)
{
    for (size_t i = 0; i < SUBJECTS; i++)
        grind_through_stops(&subjects[i]);
}

WEIR_TEST(kit_together, each_operation_counts_what_moved_when_a_stop_meets_a_part)
{
    for (size_t i = 0; i < SUBJECTS; i++)
        grind_through_held_stops(&subjects[i]);
}

/* A conversation: a client sends a text and ends, a server sends back what it reads. */

static const char message[] = "a message that is longer than the pipes";

enum { MESSAGE = sizeof message - 1, PIPE = 5 };

struct client {
    weir_task task;
    weir_stream *stream; /* In. */
    size_t got;          /* Out. */
    char answer[2 * MESSAGE];
};

struct server {
    weir_task task;
    weir_stream *stream; /* In. */
    size_t size;         /* Of what is in data. */
    char data[3];
};

/* The client reads in a second task, beside the one that writes: the pipes are short. */
struct reader {
    weir_task task;
    struct client *client; /* In. */
};

struct conversation {
    weir_task task;
    weir_scope scope;
    struct client client;
    struct reader reader;
    struct server server;
    weir_scope_child records[3];
    weir_stream_pair pair;
    char there[PIPE];
    char back[PIPE];
};

static weir_task *client_resume(weir_task *task)
{
    struct client *self = WEIR_TASK_SELF(task, struct client);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r,
               weir_write_eof(task, &self->stream->out, weir_const_buffer_of(message, MESSAGE)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *read_answer(struct reader *self)
{
    struct client *client = self->client;

    return weir_read(&self->task, &client->stream->in,
                     weir_buffer_of(client->answer, sizeof client->answer));
}

static weir_task *reader_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, read_answer(self));
    self->client->got = r.count;
    WEIR_RETURN(task, weir_result_of(r.error == WEIR_EOF ? 0 : r.error, r.count));
    WEIR_END(task);
}

static weir_task *read_data(struct server *self)
{
    return weir_read_some(&self->task, &self->stream->in,
                          weir_buffer_of(self->data, sizeof self->data));
}

static weir_task *write_data(struct server *self)
{
    return weir_write(&self->task, &self->stream->out,
                      weir_const_buffer_of(self->data, self->size));
}

static weir_task *server_resume(weir_task *task)
{
    struct server *self = WEIR_TASK_SELF(task, struct server);
    weir_result r;

    WEIR_BEGIN(task);
    for (;;) {
        WEIR_AWAIT(task, r, read_data(self));
        if (r.error)
            break;
        self->size = r.count;
        WEIR_AWAIT(task, r, write_data(self));
        if (r.error)
            WEIR_RETURN(task, r);
    }
    if (r.error != WEIR_EOF)
        WEIR_RETURN(task, r);
    WEIR_AWAIT(task, r, weir_write_eof(task, &self->stream->out, weir_const_buffer_of(NULL, 0)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void converse(struct conversation *self)
{
    weir_scope_init(&self->scope, &self->task);
    weir_scope_start_embedded(&self->scope, &self->records[0], &self->client.task);
    weir_scope_start_embedded(&self->scope, &self->records[1], &self->reader.task);
    weir_scope_start_embedded(&self->scope, &self->records[2], &self->server.task);
}

static weir_task *conversation_resume(weir_task *task)
{
    struct conversation *self = WEIR_TASK_SELF(task, struct conversation);
    weir_result r;

    WEIR_BEGIN(task);
    converse(self);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->scope));
    weir_scope_fini(&self->scope);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void conversation_init(struct conversation *self)
{
    memset(self, 0, sizeof *self);
    weir_stream_pair_init(&self->pair, weir_buffer_of(self->there, PIPE),
                          weir_buffer_of(self->back, PIPE));
    self->client.stream = &self->pair.first.stream;
    self->reader.client = &self->client;
    self->server.stream = &self->pair.second.stream;
    weir_task_init(&self->task, conversation_resume);
    weir_task_init(&self->client.task, client_resume);
    weir_task_init(&self->reader.task, reader_resume);
    weir_task_init(&self->server.task, server_resume);
}

WEIR_TEST(kit_together, two_ends_talk)
{
    struct conversation conversation;

    conversation_init(&conversation);
    CHECK_EQ(weir_test_run(&conversation.task).error, 0);
    CHECK_EQ(conversation.client.got, MESSAGE);
    CHECK(memcmp(conversation.client.answer, message, MESSAGE) == 0);
    weir_stream_pair_fini(&conversation.pair);
}

WEIR_TEST(kit_together, a_conversation_that_is_stopped_anywhere_leaves_nothing)
{
    struct conversation conversation;
    weir_result r = {0, 0};
    bool is_stopped = true;
    size_t step;

    for (step = 0; is_stopped; step++) {
        conversation_init(&conversation);
        is_stopped = weir_test_run_stopped(&conversation.task, step, WEIR_STOP_REQUESTED, &r);
        CHECK(r.error == 0 || (is_stopped && r.error == WEIR_CANCELLED));
        CHECK(memcmp(conversation.client.answer, message, conversation.client.got) == 0);
        weir_stream_pair_fini(&conversation.pair);
    }
    CHECK_EQ(conversation.client.got, MESSAGE);
    CHECK(step > MESSAGE / PIPE);
}
