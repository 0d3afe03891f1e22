/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_RACES_H
#define WEIR_TEST_SIM_RACES_H

/* What the two programs of the races share: their field, and the one that sends. */

#include "play.h"

enum { RACES_MEMORY_BYTES = 2048 };

/** Where and when it happens. */
struct races_field {
    weir_sim *sim;
    unsigned failures; /* enum kit_failure. */
    int64_t grid_ns;
    int64_t prompt_ns; /* A cancel may be late, and so may what it cancels. */
    int64_t cancel_ns; /* How long a cancel takes. */
    struct kit_flow there;
    struct kit_flow back;
    bool is_left; /* The racer closes before the end. */
};

/** The next multiple of the grid, or one of those behind it; now and then beside it. */
int64_t races_moment(const struct races_field *field, unsigned most);

/** Connects, in times that are often too short, and sends what the races are about. */
struct races_sender {
    weir_task task;
    struct races_field *field; /* In. */
    weir_tcp_socket socket;
    weir_endpoint peer;
    weir_deadline deadline;
    size_t left; /* Writes. */
    size_t size;
    int error;
    unsigned attempts;   /* To connect. */
    bool is_gone;        /* Out. */
    bool is_connected;   /* Out. */
    weir_endpoint local; /* Then. */
    weir_group group;
    struct outflow {
        weir_task task;
        struct races_sender *sender;
    } outflow;
    struct kit_receiver receiver;
    unsigned char memory[RACES_MEMORY_BYTES];
};

/** A program; its argument is a struct races_sender. */
void races_sender_main(void *sender);

#endif
