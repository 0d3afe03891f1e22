/* SPDX-License-Identifier: MIT */

/*
 * A program outside the project. It is compiled as C and as C++, against an installed weir.
 */

#include <weir/endpoint.h>

#include <stdio.h>

int main(void)
{
    weir_endpoint endpoint;
    char text[WEIR_ENDPOINT_TEXT_MAX];

    if (weir_endpoint_parse("[::1]:7777", &endpoint) != 0)
        return 1;
    weir_endpoint_format(&endpoint, text);
    puts(text);
    return 0;
}
