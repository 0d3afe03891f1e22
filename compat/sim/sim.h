/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_PRIVATE_H
#define WEIR_SIM_PRIVATE_H

/*
 * The inside of a world: programs, the clock and its agenda, the loops' kernel, what is watched.
 *
 *      world.c     life, programs, the scheduler, the system that programs see
 *      threads.c   threads, mutexes and conditions as programs and waits of them
 *      network.c, handshake.c, tcp.c   hosts and connections
 *      backend.c, op.c, socket.c, wait.c   the kernel of a loop: the files of the other backends
 *      lend.c      the buffers that a loop lends
 *      watch.c     what must not be touched, and frames
 *      trace.c     events, their hash, reports
 *      faults.c    which occur in a world, and whether one occurs now
 *      crash.c     hosts that lose their programs
 *      agenda.c    what is to happen when
 *
 * One thing runs at a time: a program, on a fiber of its own, or the world between two of them.
 * What a program does is atomic up to the next call of weir_sim_interleave or weir_sim_block.
 */

#include <weir/sim.h>

#include "agenda.h"
#include "backend.h"
#include "network.h"
#include "random.h"
#include "sys.h"
#include "thread.h"

/* Programs. */

enum sim_program_state {
    SIM_PROGRAM_READY,   /* In weir_sim.ready. */
    SIM_PROGRAM_RUNNING, /* One at most. */
    SIM_PROGRAM_BLOCKED, /* Until weir_sim_program_ready. */
    SIM_PROGRAM_ENDED,
};

/** A thread of control on a host. */
typedef struct sim_program {
    weir_sim *sim;
    weir_sim_host *host;
    const char *name;
    weir_sim_program_fn *main;
    void *argument;
    weir_sys_fiber *fiber;
    struct weir_thread thread; /* Its thread-locals while another runs. */
    enum sim_program_state state;
    sim_alarm stall;       /* Set: it is ready, and has to wait all the same. */
    const char *waits_for; /* While it is blocked: for reports. */
    const void *object;    /* And what it is about: a mutex, a condition. */
    unsigned index;        /* In weir_sim.programs. */
    bool is_joinable;      /* A thread, until somebody joins it. */
} sim_program;

/* Events. */

/** What is traced and hashed, beside faults and operations (kernel.h). The number counts: new kinds
 * go to the end. */
enum sim_what {
    SIM_PROGRAM_BEGINS,
    SIM_PROGRAM_ENDS,
    SIM_SWITCH,
    SIM_SLEEP,
    SIM_WAKE,
    SIM_WOKEN,
    SIM_OPEN,
    SIM_LISTEN,
    SIM_CONNECT,
    SIM_ESTABLISHED,
    SIM_ACCEPTED,
    SIM_SEGMENT, /* Arrives: bytes. */
    SIM_END,     /* Arrives: the end of the stream. */
    SIM_RESET,   /* Arrives, or is made. */
    SIM_CLOSE,
    SIM_SCRIPT,
    SIM_LOCK,
    SIM_CONDITION,
    SIM_CRASH,
    SIM_STARVED, /* A receive: no buffer is to be had. */
    SIM_WHAT_COUNT
};

enum { SIM_LAST_EVENTS = 512 };

struct weir_sim_trace {
    uint64_t hash;
    uint64_t count;
    weir_sim_event last[SIM_LAST_EVENTS]; /* Ring: the event count is at count % SIM_LAST_EVENTS. */
};

/* Frames. */

struct sim_frame;

/** What programs' child frames are made of. Freed ones are filled and kept for a while, to see
 * whether somebody writes to them. */
struct sim_frames {
    weir_memory memory;
    weir_sim *sim;
    size_t live_count;
    weir_list live;                /* sim_frame.link. */
    struct sim_frame *freed_first; /* Oldest first. */
    struct sim_frame *freed_last;
    size_t freed_bytes;
};

/* The world. */

struct weir_sim {
    weir_sim_options options;
    struct sim_random random;      /* Every choice of the world. */
    struct sim_random user_random; /* weir_sim_random. */
    int64_t now_ns;
    struct sim_agenda agenda;
    struct sim_network network;
    struct weir_sim_trace trace;
    struct sim_frames frames;

    weir_sys_fiber *fiber; /* Of weir_sim_run's caller. */
    struct weir_thread thread;
    sim_program **programs; /* All that were started. */
    size_t program_count;
    size_t program_capacity;
    sim_program **ready; /* In no order. */
    size_t ready_count;
    size_t live_count;    /* Programs that have not ended. */
    sim_program *running; /* NULL: the world itself. */

    weir_list kernels; /* sim_kernel.link. */
    weir_list scripts; /* All that have not been called. */

    uint64_t switches;
    uint64_t operations;
    uint64_t faults;
    int64_t slice_end_ns; /* When the turn of the running program is over. */
    uint64_t script_step; /* The first that a script waits for. */
    unsigned preemption;  /* In thousandths: how often others run at weir_sim_interleave. */
    bool is_reported;     /* A second failure while reporting prints no second report. */
};

/** The world that this thread runs now, or NULL. */
extern _Thread_local weir_sim *weir_sim_running;

