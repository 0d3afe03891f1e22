/* SPDX-License-Identifier: MIT */

/* Connections that are read through a source. */
#include "source_rig.h"

#include <string.h>

void reader_prepare(struct reader *self)
{
    weir_tcp_socket_init(&self->socket);
    weir_tcp_source_init(&self->source, &self->socket);
}

void reader_accept(struct fixture *f, struct reader *self)
{
    struct op accept_op;

    self->peer = raw_connect(&f->endpoint);
    op_accept(f, &accept_op, &f->acceptor, &self->socket);
    CHECK_EQ(op_wait(f, &accept_op).error, 0);
}

void reader_open(struct fixture *f, struct reader *self)
{
    reader_prepare(self);
    reader_accept(f, self);
}

void reader_close(struct fixture *f, struct reader *self)
{
    fixture_close(f, &self->socket);
    raw_close(self->peer);
}

/* Pulling. */

static weir_task *start_pull(weir_task *task, struct op *op)
{
    struct reader *self = op->object;

    return weir_buffer_source_pull(task, &self->source.source, self->shown, op->size);
}

void reader_start(struct fixture *f, struct reader *self, size_t max)
{
    CHECK(max <= SHOWN_MAX);
    self->op.object = self;
    self->op.size = max;
    op_start(f, &self->op, start_pull);
}

void reader_wait_for_bytes(struct fixture *f, struct reader *self)
{
    reader_start(f, self, SHOWN_MAX);
    fixture_turn(f);
    CHECK(!self->op.job.done);
}

weir_result reader_finish(struct fixture *f, struct reader *self)
{
    return op_wait(f, &self->op);
}

size_t reader_pull(struct fixture *f, struct reader *self, size_t max)
{
    weir_result r;
    size_t i;

    reader_start(f, self, max);
    r = reader_finish(f, self);
    CHECK_EQ(r.error, 0);
    CHECK(r.count >= 1 && r.count <= max);
    for (i = 0; i < r.count; i++)
        CHECK(self->shown[i].size > 0);
    return r.count;
}

void reader_check_pull_fails(struct fixture *f, struct reader *self, int error)
{
    weir_result r;

    reader_start(f, self, SHOWN_MAX);
    r = reader_finish(f, self);
    CHECK_EQ(r.error, error);
    CHECK_EQ(r.count, 0);
}

/* What is shown. */

void reader_check_shows(const struct reader *self, const char *text)
{
    CHECK_EQ(self->shown[0].size, strlen(text));
    CHECK_EQ(memcmp(self->shown[0].data, text, strlen(text)), 0);
}

void reader_check_text(struct fixture *f, struct reader *self, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        (void)reader_pull(f, self, 1);
        CHECK(self->shown[0].size <= left);
        CHECK_EQ(memcmp(self->shown[0].data, text, self->shown[0].size), 0);
        text += self->shown[0].size;
        left -= self->shown[0].size;
        reader_consume(self, self->shown[0].size);
    }
}

/* Returns how much is shown. */
static size_t check_shown(const struct reader *self, size_t count, size_t from)
{
    size_t size = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        pattern_check(self->shown[i].data, self->shown[i].size, from + size);
        size += self->shown[i].size;
    }
    return size;
}

void reader_check_pattern(struct fixture *f, struct reader *self, size_t size, size_t from)
{
    size_t end = from + size;
    size_t portion = 1;

    while (from < end) {
        size_t count = reader_pull(f, self, 1 + portion % SHOWN_MAX);
        size_t shown = check_shown(self, count, from);

        CHECK(shown <= end - from);
        portion = portion * 7 % 1009;
        if (portion < shown)
            shown = portion;
        reader_consume(self, shown);
        from += shown;
    }
}
