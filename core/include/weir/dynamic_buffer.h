/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DYNAMIC_BUFFER_H
#define WEIR_DYNAMIC_BUFFER_H

/*
 * Dynamic buffers: bytes that come in at the end and go out at the front, up to a limit.
 *
 * A producer prepares memory, writes into it, and commits as many bytes as it wrote; a consumer
 * looks at the data and consumes what it is done with.
 *
 *                consume(n)                     commit(n)
 *                   |-->                          |-->
 *      ... gone ... |======== data: size =========|---- prepared ----|   never more than size_max
 *
 * Three kinds, behind one table; a pointer to the member `dynamic` is a pointer to any of them:
 *
 *      flat       data is one piece, as parsers like it; bytes are moved to make room
 *      circular   data is at most two pieces; bytes are moved only to a larger block
 *      segmented  data is any number of pieces; bytes are never moved, memory goes as data goes
 *
 * What stays where: prepared memory stays valid and in place until the next prepare, and consuming
 * does not disturb it, so a read may be in flight into it meanwhile. The pieces that data gives
 * stay valid and in place until the next prepare, or until they are consumed if that is earlier.
 *
 * Thread: one at a time. Source: core/buffer/dynamic_buffer.c, flat_buffer.c, circular_buffer.c,
 * segmented_buffer.c. Tests: tests/stage_one/test_dynamic_buffer.c, test_dynamic_buffer_history.c.
 */

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/matcher.h>
#include <weir/memory.h>

WEIR_C_BEGIN

typedef struct weir_dynamic_buffer weir_dynamic_buffer;

/**
 * Writable memory for the next size bytes behind the data, as at most max buffers, none empty.
 *
 * Returns how many. They hold size bytes, and fewer only if max buffers do not suffice or memory is
 * exhausted; 0 if it is exhausted and there is room for none. size and max are not 0, and size fits
 * under size_max. The data is kept, also on failure.
 */
typedef size_t weir_dynamic_buffer_prepare_fn(weir_dynamic_buffer *buffer, size_t size,
                                              weir_buffer *ret_buffers, size_t max);

/** Make the first size bytes of what was prepared data. They were prepared; size is not 0. */
typedef void weir_dynamic_buffer_commit_fn(weir_dynamic_buffer *buffer, size_t size);

/** Describe the data from offset on, as at most max buffers, none empty. There is some; max > 0. */
typedef size_t weir_dynamic_buffer_data_fn(const weir_dynamic_buffer *buffer, size_t offset,
                                           weir_const_buffer *ret_buffers, size_t max);

/** Forget the first size bytes of data. They are there; size is not 0. */
typedef void weir_dynamic_buffer_consume_fn(weir_dynamic_buffer *buffer, size_t size);

/** See weir_dynamic_buffer_capacity. */
typedef size_t weir_dynamic_buffer_capacity_fn(const weir_dynamic_buffer *buffer);

/*
 * What a kind of dynamic buffer provides. Every slot is required. They are called by the functions
 * below, which have looked at the arguments, and which keep size and prepared: commit and consume
 * see them as they were before.
 */
struct weir_dynamic_buffer_ops {
    const char *name; /* "flat": for dumps. */
    weir_dynamic_buffer_prepare_fn *prepare;
    weir_dynamic_buffer_commit_fn *commit;
    weir_dynamic_buffer_data_fn *data;
    weir_dynamic_buffer_consume_fn *consume;
    weir_dynamic_buffer_capacity_fn *capacity;
};

/** Embed as the first member. ops is set once, by the concrete type. Fields are private. */
struct weir_dynamic_buffer {
    const struct weir_dynamic_buffer_ops *ops;
    size_t size;     /* Bytes of data. */
    size_t size_max; /* What size + prepared never exceeds. */
    size_t prepared; /* Bytes that may still be committed. */
};

/** Set up the part of a concrete dynamic buffer that is common to all. */
static inline void weir_dynamic_buffer_init(weir_dynamic_buffer *buffer,
                                            const struct weir_dynamic_buffer_ops *ops,
                                            size_t size_max)
{
    buffer->ops = ops;
    buffer->size = 0;
    buffer->size_max = size_max;
    buffer->prepared = 0;
}

/** Bytes of data. */
static inline size_t weir_dynamic_buffer_size(const weir_dynamic_buffer *buffer)
{
    return buffer->size;
}

/** The limit of that. */
static inline size_t weir_dynamic_buffer_size_max(const weir_dynamic_buffer *buffer)
{
    return buffer->size_max;
}

/** Bytes that may still be committed. */
static inline size_t weir_dynamic_buffer_prepared(const weir_dynamic_buffer *buffer)
{
    return buffer->prepared;
}

/** How much data fits the memory that it has: up to here prepare cannot fail. */
static inline size_t weir_dynamic_buffer_capacity(const weir_dynamic_buffer *buffer)
{
    return buffer->ops->capacity(buffer);
}

/**
 * Writable memory for the next bytes, at most size of them. What was prepared before and not
 * committed is given up; the data is kept, also on failure.
 *
 * Result     how many buffers were written; weir_dynamic_buffer_prepared() says how many bytes they
 *            have. That is size, and less only if the limit is nearer, max buffers do not suffice
 *            or memory is exhausted; without an error it is 0 only if size is.
 *            -ENOBUFS: the data has reached size_max. -ENOMEM: memory is exhausted, and what there
 *            is has no room for one byte. The data is kept.
 *
 * @size              bytes; SIZE_MAX: as many as the limit allows
 * @ret_buffers[max]  none empty; flat needs 1, circular 2, segmented one for each segment
 * @max               not 0
 */
