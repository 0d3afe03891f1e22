/* SPDX-License-Identifier: MIT */
/* References to executors. */
#include <weir/any_executor.h>

weir_any_executor weir_any_executor_ref(weir_any_executor any)
{
    uint32_t before;

    /* Relaxed: who refers to it already has seen it made. */
    if (any.owner) {
        before = __atomic_fetch_add(&any.owner->ref_count, 1, __ATOMIC_RELAXED);
        WEIR_ASSERT(before > 0, "an executor is referred to while it lives");
    }
    return any;
}

void weir_any_executor_unref(weir_any_executor *any)
{
    weir_executor_owner *owner = any->owner;
    uint32_t before;

    any->executor = NULL;
    any->owner = NULL;
    if (!owner)
        return;
    /* What each thread did with the executor comes before its end: pairs with itself. */
    before = __atomic_fetch_sub(&owner->ref_count, 1, __ATOMIC_ACQ_REL);
    WEIR_ASSERT(before > 0, "each reference is given back once");
    if (before == 1)
        owner->destroy(owner);
}
