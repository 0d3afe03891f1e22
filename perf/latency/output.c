/* SPDX-License-Identifier: MIT */
/* Files that are either complete or not there. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

enum {
    SUFFIX_MAX = 32, /* Bytes behind the name of a temporary file, with the terminator. */
    SHOWN_MAX = 300, /* Bytes of a path that a failure shows. */
};

static bool fail(weir_lat_failure *failure, const char *name, int error)
{
    weir_lat_failure_set(failure, "%.*s: %s", SHOWN_MAX, name, weir_error_text(-error));
    return false;
}

/* Whether the name must be written in place: it is there, and no file that a rename may replace. */
static bool is_special(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

/* The directory of a path, with its slash; "." when it names none. The caller frees it. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
}

bool weir_lat_output_check(const char *path, weir_lat_failure *failure)
{
    struct stat status;
    char *directory;
    int error;

    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return fail(failure, path, EISDIR);
    if (is_special(path))
        return access(path, W_OK) == 0 || errno == ENOENT || fail(failure, path, errno);
    directory = directory_of(path);
    if (!directory)
        return fail(failure, path, ENOMEM);
    error = access(directory, W_OK | X_OK) == 0 ? 0 : errno;
    free(directory);
    return !error || fail(failure, path, error);
}

/* 0, or the errno of what failed first. Errors of earlier prints show in ferror. */
static int print_and_flush(FILE *stream, weir_lat_output_fn *print,
                           const struct weir_lat_report *report)
{
    errno = 0;
    print(stream, report);
    if (fflush(stream) != 0)
        return errno;
    if (ferror(stream))
        return errno ? errno : EIO;
    return 0;
}

bool weir_lat_output_print(FILE *stream, const char *name, weir_lat_output_fn *print,
                           const struct weir_lat_report *report, weir_lat_failure *failure)
{
    int error = print_and_flush(stream, print, report);

    return !error || fail(failure, name, error);
}

/* Devices and pipes have nothing to bring to a disk. */
static int sync_descriptor(int descriptor)
{
    if (fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP)
        return 0;
    return errno;
}

/* Print to the descriptor and close it. */
static int fill(int descriptor, weir_lat_output_fn *print, const struct weir_lat_report *report)
{
    FILE *stream = fdopen(descriptor, "w");
    int error;

    if (!stream) {
        error = errno;
        close(descriptor);
        return error;
    }
    error = print_and_flush(stream, print, report);
    if (!error)
        error = sync_descriptor(descriptor);
    if (fclose(stream) != 0 && !error)
        error = errno;
    return error;
}

static int write_in_place(const char *path, weir_lat_output_fn *print,
                          const struct weir_lat_report *report)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    return descriptor < 0 ? errno : fill(descriptor, print, report);
}

static int write_beside(const char *path, const char *temporary, weir_lat_output_fn *print,
                        const struct weir_lat_report *report)
{
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int error;

    if (descriptor < 0)
        return errno;
    error = fill(descriptor, print, report);
    if (!error && rename(temporary, path) != 0)
        error = errno;
    if (error)
        unlink(temporary);
    return error;
}

static int write_and_rename(const char *path, weir_lat_output_fn *print,
                            const struct weir_lat_report *report)
{
    size_t size = strlen(path) + SUFFIX_MAX;
    char *temporary = malloc(size);
    int error;

    if (!temporary)
        return ENOMEM;
    snprintf(temporary, size, "%s.%ld.tmp", path, (long)getpid());
    error = write_beside(path, temporary, print, report);
    free(temporary);
    return error;
}

bool weir_lat_output_write(const char *path, weir_lat_output_fn *print,
                           const struct weir_lat_report *report, weir_lat_failure *failure)
{
    int error = is_special(path) ? write_in_place(path, print, report)
                                 : write_and_rename(path, print, report);

    return !error || fail(failure, path, error);
}
