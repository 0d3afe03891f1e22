/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_SIM_ECHO_SESSION_H
#define WEIR_TEST_SIM_ECHO_SESSION_H

/* The server's end of a wire, and its parts for those who serve in their own way. */

#include "echo.h"

/** The server's end of a wire. */
struct echo_session {
    struct echo_guest guest;
    weir_task echo;
    struct echo_wire *wire; /* NULL: its number has not come. */
    size_t size;            /* Bytes of data that are to be sent back. */
    int error;
    weir_deadline silence;
    unsigned char data[ECHO_SESSION_BYTES];
};

/** Echoes: the serve of a server that has none. */
weir_task *echo_session_resume(weir_task *task);

/** The number has come into data, with r.count bytes, or it has not. The session knows its wire. */
void echo_session_greet(struct echo_session *self, weir_result r);

/** What a shield held back takes effect when it ends. */
void echo_session_check_stopped(weir_task *task, const struct echo_server *server);

/** It is about to close: check that what has ended it can have happened. */
void echo_session_end(struct echo_session *self);

/** A connection goes whose number nobody has read: it may be any of those that have no session. */
void echo_drop_unserved(struct echo_world *world);

#endif
