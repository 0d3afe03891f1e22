/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

/*
 * Everything, for programs. Inside the library each file includes what it uses.
 */

#include <weir/assert.h>
#include <weir/buffer.h>
#include <weir/context.h>
#include <weir/deadline.h>
#include <weir/dump.h>
#include <weir/dynamic_buffer.h>
#include <weir/endpoint.h>
#include <weir/error.h>
#include <weir/executor.h>
#include <weir/frame.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/matcher.h>
#include <weir/memory.h>
#include <weir/option.h>
#include <weir/run.h>
#include <weir/scope.h>
#include <weir/signal.h>
#include <weir/stop.h>
#include <weir/stream.h>
#include <weir/task.h>
#include <weir/tcp.h>
#include <weir/timer.h>

#endif
