/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* mkstemp, popen, strdup */
#include "coverage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coverage_flags.h"
#include "tally.h"

/* Where an edge is. */
struct place {
    char *path; /* From core/ on. */
    unsigned line;
    bool reached;
};

bool coverage_is_built_in(void)
{
    return true;
}

size_t coverage_edges(void)
{
    return (size_t)(weir_coverage_flags.end - weir_coverage_flags.begin);
}

void coverage_collect(unsigned char *reached)
{
    for (size_t i = 0; i < coverage_edges(); i++)
        if (weir_coverage_flags.begin[i] != 0)
            __atomic_store_n(&reached[i], 1, __ATOMIC_RELAXED);
}

size_t coverage_count(const unsigned char *reached)
{
    size_t count = 0;

    for (size_t i = 0; i < coverage_edges(); i++)
        count += __atomic_load_n(&reached[i], __ATOMIC_RELAXED);
    return count;
}

static double share(size_t part, size_t all)
{
    return all == 0 ? 0 : 100 * (double)part / (double)all;
}

void coverage_print(const unsigned char *reached)
{
    size_t count = coverage_count(reached), edges = coverage_edges();
    char counted[TALLY_GROUPED_BYTES], all[TALLY_GROUPED_BYTES];

    printf("coverage of core: %.1f %% (%s of %s edges)\n", share(count, edges),
           tally_grouped(count, counted), tally_grouped(edges, all));
}

/* What the linker calls the first byte of the program. */
extern const char __executable_start[];

/* A file of all addresses, as addr2line takes them after an @. False, and no file, on failure. */
static bool write_addresses(char *path)
{
    int descriptor = mkstemp(path);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");

    if (!file) {
        perror("weir-sim: mkstemp");
        return false;
    }
    for (size_t i = 0; i < coverage_edges(); i++) {
        fprintf(file, "0x%" PRIxPTR "\n",
                weir_coverage_flags.edges[i].address - (uintptr_t)__executable_start);
    }
    return fclose(file) == 0;
}

/* "/anywhere/core/task/stop.c:33 (discriminator 2)" */
static bool parse_place(char *text, struct place *ret_place)
{
    char *path = strstr(text, "/core/"), *colon = strrchr(text, ':');

    if (!path || !colon)
        return false;
    *colon = '\0';
    ret_place->path = strdup(path + 1);
    ret_place->line = (unsigned)strtoul(colon + 1, NULL, 10);
    return ret_place->path;
}

/* Returns how many places were found. */
static size_t find_places(const unsigned char *reached, struct place *places)
{
    char path[] = "/tmp/weir-sim-XXXXXX", command[128], text[4096];
    size_t count = 0;
    FILE *output;

    if (!write_addresses(path))
        return 0;
    snprintf(command, sizeof command, "addr2line -e /proc/%ld/exe @%s", (long)getpid(), path);
    output = popen(command, "r");
    for (size_t i = 0; output && fgets(text, sizeof text, output) != NULL; i++) {
        places[count].reached = i < coverage_edges() && reached[i] != 0;
        count += parse_place(text, &places[count]);
    }
    if (output)
        pclose(output);
    unlink(path);
    return count;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    int order = strcmp(left->path, right->path);

    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

/* All of one file. */
static void print_file(const struct place *places, size_t count)
{
    size_t reached = 0;
    unsigned last = 0;

    for (size_t i = 0; i < count; i++)
        reached += places[i].reached;
    printf("%5.1f %% of %4zu  %s", share(reached, count), count, places[0].path);
    for (size_t i = 0; i < count; i++) {
        if (!places[i].reached && places[i].line != last) {
            printf("%s%u", last == 0 ? ": " : " ", places[i].line);
            last = places[i].line;
        }
    }
    printf("\n");
}

void coverage_print_uncovered(const unsigned char *reached)
{
    struct place *places = calloc(coverage_edges() + 1, sizeof *places);
    size_t count = !places ? 0 : find_places(reached, places);
    size_t end;

    if (count == 0) {
        fprintf(stderr, "weir-sim: addr2line does not say where the edges are\n");
        free(places);
        return;
    }
    qsort(places, count, sizeof *places, compare_places);
    for (size_t i = 0; i < count; i = end) {
        for (end = i; end < count && strcmp(places[end].path, places[i].path) == 0; end++) {
        }
        print_file(&places[i], end - i);
    }
    for (size_t i = 0; i < count; i++)
        free(places[i].path);
    free(places);
}
