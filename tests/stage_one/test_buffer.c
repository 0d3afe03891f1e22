/* SPDX-License-Identifier: MIT */
/*
 * Buffer sequences, slices and copies, against the plain array of bytes that they stand for.
 */
#include <weir/buffer.h>

#include <stdint.h>
#include <string.h>

#include "test.h"

enum { SIZE = 10, PARTS = 9, GAP = 3 };

static const char content[] = "0123456789";
static const size_t part_sizes[PARTS] = {0, 3, 0, 1, 4, 0, 0, 2, 0};

/* The content in pieces, with empty buffers among them and other bytes between them. */
struct scattered {
    char memory[SIZE + PARTS * GAP];
    weir_buffer parts[PARTS];
};

static void scatter(struct scattered *scattered)
{
    char *to = scattered->memory;
    size_t from = 0;

    memset(scattered->memory, '#', sizeof scattered->memory);
    for (int i = 0; i < PARTS; i++) {
        to += GAP;
        memcpy(to, content + from, part_sizes[i]);
        scattered->parts[i] = weir_buffer_of(part_sizes[i] ? to : NULL, part_sizes[i]);
        to += part_sizes[i];
        from += part_sizes[i];
    }
}

/* The bytes of a sequence, by a loop that uses nothing of what is tested. */
static size_t gather(const weir_const_buffer *parts, size_t count, char *ret_bytes)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < parts[i].size; j++)
            ret_bytes[size++] = ((const char *)parts[i].data)[j];
    }
    return size;
}

static void check_bytes(const weir_const_buffer *parts, size_t count, const char *bytes,
                        size_t size)
{
    char gathered[SIZE];

    CHECK_EQ(gather(parts, count, gathered), size);
    CHECK(memcmp(gathered, bytes, size) == 0);
}

/* What the slice is by its size, by one window, by windows of each size, and by front and after. */
static void check_slice(weir_const_buffer_slice slice, const char *bytes, size_t size)
{
    weir_const_buffer window[PARTS];

    CHECK_EQ(weir_const_buffer_slice_size(slice), size);
    CHECK_EQ(weir_const_buffer_slice_is_empty(slice), size == 0);
    check_bytes(window, weir_const_buffer_slice_window(slice, window, PARTS), bytes, size);

    for (size_t max = 1; max <= PARTS; max++) {
        weir_const_buffer_slice rest = slice;
        size_t passed = 0;

        while (!weir_const_buffer_slice_is_empty(rest)) {
            size_t count = weir_const_buffer_slice_window(rest, window, max);
            size_t shown = weir_const_buffers_size(window, count);

            CHECK(count > 0 && count <= max);
            for (size_t i = 0; i < count; i++)
                CHECK(window[i].size > 0);
            check_bytes(window, count, bytes + passed, shown);
            CHECK(weir_const_buffer_slice_front(rest).data == window[0].data);
            CHECK_EQ(weir_const_buffer_slice_front(rest).size, window[0].size);
            rest = weir_const_buffer_slice_after(rest, shown);
            passed += shown;
        }
        CHECK_EQ(passed, size);
    }
    CHECK_EQ(weir_const_buffer_slice_window(slice, window, 0), 0);
}

/* The same through the functions for memory to fill. */
static void check_mutable_slice(weir_buffer_slice slice, const char *bytes, size_t size)
{
    weir_buffer window[PARTS];
    weir_buffer front = weir_buffer_slice_front(slice);
    size_t count = weir_buffer_slice_window(slice, window, PARTS);

    CHECK_EQ(weir_buffer_slice_size(slice), size);
    CHECK_EQ(weir_buffer_slice_is_empty(slice), size == 0);
    CHECK_EQ(front.size, count ? window[0].size : 0);
    CHECK(front.data == (count ? window[0].data : NULL));
    check_bytes(weir_buffers_as_const(window), count, bytes, size);
    check_slice(weir_buffer_slice_as_const(slice), bytes, size);
}

WEIR_TEST(buffer, a_buffer_is_its_memory_in_both_kinds)
{
    char bytes[4];
    weir_buffer buffer = weir_buffer_of(bytes, sizeof bytes);
    weir_const_buffer read_only = weir_buffer_as_const(buffer);

    CHECK(buffer.data == bytes);
    CHECK_EQ(buffer.size, 4);
    CHECK(read_only.data == bytes);
    CHECK_EQ(read_only.size, 4);
    CHECK(weir_buffer_after(buffer, 1).data == bytes + 1);
    CHECK_EQ(weir_buffer_after(buffer, 1).size, 3);
    CHECK(weir_const_buffer_after(read_only, 4).data == bytes + 4);
    CHECK_EQ(weir_const_buffer_after(read_only, 4).size, 0);
}

