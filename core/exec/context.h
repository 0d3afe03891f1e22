/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONTEXT_PRIVATE_H
#define WEIR_CONTEXT_PRIVATE_H

/* How trees enter and leave a context, and how who runs one to its end learns of it. */

#include <weir/run.h>

void weir_context_enter(weir_context *context, weir_root *root);
void weir_context_leave(weir_context *context, weir_root *root);

/** The done of a root whose user points at a bool: sets it. The result stays in root->outcome. */
weir_root_done_fn weir_root_tell_done;

#endif
