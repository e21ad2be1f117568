# What else an installation has beside the libraries, the headers and the command: the pkg-config file, the manual page,
# the completion of two shells; and the .deb of it all (cmake --build --preset deb --target package).

# dstorch.pc, for builds that are not CMake's. Paths in it are relative to itself.
file(RELATIVE_PATH prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" prefix_from_pc ${prefix_from_pc})
get_property(libraries GLOBAL PROPERTY DSTORCH_LIBRARIES)
list(TRANSFORM libraries PREPEND -l OUTPUT_VARIABLE dstorch_libs)
list(JOIN dstorch_libs " " dstorch_libs)
set(torch_cflags ${TORCH_INCLUDE_DIRS})
list(TRANSFORM torch_cflags PREPEND -I)
list(JOIN torch_cflags " " torch_cflags)
string(APPEND torch_cflags " ${TORCH_CXX_FLAGS}")
set(torch_libs "-Wl,--no-as-needed -ltorch -ltorch_cpu -lc10 -Wl,--as-needed")
if(NOT TORCH_INSTALL_PREFIX STREQUAL "/usr")
  string(PREPEND torch_libs "-L${TORCH_INSTALL_PREFIX}/lib -Wl,-rpath,${TORCH_INSTALL_PREFIX}/lib ")
endif()
configure_file(cmake/dstorch.pc.in ${PROJECT_BINARY_DIR}/dstorch.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/dstorch.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Made by the command from its own options, so that they cannot differ.
if(DSTORCH_BUILD_APPS AND NOT CMAKE_CROSSCOMPILING)
  set(shell_files)
  foreach(file IN ITEMS man:dstorch.1 bash:dstorch zsh:_dstorch)
    string(REGEX MATCH "^[a-z]+" kind ${file})
    string(REGEX REPLACE "^[a-z]+:" "" name ${file})
    set(output ${PROJECT_BINARY_DIR}/shell/${kind}/${name})
    add_custom_command(
      OUTPUT ${output}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/shell/${kind}
      COMMAND $<TARGET_FILE:dstorch_cli> shell-files ${kind} > ${output}
      DEPENDS dstorch_cli
      VERBATIM)
    list(APPEND shell_files ${output})
  endforeach()
  add_custom_target(dstorch_shell_files ALL DEPENDS ${shell_files})
  install(FILES ${PROJECT_BINARY_DIR}/shell/man/dstorch.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${PROJECT_BINARY_DIR}/shell/bash/dstorch DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  # Debian's zsh looks in one place for packages and in another for what is installed by hand.
  string(COMPARE EQUAL "${CMAKE_INSTALL_PREFIX}" /usr packaged)
  install(FILES ${PROJECT_BINARY_DIR}/shell/zsh/_dstorch
          DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/$<IF:${packaged},vendor-completions,site-functions>)
endif()

# The package of the system it is built on. What it needs to run is what its programs link (dpkg-shlibdeps), and a BLAS
# that is fast; what it suggests is what a program needs that links the library.
set(maintainer root@localhost)
if(DEFINED ENV{DEBEMAIL})
  set(maintainer $ENV{DEBEMAIL})
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME dstorch)
set(CPACK_PACKAGE_CONTACT "dstorch developers <${maintainer}>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "local language models on LibTorch: command and C++ library")
set(CPACK_PACKAGE_DESCRIPTION
    "Loads PyTorch and Hugging Face models, runs and trains them in one process, without Python:\nthe command dstorch, the C++ library with its headers, and a small model to begin with.")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS libopenblas0-openmp)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libegl1, libgles2, libgl1-mesa-dri")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS
    "g++, cmake, pkg-config, libtorch-dev, nlohmann-json3-dev, libfmt-dev, libpcre2-dev, libutf8proc-dev, libhwy-dev")
set(CPACK_STRIP_FILES ON)
include(CPack)
