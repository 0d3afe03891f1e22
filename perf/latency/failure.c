/* SPDX-License-Identifier: MIT */
/* One line of text that says what went wrong. */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void hide_control_characters(char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < ' ' || byte == 0x7f)
            *text = '?';
    }
}

void weir_lat_failure_set(weir_lat_failure *failure, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof failure->text)
        memcpy(failure->text + sizeof failure->text - 4, "...", 4);
    hide_control_characters(failure->text);
}
