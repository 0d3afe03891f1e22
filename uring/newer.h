/* SPDX-License-Identifier: MIT */
#ifndef WEIR_URING_NEWER_H
#define WEIR_URING_NEWER_H

/*
 * What io_uring has and the headers of old distributions (liburing 2.3) lack. Values are the
 * kernel's and never change; the kernel says at run time whether it knows them.
 */

#include <liburing.h>

/* Linux 6.2: a notification says whether the kernel copied. */
#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3)
#endif
_Static_assert(IORING_SEND_ZC_REPORT_USAGE == 8, "a bit of sqe->ioprio");

#ifndef IORING_NOTIF_USAGE_ZC_COPIED
#define IORING_NOTIF_USAGE_ZC_COPIED (1U << 31)
#endif
_Static_assert(IORING_NOTIF_USAGE_ZC_COPIED == 1U << 31, "the sign of cqe->res");

#endif
