/* SPDX-License-Identifier: MIT */

/* Many operations on one ring. */
#include "crowd.h"

#include "fuse.h"

struct seam_operation many[MANY];

void init_many(struct uring *uring, int count)
{
    int i;

    for (i = 0; i < count; i++)
        seam_init_pair(&many[i], uring);
}

void fini_many(int count)
{
    int i;

    for (i = 0; i < count; i++)
        seam_fini_pair(&many[i]);
}

void refuse(int error)
{
    fuse_light(FUSE_RING_SUBMIT, error, 1, FUSE_FOREVER);
}

void fill_queue(void)
{
    int i;

    for (i = 0; i < DEPTH; i++)
        seam_receive(&many[i]);
}

void drain(int count)
{
    int i;

    for (i = 0; i < count; i++) {
        if (many[i].last == 0)
            seam_feed(&many[i], 0xdd);
        (void)seam_finish(&many[i]);
    }
}
