# SPDX-License-Identifier: MIT
#
# WEIR_SIM_COVERAGE: clang sets a flag for each edge of core that is reached, and weir-sim adds them
# up (tests/sim/coverage.h). What the instrumented code calls when a program starts is part of the
# library then (weir_coverage_flags, of tests/sim), so that everything that is linked to it still
# links.
if(WEIR_SIM_COVERAGE AND NOT (CMAKE_C_COMPILER_ID STREQUAL Clang AND WEIR_BUILD_TESTS))
    message(FATAL_ERROR "WEIR_SIM_COVERAGE needs clang and the tests, as in: cmake --preset sim")
endif()

# weir_count_edges(LAYER): if it is one of core that simulated worlds can reach.
function(weir_count_edges layer)
    if(CMAKE_CURRENT_SOURCE_DIR STREQUAL ${PROJECT_SOURCE_DIR}/core
       AND NOT layer MATCHES "^(sys|test_kit)$")
        target_compile_options(weir_${layer} PRIVATE
            -fsanitize-coverage=inline-bool-flag,pc-table)
    endif()
endfunction()
