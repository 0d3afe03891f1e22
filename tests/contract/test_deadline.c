/* SPDX-License-Identifier: MIT */

/* Deadlines: what times out, what does not, and what is left as it was. */
#include <string.h>

#include "fixture.h"

static const int64_t SOON_NS = 500 * INT64_C(1000);
static const int64_t NEVER_NS = 3600 * INT64_C(1000000000);

/* A connection whose reader is a script of one test each. */
struct reader {
    weir_task task;
    weir_tcp_socket socket;
    int peer;
    uint8_t data[16];
    weir_deadline outer;
    weir_deadline inner;
    weir_result results[4]; /* Of its awaits, in order. */
    bool outer_passed;
    bool inner_passed;
    struct reader_child *child;
};

struct reading {
    struct fixture f;
    struct reader reader;
};

static void check_result(weir_result r, int error, size_t count)
{
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, count);
}

static void reading_init(struct reading *t, const char *backend, weir_resume_fn *script)
{
    memset(t, 0, sizeof *t);
    fixture_init(&t->f, backend);
    t->reader.peer = fixture_connect_raw(&t->f, &t->reader.socket);
    weir_task_init(&t->reader.task, script);
}

/* Run the script; afterwards the socket is usable. */
static void reading_run(struct reading *t)
{
    uint8_t data[4];
    struct op op;

    (void)fixture_run(&t->f, &t->reader.task);
    raw_send(t->reader.peer, "next", 4);
    op_read(&t->f, &op, &t->reader.socket, data, 4);
    check_result(op_wait(&t->f, &op), 0, 4);
    CHECK_EQ(memcmp(data, "next", 4), 0);
}

static void reading_fini(struct reading *t)
{
    fixture_close(&t->f, &t->reader.socket);
    raw_close(t->reader.peer);
    fixture_fini(&t->f);
}

static weir_task *read_some(weir_task *task, struct reader *self)
{
    return weir_read_some(task, &self->socket.stream.in,
                          weir_buffer_of(self->data, sizeof self->data));
}

/* One deadline. */

static weir_task *one_read_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->outer, SOON_NS);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[0] = r;
    WEIR_AWAIT(task, r, read_some(task, self)); /* Not disarmed yet: times out without I/O. */
    self->results[1] = r;
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    CHECK(!weir_deadline_disarm(task, &self->outer));
    raw_send(self->peer, "abc", 3);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[2] = r;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, a_read_times_out_and_the_socket_is_usable)
{
    struct reading t;

    reading_init(&t, backend, one_read_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_TIMED_OUT, 0);
    check_result(t.reader.results[1], WEIR_TIMED_OUT, 0);
    CHECK(t.reader.outer_passed);
    check_result(t.reader.results[2], 0, 3);
    reading_fini(&t);
}

static weir_task *in_time_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->outer, NEVER_NS);
    raw_send(self->peer, "abc", 3);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[0] = r;
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, a_read_in_time_is_not_touched)
{
    struct reading t;

    reading_init(&t, backend, in_time_resume);
    reading_run(&t);
    check_result(t.reader.results[0], 0, 3);
    CHECK(!t.reader.outer_passed);
    reading_fini(&t);
}

static weir_task *past_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_at(task, &self->outer, 1);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[0] = r;
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, one_in_the_past_passes_at_once)
{
    struct reading t;

    reading_init(&t, backend, past_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_TIMED_OUT, 0);
    CHECK(t.reader.outer_passed);
    reading_fini(&t);
}

static weir_task *whole_read_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    raw_send(self->peer, "abc", 3);
    weir_deadline_arm_after(task, &self->outer, 2 * MILLISECOND_NS);
    WEIR_AWAIT(task, r, weir_read(task, &self->socket.stream.in, weir_buffer_of(self->data, 10)));
    self->results[0] = r;
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, a_whole_read_that_times_out_counts_its_bytes)
{
    struct reading t;

    reading_init(&t, backend, whole_read_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_TIMED_OUT, 3);
    CHECK_EQ(memcmp(t.reader.data, "abc", 3), 0);
    reading_fini(&t);
}

static weir_task *many_awaits_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->outer, SOON_NS);
    WEIR_AWAIT(task, r, weir_sleep_for(task, NEVER_NS));
    self->results[0] = r;
    WEIR_AWAIT(task, r, weir_write(task, &self->socket.stream.out, weir_const_buffer_of("x", 1)));
    self->results[1] = r;
    (void)weir_deadline_disarm(task, &self->outer);
    weir_deadline_arm_after(task, &self->outer, SOON_NS); /* Armed again. */
    WEIR_AWAIT(task, r, weir_tcp_wait(task, &self->socket, WEIR_READING));
    self->results[2] = r;
    (void)weir_deadline_disarm(task, &self->outer);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, every_kind_of_await_times_out)
{
    struct reading t;

    reading_init(&t, backend, many_awaits_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_TIMED_OUT, 0);
    check_result(t.reader.results[1], WEIR_TIMED_OUT, 0);
    check_result(t.reader.results[2], WEIR_TIMED_OUT, 0);
    reading_fini(&t);
}

