/* SPDX-License-Identifier: MIT */
/* One request and its answer, on a connection that is open. */
#include "exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

enum {
    SEQUENTIAL_MAX = 16 * 1024, /* A message that any sockets' buffers hold on their way. */
    HTTP_READ_BYTES = 16 * 1024,
    HTTP_REQUEST_MAX = 256,
};

/* So long without an answer is an error when the time is over. */
static const int64_t SILENCE_NS = INT64_C(1000) * 1000 * 1000;

/* Failures. */

static bool is_told(const weir_lat_exchange *self)
{
    return self->failure->text[0] != '\0';
}

static const char *reason_of(int error)
{
    return error == WEIR_EOF ? "the server closed the connection" : weir_error_text(error);
}

/* The connection is lost, or there was no answer in time. */
static void tell_loss(weir_lat_exchange *self, int error, const char *what, size_t count)
{
    if (is_told(self) || error == WEIR_CANCELLED)
        return;
    if (error == WEIR_TIMED_OUT)
        weir_lat_failure_set(
            self->failure, "connection %u: no answer to message %" PRIu64 " for %.1f s",
            self->connection, self->sequence, (double)(weir_now_ns() - self->sent_ns) / 1e9);
    else
        weir_lat_failure_set(self->failure,
                             "connection %u: %s after %zu bytes of message %" PRIu64 ": %s",
                             self->connection, what, count, self->sequence, reason_of(error));
}

/* A request that was sent just before the time was over tells nothing about the server. */
static int loss_of(const weir_lat_exchange *self, int error)
{
    bool is_young = weir_now_ns() - self->sent_ns < SILENCE_NS;

    return error == WEIR_TIMED_OUT && is_young ? WEIR_CANCELLED : error;
}

static weir_result not_sent(weir_lat_exchange *self, weir_result r)
{
    int error = loss_of(self, r.error);

    tell_loss(self, error, "the sending ended", r.count);
    return weir_result_of(error, 0);
}

static weir_result not_answered(weir_lat_exchange *self, weir_result r)
{
    int error = loss_of(self, r.error);

    tell_loss(self, error, "the answer ended", r.count);
    return weir_result_of(error == WEIR_EOF ? WEIR_TRUNCATED : error, 0);
}

/* The answer is right. */
static weir_result answered(weir_lat_exchange *self, uint64_t answer_bytes)
{
    self->answer_bytes = answer_bytes;
    self->sequence++;
    return weir_result_of(0, 0);
}

/* Echo. */

/* Whatever came is checked, also in front of an error. */
static weir_result checked_echo(weir_lat_exchange *self, weir_result r)
{
    size_t right = weir_lat_message_verify(self->answer, r.count, self->connection, self->sequence);

    if (right < r.count) {
        if (!is_told(self))
            weir_lat_failure_set(self->failure,
                                 "connection %u: wrong byte at offset %zu of message %" PRIu64,
                                 self->connection, right, self->sequence);
        return weir_result_of(-EBADMSG, 0);
    }
    return r.error ? not_answered(self, r) : answered(self, r.count);
}

static weir_const_buffer request_of(const weir_lat_exchange *self)
{
    return weir_const_buffer_of(self->request, self->request_bytes);
}

static weir_read_stream *in_of(weir_lat_exchange *self)
{
    return &self->socket.stream.in;
}

static weir_write_stream *out_of(weir_lat_exchange *self)
{
    return &self->socket.stream.out;
}

static weir_buffer answer_of(weir_lat_exchange *self)
{
    return weir_buffer_of(self->answer, self->answer_capacity);
}

static weir_task *echo_resume(weir_task *task)
{
    weir_lat_exchange *self = WEIR_TASK_SELF(task, weir_lat_exchange);
    weir_result r;

    WEIR_BEGIN(task);
    self->sent_ns = weir_now_ns();
    WEIR_AWAIT(task, r, weir_write(task, out_of(self), request_of(self)));
    if (r.error)
        WEIR_RETURN(task, not_sent(self, r));
    WEIR_AWAIT(task, r, weir_read(task, in_of(self), answer_of(self)));
    self->answered_ns = weir_now_ns();
    WEIR_RETURN(task, checked_echo(self, r));
    WEIR_END(task);
}

/* Echo of a large message. */

static weir_task *writer_resume(weir_task *task)
{
    struct weir_lat_writer *self = WEIR_TASK_SELF(task, struct weir_lat_writer);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_write(task, out_of(self->exchange), request_of(self->exchange)));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static void start_writer(weir_lat_exchange *self)
{
    weir_scope_init(&self->writing, &self->task);
    weir_task_init(&self->writer.task, writer_resume);
    self->writer.exchange = self;
    weir_scope_start_embedded(&self->writing, &self->writer_record, &self->writer.task);
}

/* Both directions have ended. A writer that failed while the whole answer came is no error. */
static weir_result checked_large_echo(weir_lat_exchange *self)
{
    weir_scope_fini(&self->writing);
    return checked_echo(self, self->outcome);
}

