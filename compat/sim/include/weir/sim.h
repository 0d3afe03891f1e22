/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_H
#define WEIR_SIM_H

/*
 * The simulator: a whole system in one thread, in virtual time, from one seed.
 *
 * A world holds hosts and the network between them. Programs run on the hosts: functions that do
 * what main() does, with loops, tasks, sockets, timers, strands and thread pools. Inside a world
 * these stand on simulated clock, threads and kernel, without a change to the program. The clock
 * jumps to the next event when no program can run, so an hour takes as long as what happens in it.
 *
 *      weir_sim_options options = {.seed = seed, .faults = weir_sim_faults_at(2, seed)};
 *      weir_sim *sim = weir_sim_new(&options);
 *
 *      weir_sim_start(weir_sim_host_new(sim, "server"), "server", server_main, &server);
 *      weir_sim_start(weir_sim_host_new(sim, "client"), "client", client_main, &client);
 *      CHECK(weir_sim_run(sim, WEIR_SIM_TO_THE_END) == 0);
 *      weir_sim_free(sim);
 *
 * The seed decides everything that a real system leaves open: which thread runs, in what order and
 * how soon operations complete, how many bytes a transfer moves, what fails. One seed is one
 * history: the same on every machine and for every compiler, as long as the programs use nothing
 * else that differs (their own threads, real clocks, addresses as numbers).
 *
 * Always watched, whatever the programs check themselves: nothing touches an operation, its memory
 * (a MiB of it) or its socket while the kernel owns it; what a loop lends is only read, and given
 * back once, before the loop ends; one operation reads and one writes a socket; no socket goes
 * while an operation is in flight on it; a loop ends without a timer, a frame or an open object,
 * and before the program that made it; the last program of a host leaves no descriptor, the last of
 * all no frame and no thread. What is broken, and the assertion of the library's that fails, is
 * printed with the seed, the tasks of all loops and the last events, and the process aborts.
 *
 * What it cannot show: what real kernels do differently, races that need two processors at once
 * (all changes of thread are at calls of the kernel, of locks, and where tasks are handed over),
 * signals. A program that never calls the library again is not interrupted: the process hangs. One
 * that calls exit() ends the process.
 *
 * C++: a program does not call weir from inside a catch block, for what was caught is the thread's.
 *
 * Thread: a world belongs to the thread that made it; threads may have a world each. Its memory is
 * bounded by what the programs open and start: 256 KiB of stack a program, the bytes on their way,
 * 256 KiB of frames that were freed, and the last 512 events.
 *
 * Source: compat/sim. Tests: tests/sim, tests/contract.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/endpoint.h>
#include <weir/task.h>

WEIR_C_BEGIN

/** Opaque. */
typedef struct weir_sim weir_sim;
typedef struct weir_sim_host weir_sim_host;

/* Faults. */

/** How often things go wrong, in thousandths of the occasions; 1,000: always. All zeroes: never. */
typedef struct weir_sim_faults {
    uint16_t partial_transfer;   /* A transfer moves fewer bytes than it could. */
    uint16_t slow_completion;    /* An operation completes up to a millisecond later. */
    uint16_t spurious_wakeup;    /* A wait, of a loop or on a condition, ends for nothing: EINTR. */
    uint16_t late_cancel;        /* A cancel arrives up to a millisecond later, or too late. */
    uint16_t multishot_end;      /* A multishot ends with what it gives: a descriptor, a buffer. */
    uint16_t tiny_queues;        /* A loop has queues of a few entries, which overflow. */
    uint16_t lost_connection;    /* An accept meets a connection that is gone: ECONNABORTED. */
    uint16_t refused_connection; /* A connect is refused though somebody listens. */
    uint16_t reset_connection;   /* A segment on its way resets its connection. */
    uint16_t no_descriptors;     /* EMFILE or ENFILE, of an open or an accept. */
    uint16_t no_kernel_memory;   /* ENOBUFS, ENOMEM: open, attach, connect, accept. */
    uint16_t no_frames;          /* The memory of child frames is exhausted. */
    uint16_t stalled_program;    /* A program that could run does not, up to 20 ms. Of no level. */
    uint16_t no_buffers;         /* A receive finds no buffer to lend, and waits for its loop. */
    uint16_t late_notification;  /* What was sent without a copy stays the kernel's, up to 3 s. */
} weir_sim_faults;

