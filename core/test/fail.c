/* SPDX-License-Identifier: MIT */
/* Where a test of the kit's user ends. */
#include <weir/test/fail.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void weir_test_fail(const char *format, ...)
{
    va_list arguments;

    fputs("weir test kit: ", stderr);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}
