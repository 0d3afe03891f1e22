/* SPDX-License-Identifier: MIT */
#ifndef WEIR_HANDLE_PRIVATE_H
#define WEIR_HANDLE_PRIVATE_H

/* Open descriptors on a loop: what every I/O object does with its handle. Loop's thread. */

#include <weir/operation.h>

#include "loop.h"

/** Open the handle on the loop. 0 or a negative errno; the descriptor stays the caller's then. */
int weir_handle_open(weir_handle *handle, weir_loop *loop, intptr_t descriptor);

/** The descriptor is gone: forget it, and tell who has waited longest for a free one. */
void weir_handle_closed(weir_handle *handle);

#endif
