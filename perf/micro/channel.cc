// SPDX-License-Identifier: MIT
//
// What does it cost to hand an item from one task to another through a channel?
//
// One task sends numbers, another receives them and checks that they come in order; the figure is
// per item, both ends together. With room for many, sender and receiver run in turn for as long as
// there is room or their budget lasts, and the figure is that of two awaits that complete at once;
// with room for none or one, nearly each item wakes a task, which goes through the executor's
// queue. `shared_channel` is the kind for several threads, here with both tasks on one: its lock is
// never contended, so what threads do to each other is not measured. `try` has no tasks.
//
// The floor is a ring of the same items, pushed and popped in turn by calls that are not inlined.
//
// Run: build/bin/weir-perf --benchmark_filter=channel
#include <benchmark/benchmark.h>
#include <vector>

#include <weir/weir.h>

namespace
{

// What differs between the two kinds.
struct local {
    weir_channel channel;
    std::vector<uint64_t> storage;

    explicit local(size_t capacity) : storage(capacity)
    {
        weir_channel_init(&channel, capacity ? storage.data() : nullptr, capacity,
                          sizeof(uint64_t));
    }

    ~local()
    {
        weir_channel_fini(&channel);
    }

    weir_task *send(weir_task *task, const uint64_t *item)
    {
        return weir_channel_send(task, &channel, item);
    }

    weir_task *receive(weir_task *task, uint64_t *ret_item)
    {
        return weir_channel_receive(task, &channel, ret_item);
    }

    int try_send(const uint64_t *item)
    {
        return weir_channel_try_send(&channel, item);
    }

    int try_receive(uint64_t *ret_item)
    {
        return weir_channel_try_receive(&channel, ret_item);
    }

    void close()
    {
        weir_channel_close(&channel);
    }
};

struct shared {
    weir_shared_channel channel;
    weir_shared_channel_wait sender;
    weir_shared_channel_wait receiver;
    std::vector<uint64_t> storage;

    explicit shared(size_t capacity) : storage(capacity)
    {
        weir_shared_channel_init(&channel, capacity ? storage.data() : nullptr, capacity,
                                 sizeof(uint64_t));
    }

    ~shared()
    {
        weir_shared_channel_fini(&channel);
    }

    weir_task *send(weir_task *task, const uint64_t *item)
    {
        return weir_shared_channel_send(task, &channel, &sender, item);
    }

    weir_task *receive(weir_task *task, uint64_t *ret_item)
    {
        return weir_shared_channel_receive(task, &channel, &receiver, ret_item);
    }

    int try_send(const uint64_t *item)
    {
        return weir_shared_channel_try_send(&channel, item);
    }

    int try_receive(uint64_t *ret_item)
    {
        return weir_shared_channel_try_receive(&channel, ret_item);
    }

    void close()
    {
        weir_shared_channel_close(&channel);
    }
};

template <class Channel> struct end {
    weir_task task;
    benchmark::State *state;
    Channel *channel;
    uint64_t next; // The number to send, or to receive.
    uint64_t item;
};

// Sends until the receiver has had enough.
template <class Channel> weir_task *sender_resume(weir_task *task)
{
    end<Channel> *self = WEIR_TASK_SELF(task, end<Channel>);
    weir_result r;

    WEIR_BEGIN(task);
    do {
        self->item = self->next++;
        WEIR_AWAIT(task, r, self->channel->send(task, &self->item));
    } while (!r.error);
    WEIR_RETURN(task, weir_result_of(r.error == WEIR_CLOSED ? 0 : r.error, 0));
    WEIR_END(task);
}

template <class Channel> weir_task *receiver_resume(weir_task *task)
{
    end<Channel> *self = WEIR_TASK_SELF(task, end<Channel>);
    weir_result r;

    WEIR_BEGIN(task);
    while (self->state->KeepRunning()) {
        WEIR_AWAIT(task, r, self->channel->receive(task, &self->item));
        if (r.error || self->item != self->next++)
            self->state->SkipWithError("an item is lost");
    }
    self->channel->close();
    WEIR_RETURN(task, weir_result_of(0, 0));
    WEIR_END(task);
}

template <class Channel> void hand_over(benchmark::State &state)
{
    Channel channel(static_cast<size_t>(state.range(0)));
    end<Channel> sender = {};
    end<Channel> receiver = {};
    weir_manual manual;
    weir_root root;

    sender.channel = receiver.channel = &channel;
    receiver.state = &state;
    weir_task_init(&sender.task, sender_resume<Channel>);
    weir_task_init(&receiver.task, receiver_resume<Channel>);
    weir_manual_init(&manual, nullptr);
    weir_run_async(weir_manual_executor(&manual), &root, &sender.task, nullptr, nullptr);
    (void)weir_manual_run(&manual, &receiver.task);
    while (weir_manual_poll(&manual))
        continue;
    weir_manual_fini(&manual);
}

template <class Channel> void try_both(benchmark::State &state)
{
    Channel channel(64);
    uint64_t next = 0;
    uint64_t item = 0;

    for (auto _ : state) {
        int error = channel.try_send(&next);

        if (error || channel.try_receive(&item) || item != next)
            state.SkipWithError("an item is lost");
        next++;
    }
}

void channel_hand_over(benchmark::State &state)
{
    hand_over<local>(state);
}

void shared_channel_hand_over(benchmark::State &state)
{
    hand_over<shared>(state);
}

void channel_try(benchmark::State &state)
{
    try_both<local>(state);
}

void shared_channel_try(benchmark::State &state)
{
    try_both<shared>(state);
}

// The floor.

struct ring {
    uint64_t items[64];
    size_t first;
    size_t count;
};

__attribute__((noinline)) bool ring_push(ring *ring, const uint64_t *item)
{
    if (ring->count == 64)
        return false;
    ring->items[(ring->first + ring->count++) % 64] = *item;
    return true;
}

__attribute__((noinline)) bool ring_pop(ring *ring, uint64_t *ret_item)
{
    if (ring->count == 0)
        return false;
    *ret_item = ring->items[ring->first];
    ring->first = (ring->first + 1) % 64;
    ring->count--;
    return true;
}

void channel_floor(benchmark::State &state)
{
    ring each = {};
    uint64_t next = 0;
    uint64_t item = 0;

    for (auto _ : state) {
        if (!ring_push(&each, &next) || !ring_pop(&each, &item) || item != next)
            state.SkipWithError("an item is lost");
        next++;
    }
}

} // namespace

BENCHMARK(channel_floor);
BENCHMARK(channel_try);
BENCHMARK(channel_hand_over)->ArgName("capacity")->Arg(0)->Arg(1)->Arg(64);
BENCHMARK(shared_channel_try);
BENCHMARK(shared_channel_hand_over)->ArgName("capacity")->Arg(0)->Arg(1)->Arg(64);
