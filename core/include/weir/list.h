/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LIST_H
#define WEIR_LIST_H

/*
 * The intrusive doubly linked list: nodes are embedded in what they link.
 *
 * A list is a ring with the head as its sentinel, so neither end is a special case. Links are
 * cleared on removal, which lets a node say whether it is linked. Not thread-safe.
 *
 * Tests: tests/unit/test_list.c.
 */

#include <stdbool.h>
#include <stddef.h>

#include <weir/assert.h>

WEIR_C_BEGIN

/** Embed one for each list the object may stand on. Zero-initialised: unlinked. */
typedef struct weir_list_node {
    struct weir_list_node *next;
    struct weir_list_node *prev;
} weir_list_node;

/** A list head. It must not move once initialised. */
typedef struct weir_list {
    weir_list_node head;
} weir_list;

static inline void weir_list_init(weir_list *list)
{
    list->head.next = &list->head;
    list->head.prev = &list->head;
}

static inline bool weir_list_is_empty(const weir_list *list)
{
    return list->head.next == &list->head;
}

static inline bool weir_list_is_linked(const weir_list_node *node)
{
    return node->next != NULL;
}

/** The first node, or NULL. */
static inline weir_list_node *weir_list_first(const weir_list *list)
{
    return weir_list_is_empty(list) ? NULL : list->head.next;
}

/** The node after this one, or NULL at the end. */
static inline weir_list_node *weir_list_next(const weir_list *list, const weir_list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

static inline void weir_list_insert_before(weir_list_node *position, weir_list_node *node)
{
    WEIR_ASSERT(!weir_list_is_linked(node), "a node stands on one list at a time");

    node->next = position;
    node->prev = position->prev;
    position->prev->next = node;
    position->prev = node;
}

/** Append at the end. */
static inline void weir_list_push(weir_list *list, weir_list_node *node)
{
    weir_list_insert_before(&list->head, node);
}

static inline void weir_list_remove(weir_list_node *node)
{
    WEIR_ASSERT(weir_list_is_linked(node), "only a linked node can be removed");

    node->next->prev = node->prev;
    node->prev->next = node->next;
    node->next = NULL;
    node->prev = NULL;
}

/** Remove and return the first node, or NULL. */
static inline weir_list_node *weir_list_pop(weir_list *list)
{
    weir_list_node *node = weir_list_first(list);

    if (node)
        weir_list_remove(node);
    return node;
}

/** Move all nodes of a list, in order, to an empty one. */
static inline void weir_list_take(weir_list *to, weir_list *from)
{
    weir_list_init(to);
    if (weir_list_is_empty(from))
        return;
    to->head = from->head;
    to->head.next->prev = &to->head;
    to->head.prev->next = &to->head;
    weir_list_init(from);
}

WEIR_C_END

#endif
