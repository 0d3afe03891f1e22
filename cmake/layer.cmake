# SPDX-License-Identifier: MIT
#
# weir_layer(NAME DIRECTORY SEES layers... SOURCES files...)
#
# One directory of the library: the OBJECT library weir_NAME, which finds the public headers, its
# own and those of the layers it SEES, and no others, so that a wrong include does not build. It
# sees ISO C; a source that needs more of the system says so in its first lines.
function(weir_layer name directory)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SEES;SOURCES")
    list(TRANSFORM arg_SOURCES PREPEND ${directory}/)
    add_library(weir_${name} OBJECT ${arg_SOURCES})
    set_target_properties(weir_${name} PROPERTIES
        POSITION_INDEPENDENT_CODE ON
        C_VISIBILITY_PRESET hidden
        WEIR_LAYER_DIR ${CMAKE_CURRENT_SOURCE_DIR}/${directory})
    # Debug and sanitizer builds overwrite the stack between resumptions.
    target_compile_definitions(weir_${name} PRIVATE $<$<CONFIG:Debug>:WEIR_DEBUG>)
    if(WEIR_SANITIZE)
        target_compile_definitions(weir_${name} PRIVATE WEIR_DEBUG)
    endif()
    # The words of a task's scratch are given the type of whatever it awaits.
    target_compile_options(weir_${name} PRIVATE -fno-strict-aliasing)
    # The shared library is loaded at start, so its thread-locals may be reached without a call.
    target_compile_options(weir_${name} PRIVATE -ftls-model=initial-exec
                                                -fno-semantic-interposition)
    target_include_directories(weir_${name} PRIVATE ${PROJECT_SOURCE_DIR}/core/include)
    if(IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/${directory}/include) # It is public, too.
        target_include_directories(weir_${name} PRIVATE
            ${CMAKE_CURRENT_SOURCE_DIR}/${directory}/include)
    endif()
    target_link_libraries(weir_${name} PRIVATE weir_warnings)
    if(WEIR_SIM_COVERAGE)
        weir_count_edges(${name})
    endif()
    weir_see(weir_${name} ${name} ${arg_SEES})
endfunction()

# weir_see(TARGET layers...): let a target include the private headers of these layers.
function(weir_see target)
    foreach(layer IN LISTS ARGN)
        get_target_property(directory weir_${layer} WEIR_LAYER_DIR)
        target_include_directories(${target} PRIVATE ${directory})
    endforeach()
endfunction()
