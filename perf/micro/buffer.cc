// SPDX-License-Identifier: MIT
//
// What does it cost to copy a sequence of buffers, instead of the same bytes in one piece?
//
// `buffer_gather` copies a sequence of so many equal pieces, which lie apart, into one buffer;
// `buffer_copy` copies it into a sequence that is cut elsewhere, so that one copy takes nearly
// twice as many steps as there are pieces. The floors: memcpy of the same number of bytes between
// two buffers, and a memcpy for each piece, which is the least that pieces cost. All memory is
// touched before and is copied again and again, so the small sizes are in the processor's caches;
// what memory itself costs is not measured.
//
// Run: build/bin/weir-perf --benchmark_filter=buffer
#include <benchmark/benchmark.h>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <weir/buffer.h>

namespace
{

const size_t line = 64; // Bytes. Pieces lie at least so far apart: no two are one.

// Memory that begins in a given place of a page. Where two buffers lie to each other changes the
// speed of memcpy by half, so every row has the same places, and none in which a load waits for a
// store that is 4 KiB away.
class arena
{
  public:
    arena(size_t size, size_t place)
        : pages_(static_cast<char *>(aligned_alloc(4096, (place + size + 4095) / 4096 * 4096))),
          place_(place)
    {
        memset(begin(), 'w', size);
    }

    char *begin() const
    {
        return pages_.get() + place_;
    }

  private:
    struct release {
        void operator()(char *memory)
        {
            free(memory);
        }
    };

    std::unique_ptr<char, release> pages_;
    size_t place_;
};

size_t round_up(size_t size)
{
    return (size + line - 1) / line * line;
}

// So many bytes, in so many equal pieces.
struct source {
    arena memory;
    std::vector<weir_const_buffer> pieces;

    source(size_t count, size_t size) : memory(count * (round_up(size / count) + line), 0)
    {
        for (size_t i = 0; i < count; i++)
            pieces.push_back(weir_const_buffer_of(
                memory.begin() + i * (round_up(size / count) + line), size / count));
    }
};

// As many bytes, in pieces that begin and end in the middle of the source's.
struct target {
    arena memory;
    std::vector<weir_buffer> pieces;

    target(size_t count, size_t size)
        : memory((count + 1) * (round_up(size / count) + 2 * line), 2048)
    {
        size_t piece = size / count;
        char *begin = memory.begin();

        if (count == 1) {
            add(begin, size);
            return;
        }
        begin = add(begin, piece / 2);
        for (size_t i = 2; i < count; i++)
            begin = add(begin, piece);
        add(begin, piece + piece / 2);
    }

    char *add(char *begin, size_t size)
    {
        pieces.push_back(weir_buffer_of(begin, size));
        return begin + round_up(size) + line;
    }
};

void count_bytes(benchmark::State &state)
{
    state.SetBytesProcessed(state.iterations() * state.range(1));
}

void copy_pieces(benchmark::State &state, const std::vector<weir_const_buffer> &from,
                 const std::vector<weir_buffer> &to)
{
    size_t size = static_cast<size_t>(state.range(1));

    for (auto _ : state) {
        size_t copied = weir_buffers_copy(to.data(), to.size(), from.data(), from.size(), SIZE_MAX);

        if (copied != size)
            state.SkipWithError("not all was copied");
        benchmark::ClobberMemory();
    }
    count_bytes(state);
}

void buffer_gather(benchmark::State &state)
{
    source from(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)));
    target to(1, static_cast<size_t>(state.range(1)));

    copy_pieces(state, from.pieces, to.pieces);
}

void buffer_copy(benchmark::State &state)
{
    source from(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)));
    target to(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)));

    copy_pieces(state, from.pieces, to.pieces);
}

// The floors. The sizes are not constants to the compiler, so each memcpy is a call.

void buffer_floor(benchmark::State &state)
{
    size_t size = static_cast<size_t>(state.range(1));
    source from(1, size);
    target to(1, size);

    for (auto _ : state) {
        memcpy(to.memory.begin(), from.memory.begin(), size);
        benchmark::ClobberMemory();
    }
    count_bytes(state);
}

void buffer_gather_floor(benchmark::State &state)
{
    source from(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)));
    target to(1, static_cast<size_t>(state.range(1)));

    for (auto _ : state) {
        char *end = to.memory.begin();

        for (const weir_const_buffer &each : from.pieces) {
            memcpy(end, each.data, each.size);
            end += each.size;
        }
        benchmark::ClobberMemory();
    }
    count_bytes(state);
}

const std::vector<int64_t> sizes = {64, 4096, 65536};

} // namespace

BENCHMARK(buffer_floor)->ArgNames({"pieces", "bytes"})->ArgsProduct({{1}, sizes});
BENCHMARK(buffer_gather_floor)->ArgNames({"pieces", "bytes"})->ArgsProduct({{1, 4, 16}, sizes});
BENCHMARK(buffer_gather)->ArgNames({"pieces", "bytes"})->ArgsProduct({{1, 4, 16}, sizes});
BENCHMARK(buffer_copy)->ArgNames({"pieces", "bytes"})->ArgsProduct({{4, 16}, sizes});
