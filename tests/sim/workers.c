/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* MAP_ANONYMOUS, prctl, sigtimedwait, strsignal */
#include "workers.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "coverage.h"
#include "crash.h"
#include "progress.h"
#include "run.h"

static const uint64_t NO_RUN = UINT64_MAX;
static const int64_t TICK_NS = INT64_C(100000000);
static const int64_t REPORT_NS = INT64_C(10000000000); /* What a hung worker has for its report. */

/* Shared with all workers. Accessed by __atomic: the workers count up, the parent
 * lowers the limit. */
struct dealer {
    uint64_t next;  /* The first run that nobody has taken. */
    uint64_t limit; /* Runs from here on are not needed. */
};

/* Shared with one worker, which writes. */
struct slot {
    uint64_t index; /* Of its run, or NO_RUN; __atomic. */
    uint64_t done;  /* Runs; __atomic. */
    struct scenario_run run;
};

/* What the parent knows of a worker. */
struct worker {
    pid_t pid; /* 0: it has ended. */
    struct slot *slot;
    struct tally *by_scenario;
    FILE *errors; /* Its stderr, of the run that it is in. */
    uint64_t seen_index;
    uint64_t seen_worlds;
    int64_t seen_ns; /* When these two changed. */
    bool is_hung;
};

/* How a worker died. */
struct failure {
    bool is_set;
    const struct worker *worker;
    uint64_t index; /* Of the run, or NO_RUN. */
    int status;
};

struct crew {
    const struct options *options;
    struct dealer *dealer;
    struct worker *workers;
    unsigned count;
    unsigned live;
    unsigned char *reached;
    struct failure failure; /* Of the first run that failed. */
    struct progress progress;
};