/** The program that calls. There is one. */
static inline sim_program *sim_program_current(void)
{
    return weir_sim_running->running;
}

/* The scheduler. */

/** A program that runs on a host from now on. */
sim_program *weir_sim_program_start(weir_sim_host *host, const char *name,
                                    weir_sim_program_fn *main, void *argument);

/** It ends where it is, with all that stands on its stack. It does not run. */
void weir_sim_program_drop(sim_program *program);

/** Let others run, if the seed wants it. Nothing on the world's own fiber. */
void weir_sim_interleave(weir_sim *sim);

/** Let others run: the calling program goes on when weir_sim_program_ready was called for it. */
void weir_sim_block(weir_sim *sim, const char *waits_for, const void *object);

/** Let others run: the calling program goes on at any time. */
void weir_sim_yield(weir_sim *sim);

/** On the world's own fiber, which cannot wait: a program that is ready has its turn. */
void weir_sim_run_one(weir_sim *sim);

/** Harmless unless the program is blocked. */
void weir_sim_program_ready(sim_program *program);

/** The calling program used the processor for so long. */
static inline void sim_spend(weir_sim *sim, int64_t ns)
{
    sim->now_ns += ns;
}

/** Set an alarm so much from now. */
static inline void sim_after(weir_sim *sim, sim_alarm *alarm, int64_t ns, sim_alarm_fn *fired)
{
    weir_sim_agenda_set(&sim->agenda, alarm, sim->now_ns + ns, sim_random_next(&sim->random),
                        fired);
}

/** Faults in the trace, by the members of weir_sim_faults. */
enum sim_fault_kind {
    SIM_FAULT_PARTIAL_TRANSFER,
    SIM_FAULT_SLOW_COMPLETION,
    SIM_FAULT_SPURIOUS_WAKEUP,
    SIM_FAULT_LATE_CANCEL,
    SIM_FAULT_MULTISHOT_END,
    SIM_FAULT_TINY_QUEUES,
    SIM_FAULT_LOST_CONNECTION,
    SIM_FAULT_REFUSED_CONNECTION,
    SIM_FAULT_RESET_CONNECTION,
    SIM_FAULT_NO_DESCRIPTORS,
    SIM_FAULT_NO_KERNEL_MEMORY,
    SIM_FAULT_NO_FRAMES,
    SIM_FAULT_STALLED_PROGRAM,
    SIM_FAULT_NO_BUFFERS,
    SIM_FAULT_LATE_NOTIFICATION,
    SIM_FAULT_KIND_COUNT
};

/** Whether a fault occurs (faults.c); counts and traces it: where the calling program
 * runs, or on a host. */
bool weir_sim_fault(weir_sim *sim, unsigned thousandths, enum sim_fault_kind kind);
bool weir_sim_fault_at(weir_sim_host *host, unsigned thousandths, enum sim_fault_kind kind);

/* The system that programs see: world.c and threads.c. */

extern const struct weir_sys_world weir_sim_world;
extern const struct weir_backend_ops weir_sim_backend;
extern const struct weir_sys_sockets weir_sim_sockets;

int weir_sim_thread_start(weir_sys_thread *thread, weir_sys_thread_fn *function, void *argument);
void weir_sim_thread_join(weir_sys_thread *thread);
void weir_sim_mutex_init(weir_sys_mutex *mutex);
void weir_sim_mutex_fini(weir_sys_mutex *mutex);
void weir_sim_mutex_lock(weir_sys_mutex *mutex);
void weir_sim_mutex_unlock(weir_sys_mutex *mutex);
void weir_sim_condition_init(weir_sys_condition *condition);
void weir_sim_condition_fini(weir_sys_condition *condition);
void weir_sim_condition_wait(weir_sys_condition *condition, weir_sys_mutex *mutex);
void weir_sim_condition_wake(weir_sys_condition *condition, bool all);

/* Events and reports: trace.c. */

/** Something happens: where the calling program runs, if one does, or on a host. */
void weir_sim_trace(weir_sim *sim, enum sim_what what, int64_t descriptor, int64_t value);
void weir_sim_trace_at(const weir_sim_host *host, enum sim_what what, int64_t descriptor,
                       int64_t value);

/** host NULL: where the calling program runs. */
void weir_sim_trace_fault(weir_sim *sim, const weir_sim_host *host, enum sim_fault_kind kind);

/** A rule is broken: print it with the report, and abort. */
WEIR_NORETURN void weir_sim_broken(weir_sim *sim, const char *rule);

/** An assertion of the library's has failed: print the report, once. */
void weir_sim_report_assertion(void);

/** Check a rule of the simulator's about its programs. */
#define SIM_CHECK(sim, condition, rule) \
    (WEIR_LIKELY(condition) ? (void)0 : weir_sim_broken((sim), (rule)))

/* Frames: watch.c. */

void weir_sim_frames_init(struct sim_frames *frames, weir_sim *sim);

/** Forget what programs of a host that crashed have allocated. */
void weir_sim_frames_drop(struct sim_frames *frames, const weir_sim_host *host);

/** Check what was freed, and give it back. */
void weir_sim_frames_fini(struct sim_frames *frames);

#endif