WEIR_TEST(buffer, a_sequence_is_read_where_it_stands)
{
    struct scattered scattered;

    scatter(&scattered);

    CHECK((const void *)weir_buffers_as_const(scattered.parts) == (const void *)scattered.parts);
    check_bytes(weir_buffers_as_const(scattered.parts), PARTS, content, SIZE);
}

WEIR_TEST(buffer, the_size_of_a_sequence_is_that_of_its_buffers)
{
    struct scattered scattered;
    size_t size = 0;

    scatter(&scattered);

    for (size_t count = 0; count <= PARTS; count++) {
        const weir_const_buffer *read_only = weir_buffers_as_const(scattered.parts);

        CHECK_EQ(weir_buffers_size(scattered.parts, count), size);
        CHECK_EQ(weir_const_buffers_size(read_only, count), size);
        CHECK_EQ(weir_buffers_is_empty(scattered.parts, count), size == 0);
        CHECK_EQ(weir_const_buffers_is_empty(read_only, count), size == 0);
        size += count < PARTS ? part_sizes[count] : 0;
    }
    CHECK_EQ(weir_buffers_size(NULL, 0), 0);
    CHECK(weir_buffers_is_empty(NULL, 0));
}

WEIR_ABORT_TEST(buffer, a_sequence_larger_than_any_memory_aborts)
{
    char byte;
    weir_buffer parts[2] = {{&byte, SIZE_MAX}, {&byte, 1}};

    (void)weir_buffers_size(parts, 2);
}

WEIR_TEST(buffer, the_front_of_a_sequence_is_its_first_buffer_with_a_byte)
{
    struct scattered scattered;

    scatter(&scattered);

    for (size_t first = 0; first <= PARTS; first++) {
        size_t expected = first;
        weir_buffer front = weir_buffers_front(scattered.parts + first, PARTS - first);
        weir_const_buffer read_only =
            weir_const_buffers_front(weir_buffers_as_const(scattered.parts + first), PARTS - first);

        while (expected < PARTS && part_sizes[expected] == 0)
            expected++;
        CHECK(front.data == (expected < PARTS ? scattered.parts[expected].data : NULL));
        CHECK_EQ(front.size, expected < PARTS ? part_sizes[expected] : 0);
        CHECK(read_only.data == front.data);
        CHECK_EQ(read_only.size, front.size);
    }
}

WEIR_TEST(buffer_slice, every_run_of_bytes_of_a_sequence_is_a_slice)
{
    struct scattered scattered;
    weir_buffer_slice whole;

    scatter(&scattered);
    whole = weir_buffer_slice_of(scattered.parts, PARTS);

    for (size_t offset = 0; offset <= SIZE; offset++) {
        for (size_t size = 0; offset + size <= SIZE; size++) {
            weir_buffer_slice behind = weir_buffer_slice_after(whole, offset);
            weir_buffer_slice before = weir_buffer_slice_prefix(whole, offset + size);

            check_mutable_slice(weir_buffer_slice_prefix(behind, size), content + offset, size);
            check_mutable_slice(weir_buffer_slice_after(before, offset), content + offset, size);
            check_mutable_slice(weir_buffer_slice_suffix(before, size), content + offset, size);
        }
    }
}

WEIR_TEST(buffer_slice, every_run_of_bytes_to_read_is_a_slice)
{
    struct scattered scattered;
    weir_const_buffer_slice whole;

    scatter(&scattered);
    whole = weir_const_buffer_slice_of(weir_buffers_as_const(scattered.parts), PARTS);

    for (size_t offset = 0; offset <= SIZE; offset++) {
        for (size_t size = 0; offset + size <= SIZE; size++) {
            weir_const_buffer_slice behind = weir_const_buffer_slice_after(whole, offset);
            weir_const_buffer_slice before = weir_const_buffer_slice_prefix(whole, offset + size);

            check_slice(weir_const_buffer_slice_prefix(behind, size), content + offset, size);
            check_slice(weir_const_buffer_slice_after(before, offset), content + offset, size);
            check_slice(weir_const_buffer_slice_suffix(before, size), content + offset, size);
        }
    }
}

WEIR_TEST(buffer_slice, passing_bytes_in_two_steps_is_passing_their_sum)
{
    struct scattered scattered;
    weir_buffer_slice whole;

    scatter(&scattered);
    whole = weir_buffer_slice_of(scattered.parts, PARTS);

    for (size_t first = 0; first <= SIZE; first++) {
        for (size_t second = 0; first + second <= SIZE; second++) {
            weir_buffer_slice slice = weir_buffer_slice_after(whole, first);
            size_t passed = first + second;

            check_mutable_slice(weir_buffer_slice_after(slice, second), content + passed,
                                SIZE - passed);
        }
    }
}

WEIR_TEST(buffer_slice, a_slice_of_nothing_is_empty)
{
    weir_buffer nothing[2] = {{NULL, 0}, {NULL, 0}};

    check_mutable_slice(weir_buffer_slice_of(NULL, 0), "", 0);
    check_mutable_slice(weir_buffer_slice_of(nothing, 2), "", 0);
    check_mutable_slice(weir_buffer_slice_after(weir_buffer_slice_of(nothing, 2), 0), "", 0);
}

