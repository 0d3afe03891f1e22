/* SPDX-License-Identifier: MIT */
/* The intrusive list. */
#include <weir/list.h>

#include "test.h"

typedef struct item {
    int number;
    weir_list_node node;
} item;

static int number_of(const weir_list_node *node)
{
    return WEIR_CONTAINER_OF(node, const item, node)->number;
}

/* Check that a list holds the items of these numbers, in order, by walking it. */
static void check_numbers(const weir_list *list, const int *numbers, int count)
{
    const weir_list_node *node = weir_list_first(list);

    for (int i = 0; i < count; i++) {
        CHECK(node != NULL);
        CHECK_EQ(number_of(node), numbers[i]);
        node = weir_list_next(list, node);
    }
    CHECK(node == NULL);
}

static void push_three(weir_list *list, item items[3])
{
    weir_list_init(list);
    for (int i = 0; i < 3; i++) {
        items[i] = (item){.number = i};
        weir_list_push(list, &items[i].node);
    }
}

WEIR_TEST(list, a_new_list_is_empty)
{
    weir_list list;

    weir_list_init(&list);

    CHECK(weir_list_is_empty(&list));
    CHECK(weir_list_first(&list) == NULL);
    CHECK(weir_list_pop(&list) == NULL);
}

WEIR_TEST(list, a_zeroed_node_is_not_linked)
{
    weir_list_node node = {0};

    CHECK(!weir_list_is_linked(&node));
}

WEIR_TEST(list, a_walk_meets_nodes_in_order_of_push)
{
    weir_list list;
    item items[3];

    push_three(&list, items);

    CHECK(!weir_list_is_empty(&list));
    check_numbers(&list, (const int[]){0, 1, 2}, 3);
}

WEIR_TEST(list, nodes_are_popped_in_order_of_push)
{
    weir_list list;
    item items[3];

    push_three(&list, items);

    for (int i = 0; i < 3; i++)
        CHECK_EQ(number_of(weir_list_pop(&list)), i);
    CHECK(weir_list_pop(&list) == NULL);
    CHECK(weir_list_is_empty(&list));
}

WEIR_TEST(list, a_node_is_removed_from_any_place)
{
    for (int removed = 0; removed < 3; removed++) {
        const int left[3][2] = {{1, 2}, {0, 2}, {0, 1}};
        weir_list list;
        item items[3];

        push_three(&list, items);
        weir_list_remove(&items[removed].node);

        check_numbers(&list, left[removed], 2);
    }
}

WEIR_TEST(list, a_node_is_inserted_before_any_other)
{
    for (int place = 0; place < 3; place++) {
        const int expected[3][4] = {{9, 0, 1, 2}, {0, 9, 1, 2}, {0, 1, 9, 2}};
        weir_list list;
        item items[3];
        item inserted = {.number = 9};

        push_three(&list, items);
        weir_list_insert_before(&items[place].node, &inserted.node);

        check_numbers(&list, expected[place], 4);
    }
}

WEIR_TEST(list, a_removed_node_is_unlinked_and_can_be_pushed_again)
{
    weir_list list;
    item items[3];

    push_three(&list, items);
    weir_list_remove(&items[0].node);
    CHECK(!weir_list_is_linked(&items[0].node));
    weir_list_push(&list, &items[0].node);

    CHECK(weir_list_is_linked(&items[0].node));
    check_numbers(&list, (const int[]){1, 2, 0}, 3);
}

WEIR_TEST(list, a_lone_node_is_linked)
{
    weir_list list;
    weir_list_node node = {0};

    weir_list_init(&list);
    weir_list_push(&list, &node);

    CHECK(weir_list_is_linked(&node));
    CHECK(weir_list_first(&list) == &node);
    CHECK(weir_list_next(&list, &node) == NULL);
}

WEIR_ABORT_TEST(list, a_linked_node_is_not_pushed_twice)
{
    weir_list list;
    weir_list_node node = {0};

    weir_list_init(&list);
    weir_list_push(&list, &node);
    weir_list_push(&list, &node);
}

WEIR_ABORT_TEST(list, an_unlinked_node_is_not_removed)
{
    weir_list_node node = {0};

    weir_list_remove(&node);
}
