/* SPDX-License-Identifier: MIT */
/* Compression: round trips, damage at every byte, stops and failures at every step. */
#include <errno.h>

#include <weir/zlib.h>

#include "filter.h"

enum { SIZE = 1 << 20, ROOM = SIZE + SIZE / 8, SMALL = 3000, LARGE = 1 << 17, WINDOW = 512 };

static unsigned char plain[SIZE], packed[ROOM], again[ROOM];

static void fill(size_t size)
{
    uint32_t seed = 1;
    size_t i;

    for (i = 0; i < size; i++) {
        seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
        plain[i] = (unsigned char)(i / 1000 % 3 == 0 ? seed >> 24 : (seed >> 30) + 97);
    }
}

static weir_result pack(enum weir_zlib_format format, int level, size_t size, weir_script script,
                        size_t window_size, size_t *ret_size)
{
    unsigned char window[WINDOW];
    weir_script_stream next;
    weir_deflate deflate;
    struct writing writing;
    weir_result r;

    script.capture = weir_buffer_of(packed, sizeof packed);
    weir_script_stream_init(&next, NULL, &script);
    CHECK_EQ(weir_deflate_init(&deflate, &next.stream.out, format, level,
                               weir_buffer_of(window, window_size), NULL),
             0);
    writing = writing_of(&deflate.out, plain, size, 0);
    r = weir_test_run(&writing.task);
    *ret_size = weir_script_position(&next.out);
    weir_deflate_fini(&deflate);
    weir_script_stream_fini(&next);
    return r;
}

static weir_result unpack(enum weir_zlib_format format, size_t size, weir_script script,
                          size_t *ret_ahead)
{
    unsigned char window[WINDOW];
    weir_script_stream next;
    weir_inflate inflate;
    struct reading reading;
    weir_result r;

    script.bytes = weir_const_buffer_of(packed, size);
    weir_script_stream_init(&next, &script, NULL);
    CHECK_EQ(weir_inflate_init(&inflate, &next.stream.in, format,
                               weir_buffer_of(window, sizeof window), NULL),
             0);
    reading = reading_of(&inflate.in, again, sizeof again, 0);
    r = weir_test_run(&reading.task);
    CHECK_EQ(run_again(&reading.task).error, r.error);
    CHECK_EQ(reading.size, r.count);
    *ret_ahead = weir_inflate_ahead(&inflate).size;
    weir_inflate_fini(&inflate);
    weir_script_stream_excuse(&next);
    weir_script_stream_fini(&next);
    return r;
}

static const weir_script at_once = {.chunk_max = 0};

WEIR_TEST(zlib, a_round_trip_of_a_mebibyte_gives_it_back_in_each_format)
{
    weir_script posted = {.chunk_max = 700, .pace = WEIR_SCRIPT_POSTED};
    size_t size, ahead;
    int format, level;

    fill(SIZE);
    for (format = WEIR_ZLIB_RAW; format <= WEIR_ZLIB_GZIP; format++)
        for (level = WEIR_DEFLATE_LEVEL_DEFAULT; level <= 1; level++) {
            CHECK_RESULT(pack((enum weir_zlib_format)format, level, SIZE, posted, WINDOW, &size), 0,
                         0);
            CHECK_RESULT(unpack((enum weir_zlib_format)format, size, posted, &ahead), WEIR_EOF,
                         SIZE);
            CHECK(!memcmp(again, plain, SIZE));
            CHECK_EQ(ahead, 0);
        }
}

WEIR_TEST(zlib, the_smallest_window_and_single_bytes_will_do)
{
    weir_script single = {.chunk_max = 1};
    size_t size, ahead;
    int level;

    fill(SMALL);
    for (level = -1; level <= 9; level++) {
        CHECK_RESULT(pack(WEIR_ZLIB_ZLIB, level, SMALL, single, WEIR_DEFLATE_WINDOW_MIN, &size), 0,
                     0);
        CHECK_RESULT(unpack(WEIR_ZLIB_ZLIB, size, single, &ahead), WEIR_EOF, SMALL);
        CHECK(!memcmp(again, plain, SMALL));
    }
    CHECK_RESULT(pack(WEIR_ZLIB_GZIP, 9, 0, single, WEIR_DEFLATE_WINDOW_MIN, &size), 0, 0);
    CHECK_RESULT(unpack(WEIR_ZLIB_GZIP, size, single, &ahead), WEIR_EOF, 0);
}

