/* SPDX-License-Identifier: MIT */
/*
 * The names and texts of errors.
 *
 * One constant table of weir's own codes and of the errnos of ISO C and POSIX that network and file
 * code meets: the C library's own texts are thread-safe only on some systems, and its names exist
 * only on some. Where two errnos share a value, the row that comes first speaks for both. Any
 * thread may ask.
 */
#include <weir/error.h>

#include <errno.h>

typedef struct error_row {
    int error;
    const char *name;
    const char *text;
} error_row;

/* clang-format off */
#define CODE(code, text)  {code, #code, text}
#define ERRNO(code, text) {-(code), #code, text}

static const error_row rows[] = {
    CODE(WEIR_OK, "no error"),
    CODE(WEIR_EOF, "the peer will send no more"),
    CODE(WEIR_CANCELLED, "the operation was cancelled"),
    CODE(WEIR_TIMED_OUT, "the deadline passed"),
    CODE(WEIR_TRUNCATED, "the stream ended in the middle of a message"),
    CODE(WEIR_BAD_ADDRESS, "the text is not an address"),
    CODE(WEIR_CLOSED, "the object is not open"),

    /* Connections. */
    ERRNO(ECONNRESET, "the peer reset the connection"),
    ERRNO(ECONNABORTED, "the connection was aborted before it was accepted"),
    ERRNO(ECONNREFUSED, "nothing accepts connections at the address"),
    ERRNO(EPIPE, "the other end no longer reads"),
    ERRNO(ETIMEDOUT, "the peer did not answer in the system's time"),
    ERRNO(ENOTCONN, "the socket is not connected"),
    ERRNO(EISCONN, "the socket is already connected"),
    ERRNO(EALREADY, "the operation is already under way"),
    ERRNO(EINPROGRESS, "the operation has begun and is not complete"),
    ERRNO(ECANCELED, "the system cancelled the operation"),
    ERRNO(EAGAIN, "not ready, or short of a resource for now"),
    ERRNO(EWOULDBLOCK, "the operation would block"),
    ERRNO(EINTR, "a signal interrupted the call"),

    /* Networks and addresses. */
    ERRNO(EADDRINUSE, "the address is already in use"),
    ERRNO(EADDRNOTAVAIL, "the address does not belong to this host"),
    ERRNO(EAFNOSUPPORT, "the address family is not supported"),
    ERRNO(EDESTADDRREQ, "a destination address is needed"),
    ERRNO(EHOSTUNREACH, "there is no route to the host"),
    ERRNO(ENETDOWN, "the network is down"),
    ERRNO(ENETRESET, "the network dropped the connection"),
    ERRNO(ENETUNREACH, "there is no route to the network"),

    /* Sockets and protocols. */
    ERRNO(EMSGSIZE, "the message is too large"),
    ERRNO(ENOBUFS, "no buffer space is left"),
    ERRNO(ENOPROTOOPT, "the protocol has no such option"),
    ERRNO(ENOTSOCK, "the descriptor is not a socket"),
    ERRNO(EOPNOTSUPP, "the object does not support the operation"),
    ERRNO(ENOTSUP, "the operation is not supported"),
    ERRNO(EPROTO, "the protocol was violated"),
    ERRNO(EPROTONOSUPPORT, "the protocol is not supported"),
    ERRNO(EPROTOTYPE, "the protocol does not fit the socket's type"),
    ERRNO(EBADMSG, "the message is damaged"),

    /* Limits. */
    ERRNO(EMFILE, "the process has too many open descriptors"),
    ERRNO(ENFILE, "the system has too many open files"),
    ERRNO(ENOMEM, "no memory is left"),
    ERRNO(ENOSPC, "no space is left on the device"),
    ERRNO(EFBIG, "the file is too large"),
    ERRNO(EMLINK, "the file has too many links"),
    ERRNO(ERANGE, "the result does not fit"),
    ERRNO(EOVERFLOW, "the value does not fit its type"),
    ERRNO(E2BIG, "the argument list is too long"),

    /* Permissions. */
    ERRNO(EACCES, "access is denied"),
    ERRNO(EPERM, "the operation is not permitted"),
    ERRNO(EROFS, "the file system is read-only"),

    /* Files and devices. */
    ERRNO(ENOENT, "there is no such file or directory"),
    ERRNO(EEXIST, "the file exists already"),
    ERRNO(EISDIR, "the file is a directory"),
    ERRNO(ENOTDIR, "part of the path is not a directory"),
    ERRNO(ENOTEMPTY, "the directory is not empty"),
    ERRNO(ENAMETOOLONG, "the name is too long"),
    ERRNO(ELOOP, "too many symbolic links stand in the path"),
    ERRNO(EXDEV, "the link would cross file systems"),
    ERRNO(ESPIPE, "the object has no position to seek to"),
    ERRNO(EBUSY, "the resource is in use"),
    ERRNO(ETXTBSY, "the file is being executed"),
    ERRNO(EIO, "input or output failed"),
    ERRNO(ENODEV, "there is no such device"),
    ERRNO(ENXIO, "the device or address does not exist"),
    ERRNO(ENOTTY, "the object does not take this control request"),
    ERRNO(ENOLCK, "no lock is left"),
    ERRNO(EDEADLK, "waiting would deadlock"),

    /* Calls and processes. */
    ERRNO(EINVAL, "an argument is invalid"),
    ERRNO(EBADF, "the descriptor is not open for this"),
    ERRNO(EFAULT, "an argument points outside of memory"),
    ERRNO(EDOM, "an argument is outside of the function's domain"),
    ERRNO(EILSEQ, "the bytes are no valid character"),
    ERRNO(ENOSYS, "the system does not have this call"),
    ERRNO(ENOEXEC, "the file is not executable"),
    ERRNO(ECHILD, "there is no such child process"),
    ERRNO(ESRCH, "there is no such process"),
};
/* clang-format on */

static const error_row unknown = {0, "UNKNOWN", "unknown error"};

static const error_row *row_of(int error)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].error == error)
            return &rows[i];
    }
    return &unknown;
}

const char *weir_error_text(int error)
{
    return row_of(error)->text;
}

const char *weir_error_name(int error)
{
    return row_of(error)->name;
}
