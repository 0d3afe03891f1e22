/* SPDX-License-Identifier: MIT */
/* suite-asio-epoll and suite-asio-uring: the rows of the suite, in coroutines of Asio's. */
#include <cstdio>

#include "asio_bed.h"

int main(int argc, char **argv)
{
    static const suite_library library = {
        suite::post,         suite::throughput, suite::throughput_both, suite::pingpong_one,
        suite::pingpong,     suite::pairs,      suite::accept,          suite::accept_burst,
        suite::timer_cancel, suite::timer_fire, suite::timers,          suite::fan_out,
        suite::fan_out_spin,
    };

    return weir_suite_main(argc, argv, &library);
}