WEIR_TEST(zlib, what_follows_the_compressed_stream_is_left_and_known)
{
    size_t size, ahead;

    fill(SMALL);
    CHECK_RESULT(pack(WEIR_ZLIB_GZIP, 9, 100, at_once, WINDOW, &size), 0, 0);
    memset(packed + size, '!', 7);
    CHECK_RESULT(unpack(WEIR_ZLIB_GZIP, size + 7, at_once, &ahead), WEIR_EOF, 100);
    CHECK_EQ(ahead, 7);
}

WEIR_TEST(zlib, cut_short_at_any_byte_it_is_truncated)
{
    size_t size, ahead, cut;
    int format;

    fill(SMALL);
    for (format = WEIR_ZLIB_RAW; format <= WEIR_ZLIB_GZIP; format++) {
        CHECK_RESULT(pack((enum weir_zlib_format)format, 6, 300, at_once, WINDOW, &size), 0, 0);
        for (cut = 0; cut < size; cut++) {
            weir_result r = unpack((enum weir_zlib_format)format, cut, at_once, &ahead);

            CHECK_EQ(r.error, WEIR_TRUNCATED);
            CHECK(!memcmp(again, plain, r.count));
        }
    }
}

WEIR_TEST(zlib, damaged_at_any_bit_it_is_refused_or_gives_the_same_bytes)
{
    size_t size, ahead, i;
    int bit;

    fill(SMALL);
    CHECK_RESULT(pack(WEIR_ZLIB_ZLIB, 6, 300, at_once, WINDOW, &size), 0, 0);
    for (i = 0; i < size; i++)
        for (bit = 1; bit < 256; bit <<= 1) {
            weir_result r;

            packed[i] = (unsigned char)(packed[i] ^ bit);
            r = unpack(WEIR_ZLIB_ZLIB, size, at_once, &ahead);
            if (r.error == WEIR_EOF) /* A bit that only fills a byte up. */
                CHECK_SAME(again, r.count, plain, 300);
            else
                CHECK(r.error == -EBADMSG || r.error == WEIR_TRUNCATED);
            packed[i] = (unsigned char)(packed[i] ^ bit);
        }
}

WEIR_TEST(zlib, stopped_at_any_step_no_byte_is_lost)
{
    weir_script script = {.chunk_max = 100, .pace = WEIR_SCRIPT_POSTED};
    bool is_stopped;
    size_t step = 0;

    fill(SMALL);
    do {
        unsigned char out_window[64], in_window[64];
        weir_script_stream out, in;
        weir_deflate deflate;
        weir_inflate inflate;
        struct writing writing;
        struct reading reading;
        weir_result r;

        script.stops_late = step % 2;
        script.capture = weir_buffer_of(packed, sizeof packed);
        weir_script_stream_init(&out, NULL, &script);
        CHECK_EQ(weir_deflate_init(&deflate, &out.stream.out, WEIR_ZLIB_RAW, 1,
                                   weir_buffer_of(out_window, 64), NULL),
                 0);
        writing = writing_of(&deflate.out, plain, SMALL, 0);
        is_stopped = run_stopped_and_again(&writing.task, step, &r);
        CHECK_EQ(r.error, 0);
        CHECK(weir_script_is_ended(&out.out));

        script.capture = weir_buffer_of(NULL, 0);
        script.bytes = weir_const_buffer_of(packed, weir_script_position(&out.out));
        weir_script_stream_init(&in, &script, NULL);
        script.bytes = weir_const_buffer_of(NULL, 0);
        CHECK_EQ(weir_inflate_init(&inflate, &in.stream.in, WEIR_ZLIB_RAW,
                                   weir_buffer_of(in_window, 64), NULL),
                 0);
        reading = reading_of(&inflate.in, again, sizeof again, 0);
        (void)run_stopped_and_again(&reading.task, step++, &r);
        CHECK_RESULT(r, WEIR_EOF, SMALL);
        CHECK(!memcmp(again, plain, SMALL));
        weir_deflate_fini(&deflate);
        weir_inflate_fini(&inflate);
        weir_script_stream_fini(&out);
        weir_script_stream_fini(&in);
    } while (is_stopped);
    CHECK(step > 10);
}

