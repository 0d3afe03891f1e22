/* SPDX-License-Identifier: MIT */
/* Work keeps a context busy, services end in reverse, and a context tells which lives on it. */
#include <weir/context.h>

#include <weir/manual.h>
#include <weir/run.h>

#include "test.h"

WEIR_TEST(work, keeps_a_context_busy_until_its_end_has_arrived)
{
    weir_manual manual;
    weir_work work;

    weir_manual_init(&manual, NULL);
    CHECK(!weir_context_is_busy(weir_manual_context(&manual)));
    weir_work_begin(&work, weir_manual_executor(&manual));
    CHECK(weir_context_is_busy(weir_manual_context(&manual)));
    weir_work_end(&work);
    CHECK(weir_context_is_busy(weir_manual_context(&manual)));
    CHECK(weir_manual_poll(&manual));
    CHECK(!weir_context_is_busy(weir_manual_context(&manual)));
    weir_manual_fini(&manual);
}

WEIR_ABORT_TEST(work, a_context_does_not_end_before_it)
{
    weir_manual manual;
    weir_work work;

    weir_manual_init(&manual, NULL);
    weir_work_begin(&work, weir_manual_executor(&manual));
    weir_manual_fini(&manual);
}
