/* SPDX-License-Identifier: MIT */
/* The thread-locals. */
#include "thread.h"

_Thread_local struct weir_thread weir_thread;
