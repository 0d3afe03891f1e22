/* SPDX-License-Identifier: MIT */
/* core/sys/posix_fiber.c: threads of control that hand one thread to each other. */
#include <stdlib.h>
#include <string.h>

#include "sys.h"
#include "test.h"
#include "thread.h"

enum { STACK_BYTES = 256 * 1024, PAGE_BYTES = 4096 };

struct player {
    weir_sys_fiber *fiber;
    weir_sys_fiber *home;
    int turns;
    int limit;
};

static struct player *player_init(struct player *player, weir_sys_fiber *home,
                                  weir_sys_fiber_fn *function, int limit)
{
    player->home = home;
    player->turns = 0;
    player->limit = limit;
    player->fiber = weir_sys_fiber_new(STACK_BYTES, function, player);
    CHECK(player->fiber);
    return player;
}

static void play(void *argument)
{
    struct player *player = argument;

    while (player->turns < player->limit) {
        player->turns++;
        weir_sys_fiber_switch(player->fiber, player->home);
    }
    weir_sys_fiber_leave(player->fiber, player->home);
}

WEIR_TEST(fiber, goes_back_and_forth)
{
    weir_sys_fiber *home = weir_sys_fiber_adopt();
    struct player player;
    int i;

    player_init(&player, home, play, 1000);
    CHECK_EQ(player.turns, 0);
    for (i = 1; i <= 1000; i++) {
        weir_sys_fiber_switch(home, player.fiber);
        CHECK_EQ(player.turns, i);
    }
    weir_sys_fiber_switch(home, player.fiber);
    CHECK_EQ(player.turns, 1000);
    weir_sys_fiber_free(player.fiber);
    weir_sys_fiber_free(home);
}

WEIR_TEST(fiber, that_never_ran_is_freed)
{
    weir_sys_fiber_free(weir_sys_fiber_new(STACK_BYTES, play, NULL));
    weir_sys_fiber_free(NULL);
}

WEIR_TEST(fiber, that_is_in_the_middle_is_freed)
{
    weir_sys_fiber *home = weir_sys_fiber_adopt();
    struct player player;

    player_init(&player, home, play, 10);
    weir_sys_fiber_switch(home, player.fiber);
    weir_sys_fiber_free(player.fiber);
    weir_sys_fiber_free(home);
}

/* Many. */

enum { CROWD = 300 };

WEIR_TEST(fiber, is_one_of_many_with_locals_of_their_own)
{
    weir_sys_fiber *home = weir_sys_fiber_adopt();
    struct player *players = calloc(CROWD, sizeof *players);
    int round;
    int i;

    for (i = 0; i < CROWD; i++)
        player_init(&players[i], home, play, i % 7);
    for (round = 0; round <= 7; round++)
        for (i = 0; i < CROWD; i++)
            if (round <= players[i].limit)
                weir_sys_fiber_switch(home, players[i].fiber);
    for (i = 0; i < CROWD; i++) {
        CHECK_EQ(players[i].turns, i % 7);
        weir_sys_fiber_free(players[i].fiber);
    }
    free(players);
    weir_sys_fiber_free(home);
}

/* Each goes to the next one, and only the last one home. */
struct chain {
    weir_sys_fiber *fibers[64];
    weir_sys_fiber *home;
    int next;
    int laps;
};

static void pass_on(void *argument)
{
    struct chain *chain = argument;
    const int self = chain->next - 1;

    while (chain->laps > 0) {
        chain->next = (self + 1) % 64 + 1;
        chain->laps -= self == 63;
        weir_sys_fiber_switch(chain->fibers[self], chain->fibers[(self + 1) % 64]);
    }
    weir_sys_fiber_leave(chain->fibers[self], chain->home);
}

WEIR_TEST(fiber, goes_to_another_without_going_home)
{
    struct chain chain = {.next = 1, .laps = 50};
    int i;

    chain.home = weir_sys_fiber_adopt();
    for (i = 0; i < 64; i++)
        chain.fibers[i] = weir_sys_fiber_new(STACK_BYTES, pass_on, &chain);
    weir_sys_fiber_switch(chain.home, chain.fibers[0]);
    CHECK_EQ(chain.laps, 0);
    for (i = 0; i < 64; i++)
        weir_sys_fiber_free(chain.fibers[i]);
    weir_sys_fiber_free(chain.home);
}

/* Stacks. */

/* With redzones of sanitizers a frame is larger than what it holds. */
static int descend(struct player *player, int depth)
{
    volatile char frame[512];
    int below;

    memset((char *)frame, depth & 0x7f, sizeof frame);
    weir_sys_fiber_switch(player->fiber, player->home);
    below = depth > 1 ? descend(player, depth - 1) : 0;
    CHECK_EQ(frame[0], depth & 0x7f);
    CHECK_EQ(frame[511], depth & 0x7f);
    return below + 1;
}

static void play_deep(void *argument)
{
    struct player *player = argument;

    player->turns = descend(player, player->limit);
    weir_sys_fiber_leave(player->fiber, player->home);
}

