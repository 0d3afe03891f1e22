/* SPDX-License-Identifier: MIT */
/* What /proc says of memory. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "scale.h"

/* The number behind a label that begins a line, or 0. */
static uint64_t number_after(const char *path, const char *label)
{
    FILE *stream = fopen(path, "re");
    uint64_t number = 0;
    char line[256];

    if (!stream)
        return 0;
    while (fgets(line, sizeof line, stream)) {
        if (strncmp(line, label, strlen(label)) == 0 &&
            sscanf(line + strlen(label), "%" SCNu64, &number) == 1)
            break;
    }
    fclose(stream);
    return number;
}

static uint64_t kib_after(const char *path, const char *label)
{
    return number_after(path, label) * 1024;
}

uint64_t weir_scale_memory_available(void)
{
    return kib_after("/proc/meminfo", "MemAvailable:");
}

static uint64_t resident(int pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    return kib_after(path, "RssAnon:");
}

static uint64_t tcp_bytes(void)
{
    FILE *stream = fopen("/proc/net/sockstat", "re");
    uint64_t pages = 0;
    char line[256];

    if (!stream)
        return 0;
    while (fgets(line, sizeof line, stream)) {
        const char *memory = strstr(line, " mem ");

        if (strncmp(line, "TCP:", 4) == 0 && memory)
            (void)sscanf(memory, " mem %" SCNu64, &pages);
    }
    fclose(stream);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Only root may read it. */
static unsigned read_slabs(weir_scale_slab *slabs)
{
    FILE *stream = fopen("/proc/slabinfo", "re");
    unsigned count = 0;
    char line[512];

    if (!stream)
        return 0;
    while (count < WEIR_SCALE_SLABS_MAX && fgets(line, sizeof line, stream)) {
        uint64_t active, objects, size;

        if (sscanf(line, "%31s %" SCNu64 " %" SCNu64 " %" SCNu64, slabs[count].name, &active,
                   &objects, &size) != 4)
            continue;
        slabs[count].bytes = objects * size;
        count++;
    }
    fclose(stream);
    return count;
}

void weir_scale_memory_read(weir_scale_memory *memory, int server_pid)
{
    memory->available = weir_scale_memory_available();
    memory->free = kib_after("/proc/meminfo", "MemFree:");
    memory->slab = kib_after("/proc/meminfo", "Slab:");
    memory->server = resident(server_pid);
    memory->client = resident((int)getpid());
    memory->tcp_bytes = tcp_bytes();
    memory->slab_count = read_slabs(memory->slabs);
}