/** The highest level. */
enum { WEIR_SIM_FAULTS_MAX = 3 };

/**
 * Faults of a level: 0 none; 1 what all networks and kernels do, and nothing that fails; 2 failures
 * too, now and then; 3 failures in plenty. Above 0 the seed chooses which kinds of fault occur in
 * this world at all: what is rare in the mixture is common without the others.
 */
WEIR_PUBLIC weir_sim_faults weir_sim_faults_at(unsigned level, uint64_t seed);

/* Worlds. */

/** Something that happened. Texts are static or live as long as the world. */
typedef struct weir_sim_event {
    uint64_t step;       /* Counts events. */
    int64_t time_ns;     /* Of the world's clock. */
    const char *host;    /* Where it happened; "" where that is nowhere: a script. */
    const char *program; /* Who did it; "" for the kernel and the network. */
    const char *what;    /* "start receive", "fault: late cancel", ... */
    int64_t descriptor;  /* -1: none. */
    int64_t value;       /* A count, a time, a negative errno, ... */
} weir_sim_event;

typedef void weir_sim_observe_fn(const weir_sim_event *event, void *user);

/** Zero-initialised: the defaults. */
typedef struct weir_sim_options {
    uint64_t seed;
    weir_sim_faults faults;
    uint64_t steps_max;           /* Events after which the world counts as stuck; 0: 50 million. */
    FILE *trace;                  /* Gets each event as a line; NULL: none. */
    weir_sim_observe_fn *observe; /* Called for each event; NULL: none. Must not call the world. */
    void *user;                   /* Handed to observe. */
    const char *repeat; /* How this run is repeated, printed by reports; NULL: the seed is. */
} weir_sim_options;

/**
 * Make a world. Never fails: what is missing for it ends the process.
 *
 * @options  NULL: the defaults
 */
WEIR_PUBLIC weir_sim *weir_sim_new(const weir_sim_options *options);

/**
 * Destroy a world. Programs that have not ended end where they are, as when a process is killed:
 * what they hold of the heap is not given back.
 *
 * @sim  NULL: nothing happens
 */
WEIR_PUBLIC void weir_sim_free(weir_sim *sim);

/** weir_sim_run: no deadline. */
#define WEIR_SIM_TO_THE_END INT64_MAX

/**
 * Run the world until every program has ended or its clock shows until_ns; then it can be run on.
 *
 * Returns 0 when every program has ended; WEIR_TIMED_OUT at the deadline; -EDEADLK when programs
 * wait for what nothing will bring. The last two leave the programs where they are.
 */
WEIR_PUBLIC int weir_sim_run(weir_sim *sim, int64_t until_ns);

/** What a world has done so far. */
typedef struct weir_sim_outcome {
    uint64_t hash;        /* Of all events: equal for equal histories. */
    uint64_t steps;       /* Events. */
    int64_t time_ns;      /* Of the world's clock, which begins at one second. */
    uint64_t switches;    /* Changes of thread. */
    uint64_t operations;  /* Completed. */
    uint64_t connections; /* Established. */
    uint64_t bytes;       /* Received. */
    uint64_t faults;      /* Injected. */
} weir_sim_outcome;

/** Ask at any time. */
WEIR_PUBLIC weir_sim_outcome weir_sim_outcome_get(const weir_sim *sim);

/** Print seed, clock, tasks of every loop and the last events. */
WEIR_PUBLIC void weir_sim_report(weir_sim *sim, FILE *stream);

/** A rule of the caller's is broken: print it with the report, and abort. printf's format. */
WEIR_PUBLIC WEIR_NORETURN WEIR_PRINTF(2, 3) void weir_sim_fail(weir_sim *sim, const char *format,
                                                               ...);

/** The world of the calling program, or the one that is being run by this thread, or NULL. */
WEIR_PUBLIC weir_sim *weir_sim_current(void);

/** A number from the seed, for the programs' own choices. It changes nothing of the world's. */
WEIR_PUBLIC uint64_t weir_sim_random(weir_sim *sim);