WEIR_PUBLIC WEIR_MUST_USE weir_result weir_dynamic_buffer_prepare(weir_dynamic_buffer *buffer,
                                                                  size_t size,
                                                                  weir_buffer *ret_buffers,
                                                                  size_t max);

/** Make the first size of the prepared bytes data; the rest stays prepared. */
WEIR_PUBLIC void weir_dynamic_buffer_commit(weir_dynamic_buffer *buffer, size_t size);

/**
 * Describe the data from a byte on.
 *
 * Returns how many buffers were written. They hold the rest of the data if there are less than max.
 *
 * @offset            bytes of data in front that are left out; at most the size
 * @ret_buffers[max]  none empty; flat needs 1, circular 2, segmented one for each segment
 */
WEIR_PUBLIC size_t weir_dynamic_buffer_data(const weir_dynamic_buffer *buffer, size_t offset,
                                            weir_const_buffer *ret_buffers, size_t max);

/** Forget the first size bytes of data; at most all of them. */
WEIR_PUBLIC void weir_dynamic_buffer_consume(weir_dynamic_buffer *buffer, size_t size);

/**
 * Let a matcher look at the data from a byte on, which is the first that it has not seen.
 *
 * Result     how many bytes of data belong to the message, counted from the front of the data; 0:
 *            it does not end yet; when more has come, the offset is what the size is now. An error
 *            is the matcher's: there will be no end.
 */
WEIR_PUBLIC WEIR_MUST_USE weir_result weir_dynamic_buffer_match(const weir_dynamic_buffer *buffer,
                                                                size_t offset,
                                                                weir_matcher *matcher);

/** One block of memory that holds all the data. Fields are private. */
typedef struct weir_buffer_block {
    weir_memory *memory; /* Where a larger one comes from. NULL: the block is the caller's. */
    char *bytes;         /* NULL: none yet. */
    size_t size;
} weir_buffer_block;

/**
 * Data in one piece. Making room moves it: to the front of the block if what was consumed is as
 * much as what is left, else to a block of twice the size, while there may be one. So a byte is
 * moved a constant number of times, except near size_max, where each prepare may move the whole
 * data: let the limit be a few times the longest message. Fields are private.
 */
typedef struct weir_flat_buffer {
    weir_dynamic_buffer dynamic;
    weir_buffer_block block;
    size_t offset; /* Of the data in the block. */
} weir_flat_buffer;

/** An empty buffer in the caller's memory, which it borrows until fini. size is also the limit. */
WEIR_PUBLIC void weir_flat_buffer_init_fixed(weir_flat_buffer *buffer, void *memory, size_t size);

/** An empty buffer that has no memory yet, then a block of at most size_max. NULL: of the heap. */
WEIR_PUBLIC void weir_flat_buffer_init_growing(weir_flat_buffer *buffer, weir_memory *memory,
                                               size_t size_max);

/** Release the memory with what is in it. */
WEIR_PUBLIC void weir_flat_buffer_fini(weir_flat_buffer *buffer);

/** All the data, in one piece. */
static inline weir_const_buffer weir_flat_buffer_bytes(const weir_flat_buffer *buffer)
{
    if (buffer->dynamic.size == 0)
        return weir_const_buffer_of(NULL, 0);
    return weir_const_buffer_of(buffer->block.bytes + buffer->offset, buffer->dynamic.size);
}

/** Data that goes round in its block, in at most two pieces. Fields are private. */
typedef struct weir_circular_buffer {
    weir_dynamic_buffer dynamic;
    weir_buffer_block block;
    size_t offset; /* Of the data in the block; less than its size, or 0. */
} weir_circular_buffer;

/** An empty buffer in the caller's memory, which it borrows until fini. size is also the limit. */
WEIR_PUBLIC void weir_circular_buffer_init_fixed(weir_circular_buffer *buffer, void *memory,
                                                 size_t size);

/** An empty buffer that has no memory yet, then a block of at most size_max. NULL: of the heap. */
WEIR_PUBLIC void weir_circular_buffer_init_growing(weir_circular_buffer *buffer,
                                                   weir_memory *memory, size_t size_max);

/** Release the memory with what is in it. */
WEIR_PUBLIC void weir_circular_buffer_fini(weir_circular_buffer *buffer);

/** A block of a segmented buffer. */
struct weir_buffer_segment;

/** Data in a list of blocks of one size. Fields are private. */
typedef struct weir_segmented_buffer {
    weir_dynamic_buffer dynamic;
    weir_memory *memory;
    size_t segment_bytes;              /* Of data that fit one segment. */
    size_t segment_count;              /* On the list. */
    struct weir_buffer_segment *first; /* Holds the front of the data. NULL: the list is empty. */
    struct weir_buffer_segment *last;  /* Behind the end of the data may come more segments. */
    struct weir_buffer_segment *end;   /* Holds the end of the data. NULL: the list is empty. */
    struct weir_buffer_segment *spare; /* The segment freed last, or NULL. */
    size_t offset;                     /* Of the data in the first segment. */
    size_t end_offset;                 /* Of the end of the data in its segment. */
} weir_segmented_buffer;

/**
 * An empty buffer that has no memory yet. It takes a block when it prepares, and gives it back when
 * its bytes are consumed, but for one, which it keeps for the next.
 *
 * @memory        NULL: weir_memory_heap
 * @segment_size  bytes of each block that is taken from the memory; more than a pointer, which is
 *                what weir keeps for itself in it
 * @size_max      bytes of data; the memory taken can be two blocks more than hold that
 */
WEIR_PUBLIC void weir_segmented_buffer_init(weir_segmented_buffer *buffer, weir_memory *memory,
                                            size_t segment_size, size_t size_max);

/** Release the memory with what is in it. */
WEIR_PUBLIC void weir_segmented_buffer_fini(weir_segmented_buffer *buffer);

WEIR_C_END

#endif
