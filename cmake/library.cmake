# SPDX-License-Identifier: MIT
#
# weir_gather(layers...): the objects of all layers as weir (shared) and weir_static.
function(weir_gather)
    list(TRANSFORM ARGN REPLACE "(.+)" "$<TARGET_OBJECTS:weir_\\1>" OUTPUT_VARIABLE objects)
    if(WEIR_SIM_COVERAGE)
        list(APPEND objects $<TARGET_OBJECTS:weir_coverage_flags>)
    endif()
    add_library(weir SHARED ${objects})
    add_library(weir_static STATIC ${objects})
    set_target_properties(weir PROPERTIES VERSION ${PROJECT_VERSION}
                          SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
    set_target_properties(weir_static PROPERTIES OUTPUT_NAME weir)
    foreach(library weir weir_static)
        add_library(weir::${library} ALIAS ${library})
        set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C)
        target_include_directories(${library} INTERFACE
            $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/core/include>)
        if(NOT WEIR_STAGE_ONE_ONLY)
            target_include_directories(${library} INTERFACE
                $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/compat/sim/include>
                $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/uring/include>)
        endif()
        target_link_libraries(${library} PRIVATE Threads::Threads)
        if(NOT WEIR_STAGE_ONE_ONLY)
            target_link_libraries(${library} PRIVATE PkgConfig::LIBURING)
        endif()
    endforeach()
    if(NOT WEIR_SANITIZE) # Whose run-time library is linked into the program only.
        target_link_options(weir PRIVATE -Wl,--no-undefined)
    endif()
endfunction()

# weir_gather_test_kit(): weir_test, the static library of the test kit. It is linked in front of
# weir or weir_static; which of them is the user's choice.
function(weir_gather_test_kit)
    add_library(weir_test STATIC $<TARGET_OBJECTS:weir_test_kit>)
    add_library(weir::test ALIAS weir_test)
    set_target_properties(weir_test PROPERTIES EXPORT_NAME test LINKER_LANGUAGE C)
    target_include_directories(weir_test INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/core/include>)
endfunction()
