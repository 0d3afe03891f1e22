# SPDX-License-Identifier: MIT
#
# weir_warnings: linked privately by everything that is compiled here, never by a consumer.
add_library(weir_warnings INTERFACE)
target_compile_options(weir_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wvla
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    $<$<COMPILE_LANG_AND_ID:C,GNU>:-Wjump-misses-init>
    $<$<COMPILE_LANG_AND_ID:C,Clang>:-Wsometimes-uninitialized>
    $<$<BOOL:${WEIR_WERROR}>:-Werror>)