WEIR_TEST(fiber, keeps_a_deep_stack_over_switches)
{
    enum { DEPTH = 200 };
    weir_sys_fiber *home = weir_sys_fiber_adopt();
    struct player a;
    struct player b;
    int i;

    player_init(&a, home, play_deep, DEPTH);
    player_init(&b, home, play_deep, DEPTH);
    for (i = 0; i <= DEPTH; i++) {
        weir_sys_fiber_switch(home, a.fiber);
        weir_sys_fiber_switch(home, b.fiber);
    }
    CHECK_EQ(a.turns, DEPTH);
    CHECK_EQ(b.turns, DEPTH);
    weir_sys_fiber_free(b.fiber);
    weir_sys_fiber_free(a.fiber);
    weir_sys_fiber_free(home);
}

static void fill_stack(void *argument)
{
    struct player *player = argument;
    char most[STACK_BYTES - 2 * PAGE_BYTES];
    size_t i;

    memset(most, 1, sizeof most);
    weir_sys_fiber_switch(player->fiber, player->home);
    for (i = 0; i < sizeof most; i += PAGE_BYTES)
        player->turns += most[i];
    weir_sys_fiber_leave(player->fiber, player->home);
}

WEIR_TEST(fiber, has_the_stack_that_was_asked_for)
{
    weir_sys_fiber *home = weir_sys_fiber_adopt();
    struct player player;

    player_init(&player, home, fill_stack, 0);
    weir_sys_fiber_switch(home, player.fiber);
    weir_sys_fiber_switch(home, player.fiber);
    CHECK_EQ(player.turns, STACK_BYTES / PAGE_BYTES - 2);
    weir_sys_fiber_free(player.fiber);
    weir_sys_fiber_free(home);
}

/* One after another: each finds the memory of the one before, without marks of its frames. */
WEIR_TEST(fiber, comes_after_others_that_left)
{
    weir_sys_fiber *home = weir_sys_fiber_adopt();
    struct player player;
    int i;

    for (i = 0; i < 500; i++) {
        player_init(&player, home, i % 2 ? play_deep : fill_stack, i % 20);
        while (player.turns == 0)
            weir_sys_fiber_switch(home, player.fiber);
        weir_sys_fiber_free(player.fiber);
    }
    weir_sys_fiber_free(home);
}

/* What is shared. */

static void play_with_thread(void *argument)
{
    struct player *player = argument;

    while (player->turns < player->limit) {
        CHECK(weir_thread.turns == (void *)player->home);
        weir_thread.turns = (void *)player->fiber;
        player->turns++;
        weir_sys_fiber_switch(player->fiber, player->home);
    }
    weir_sys_fiber_leave(player->fiber, player->home);
}

WEIR_TEST(fiber, leaves_the_thread_locals_alone)
{
    weir_sys_fiber *home = weir_sys_fiber_adopt();
    struct player player;
    int i;

    player_init(&player, home, play_with_thread, 100);
    for (i = 0; i < 100; i++) {
        weir_thread.turns = (void *)home;
        weir_sys_fiber_switch(home, player.fiber);
        CHECK(weir_thread.turns == (void *)player.fiber);
    }
    weir_thread.turns = NULL;
    weir_sys_fiber_switch(home, player.fiber);
    weir_sys_fiber_free(player.fiber);
    weir_sys_fiber_free(home);
}

static void live_in_thread(void *argument)
{
    weir_sys_fiber *home = weir_sys_fiber_adopt();
    struct player player;
    int i;

    player_init(&player, home, play, 1000);
    for (i = 0; i <= 1000; i++)
        weir_sys_fiber_switch(home, player.fiber);
    *(int *)argument = player.turns;
    weir_sys_fiber_free(player.fiber);
    weir_sys_fiber_free(home);
}

WEIR_TEST(fiber, runs_on_several_threads_at_once)
{
    weir_sys_thread threads[3];
    int turns[3] = {0};
    int i;

    for (i = 0; i < 3; i++)
        CHECK_EQ(weir_sys_thread_start(&threads[i], live_in_thread, &turns[i]), 0);
    for (i = 0; i < 3; i++) {
        weir_sys_thread_join(&threads[i]);
        CHECK_EQ(turns[i], 1000);
    }
}

/* Misuse. */

static void return_at_once(void *argument)
{
    (void)argument;
}

WEIR_ABORT_TEST(fiber, that_returns_aborts)
{
    weir_sys_fiber *home = weir_sys_fiber_adopt();

    weir_sys_fiber_switch(home, weir_sys_fiber_new(STACK_BYTES, return_at_once, NULL));
}

static void free_itself(void *argument)
{
    struct player *player = argument;

    weir_sys_fiber_free(player->fiber);
}

WEIR_ABORT_TEST(fiber, that_frees_itself_aborts)
{
    weir_sys_fiber *home = weir_sys_fiber_adopt();
    struct player player;

    player_init(&player, home, free_itself, 0);
    weir_sys_fiber_switch(home, player.fiber);
}

WEIR_ABORT_TEST(fiber, that_goes_back_after_it_left_aborts)
{
    weir_sys_fiber *home = weir_sys_fiber_adopt();
    struct player player;

    player_init(&player, home, play, 0);
    weir_sys_fiber_switch(home, player.fiber);
    weir_sys_fiber_switch(home, player.fiber);
}
