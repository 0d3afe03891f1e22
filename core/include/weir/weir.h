/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

/*
 * Everything, for programs. Inside the library each file includes what it uses.
 */

#include <weir/endpoint.h>
#include <weir/loop.h>
#include <weir/option.h>
#include <weir/signal.h>
#include <weir/stage_one.h>
#include <weir/tcp.h>
#include <weir/tcp_sink.h>
#include <weir/tcp_source.h>
#include <weir/timer.h>

#endif
