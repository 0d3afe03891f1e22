/* SPDX-License-Identifier: MIT */
#ifndef TEST_BUSINESS_DIALOGUE_H
#define TEST_BUSINESS_DIALOGUE_H

/* What is said to a session and what it answers, on whatever carries the bytes. */

#include <errno.h>
#include <stddef.h>

#include <weir/error.h>

/** The peer sends all of `sent`, and ends its writing. */
struct dialogue {
    const char *sent;
    const char *answered; /* Then the session ends its writing, unless it failed. */
    int error;            /* What the session returns, */
    size_t lines;         /* with this. */
};

#define FIFTY_BYTES "01234567890123456789012345678901234567890123456789"

static const struct dialogue dialogues[] = {
    {"hello\nbig world\nQUIT\n", "1 hello\n2 big world\nbye after 2 lines\n", 0, 2},
    {"QUIT\nnobody reads this\n", "bye after 0 lines\n", 0, 0},
    {"a\n\nb\nunfinished", "1 a\n2 \n3 b\n", WEIR_EOF, 3},
    {"a\n" FIFTY_BYTES FIFTY_BYTES FIFTY_BYTES "\n", "1 a\n", -ENOBUFS, 1},
};

enum {
    DIALOGUE_COUNT = sizeof dialogues / sizeof dialogues[0],
    DIALOGUE_ANSWER_MAX = 256,
};

#endif
