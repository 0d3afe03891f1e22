# SPDX-License-Identifier: MIT
#
# What `cmake --install` lays out: headers, both libraries, a CMake package, a pkg-config file.
# The tree can be moved; tests/install uses it from a folder that did not exist at configure time.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(WEIR_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/weir)

install(FILES ${WEIR_PUBLIC_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weir)
if(NOT WEIR_STAGE_ONE_ONLY)
    install(FILES ${WEIR_PUBLIC_SIM_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weir)
    install(FILES ${WEIR_PUBLIC_NATIVE_HEADERS}
            DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weir/uring)
endif()
install(FILES ${WEIR_PUBLIC_TEST_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weir/test)
install(TARGETS weir weir_static weir_test EXPORT weir-targets
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(WEIR_WITH_ZLIB)
    install(FILES ${WEIR_PUBLIC_ZLIB_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weir)
    install(TARGETS weir_zlib EXPORT weir-targets
            INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endif()
install(EXPORT weir-targets NAMESPACE weir:: DESTINATION ${WEIR_PACKAGE_DIR})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/weir-config.cmake.in
    ${PROJECT_BINARY_DIR}/weir-config.cmake INSTALL_DESTINATION ${WEIR_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weir-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weir-config.cmake
              ${PROJECT_BINARY_DIR}/weir-config-version.cmake
        DESTINATION ${WEIR_PACKAGE_DIR})

# From the folder of the .pc file back to the prefix.
file(RELATIVE_PATH WEIR_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
list(JOIN LIBURING_LDFLAGS " " WEIR_PC_LIBS_PRIVATE)
configure_file(${CMAKE_CURRENT_LIST_DIR}/weir.pc.in ${PROJECT_BINARY_DIR}/weir.pc @ONLY)
configure_file(${CMAKE_CURRENT_LIST_DIR}/weir_test.pc.in ${PROJECT_BINARY_DIR}/weir_test.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weir.pc ${PROJECT_BINARY_DIR}/weir_test.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(WEIR_WITH_ZLIB)
    configure_file(${CMAKE_CURRENT_LIST_DIR}/weir_zlib.pc.in ${PROJECT_BINARY_DIR}/weir_zlib.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/weir_zlib.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