/* Nested. */

static weir_task *inner_passes_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->outer, NEVER_NS);
    weir_deadline_arm_after(task, &self->inner, SOON_NS);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[0] = r;
    self->inner_passed = weir_deadline_disarm(task, &self->inner);
    raw_send(self->peer, "abc", 3);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[1] = r;
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, an_inner_one_that_passes_does_not_end_the_outer)
{
    struct reading t;

    reading_init(&t, backend, inner_passes_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_TIMED_OUT, 0);
    CHECK(t.reader.inner_passed);
    check_result(t.reader.results[1], 0, 3);
    CHECK(!t.reader.outer_passed);
    reading_fini(&t);
}

static weir_task *outer_passes_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->outer, SOON_NS);
    weir_deadline_arm_after(task, &self->inner, NEVER_NS);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[0] = r;
    self->inner_passed = weir_deadline_disarm(task, &self->inner);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[1] = r;
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, an_outer_one_passes_while_the_inner_is_armed)
{
    struct reading t;

    reading_init(&t, backend, outer_passes_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_TIMED_OUT, 0);
    CHECK(!t.reader.inner_passed);
    check_result(t.reader.results[1], WEIR_TIMED_OUT, 0);
    CHECK(t.reader.outer_passed);
    reading_fini(&t);
}

static weir_task *both_pass_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_at(task, &self->outer, 2);
    weir_deadline_arm_at(task, &self->inner, 1);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[0] = r;
    self->inner_passed = weir_deadline_disarm(task, &self->inner);
    WEIR_AWAIT(task, r, read_some(task, self)); /* Still past the outer one. */
    self->results[1] = r;
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, two_that_pass_together_are_taken_back_one_by_one)
{
    struct reading t;

    reading_init(&t, backend, both_pass_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_TIMED_OUT, 0);
    CHECK(t.reader.inner_passed);
    check_result(t.reader.results[1], WEIR_TIMED_OUT, 0);
    CHECK(t.reader.outer_passed);
    reading_fini(&t);
}

/* In a child. */

struct reader_child {
    weir_task task;
    struct reader *reader;
    weir_deadline deadline;
    int64_t duration_ns;
};

static weir_task *child_resume(weir_task *task)
{
    struct reader_child *self = WEIR_TASK_SELF(task, struct reader_child);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->deadline, self->duration_ns);
    WEIR_AWAIT(task, r, read_some(task, self->reader));
    self->reader->inner_passed = weir_deadline_disarm(task, &self->deadline);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

/* A child with a deadline of so long, in a frame that is freed before the parent goes on. */
static weir_task *call_child(weir_task *task, struct reader *self, int64_t duration_ns)
{
    self->child = weir_frame_new(task, sizeof *self->child, child_resume);
    CHECK(self->child);
    self->child->reader = self;
    self->child->duration_ns = duration_ns;
    memset(&self->child->deadline, 0, sizeof self->child->deadline);
    return weir_call(task, &self->child->task);
}

static weir_task *child_passes_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->outer, NEVER_NS);
    WEIR_AWAIT(task, r, call_child(task, self, SOON_NS));
    self->results[0] = r;
    raw_send(self->peer, "abc", 3);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[1] = r;
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, one_of_a_child_does_not_end_the_parent)
{
    struct reading t;

    reading_init(&t, backend, child_passes_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_TIMED_OUT, 0);
    CHECK(t.reader.inner_passed);
    check_result(t.reader.results[1], 0, 3);
    CHECK(!t.reader.outer_passed);
    reading_fini(&t);
}

static weir_task *parent_passes_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->outer, SOON_NS);
    WEIR_AWAIT(task, r, call_child(task, self, NEVER_NS));
    self->results[0] = r;
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    raw_send(self->peer, "abc", 3);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[1] = r;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, one_of_the_parent_ends_what_the_child_awaits)
{
    struct reading t;

    reading_init(&t, backend, parent_passes_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_TIMED_OUT, 0);
    CHECK(!t.reader.inner_passed);
    CHECK(t.reader.outer_passed);
    check_result(t.reader.results[1], 0, 3);
    reading_fini(&t);
}

/* Shields. */

