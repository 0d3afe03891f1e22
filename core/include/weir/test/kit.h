/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_KIT_H
#define WEIR_TEST_KIT_H

/*
 * The test kit: tools for tests of code that stands on weir. They need no kernel, no thread and no
 * time that passes, and work under any test framework, or none.
 *
 *      <weir/test/run.h>             runs a task to its end, and sees to it that nothing is left
 *      <weir/test/fuse.h>            fails the first operation, the second, ... until none is left
 *      <weir/test/memory.h>          memory that counts, and memory that fails when a fuse says so
 *      <weir/test/script_stream.h>   a connection to a peer that follows a script
 *      <weir/test/script_buffers.h>  a buffer source and a buffer sink that follow one
 *      <weir/test/stream_pair.h>     two ends of a connection in memory
 *      <weir/test/grinder.h>         every way to cut bytes into buffers
 *      <weir/test/fail.h>            how a failure is told
 *
 * Below them all is <weir/manual.h>, the executor that runs when it is told to: a test that wants
 * to look at its tasks between two turns launches them there with weir_run_async, lets them run
 * with weir_manual_poll, and virtual time pass with weir_manual_advance.
 *
 * Together they try a session everywhere. This one is run for each failure that it can meet:
 *
 *      weir_fuse_init(&fuse, -EIO);
 *      while (weir_fuse_next(&fuse)) {
 *          weir_fuse_memory_init(&memory, &fuse, NULL);
 *          weir_script_stream_init(&peer, &(weir_script){.bytes = request, .fuse = &fuse},
 *                                  &(weir_script){.bytes = answer, .fuse = &fuse});
 *          session_init(&session, &peer.stream);
 *          r = weir_test_run_with(&memory.memory, &session.task);
 *          if (!weir_fuse_is_blown(&fuse))
 *              ... r is that of a session in which nothing failed ...
 *          weir_script_stream_fini(&peer);
 *      }
 *
 * and this one is stopped at each of its steps:
 *
 *      for (step = 0; !is_over; step++) {
 *          ... as above, without the fuse ...
 *          is_over = !weir_test_run_stopped(&session.task, step, WEIR_STOP_REQUESTED, &r);
 *          if (!is_over)
 *              weir_script_stream_excuse(&peer);
 *          weir_script_stream_fini(&peer);
 *      }
 *
 * What a tool finds wrong (a byte that was not expected, a frame that is still out) ends the
 * process with a text that says what and where: every framework counts that as a failed test.
 *
 * Link libweir_test (CMake: weir::test) in front of libweir.
 *
 * Thread: one. Source: core/test/. Tests: tests/stage_one/test_kit_*.c.
 */

#include <weir/manual.h>
#include <weir/run.h>
#include <weir/test/fail.h>
#include <weir/test/fuse.h>
#include <weir/test/grinder.h>
#include <weir/test/memory.h>
#include <weir/test/run.h>
#include <weir/test/script_buffers.h>
#include <weir/test/script_stream.h>
#include <weir/test/stream_pair.h>

#endif