static void die(const char *what)
{
    fprintf(stderr, "weir-sim: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Zeroed, and the same memory after a fork. */
static void *share(size_t bytes)
{
    void *memory = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

static size_t number_of(const struct scenario *scenario)
{
    size_t i = 0;

    while (scenarios[i] != scenario)
        i++;
    return i;
}

static void do_run(const struct options *options, uint64_t index, struct slot *slot,
                   struct tally *by_scenario, unsigned char *reached)
{
    run_init(&slot->run, options, index);
    __atomic_store_n(&slot->index, index, __ATOMIC_RELEASE);
    run_go(&slot->run);
    tally_run(&by_scenario[number_of(slot->run.scenario)], &slot->run);
    coverage_collect(reached);
    __atomic_store_n(&slot->index, NO_RUN, __ATOMIC_RELEASE);
    __atomic_fetch_add(&slot->done, 1, __ATOMIC_RELAXED);
}

/* The worker. */

static bool take(struct dealer *dealer, uint64_t *ret_index)
{
    *ret_index = __atomic_fetch_add(&dealer->next, 1, __ATOMIC_RELAXED);
    return *ret_index < __atomic_load_n(&dealer->limit, __ATOMIC_RELAXED);
}

static void forget_errors(void)
{
    if (ftruncate(STDERR_FILENO, 0) != 0 || lseek(STDERR_FILENO, 0, SEEK_SET) != 0)
        _exit(1);
}

/* Ends by exit, not _exit, for the sake of those who look for leaks then. */
static WEIR_NORETURN void work(const struct crew *crew, const struct worker *worker)
{
    uint64_t index;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(fileno(worker->errors), STDERR_FILENO) < 0)
        _exit(1);
    crash_install();
    while (take(crew->dealer, &index)) {
        forget_errors();
        do_run(crew->options, index, worker->slot, worker->by_scenario, crew->reached);
    }
    exit(0);
}

/* The parent. */

static void start(struct crew *crew, struct worker *worker, const sigset_t *mask)
{
    worker->slot = share(sizeof *worker->slot);
    worker->slot->index = NO_RUN;
    worker->seen_index = NO_RUN;
    worker->seen_ns = progress_now_ns();
    worker->by_scenario = share(scenario_count * sizeof *worker->by_scenario);
    worker->errors = tmpfile();
    if (!worker->errors)
        die("tmpfile");
    worker->pid = fork();
    if (worker->pid < 0)
        die("fork");
    if (worker->pid == 0) {
        sigprocmask(SIG_SETMASK, mask, NULL);
        work(crew, worker);
    }
    crew->live++;
}

static struct worker *find(struct crew *crew, pid_t pid)
{
    struct worker *worker = crew->workers;

    while (worker->pid != pid)
        worker++;
    return worker;
}

/* The first run that failed counts, and what died in no run if none did. */
static void note_end(struct crew *crew, struct worker *worker, int status)
{
    const struct failure failure = {
        .is_set = true,
        .worker = worker,
        .index = __atomic_load_n(&worker->slot->index, __ATOMIC_ACQUIRE),
        .status = status,
    };
    uint64_t limit = __atomic_load_n(&crew->dealer->limit, __ATOMIC_RELAXED);

    worker->pid = 0;
    crew->live--;
    if (status == 0)
        return;
    if (failure.index < limit) {
        crew->failure = failure;
        __atomic_store_n(&crew->dealer->limit, failure.index, __ATOMIC_RELAXED);
    } else if (failure.index == NO_RUN && !crew->failure.is_set) {
        crew->failure = failure;
    }
}

static void reap(struct crew *crew)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        note_end(crew, find(crew, pid), status);
}

static void look_for_hang(const struct crew *crew, struct worker *worker, int64_t now_ns)
{
    uint64_t index = __atomic_load_n(&worker->slot->index, __ATOMIC_ACQUIRE);
    uint64_t worlds = __atomic_load_n(&worker->slot->run.worlds, __ATOMIC_RELAXED);
    int64_t patience_ns = crew->options->timeout_s * INT64_C(1000000000);

    if (index != worker->seen_index || worlds != worker->seen_worlds) {
        worker->seen_index = index;
        worker->seen_worlds = worlds;
        worker->seen_ns = now_ns;
    } else if (!worker->is_hung && now_ns - worker->seen_ns > patience_ns) {
        worker->is_hung = true;
        kill(worker->pid, SIGABRT);
    } else if (worker->is_hung && now_ns - worker->seen_ns > patience_ns + REPORT_NS) {
        kill(worker->pid, SIGKILL);
    }
}

/* Stop those that hang, and those that run what comes after the first failure. */
static void look_after(struct crew *crew)
{
    int64_t now_ns = progress_now_ns();
    uint64_t limit = __atomic_load_n(&crew->dealer->limit, __ATOMIC_RELAXED);

    for (struct worker *worker = crew->workers; worker < crew->workers + crew->count; worker++) {
        uint64_t index = __atomic_load_n(&worker->slot->index, __ATOMIC_ACQUIRE);

        if (worker->pid == 0)
            continue;
        if (index != NO_RUN && index > limit)
            kill(worker->pid, SIGKILL);
        else
            look_for_hang(crew, worker, now_ns);
    }
}

static uint64_t runs_done(const struct crew *crew)
{
    uint64_t done = 0;

    for (unsigned i = 0; i < crew->count; i++)
        done += __atomic_load_n(&crew->workers[i].slot->done, __ATOMIC_RELAXED);
    return done;
}

static void wait_for_all(struct crew *crew, const sigset_t *child_signal)
{
    const struct timespec tick = {.tv_nsec = TICK_NS};

    while (crew->live > 0) {
        sigtimedwait(child_signal, NULL, &tick);
        reap(crew);
        look_after(crew);
        progress_show(&crew->progress, runs_done(crew), crew->failure.is_set, crew->reached);
    }
    progress_end(&crew->progress, runs_done(crew), crew->failure.is_set, crew->reached);
}

/* SIGCHLD is blocked here, so that waiting for it misses none. */
static void run_crew(struct crew *crew)
{
    sigset_t child_signal, mask;

    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, &mask);
    fflush(NULL);
    for (unsigned i = 0; i < crew->count; i++)
        start(crew, &crew->workers[i], &mask);
    wait_for_all(crew, &child_signal);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

static void copy_to_stderr(FILE *errors)
{
    char data[4096];
    size_t count;

    rewind(errors);
    while ((count = fread(data, 1, sizeof data, errors)) > 0)
        fwrite(data, 1, count, stderr);
}

static void print_death(const struct options *options, const struct failure *failure)
{
    if (failure->worker->is_hung)
        fprintf(stderr, "no world ended for %u s\n", options->timeout_s);
    else if (WIFSIGNALED(failure->status))
        fprintf(stderr, "%s\n", strsignal(WTERMSIG(failure->status)));
    else
        fprintf(stderr, "exit status %d\n", WEXITSTATUS(failure->status));
}

static void print_failure(const struct options *options, const struct failure *failure)
{
    const struct scenario_run *run = &failure->worker->slot->run;
    char command[RUN_REPEAT_BYTES];

    copy_to_stderr(failure->worker->errors);
    if (failure->index == NO_RUN) {
        fprintf(stderr, "FAILED: a worker, after its last run: ");
        print_death(options, failure);
        return;
    }
    fprintf(stderr, "FAILED: scenario %s, seed %" PRIu64 ", faults %u", run->scenario->name,
            run->seed, run->level);
    if (run->worlds > 0)
        fprintf(stderr, ", world %" PRIu64, run->worlds + 1);
    fprintf(stderr, ": ");
    print_death(options, failure);
    run_repeat(run, command);
    fprintf(stderr, "repeat: %s\n", command);
}

/* Add up what the workers found, and let go of them. */
static void gather(struct crew *crew, struct results *results)
{
    for (unsigned i = 0; i < crew->count; i++) {
        struct worker *worker = &crew->workers[i];

        for (size_t scenario = 0; scenario < scenario_count; scenario++)
            tally_add(&results->by_scenario[scenario], &worker->by_scenario[scenario]);
        fclose(worker->errors);
    }
    results->run = crew->workers[0].slot->run;
}

static bool run_in_workers(const struct options *options, struct results *results)
{
    struct crew crew = {
        .options = options,
        .dealer = share(sizeof *crew.dealer),
        .count = options->jobs,
        .reached = results->reached,
    };

    if (crew.count > options->runs)
        crew.count = (unsigned)options->runs;
    crew.dealer->limit = options->runs;
    crew.workers = calloc(crew.count, sizeof *crew.workers);
    if (!crew.workers)
        die("workers");
    progress_begin(&crew.progress, options->runs, options->is_terminal);
    run_crew(&crew);
    if (crew.failure.is_set)
        print_failure(options, &crew.failure);
    gather(&crew, results);
    free(crew.workers);
    return !crew.failure.is_set;
}

/* Without a process between the world and a debugger. */
static void run_here(const struct options *options, struct results *results)
{
    struct slot slot = {.index = NO_RUN};
    struct progress progress;

    crash_install();
    progress_begin(&progress, options->runs, options->is_terminal);
    for (uint64_t i = 0; i < options->runs; i++) {
        do_run(options, i, &slot, results->by_scenario, results->reached);
        progress_show(&progress, slot.done, 0, results->reached);
    }
    progress_end(&progress, slot.done, 0, results->reached);
    results->run = slot.run;
}

bool workers_run(const struct options *options, struct results *ret_results)
{
    *ret_results = (struct results){
        .by_scenario = share(scenario_count * sizeof *ret_results->by_scenario),
        .reached = share(coverage_edges()),
    };
    if (options->jobs == 0) {
        run_here(options, ret_results);
        return true;
    }
    return run_in_workers(options, ret_results);
}
