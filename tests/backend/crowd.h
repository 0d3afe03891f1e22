/* SPDX-License-Identifier: MIT */
#ifndef TEST_CROWD_H
#define TEST_CROWD_H

/*
 * More operations than a short ring has entries, and a kernel that takes none of them: what the
 * tests of the queues stand on. Thread: that of the ring.
 */

#include "seam.h"

enum { MANY = 100, DEPTH = 8 }; /* Of operations; of the ring's submission queue. */

/** Each on a connection of its own, once initialised. */
extern struct seam_operation many[MANY];

void init_many(struct uring *uring, int count);
void fini_many(int count);

/** Have the kernel take nothing until the fuse is out. */
void refuse(int error);

/** Fill the submission queue of a ring, which refuses, with receives that find nothing. */
void fill_queue(void);

/** Have what is left in flight of the first so many end. */
void drain(int count);

#endif
