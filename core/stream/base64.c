/* SPDX-License-Identifier: MIT */
/*
 * Base64. Coding is synchronous and knows of no task; the coroutines only wait for the other
 * stream. They live in the filters, and run when an operation cannot be answered from what is held.
 */
#include <weir/base64.h>

#include <errno.h>

#include "record.h"

enum {
    GROUP_BYTES = 3,      /* They are coded as */
    GROUP_CHARACTERS = 4, /* so many, of 6 bits each. */
    NO_DIGIT = -1,
};

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Decoding. */

static int digit_of(unsigned char character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    if (character == '+')
        return 62;
    return character == '/' ? 63 : NO_DIGIT;
}

/* The next six bits of a group; those of padding are zero. Nothing follows padding but padding. */
static int sextet_of(weir_base64_decoder *self, unsigned char character)
{
    if (character == '=' && self->characters >= 2) {
        self->padding++;
        return 0;
    }
    return self->padding > 0 ? NO_DIGIT : digit_of(character);
}

/* Store the bytes of a complete group. Returns how many; 0: what padding leaves
 * over is not zero. */
static size_t close_group(weir_base64_decoder *self, unsigned char *to)
{
    uint32_t left_over = (UINT32_C(1) << 8 * self->padding) - 1;

    if (self->bits & left_over)
        return 0;
    to[0] = (unsigned char)(self->bits >> 16);
    if (self->padding < 2)
        to[1] = (unsigned char)(self->bits >> 8);
    if (self->padding < 1)
        to[2] = (unsigned char)self->bits;
    self->characters = 0;
    self->bits = 0;
    return (size_t)GROUP_BYTES - self->padding;
}

/* Where next is read to: behind the characters of a group that is on its way, whose bytes will be
 * as many at most. So bytes never overtake the characters that they are decoded from. */
static weir_buffer room(weir_base64_decoder *self)
{
    return weir_buffer_of(self->memory + GROUP_BYTES, sizeof self->memory - GROUP_BYTES);
}

/* Decode what has come, in place, up to what is wrong. */
static void decode(weir_base64_decoder *self, size_t size)
{
    const unsigned char *from = room(self).data;
    unsigned char *to = self->memory;
    size_t closed;
    int sextet;

    for (; size > 0 && !self->error; from++, size--) {
        sextet = sextet_of(self, *from);
        if (sextet == NO_DIGIT) {
            self->error = -EBADMSG;
            break;
        }
        self->bits = self->bits << 6 | (uint32_t)sextet;
        if (++self->characters < GROUP_CHARACTERS)
            continue;
        closed = close_group(self, to);
        to += closed;
        self->error = closed > 0 ? 0 : -EBADMSG;
    }
    self->ready = weir_const_buffer_of(self->memory, (size_t)(to - self->memory));
}

/* What a read can be given at once: bytes, or an error; neither: next has to be asked. */
static weir_result answer(weir_base64_decoder *self, weir_buffer buffer)
{
    size_t size;

    if (self->ready.size == 0)
        return weir_result_of(self->error, 0);
    size = weir_buffers_copy(&buffer, 1, &self->ready, 1, SIZE_MAX);
    self->ready = weir_const_buffer_after(self->ready, size);
    return weir_result_of(0, size);
}

/* The same with what next has given. Its error waits while there are bytes; it comes again. */
static weir_result receive(weir_base64_decoder *self, weir_result r)
{
    weir_result answered;

    decode(self, r.count);
    answered = answer(self, self->buffer);
    if (answered.error || answered.count > 0)
        return answered;
    if (r.error == WEIR_EOF && self->characters > 0)
        return weir_result_of(WEIR_TRUNCATED, 0);
    return weir_result_of(r.error, 0);
}

static weir_task *read_resume(weir_task *task)
{
    weir_base64_decoder *self = WEIR_CONTAINER_OF(task, weir_base64_decoder, task);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        WEIR_AWAIT(task, r, weir_read_some(task, self->next, room(self)));
        r = receive(self, r);
    } while (!r.error && r.count == 0);
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *decoder_read_some(weir_task *task, weir_read_stream *in, weir_buffer buffer)
{
    weir_base64_decoder *self = WEIR_CONTAINER_OF(in, weir_base64_decoder, in);
    weir_result r = weir_result_of(weir_task_stop_error(task), 0);

    if (!r.error)
        r = answer(self, buffer);
    if (r.error || r.count > 0)
        return weir_task_complete(task, r.error, r.count);
    weir_stream_claim(&self->task, read_resume);
    self->buffer = buffer;
    return weir_call(task, &self->task);
}

static const struct weir_read_stream_ops decoder_ops = {
    .name = "base64",
    .read_some = decoder_read_some,
    .read_some_v = weir_stream_read_first,
    .read = weir_stream_read_composed,
};

