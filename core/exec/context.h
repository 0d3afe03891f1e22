/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONTEXT_PRIVATE_H
#define WEIR_CONTEXT_PRIVATE_H

/* How trees enter and leave a context. */

#include <weir/run.h>

void weir_context_enter(weir_context *context, weir_root *root);
void weir_context_leave(weir_context *context, weir_root *root);

#endif