/** A number below bound, which is not 0. */
WEIR_PUBLIC uint64_t weir_sim_random_below(weir_sim *sim, uint64_t bound);

/* Hosts and programs. */

/**
 * Add a host: 10.0.0.1 and fd00::1 for the first, and so on to the 64th. 127.0.0.1 and ::1 are each
 * host's own. The world's; lives as long as it does.
 *
 * @name  for traces; borrowed
 */
WEIR_PUBLIC weir_sim_host *weir_sim_host_new(weir_sim *sim, const char *name);

/** A port of the host's IPv4 address. */
WEIR_PUBLIC weir_endpoint weir_sim_host_endpoint(const weir_sim_host *host, uint16_t port);

/** Let the host have at most so many descriptors; 1,024 at first. Those that are open stay. */
WEIR_PUBLIC void weir_sim_host_limit_descriptors(weir_sim_host *host, unsigned descriptors_max);

typedef void weir_sim_program_fn(void *argument);

/**
 * Start a program: a thread of its own on the host. It begins when the world runs, and ends when
 * main returns. What blocks inside it (weir_run, a mutex of a pool) lets the others run.
 *
 * @name      for traces; borrowed
 * @argument  handed to main
 */
WEIR_PUBLIC void weir_sim_start(weir_sim_host *host, const char *name, weir_sim_program_fn *main,
                                void *argument);

/** Start a program that makes a loop and runs a task on it. The task stays until
 * the program ends. */
WEIR_PUBLIC void weir_sim_start_task(weir_sim_host *host, const char *name, weir_task *main);

/**
 * The host loses its programs, as in a power failure: they end where they are, and their loops,
 * sockets and frames are gone. What they hold of the heap is not given back. Peers are not told:
 * who sends finds nobody, and is reset; who only reads waits. New programs may be started at once.
 * Pointers to what was on its programs' stacks and in its frames (a root, a loop) lead nowhere:
 * forget them.
 *
 * From a script, or while the world does not run. The other hosts go on; if no program is left, the
 * world has ended, and scripts for later are not called.
 */
WEIR_PUBLIC void weir_sim_host_crash(weir_sim_host *host);

/* The network. */

enum weir_sim_link_state {
    WEIR_SIM_LINK_UP,
    WEIR_SIM_LINK_CUT,         /* Nothing arrives until it is up again; after 30 s, or
                                  the user timeout, ETIMEDOUT. */
    WEIR_SIM_LINK_UNREACHABLE, /* New connections: EHOSTUNREACH; the others as cut. */
};

/** The link between two hosts. Zero-initialised members: the defaults. Latencies are not negative,
 * and the highest is not below the lowest. */
typedef struct weir_sim_link {
    enum weir_sim_link_state state;
    int64_t latency_min_ns; /* 0: 10 us. */
    int64_t latency_max_ns; /* 0: 500 us, or latency_min_ns if that is more. */
    uint32_t window_bytes;  /* On their way and unread, each direction; 0: 64 KiB. */
} weir_sim_link;

/** Change the link between two hosts, both ways; a host has one to itself. For bytes sent later. */
WEIR_PUBLIC void weir_sim_link_set(weir_sim_host *a, weir_sim_host *b, const weir_sim_link *link);

/** Reset every connection between two hosts. */
WEIR_PUBLIC void weir_sim_reset_connections(weir_sim_host *a, weir_sim_host *b);

/* Scripts. */

typedef void weir_sim_script_fn(weir_sim *sim, void *argument);

/**
 * Call function once, when the world's clock (weir_now_ns) shows at_ns, or before event number
 * step; at the next occasion if that has passed, and not at all if all programs have ended before.
 * It runs between the programs, on no loop: it may change the network, request stops and post, as
 * another thread would, and start programs and scripts. It makes no loop, and does not wait.
 */
WEIR_PUBLIC void weir_sim_at(weir_sim *sim, int64_t at_ns, weir_sim_script_fn *function,
                             void *argument);
WEIR_PUBLIC void weir_sim_at_step(weir_sim *sim, uint64_t step, weir_sim_script_fn *function,
                                  void *argument);

WEIR_C_END

#endif
