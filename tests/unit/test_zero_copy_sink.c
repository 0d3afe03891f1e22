/* SPDX-License-Identifier: MIT */
/* Sinks: sending from the loop's own memory without a copy. */
#include <errno.h>

#include "zero_copy_rig.h"

static uint8_t *prepare(weir_tcp_sink *sink)
{
    weir_buffer buffer;

    CHECK_EQ(weir_buffer_sink_prepare(&sink->sink, &buffer, 1), 1);
    return buffer.data;
}

static void commit(struct rig *t, struct job *job, weir_tcp_sink *sink, size_t size)
{
    job->sink = sink;
    start(t, job, commit_it, size);
}

/* A commit that is being sent. Returns the memory. */
static uint8_t *rig_init_committing(struct rig *t, weir_tcp_sink *sink, size_t size)
{
    uint8_t *prepared;

    rig_init(t, 0, 0);
    weir_tcp_sink_init(sink, &t->socket);
    prepared = prepare(sink);
    commit(t, &t->job, sink, size);
    return prepared;
}

WEIR_TEST(zero_copy_sink, a_commit_completes_with_the_result_and_the_memory_comes_back_later)
{
    weir_tcp_sink sink;
    uint8_t *first;
    struct rig t;

    first = rig_init_committing(&t, &sink, CHUNK);
    check_in_flight(&t, 0, FAKE_SEND_ZERO_COPY, CHUNK);
    CHECK(in_flight(&t, 0).data == first);
    complete(&t, 0, CHUNK, MORE);
    check_done(&t.job, 0, CHUNK);
    CHECK(prepare(&sink) != first);
    weir_tcp_sink_fini(&sink);
    complete(&t, 0, 0, 0);
    CHECK(prepare(&sink) == first); /* Last used, first. */
    weir_tcp_sink_fini(&sink);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_sink, a_small_commit_is_a_plain_send_of_the_same_memory)
{
    weir_tcp_sink sink;
    uint8_t *first;
    struct rig t;

    first = rig_init_committing(&t, &sink, CHUNK / 2 - 1);
    check_in_flight(&t, 0, FAKE_SEND, CHUNK / 2 - 1);
    CHECK(in_flight(&t, 0).data == first);
    complete(&t, 0, CHUNK / 2 - 1, 0);
    check_done(&t.job, 0, CHUNK / 2 - 1);
    weir_tcp_sink_fini(&sink);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_sink, memory_that_cannot_be_registered_is_used_all_the_same)
{
    weir_tcp_sink sink;
    struct rig t;

    rig_init(&t, 0, -ENOMEM);
    weir_tcp_sink_init(&sink, &t.socket);
    (void)prepare(&sink);
    commit(&t, &t.job, &sink, CHUNK - 1); /* Worth less then. */
    check_in_flight(&t, 0, FAKE_SEND, CHUNK - 1);
    complete(&t, 0, CHUNK - 1, 0);
    (void)prepare(&sink);
    commit(&t, &t.job, &sink, CHUNK);
    check_in_flight(&t, 0, FAKE_SEND_ZERO_COPY, CHUNK); /* The fake checks: not as registered. */
    complete(&t, 0, CHUNK, 0);
    check_done(&t.job, 0, CHUNK);
    weir_tcp_sink_fini(&sink);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_sink, a_refused_commit_is_sent_as_a_copy_while_the_memory_is_still_lent)
{
    weir_tcp_sink sink;
    weir_buffer buffer;
    struct rig t;

    (void)rig_init_committing(&t, &sink, CHUNK);
    complete(&t, 0, -ENOMEM, MORE);
    check_in_flight(&t, 1, FAKE_SEND, CHUNK);
    complete(&t, 1, CHUNK, 0);
    check_done(&t.job, 0, CHUNK);
    (void)prepare(&sink); /* The other of two. */
    commit(&t, &t.job, &sink, 1);
    complete(&t, 1, 1, 0);
    complete(&t, 0, WEIR_SEND_COPIED, 0);
    CHECK_EQ(weir_loop_statistics_get(t.loop).zero_copy_copied, 0);
    CHECK_EQ(weir_buffer_sink_prepare(&sink.sink, &buffer, 1), 1);
    weir_tcp_sink_fini(&sink);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_sink, half_of_the_memory_is_not_lent)
{
    weir_tcp_sink sink;
    struct rig t;

    (void)rig_init_committing(&t, &sink, CHUNK);
    complete(&t, 0, CHUNK, MORE);
    (void)prepare(&sink);
    commit(&t, &t.job, &sink, CHUNK);
    check_in_flight(&t, 1, FAKE_SEND, CHUNK);
    CHECK_EQ(statistics_of(&t).zero_copy_capped, 1);
    complete(&t, 1, CHUNK, 0);
    check_done(&t.job, 0, CHUNK);
    complete(&t, 0, 0, 0);
    weir_tcp_sink_fini(&sink);
    rig_fini(&t);
}

WEIR_TEST(zero_copy_sink, socket_and_sink_may_go_before_the_notification)
{
    weir_tcp_sink sink;
    struct job closing;
    struct rig t;

    (void)rig_init_committing(&t, &sink, CHUNK);
    complete(&t, 0, CHUNK, MORE);
    weir_tcp_sink_fini(&sink);
    closing.socket = &t.socket;
    start(&t, &closing, close_it, 0);
    CHECK_EQ(in_flight(&t, 1).kind, FAKE_CLOSE);
    CHECK_EQ(close((int)t.socket.handle.native), 0);
    complete(&t, 1, 0, 0);
    check_done(&closing, 0, 0);
    complete(&t, 0, 0, 0);
    CHECK_EQ(close(t.peer), 0);
    weir_loop_free(t.loop);
}

WEIR_TEST(zero_copy_sink, a_cancelled_send_leaves_the_rest_for_the_next_commit)
{
    weir_tcp_sink sink;
    uint8_t *first;
    struct rig t;

    first = rig_init_committing(&t, &sink, CHUNK);
    fake_backend_hold_cancelled(t.fake, true);
    weir_tcp_cancel(&t.socket);
    CHECK(in_flight(&t, 0).is_cancelled);
    complete(&t, 0, -ECANCELED, MORE);
    check_done(&t.job, WEIR_CANCELLED, CHUNK);
    commit(&t, &t.job, &sink, 0);
    check_in_flight(&t, 1, FAKE_SEND, CHUNK); /* Its record is still in use. */
    CHECK(in_flight(&t, 1).data == first);
    complete(&t, 1, CHUNK, 0);
    check_done(&t.job, 0, 0);
    complete(&t, 0, 0, 0);
    weir_tcp_sink_fini(&sink);
    rig_fini(&t);
}