WEIR_TEST(zlib, an_error_of_next_at_any_point_is_reported)
{
    size_t size, ahead;
    weir_fuse fuse;
    weir_script script = {.chunk_max = 50, .fuse = &fuse};

    fill(SMALL);
    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse)) {
        weir_result r = pack(WEIR_ZLIB_GZIP, 6, SMALL, script, 64, &size);

        CHECK_EQ(r.error, weir_fuse_is_blown(&fuse) ? -EIO : 0);
    }
    CHECK(weir_fuse_points(&fuse) > 10);
    weir_fuse_init(&fuse, -EIO);
    while (weir_fuse_next(&fuse)) {
        weir_result r = unpack(WEIR_ZLIB_GZIP, size, script, &ahead);

        CHECK_EQ(r.error, weir_fuse_is_blown(&fuse) ? -EIO : WEIR_EOF);
        CHECK(!memcmp(again, plain, r.count));
    }
}

WEIR_TEST(zlib, memory_is_asked_for_at_init_only_and_all_of_it_comes_back)
{
    unsigned char window[WINDOW];
    weir_fuse fuse;
    weir_fuse_memory fused;
    weir_counting_memory memory;
    weir_script_stream next;
    weir_inflate inflate;
    struct reading reading;
    size_t size, total;
    int error;

    fill(SMALL);
    CHECK_RESULT(pack(WEIR_ZLIB_GZIP, 6, SMALL, at_once, WINDOW, &size), 0, 0);
    weir_fuse_init(&fuse, -ENOMEM);
    while (weir_fuse_next(&fuse)) {
        weir_script script = {.bytes = weir_const_buffer_of(packed, size)};

        weir_fuse_memory_init(&fused, &fuse, NULL);
        weir_counting_memory_init(&memory, &fused.memory);
        weir_script_stream_init(&next, &script, NULL);
        error = weir_inflate_init(&inflate, &next.stream.in, WEIR_ZLIB_GZIP,
                                  weir_buffer_of(window, sizeof window), &memory.memory);
        CHECK_EQ(error, weir_fuse_is_blown(&fuse) ? -ENOMEM : 0);
        if (!error) {
            total = memory.total_count;
            reading = reading_of(&inflate.in, again, sizeof again, 100);
            CHECK_RESULT(run_at_once(&reading.task), WEIR_EOF, SMALL);
            CHECK_EQ(memory.total_count, total);
            weir_inflate_fini(&inflate);
        }
        weir_script_stream_excuse(&next);
        weir_script_stream_fini(&next);
        weir_counting_memory_fini(&memory);
    }
    CHECK(weir_fuse_points(&fuse) >= 3);
}

WEIR_TEST(zlib, a_writer_asks_for_memory_at_init_only_and_all_of_it_comes_back)
{
    unsigned char window[WINDOW];
    weir_fuse fuse;
    weir_fuse_memory fused;
    weir_counting_memory memory;
    weir_script_stream next;
    weir_deflate deflate;
    struct writing writing;
    size_t total;
    int error;

    fill(SMALL);
    weir_fuse_init(&fuse, -ENOMEM);
    while (weir_fuse_next(&fuse)) {
        weir_script script = {.capture = weir_buffer_of(packed, sizeof packed)};

        weir_fuse_memory_init(&fused, &fuse, NULL);
        weir_counting_memory_init(&memory, &fused.memory);
        weir_script_stream_init(&next, NULL, &script);
        error = weir_deflate_init(&deflate, &next.stream.out, WEIR_ZLIB_GZIP, 6,
                                  weir_buffer_of(window, sizeof window), &memory.memory);
        CHECK_EQ(error, weir_fuse_is_blown(&fuse) ? -ENOMEM : 0);
        if (!error) {
            total = memory.total_count;
            writing = writing_of(&deflate.out, plain, SMALL, 100);
            CHECK_RESULT(run_at_once(&writing.task), 0, 0);
            CHECK_EQ(memory.total_count, total);
            weir_deflate_fini(&deflate);
        }
        weir_script_stream_fini(&next);
        weir_counting_memory_fini(&memory);
    }
    CHECK(weir_fuse_points(&fuse) >= 3);
}

/* Over streams that are always ready. */

