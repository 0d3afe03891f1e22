/* SPDX-License-Identifier: MIT */
/* suite-weir: the rows of the suite, in weir. */
#include "weir_bed.h"

static const suite_library library = {
    .post = weir_suite_post,
    .throughput = weir_suite_throughput,
    .throughput_both = weir_suite_throughput_both,
    .pingpong_one = weir_suite_pingpong_one,
    .pingpong = weir_suite_pingpong,
    .pairs = weir_suite_pairs,
    .accept = weir_suite_accept,
    .accept_burst = weir_suite_accept_burst,
    .timer_cancel = weir_suite_timer_cancel,
    .timer_fire = weir_suite_timer_fire,
    .timers = weir_suite_timers,
    .fan_out = weir_suite_fan_out,
    .fan_out_spin = weir_suite_fan_out_spin,
};

int main(int argc, char **argv)
{
    return weir_suite_main(argc, argv, &library);
}
