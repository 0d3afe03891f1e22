/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STRAND_PRIVATE_H
#define WEIR_STRAND_PRIVATE_H

/* How what embeds a strand ends it from inside. */

#include <weir/strand.h>

/**
 * The task that runs now is the last that this strand runs, ever. When it has returned, ended is
 * called, outside of the strand and as its very last act: the memory of the strand may go in it.
 *
 * Asserts that nothing is queued, now or by then. Called on the strand, which is the innermost one
 * that this thread is in.
 */
void weir_strand_end(weir_strand *strand, void (*ended)(weir_strand *strand));

/** weir_strand_init for the strand of one tree, which goes with it. */
void weir_strand_init_of_tree(weir_strand *strand, weir_executor *inner);

/** What outlives the tree when this is its own strand; else the executor itself. */
weir_executor *weir_strand_lasting(weir_executor *executor);

#endif