static void write_at_once(int level, size_t window_size)
{
    weir_script script = {.capture = weir_buffer_of(packed, sizeof packed), .chunk_max = 11};
    unsigned char window[WINDOW];
    weir_script_stream next;
    weir_deflate deflate;
    struct writing writing;

    weir_script_stream_init(&next, NULL, &script);
    CHECK_EQ(weir_deflate_init(&deflate, &next.stream.out, WEIR_ZLIB_ZLIB, level,
                               weir_buffer_of(window, window_size), NULL),
             0);
    writing = writing_of(&deflate.out, plain, LARGE, 0);
    CHECK_RESULT(run_at_once(&writing.task), 0, 0);
    weir_deflate_fini(&deflate);
    weir_script_stream_fini(&next);
}

WEIR_TEST(zlib, over_a_stream_that_is_always_ready_a_writer_never_suspends)
{
    fill(LARGE);
    for (int level = WEIR_DEFLATE_LEVEL_DEFAULT; level <= 9; level++) {
        write_at_once(level, WEIR_DEFLATE_WINDOW_MIN);
        write_at_once(level, WINDOW);
    }
}

WEIR_TEST(zlib, over_a_stream_that_is_always_ready_a_reader_never_suspends)
{
    size_t size, window_size;

    fill(SMALL);
    CHECK_RESULT(pack(WEIR_ZLIB_ZLIB, 6, SMALL, at_once, WINDOW, &size), 0, 0);
    for (window_size = 1; window_size <= WINDOW; window_size *= 8) {
        weir_script script = {.bytes = weir_const_buffer_of(packed, size), .chunk_max = 11};
        unsigned char window[WINDOW];
        weir_script_stream next;
        weir_inflate inflate;
        struct reading reading;

        weir_script_stream_init(&next, &script, NULL);
        CHECK_EQ(weir_inflate_init(&inflate, &next.stream.in, WEIR_ZLIB_ZLIB,
                                   weir_buffer_of(window, window_size), NULL),
                 0);
        reading = reading_of(&inflate.in, again, sizeof again, 0);
        CHECK_RESULT(run_at_once(&reading.task), WEIR_EOF, SMALL);
        weir_inflate_fini(&inflate);
        weir_script_stream_fini(&next);
    }
}

/* Members. */

static unsigned char members[ROOM];

/* Compress the beginning of the plain bytes and append it. */
static void append_member(size_t *size, size_t plain_size)
{
    size_t packed_size;

    CHECK_RESULT(pack(WEIR_ZLIB_GZIP, 6, plain_size, at_once, WINDOW, &packed_size), 0, 0);
    memcpy(members + *size, packed, packed_size);
    *size += packed_size;
}

static void read_member(weir_inflate *inflate, int error, size_t plain_size)
{
    struct reading reading = reading_of(&inflate->in, again, sizeof again, 0);

    memset(again, 0, plain_size);
    CHECK_RESULT(weir_test_run(&reading.task), error, plain_size);
    CHECK(!memcmp(again, plain, plain_size));
}

WEIR_TEST(zlib, a_restart_goes_on_with_the_next_member_however_much_was_read_ahead)
{
    static const size_t sizes[] = {100, 0, SMALL, 1};
    static const size_t chunks[] = {1, 7, WINDOW};
    size_t size = 0, i, j;

    fill(SMALL);
    for (i = 0; i < 4; i++)
        append_member(&size, sizes[i]);
    for (i = 0; i < 3; i++) {
        weir_script script = {.bytes = weir_const_buffer_of(members, size),
                              .chunk_max = chunks[i],
                              .pace = WEIR_SCRIPT_POSTED};
        unsigned char window[WINDOW];
        weir_script_stream next;
        weir_inflate inflate;

        weir_script_stream_init(&next, &script, NULL);
        CHECK_EQ(weir_inflate_init(&inflate, &next.stream.in, WEIR_ZLIB_GZIP,
                                   weir_buffer_of(window, sizeof window), NULL),
                 0);
        for (j = 0; j < 4; j++) {
            read_member(&inflate, WEIR_EOF, sizes[j]);
            weir_inflate_restart(&inflate);
        }
        read_member(&inflate, WEIR_TRUNCATED, 0); /* There is no fifth. */
        weir_inflate_fini(&inflate);
        weir_script_stream_fini(&next);
    }
}