/* A slice of three bytes in the middle of a sequence that has more on both sides. */
static weir_buffer_slice middle(struct scattered *scattered)
{
    scatter(scattered);
    return weir_buffer_slice_prefix(
        weir_buffer_slice_after(weir_buffer_slice_of(scattered->parts, PARTS), 2), 3);
}

WEIR_ABORT_TEST(buffer_slice, a_prefix_longer_than_the_slice_aborts)
{
    struct scattered scattered;

    (void)weir_buffer_slice_prefix(middle(&scattered), 4);
}

WEIR_ABORT_TEST(buffer_slice, a_suffix_longer_than_the_slice_aborts)
{
    struct scattered scattered;

    (void)weir_buffer_slice_suffix(middle(&scattered), 4);
}

WEIR_ABORT_TEST(buffer_slice, passing_more_than_the_slice_aborts)
{
    struct scattered scattered;

    (void)weir_buffer_slice_after(middle(&scattered), 4);
}

/* Cut size bytes at two places, which makes three buffers, any of them empty. */
static void cut(char *bytes, size_t size, size_t first, size_t second, weir_buffer *ret_parts)
{
    ret_parts[0] = weir_buffer_of(bytes, first);
    ret_parts[1] = weir_buffer_of(bytes + first, second - first);
    ret_parts[2] = weir_buffer_of(bytes + second, size - second);
}

enum { TO = 5, FROM = 6, AMPLE = 9 };

/* Copy between cut arrays, with each limit, and look at every byte that may be written. */
static void check_copy(size_t to_size, size_t from_size, weir_buffer *to, char *to_bytes,
                       const weir_buffer *from)
{
    for (size_t max = 0; max <= AMPLE; max++) {
        size_t expected = to_size < from_size ? to_size : from_size;
        char target[TO];

        expected = expected < max ? expected : max;
        memset(target, '.', sizeof target);
        memcpy(target, content, expected);
        memset(to_bytes, '.', TO);

        CHECK_EQ(weir_buffers_copy(to, 3, weir_buffers_as_const(from), 3, max), expected);
        CHECK(memcmp(to_bytes, target, TO) == 0);
    }
}

WEIR_TEST(buffer_copy, copies_whatever_the_cuts_of_both_sides_and_the_limit)
{
    char to_bytes[TO];
    char from_bytes[FROM];
    weir_buffer to[3];
    weir_buffer from[3];

    memcpy(from_bytes, content, FROM);
    for (size_t i = 0; i <= TO; i++) {
        for (size_t j = i; j <= TO; j++) {
            cut(to_bytes, TO, i, j, to);
            for (size_t k = 0; k <= FROM; k++) {
                for (size_t l = k; l <= FROM; l++) {
                    cut(from_bytes, FROM, k, l, from);
                    check_copy(TO, FROM, to, to_bytes, from);
                }
            }
        }
    }
}

WEIR_TEST(buffer_copy, copies_from_a_shorter_sequence_all_of_it)
{
    char to_bytes[TO];
    char from_bytes[TO];
    weir_buffer to[3];
    weir_buffer from[3];

    memcpy(from_bytes, content, TO);
    cut(to_bytes, TO, 1, 3, to);
    for (size_t size = 0; size <= TO; size++) {
        cut(from_bytes, size, size / 2, size, from);
        check_copy(TO, size, to, to_bytes, from);
    }
}

WEIR_TEST(buffer_copy, as_many_as_fit_is_a_limit)
{
    char to_bytes[TO];
    weir_buffer to = {to_bytes, TO};
    weir_const_buffer from = {content, SIZE};

    CHECK_EQ(weir_buffers_copy(&to, 1, &from, 1, SIZE_MAX), TO);
    CHECK(memcmp(to_bytes, content, TO) == 0);
    CHECK_EQ(weir_buffers_copy(NULL, 0, &from, 1, SIZE_MAX), 0);
    CHECK_EQ(weir_buffers_copy(&to, 1, NULL, 0, SIZE_MAX), 0);
}

WEIR_TEST(buffer_copy, a_slice_is_filled_within_its_ends)
{
    struct scattered scattered;
    weir_const_buffer from = {"abcdef", 6};
    char gathered[SIZE];

    CHECK_EQ(weir_buffer_slice_copy(middle(&scattered), weir_const_buffer_slice_of(&from, 1)), 3);

    CHECK_EQ(gather(weir_buffers_as_const(scattered.parts), PARTS, gathered), SIZE);
    CHECK(memcmp(gathered, "01abc56789", SIZE) == 0);
    for (size_t i = 0; i < GAP; i++)
        CHECK_EQ(scattered.memory[i], '#');
}