static weir_task *large_echo_resume(weir_task *task)
{
    weir_lat_exchange *self = WEIR_TASK_SELF(task, weir_lat_exchange);
    weir_result r;

    WEIR_BEGIN(task);
    self->sent_ns = weir_now_ns();
    start_writer(self);
    WEIR_AWAIT(task, r, weir_read(task, in_of(self), answer_of(self)));
    self->answered_ns = weir_now_ns();
    self->outcome = r;
    if (r.error)
        weir_scope_stop(&self->writing, WEIR_STOP_REQUESTED);
    WEIR_AWAIT(task, r, weir_scope_join(task, &self->writing));
    WEIR_RETURN(task, checked_large_echo(self));
    WEIR_END(task);
}

/* HTTP. */

static bool is_complete(const weir_lat_exchange *self)
{
    return self->http->state == WEIR_LAT_HTTP_DONE || self->http->state == WEIR_LAT_HTTP_FAILED;
}

static void take(weir_lat_exchange *self, size_t count)
{
    self->excess_bytes = count - weir_lat_http_feed(self->http, (const char *)self->answer, count);
}

static weir_result wrong_answer(weir_lat_exchange *self, const char *text)
{
    if (!is_told(self))
        weir_lat_failure_set(self->failure, "connection %u: answer %" PRIu64 ": %s",
                             self->connection, self->sequence, text);
    return weir_result_of(-EBADMSG, 0);
}

static weir_result wrong_count(weir_lat_exchange *self, const char *text, uint64_t count,
                               uint64_t expected)
{
    if (!is_told(self))
        weir_lat_failure_set(
            self->failure, "connection %u: answer %" PRIu64 ": %s %" PRIu64 " instead of %" PRIu64,
            self->connection, self->sequence, text, count, expected);
    return weir_result_of(-EBADMSG, 0);
}

static weir_result checked_http(weir_lat_exchange *self)
{
    const weir_lat_http *http = self->http;

    if (http->error)
        return wrong_answer(self, http->error);
    if (http->status != 200)
        return wrong_count(self, "status", (uint64_t)http->status, 200);
    if (self->excess_bytes > 0)
        return wrong_count(self, "bytes behind its end:", self->excess_bytes, 0);
    if (self->body_bytes == 0)
        self->body_bytes = http->body_bytes;
    if (http->body_bytes != self->body_bytes)
        return wrong_count(self, "bytes of body:", http->body_bytes, self->body_bytes);
    return answered(self, http->body_bytes);
}

static weir_task *http_resume(weir_task *task)
{
    weir_lat_exchange *self = WEIR_TASK_SELF(task, weir_lat_exchange);
    weir_result r;

    WEIR_BEGIN(task);
    self->sent_ns = weir_now_ns();
    WEIR_AWAIT(task, r, weir_write(task, out_of(self), request_of(self)));
    if (r.error)
        WEIR_RETURN(task, not_sent(self, r));
    weir_lat_http_init(self->http);
    while (!is_complete(self)) {
        WEIR_AWAIT(task, r, weir_read_some(task, in_of(self), answer_of(self)));
        if (r.error)
            WEIR_RETURN(task, not_answered(self, weir_result_of(r.error, self->http->body_bytes)));
        take(self, r.count);
    }
    self->answered_ns = weir_now_ns();
    WEIR_RETURN(task, checked_http(self));
    WEIR_END(task);
}

/* Life. */

static bool init_echo(weir_lat_exchange *self, const weir_lat_options *options)
{
    self->resume = options->size_bytes <= SEQUENTIAL_MAX ? echo_resume : large_echo_resume;
    self->request_bytes = options->size_bytes;
    self->answer_capacity = options->size_bytes;
    self->request = malloc(self->request_bytes);
    self->answer = malloc(self->answer_capacity);
    return self->request && self->answer;
}

static bool init_http(weir_lat_exchange *self, const weir_lat_options *options)
{
    self->resume = http_resume;
    self->body_bytes = options->size_bytes;
    self->answer_capacity = HTTP_READ_BYTES;
    self->request = malloc(HTTP_REQUEST_MAX);
    self->answer = malloc(self->answer_capacity);
    self->http = malloc(sizeof *self->http);
    if (!self->request || !self->answer || !self->http)
        return false;
    self->request_bytes =
        weir_lat_http_request((char *)self->request, HTTP_REQUEST_MAX, options->target);
    WEIR_ASSERT(self->request_bytes > 0, "a request is longer than its target by a few words");
    return true;
}

bool weir_lat_exchange_init(weir_lat_exchange *exchange, const weir_lat_options *options,
                            unsigned connection, weir_lat_failure *failure)
{
    bool is_ready;

    memset(exchange, 0, sizeof *exchange);
    weir_tcp_socket_init(&exchange->socket);
    exchange->connection = connection;
    exchange->failure = failure;
    is_ready = options->protocol == WEIR_LAT_HTTP ? init_http(exchange, options)
                                                  : init_echo(exchange, options);
    if (!is_ready)
        weir_lat_exchange_fini(exchange);
    return is_ready;
}

void weir_lat_exchange_fini(weir_lat_exchange *exchange)
{
    free(exchange->request);
    free(exchange->answer);
    free(exchange->http);
}

void weir_lat_exchange_prepare(weir_lat_exchange *exchange)
{
    if (!exchange->http)
        weir_lat_message_fill(exchange->request, exchange->request_bytes, exchange->connection,
                              exchange->sequence);
}

weir_task *weir_lat_exchange_call(weir_task *task, weir_lat_exchange *exchange)
{
    weir_task_init(&exchange->task, exchange->resume);
    return weir_call(task, &exchange->task);
}