WEIR_ABORT_TEST(zlib_misuse, a_restart_while_a_read_is_in_flight)
{
    weir_script held = {.pace = WEIR_SCRIPT_HELD};
    unsigned char window[WINDOW];
    weir_script_stream next;
    weir_inflate inflate;
    struct reading reading;
    weir_manual manual;
    weir_root root;

    weir_script_stream_init(&next, &held, NULL);
    CHECK_EQ(weir_inflate_init(&inflate, &next.stream.in, WEIR_ZLIB_GZIP,
                               weir_buffer_of(window, sizeof window), NULL),
             0);
    reading = reading_of(&inflate.in, again, sizeof again, 0);
    weir_manual_init(&manual, NULL);
    weir_run_async(weir_manual_executor(&manual), &root, &reading.task, NULL, NULL);
    (void)weir_manual_poll(&manual);
    CHECK(weir_script_is_waiting(&next.in));
    weir_inflate_restart(&inflate);
}

/* Flushing. */

struct flushing {
    weir_task task;
    weir_deflate *deflate;
};

static weir_task *flushing_resume(weir_task *task)
{
    struct flushing *self = WEIR_TASK_SELF(task, struct flushing);
    weir_result r;

    WEIR_BEGIN(task);
    WEIR_AWAIT(task, r, weir_deflate_flush(task, self->deflate));
    WEIR_RETURN(task, r);
    WEIR_END(task);
}

WEIR_TEST(zlib, what_was_flushed_can_be_read_for_each_size_of_window)
{
    unsigned char window[64];
    size_t window_size, ahead;

    fill(SMALL);
    for (window_size = WEIR_DEFLATE_WINDOW_MIN; window_size < 64; window_size++) {
        weir_script script = {.capture = weir_buffer_of(packed, sizeof packed)};
        struct flushing flushing;
        weir_script_stream next;
        struct writing writing;
        weir_deflate deflate;

        weir_script_stream_init(&next, NULL, &script);
        CHECK_EQ(weir_deflate_init(&deflate, &next.stream.out, WEIR_ZLIB_ZLIB, 6,
                                   weir_buffer_of(window, window_size), NULL),
                 0);
        writing = writing_of(&deflate.out, plain, 200, 0);
        writing.is_open = true;
        CHECK_RESULT(weir_test_run(&writing.task), 0, 0);
        flushing.deflate = &deflate;
        weir_task_init(&flushing.task, flushing_resume);
        CHECK_RESULT(run_at_once(&flushing.task), 0, 0);
        CHECK_RESULT(unpack(WEIR_ZLIB_ZLIB, weir_script_position(&next.out), at_once, &ahead),
                     WEIR_TRUNCATED, 200);
        weir_deflate_fini(&deflate);
        weir_script_stream_fini(&next);
    }
}

WEIR_TEST(zlib, a_flush_that_is_stopped_at_any_step_goes_on_and_loses_no_byte)
{
    bool is_stopped = true;
    size_t step, ahead;

    fill(SMALL);
    for (step = 0; is_stopped; step++) {
        weir_script script = {.capture = weir_buffer_of(packed, sizeof packed),
                              .chunk_max = 9,
                              .pace = WEIR_SCRIPT_POSTED,
                              .stops_late = step % 2};
        unsigned char window[64];
        weir_script_stream next;
        weir_deflate deflate;
        struct writing writing;
        struct flushing flushing = {.deflate = &deflate};
        weir_result r;

        weir_script_stream_init(&next, NULL, &script);
        CHECK_EQ(weir_deflate_init(&deflate, &next.stream.out, WEIR_ZLIB_ZLIB, 6,
                                   weir_buffer_of(window, sizeof window), NULL),
                 0);
        writing = writing_of(&deflate.out, plain, 200, 0);
        writing.is_open = true;
        CHECK_RESULT(weir_test_run(&writing.task), 0, 0);
        weir_task_init(&flushing.task, flushing_resume);
        is_stopped = run_stopped_and_again(&flushing.task, step, &r);
        CHECK_RESULT(r, 0, 0);
        CHECK_RESULT(unpack(WEIR_ZLIB_ZLIB, weir_script_position(&next.out), at_once, &ahead),
                     WEIR_TRUNCATED, 200);
        CHECK(!memcmp(again, plain, 200));
        weir_deflate_fini(&deflate);
        weir_script_stream_fini(&next);
    }
    CHECK(step > 10);
}
