/* SPDX-License-Identifier: MIT */

/*
 * Checks, their reports, and the frame around the body of a test. Threads: any may fail a check.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "leaks.h"
#include "test.h"
#include "test_run.h"

/* Written before the body can start a thread. */
static const char *running = "?";
static char detail[64];
unsigned test_direct_descriptors;

static void report(const char *what, const char *format, va_list arguments)
{
    char message[1024];

    vsnprintf(message, sizeof message, format, arguments);
    fprintf(stderr, "%s: %s\n", what, message);
    fflush(NULL);
}

void test_fail(const char *file, int line, const char *format, ...)
{
    char what[512];
    va_list arguments;

    snprintf(what, sizeof what, "%s:%d: %s%s: check failed", file, line, running, detail);
    va_start(arguments, format);
    report(what, format, arguments);
    va_end(arguments);
    _exit(1);
}

void test_skip(const char *format, ...)
{
    char what[512];
    va_list arguments;

    snprintf(what, sizeof what, "[SKIP] %s", running);
    va_start(arguments, format);
    report(what, format, arguments);
    va_end(arguments);
    test_runner_skip();
}

void test_detail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
}

void test_check_eq(const char *file, int line, const char *text, intmax_t a, intmax_t b)
{
    if (a != b)
        test_fail(file, line, "%s (%jd, %jd)", text, a, b);
}

void test_check_str_eq(const char *file, int line, const char *text, const char *a, const char *b)
{
    if (a == b || (a && b && strcmp(a, b) == 0))
        return;
    test_fail(file, line, "%s (\"%s\", \"%s\")", text, a ? a : "(null)", b ? b : "(null)");
}

__attribute__((weak)) bool test_backend_available(const char *name)
{
    (void)name;
    return true;
}

void test_require_backend(const char *name)
{
    if (!test_backend_available(name))
        test_skip("this machine has no %s", name);
}

void test_on_kernel(const char *backend, test_on_fn *body)
{
    test_require_backend(backend);
    body(backend);
}

/* Enough that an acceptor has room for a multishot at first. */
void test_on_direct(const char *backend, test_on_fn *body)
{
    (void)backend;
    test_direct_descriptors = 8192;
    test_on_kernel("uring", body);
}

void test_run(const char *name, test_body_fn *body)
{
    struct test_descriptors before;

    running = name;
    test_descriptors_list(&before);
    body();
    test_descriptors_check(&before);
    test_memory_check();
}
