/* SPDX-License-Identifier: MIT */

/* Which backends this machine has: for programs that link the library's own. */
#include <weir/loop.h>

#include "test.h"

bool test_backend_available(const char *name)
{
    return weir_backend_probe(name) == 0;
}
