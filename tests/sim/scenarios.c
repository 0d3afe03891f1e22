/* SPDX-License-Identifier: MIT */
/* The table of scenarios. A new one is named here twice, and once in CMakeLists.txt. */
#include "scenario.h"

extern const struct scenario scenario_accept;
extern const struct scenario scenario_backlog;
extern const struct scenario scenario_bridge;
extern const struct scenario scenario_cancel_storm;
extern const struct scenario scenario_channels;
extern const struct scenario scenario_close;
extern const struct scenario scenario_echo;
extern const struct scenario scenario_fairness;
extern const struct scenario scenario_frames;
extern const struct scenario scenario_groups;
extern const struct scenario scenario_network;
extern const struct scenario scenario_proxy;
extern const struct scenario scenario_races;
extern const struct scenario scenario_shields;
extern const struct scenario scenario_sink;
extern const struct scenario scenario_source;
extern const struct scenario scenario_strands;
extern const struct scenario scenario_streams;
extern const struct scenario scenario_timers;

const struct scenario *const scenarios[] = {
    &scenario_accept,   &scenario_backlog, &scenario_bridge,  &scenario_cancel_storm,
    &scenario_channels, &scenario_close,   &scenario_echo,    &scenario_fairness,
    &scenario_frames,   &scenario_groups,  &scenario_network, &scenario_proxy,
    &scenario_races,    &scenario_shields, &scenario_sink,    &scenario_source,
    &scenario_strands,  &scenario_streams, &scenario_timers,
};

const size_t scenario_count = sizeof scenarios / sizeof scenarios[0];