void weir_base64_decoder_init(weir_base64_decoder *decoder, weir_read_stream *next)
{
    weir_read_stream_init(&decoder->in, &decoder_ops);
    decoder->next = next;
    weir_task_init(&decoder->task, NULL);
    decoder->ready = weir_const_buffer_of(NULL, 0);
    decoder->error = 0;
    decoder->bits = 0;
    decoder->characters = 0;
    decoder->padding = 0;
}

/* Encoding. */

/* Put the group down, with padding for the bytes that it does not have. */
static void put_group(weir_base64_encoder *self)
{
    uint32_t bits = self->bits << 8 * (GROUP_BYTES - self->bytes);
    char *to = self->text + self->size;
    int i;

    for (i = 0; i < GROUP_CHARACTERS; i++)
        to[i] = i <= self->bytes ? DIGITS[bits >> (18 - 6 * i) & 63] : '=';
    self->size += GROUP_CHARACTERS;
    self->bits = 0;
    self->bytes = 0;
}

/* Take bytes while there is room for the characters of a whole group. Returns how many. */
static size_t encode(weir_base64_encoder *self, weir_const_buffer buffer)
{
    const unsigned char *from = buffer.data;
    size_t taken = 0;

    while (taken < buffer.size && self->size < WEIR_BASE64_TEXT_MAX) {
        self->bits = self->bits << 8 | from[taken++];
        if (++self->bytes == GROUP_BYTES)
            put_group(self);
    }
    return taken;
}

static weir_const_buffer held(const weir_base64_encoder *self)
{
    return weir_const_buffer_of(self->text + self->passed, self->size - self->passed);
}

/* Only when all has gone there is room again: until then each write finds out how next is. */
static void pass(weir_base64_encoder *self, size_t size)
{
    self->passed += size;
    if (self->passed < self->size)
        return;
    self->passed = 0;
    self->size = 0;
}

static weir_task *write_resume(weir_task *task)
{
    weir_base64_encoder *self = WEIR_CONTAINER_OF(task, weir_base64_encoder, task);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_write(task, self->next, held(self)));
    pass(self, r.count);
    if (r.error)
        WEIR_RETURN(task, weir_result_of(r.error, 0));
    WEIR_RETURN(task, weir_result_of(0, encode(self, self->buffer)));
    WEIR_END(task);
}

static weir_task *finish_resume(weir_task *task)
{
    weir_base64_encoder *self = WEIR_CONTAINER_OF(task, weir_base64_encoder, task);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_write(task, self->next, held(self)));
    pass(self, r.count);
    if (r.error)
        WEIR_RETURN(task, weir_result_of(r.error, 0));
    WEIR_AWAIT(task, r, self->next->ops->finish(task, self->next));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

static weir_task *encoder_write_some(weir_task *task, weir_write_stream *out,
                                     weir_const_buffer buffer)
{
    weir_base64_encoder *self = WEIR_CONTAINER_OF(out, weir_base64_encoder, out);
    int error = weir_task_stop_error(task);
    size_t taken;

    WEIR_ASSERT(!self->is_ending, "nothing is written when the end of writing has begun");

    if (error)
        return weir_task_complete(task, error, 0);
    taken = encode(self, buffer);
    if (taken > 0)
        return weir_task_complete(task, 0, taken);
    weir_stream_claim(&self->task, write_resume);
    self->buffer = buffer;
    return weir_call(task, &self->task);
}

static weir_task *encoder_finish(weir_task *task, weir_write_stream *out)
{
    weir_base64_encoder *self = WEIR_CONTAINER_OF(out, weir_base64_encoder, out);
    int error = weir_task_stop_error(task);

    if (error)
        return weir_task_complete(task, error, 0);
    weir_stream_claim(&self->task, finish_resume);
    self->is_ending = true;
    if (self->bytes > 0)
        put_group(self);
    return weir_call(task, &self->task);
}

weir_task *weir_base64_encoder_flush(weir_task *task, weir_base64_encoder *encoder)
{
    int error = weir_task_stop_error(task);

    if (error || encoder->size == 0)
        return weir_task_complete(task, error, 0);
    weir_stream_claim(&encoder->task, write_resume);
    encoder->buffer = weir_const_buffer_of(NULL, 0);
    return weir_call(task, &encoder->task);
}

static const struct weir_write_stream_ops encoder_ops = {
    .name = "base64",
    .write_some = encoder_write_some,
    .write_some_v = weir_stream_write_first,
    .write = weir_stream_write_composed,
    .finish = encoder_finish,
};

void weir_base64_encoder_init(weir_base64_encoder *encoder, weir_write_stream *next)
{
    weir_write_stream_init(&encoder->out, &encoder_ops);
    encoder->next = next;
    weir_task_init(&encoder->task, NULL);
    encoder->passed = 0;
    encoder->size = 0;
    encoder->bits = 0;
    encoder->bytes = 0;
    encoder->is_ending = false;
}
