/* SPDX-License-Identifier: MIT */
#ifndef WEIR_ZERO_COPY_H
#define WEIR_ZERO_COPY_H

/*
 * Sending without a copy: when it is tried, and the loop's own memory to send from.
 *
 * Whether the kernel will copy after all is not known beforehand: it does where the network card
 * cannot gather, and so far on the way to oneself, where that is therefore taken for granted. So it
 * is tried, the notifications tell, and after a few copies in a row a class of peers is sent copies
 * at once; now and then, more and more rarely, one send probes again. Counted in sends and not in
 * time, so that a loop that sends nothing asks nothing.
 *
 *      TRYING --a few copies in a row, or a refusal--> COPYING (for so many sends) --> a probe
 *        ^                                                ^ '--copied: four times as many--'
 *        '-------------- a probe that was not copied -----'
 *
 * Memory that comes back late holds up whoever waits for it: a stream that sends no faster than its
 * own acknowledgements. A connection on which that happened is sent copies, unless there is more to
 * send at once.
 *
 * The memory is one region of chunks, made when a sink first asks for one, and registered with the
 * kernel if that allows it. A chunk is held by a sink, or lent to the kernel, or both; when it is
 * neither it goes to whoever has waited longest, or on a stack: last used first. It belongs to the
 * loop, so that a notification may come when sink and socket are gone, or not at all.
 *
 * Loop's thread. Source: zero_copy.c. Tests: tests/unit/test_zero_copy*.c,
 * tests/contract/test_sink.c, tests/contract/test_zero_copy.c,
 * tests/backend/test_uring_zero_copy.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/operation.h>

enum {
    WEIR_CHUNK_BYTES = 32 * 1024,
    WEIR_ZERO_COPY_LIMIT_LEAST = 64 * 1024, /* What want of lockable memory shrinks the limit to. */
};

/** What peers have in common: whether there is a network in between. */
enum weir_peer_class {
    WEIR_PEER_UNKNOWN, /* The system does not tell. */
    WEIR_PEER_LOCAL,
    WEIR_PEER_REMOTE,
    WEIR_PEER_CLASSES,
    WEIR_PEER_NOT_ASKED = WEIR_PEER_CLASSES, /* Of a socket, until it matters. */
};

/** Who has a chunk, beside the sink that holds it. */
enum weir_chunk_state {
    WEIR_CHUNK_IDLE,
    WEIR_CHUNK_SENDING, /* A send of it has no result. */
    WEIR_CHUNK_LENT,    /* It has, and the memory is still the kernel's. */
};

/** A piece of the region. */
typedef struct weir_chunk {
    weir_operation operation; /* The send that is not IDLE. Its owner's. */
    struct weir_chunk *next;  /* On the stack, or of its holder's. */
    struct weir_zero_copy *home;
    uint8_t *data;  /* WEIR_CHUNK_BYTES. */
    uint32_t begin; /* The holder's: what of it is to be sent. */
    uint32_t end;
    uint32_t sent_bytes; /* By the send that is not IDLE. */
    uint8_t state;       /* enum weir_chunk_state. One writer: core/io/tcp_sink.c. */
    uint8_t peer_class;  /* enum weir_peer_class: of that send. */
    bool is_held;
    bool is_refused; /* Its bytes are to be sent as a copy. */
} weir_chunk;

/** Told that who has waited longest has a chunk, which is held from now on. waiting
 * is on no list. */
typedef void weir_chunk_given_fn(weir_list_node *waiting, weir_chunk *chunk);

/** What is known of a class of peers. */
struct weir_zero_copy_class {
    uint32_t copied;      /* Notifications of copies in a row. */
    uint32_t copies;      /* COPYING: for how many sends; 0: TRYING. */
    uint32_t copies_left; /* Until a probe. */
    bool is_probing;      /* One that has not been answered. */
};

typedef struct weir_zero_copy {
    weir_loop *loop;
    struct weir_zero_copy_class classes[WEIR_PEER_CLASSES];
    size_t
        limit_bytes; /* What may be lent of others' memory; shrinks when the kernel has no more. */
    size_t lent_bytes;
    bool is_missing; /* The backend never does it. */
    void *writes;    /* Records to use again: core/io/tcp_zero_copy.c. */
    void (*writes_free)(void *writes);

    uint8_t *region; /* NULL: no sink has asked. */
    size_t region_bytes;
    bool is_registered;
    weir_chunk *chunks;
    weir_chunk *free; /* The stack. */
    size_t chunk_count;
    size_t held_count;          /* Chunks that sinks hold: none when the loop ends. */
    size_t lent_count;          /* Those that the kernel may keep for long: at most half of them. */
    weir_list waiters;          /* Of tcp_sink.c; first in, first out. */
    weir_chunk_given_fn *given; /* Theirs. */
} weir_zero_copy;

/** The loop's; NULL: there is no memory for it. */
weir_zero_copy *weir_zero_copy_of(weir_loop *loop);

/** The loop ends, or is gone: its backend is closed, or will not touch the memory. */
void weir_zero_copy_end(weir_loop *loop);

/* When. */

/** Whether a send of so many bytes to such a peer is to be tried; it is a probe now and then. */
bool weir_zero_copy_is_wanted(weir_zero_copy *self, enum weir_peer_class peer_class);

/** Whether so much more of others' memory may be lent. */
static inline size_t weir_zero_copy_room(const weir_zero_copy *self)
{
    return self->limit_bytes > self->lent_bytes ? self->limit_bytes - self->lent_bytes : 0;
}

/** The notification of a send has come. */
void weir_zero_copy_notified(weir_zero_copy *self, enum weir_peer_class peer_class, bool is_copied);

/** Whether memory that was sent in so much time, and was its owner's again so much later, came
 * late: a copy would have been less, and the next send would not have waited. */
bool weir_zero_copy_is_late(size_t size, int64_t sending_ns, int64_t waiting_ns);

/** Whether a send failed so because it was to be without a copy: then nothing was sent, and it is
 * remembered. */
bool weir_zero_copy_is_refused(weir_zero_copy *self, enum weir_peer_class peer_class, int result);

/** The backend never does it: nobody is to ask again. */
void weir_zero_copy_give_up(weir_zero_copy *self);

/* Chunks. */

/** An empty chunk that is held from now on; NULL: there is none, or others have waited longer. */
weir_chunk *weir_chunk_take(weir_zero_copy *self);

/** Whether there is a chunk to be taken. */
bool weir_chunk_is_there(weir_zero_copy *self);

/** Make the region, unless there is one; false: there is no memory for it. */
bool weir_zero_copy_has_region(weir_zero_copy *self);

/** Its holder lets go. If it is lent it comes home later. */
void weir_chunk_let_go(weir_chunk *chunk);

/** Whether another chunk may be lent: peers that do not acknowledge keep half of them at most. */
static inline bool weir_chunk_may_be_lent(const weir_zero_copy *self)
{
    return 2 * self->lent_count < self->chunk_count;
}

/** It is being sent without a copy: SENDING, then LENT or back. */
void weir_chunk_lend(weir_chunk *chunk);

/** It is lent no more: IDLE. */
void weir_chunk_is_back(weir_chunk *chunk);

/** Wait for a chunk behind all others that do; removed from the list, one waits no more. */
void weir_chunk_wait(weir_zero_copy *self, weir_list_node *waiting, weir_chunk_given_fn *given);

#endif
