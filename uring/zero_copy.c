/* SPDX-License-Identifier: MIT */
/*
 * Sending without a copy, and the region of memory that makes it cheap.
 *
 * The two completions pass unchanged: the result with IORING_CQE_F_MORE, then the notification,
 * whose result has the sign for a copy. Both name the operation. A cancel names it, too, and finds
 * the send or nothing: a notification is no request that could be cancelled, and the record is not
 * used again before it has come.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "newer.h"
#include "uring.h"

_Static_assert(WEIR_SEND_COPIED == (int)IORING_NOTIF_USAGE_ZC_COPIED, "results pass unchanged");

/* The most one call transfers: MAX_RW_COUNT of the kernel. */
enum { TRANSFER_MAX = 0x7ffff000 };

/* With the flags that are used here it came in 6.2; that it lacks one of them, a send will say. */
static bool can_send(struct uring *uring)
{
    if (uring->zero_copy == URING_UNKNOWN)
        uring->zero_copy =
            weir_uring_probe_has(&uring->ring, IORING_OP_SEND_ZC) ? URING_OFFERED : URING_MISSING;
    return uring->zero_copy == URING_OFFERED;
}

/* It is not unregistered: old kernels would wait for the notifications. The ring's end does it. */
int weir_uring_register_memory(weir_backend *backend, weir_buffer region)
{
    struct uring *uring = uring_of(backend);
    struct iovec memory = {.iov_base = region.data, .iov_len = region.size};

    if (!can_send(uring))
        return -EOPNOTSUPP;
    return io_uring_register_buffers(&uring->ring, &memory, 1);
}

int weir_uring_send_zero_copy(weir_backend *backend, weir_operation *operation, weir_handle *handle,
                              weir_const_buffer buffer, bool is_registered)
{
    struct uring *uring = uring_of(backend);
    /* MSG_WAITALL: what the connection does not take at once is sent when it does, and one
     * notification is for all of it. The region is buffer 0, as the entry says by default. */
    struct uring_request request = {
        .opcode = IORING_OP_SEND_ZC,
        .target = uring_target_of(handle),
        .address = (uintptr_t)buffer.data,
        .length = buffer.size < TRANSFER_MAX ? (uint32_t)buffer.size : TRANSFER_MAX,
        .flags = MSG_NOSIGNAL | MSG_WAITALL,
        .priority = IORING_SEND_ZC_REPORT_USAGE,
    };

    if (!can_send(uring))
        return -EOPNOTSUPP;
    if (is_registered)
        request.priority |= IORING_RECVSEND_FIXED_BUF;
    return uring_submit(uring, operation, &request);
}
