# dstorch::dstorch, what a program links; and the installed package: find_package(dstorch) gives the same target.
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY DSTORCH_LIBRARIES)
add_library(dstorch INTERFACE)
add_library(dstorch::dstorch ALIAS dstorch)
if(TARGET dstorch_driver)
  target_link_libraries(dstorch INTERFACE dstorch_driver)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/dstorch)
install(TARGETS dstorch dstorch_torch ${libraries} EXPORT dstorch)
install(EXPORT dstorch NAMESPACE dstorch:: FILE dstorchTargets.cmake DESTINATION ${package_dir})
install(DIRECTORY include/dstorch DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY models/default DESTINATION ${CMAKE_INSTALL_DATADIR}/dstorch/models OPTIONAL)
if(DSTORCH_BUILD_APPS)
  # A LibTorch that is not the system's is found where it was.
  set_target_properties(dstorch_cli_run PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS dstorch_cli)
  install(TARGETS dstorch_cli_run DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/dstorch)
endif()

install(TARGETS dstorch_webgl_trial RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/dstorch)

configure_package_config_file(cmake/dstorchConfig.cmake.in ${PROJECT_BINARY_DIR}/dstorchConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/dstorchConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/dstorchConfig.cmake ${PROJECT_BINARY_DIR}/dstorchConfigVersion.cmake
        DESTINATION ${package_dir})
