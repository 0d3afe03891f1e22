/* SPDX-License-Identifier: MIT */

/*
 * The plain runner: one forked child a test, one after the other, in the order of the files.
 *
 *     PROGRAM [--list] [--filter PATTERN]
 *
 * It has no thread, so that a sanitizer lets its children start some. It closes with
 * "N passed, N failed, N skipped" and fails when a test did, or when nothing ran.
 */

#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner.h"

enum { EXIT_SKIPPED = 77, EXIT_USAGE = 2 };

enum verdict { PASSED, FAILED, SKIPPED, VERDICTS };

struct options {
    const char *pattern; /* Glob over "suite/name". */
    bool list;
};

static struct test_case *first;
static struct test_case **last = &first;

void test_register(struct test_case *test)
{
    *last = test;
    last = &test->next;
}

void test_runner_skip(void)
{
    _exit(EXIT_SKIPPED);
}

static void run_child(const struct test_case *test)
{
    struct rlimit none = {0, 0};

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &none);
    test_run(test->name, test->body);
    exit(EXIT_SUCCESS);
}

/* False when the time is up. SIGCHLD is blocked, so an early end is not missed. */
static bool wait_for_end(pid_t child, int *ret_status)
{
    struct timespec limit = {.tv_sec = TEST_TIMEOUT_S, .tv_nsec = 0};
    sigset_t ended;

    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    while (waitpid(child, ret_status, WNOHANG) == 0) {
        if (sigtimedwait(&ended, NULL, &limit) < 0 && errno == EAGAIN)
            return false;
    }
    return true;
}

static enum verdict judge(const struct test_case *test, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
        return SKIPPED;
    if (WIFSIGNALED(status) && WTERMSIG(status) == test->expected_signal)
        return PASSED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS && test->expected_signal == 0)
        return PASSED;

    if (WIFSIGNALED(status))
        fprintf(stderr, "%s: ended by signal %d\n", test->name, WTERMSIG(status));
    else if (test->expected_signal != 0)
        fprintf(stderr, "%s: did not abort\n", test->name);
    return FAILED;
}

static enum verdict run(const struct test_case *test, const sigset_t *mask)
{
    enum verdict verdict = FAILED;
    int status = 0;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child < 0) {
        perror("fork");
        return FAILED;
    }
    if (child == 0) {
        sigprocmask(SIG_SETMASK, mask, NULL);
        run_child(test);
    }
    if (wait_for_end(child, &status)) {
        verdict = judge(test, status);
    } else {
        fprintf(stderr, "%s: not done after %d s\n", test->name, TEST_TIMEOUT_S);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    kill(-child, SIGKILL); /* What the test left running. */
    return verdict;
}

static bool parse(int argc, char **argv, struct options *ret_options)
{
    *ret_options = (struct options){.pattern = "*", .list = false};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0)
            ret_options->list = true;
        else if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc)
            ret_options->pattern = argv[++i];
        else if (strncmp(argv[i], "--filter=", strlen("--filter=")) == 0)
            ret_options->pattern = argv[i] + strlen("--filter=");
        else
            return false;
    }
    return true;
}

static int run_all(const struct options *options)
{
    static const char *const labels[VERDICTS] = {"PASS", "FAIL", "SKIP"};
    int counts[VERDICTS] = {0};
    sigset_t ended;
    sigset_t mask;

    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ended, &mask);
    for (const struct test_case *test = first; test; test = test->next) {
        enum verdict verdict;

        if (fnmatch(options->pattern, test->name, FNM_EXTMATCH) != 0)
            continue;
        verdict = run(test, &mask);
        counts[verdict]++;
        printf("[%s] %s\n", labels[verdict], test->name);
    }
    printf("%d passed, %d failed, %d skipped\n", counts[PASSED], counts[FAILED], counts[SKIPPED]);
    return counts[FAILED] == 0 && counts[PASSED] + counts[SKIPPED] > 0 ? EXIT_SUCCESS
                                                                       : EXIT_FAILURE;
}

static void list_all(const struct options *options)
{
    for (const struct test_case *test = first; test; test = test->next) {
        if (fnmatch(options->pattern, test->name, FNM_EXTMATCH) == 0)
            puts(test->name);
    }
}

int main(int argc, char **argv)
{
    struct options options;

    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: %s [--list] [--filter PATTERN]\n", argv[0]);
        return EXIT_USAGE;
    }
    if (!options.list)
        return run_all(&options);
    list_all(&options);
    return EXIT_SUCCESS;
}