static weir_task *inside_shield_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_shield_begin(task);
    weir_deadline_arm_after(task, &self->inner, SOON_NS);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[0] = r;
    self->inner_passed = weir_deadline_disarm(task, &self->inner);
    weir_shield_end(task);
    raw_send(self->peer, "abc", 3);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[1] = r;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, one_armed_inside_a_shield_bounds_it)
{
    struct reading t;

    reading_init(&t, backend, inside_shield_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_TIMED_OUT, 0);
    CHECK(t.reader.inner_passed);
    check_result(t.reader.results[1], 0, 3);
    reading_fini(&t);
}

static weir_task *around_shield_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_after(task, &self->outer, SOON_NS);
    weir_shield_begin(task);
    WEIR_AWAIT(task, r, weir_sleep_for(task, 4 * SOON_NS));
    self->results[0] = r;
    weir_shield_end(task);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[1] = r;
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    raw_send(self->peer, "abc", 3);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[2] = r;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, one_around_a_shield_waits_for_its_end)
{
    struct reading t;

    reading_init(&t, backend, around_shield_resume);
    reading_run(&t);
    check_result(t.reader.results[0], 0, 0);
    check_result(t.reader.results[1], WEIR_TIMED_OUT, 0);
    CHECK(t.reader.outer_passed);
    check_result(t.reader.results[2], 0, 3);
    reading_fini(&t);
}

static weir_task *hard_resume(weir_task *task)
{
    struct reader *self = WEIR_TASK_SELF(task, struct reader);
    weir_result r;

    WEIR_BEGIN(task);
    weir_deadline_arm_hard_after(task, &self->outer, SOON_NS);
    weir_shield_begin(task);
    WEIR_AWAIT(task, r, read_some(task, self));
    self->results[0] = r;
    weir_shield_end(task);
    self->outer_passed = weir_deadline_disarm(task, &self->outer);
    WEIR_AWAIT(task, r, read_some(task, self)); /* Not taken back. */
    self->results[1] = r;
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, a_hard_one_breaks_a_shield_and_is_not_taken_back)
{
    struct reading t;

    reading_init(&t, backend, hard_resume);
    reading_run(&t);
    check_result(t.reader.results[0], WEIR_CANCELLED, 0);
    CHECK(t.reader.outer_passed);
    check_result(t.reader.results[1], WEIR_CANCELLED, 0);
    reading_fini(&t);
}

/* With a stop, and against completion. */

WEIR_CONTRACT_TEST(deadline, a_stop_before_it_is_a_cancellation)
{
    struct reading t;
    struct job job;

    reading_init(&t, backend, in_time_resume);
    job_start(&t.f, &job, &t.reader.task);
    weir_root_stop(&job.root, WEIR_STOP_REQUESTED);
    (void)job_wait(&t.f, &job);
    if (t.reader.results[0].error)
        CHECK_EQ(t.reader.results[0].error, WEIR_CANCELLED);
    CHECK(!t.reader.outer_passed);
    reading_fini(&t);
}

/* Reads one byte at a time, each against a deadline that passes at about the time it comes. */
struct racer {
    weir_task task;
    weir_tcp_socket *socket;
    int peer;
    int round;
    int sent;
    int received;
    weir_deadline deadline;
    uint8_t byte;
};

static void racer_send(struct racer *self)
{
    uint8_t byte = (uint8_t)self->sent++;

    raw_send(self->peer, &byte, 1);
}

static weir_task *racer_resume(weir_task *task)
{
    enum { ROUNDS = 1000 };
    struct racer *self = WEIR_TASK_SELF(task, struct racer);
    weir_result r;

    WEIR_BEGIN(task);
    for (self->round = 0; self->round < ROUNDS; self->round++) {
        racer_send(self);
        weir_deadline_arm_after(task, &self->deadline, self->round % 16 * 1000);
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->socket->stream.in, weir_buffer_of(&self->byte, 1)));
        (void)weir_deadline_disarm(task, &self->deadline);
        CHECK(r.error == 0 || r.error == WEIR_TIMED_OUT);
        if (r.count)
            CHECK_EQ(self->byte, (uint8_t)self->received++);
    }
    while (self->received < self->sent) {
        WEIR_AWAIT(task, r,
                   weir_read_some(task, &self->socket->stream.in, weir_buffer_of(&self->byte, 1)));
        CHECK_EQ(r.error, 0);
        CHECK_EQ(self->byte, (uint8_t)self->received++);
    }
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

WEIR_CONTRACT_TEST(deadline, expiry_against_completion)
{
    struct racer racer = {.sent = 0};
    weir_tcp_socket socket;
    struct fixture f;

    fixture_init(&f, backend);
    racer.socket = &socket;
    racer.peer = fixture_connect_raw(&f, &socket);
    weir_task_init(&racer.task, racer_resume);
    check_result(fixture_run(&f, &racer.task), 0, 0);
    fixture_close(&f, &socket);
    raw_close(racer.peer);
    fixture_fini(&f);
}
