/* SPDX-License-Identifier: MIT */
#ifndef WEIR_RUN_PRIVATE_H
#define WEIR_RUN_PRIVATE_H

#include <weir/loop.h>

/** Run the loop until *done, which a task of the loop sets. */
void weir_loop_run_until(weir_loop *loop, const bool *done);

#endif
