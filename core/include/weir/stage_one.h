/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STAGE_ONE_H
#define WEIR_STAGE_ONE_H

/*
 * Stage One: tasks, executors, buffers, streams, combinators, synchronisation. No platform.
 */

#include <weir/any_executor.h>
#include <weir/assert.h>
#include <weir/awaitable.h>
#include <weir/base64.h>
#include <weir/buffer.h>
#include <weir/buffer_sink.h>
#include <weir/buffer_source.h>
#include <weir/channel.h>
#include <weir/context.h>
#include <weir/copy.h>
#include <weir/deadline.h>
#include <weir/dump.h>
#include <weir/dynamic_buffer.h>
#include <weir/error.h>
#include <weir/event.h>
#include <weir/executor.h>
#include <weir/frame.h>
#include <weir/group.h>
#include <weir/inline_executor.h>
#include <weir/list.h>
#include <weir/manual.h>
#include <weir/matcher.h>
#include <weir/memory.h>
#include <weir/memory_stream.h>
#include <weir/mutex.h>
#include <weir/run.h>
#include <weir/scope.h>
#include <weir/semaphore.h>
#include <weir/shared_channel.h>
#include <weir/sleep.h>
#include <weir/stop.h>
#include <weir/strand.h>
#include <weir/stream.h>
#include <weir/stream_adapters.h>
#include <weir/subtree.h>
#include <weir/task.h>
#include <weir/thread_pool.h>
#include <weir/timeout.h>
#include <weir/waker.h>

#endif
