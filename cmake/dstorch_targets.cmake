# dstorch_add_folder(NAME deps...): the static library dstorch_NAME of every *.cpp in the current folder, linking
# only the folders it may use. TORCH adds LibTorch and the shared precompiled header.
function(dstorch_add_folder name)
  cmake_parse_arguments(ARG "TORCH" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(target dstorch_${name})
  if(NOT sources)
    return()
  endif()
  add_library(${target} STATIC ${sources})
  add_library(dstorch::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(
    ${target}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  foreach(dependency IN LISTS ARG_DEPENDS)
    if(TARGET dstorch_${dependency})
      target_link_libraries(${target} PUBLIC dstorch_${dependency})
    endif()
  endforeach()
  target_link_libraries(${target} PRIVATE ${ARG_LIBRARIES})
  dstorch_compile_options(${target})
  if(ARG_TORCH)
    dstorch_use_torch(${target})
  endif()
  set_property(GLOBAL APPEND PROPERTY DSTORCH_LIBRARIES ${target})
endfunction()

# Warnings, sanitizers, coverage: the same for every target.
function(dstorch_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wno-unknown-pragmas -fno-math-errno)
  if(DSTORCH_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${DSTORCH_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${DSTORCH_SANITIZE})
  endif()
  if(DSTORCH_COVERAGE)
    target_compile_options(${target} PRIVATE --coverage -fprofile-update=atomic)
    target_link_options(${target} PUBLIC --coverage)
  endif()
endfunction()

# Links LibTorch and reuses one precompiled <torch/torch.h>, which costs ten seconds a file otherwise.
function(dstorch_use_torch target)
  target_link_libraries(${target} PUBLIC dstorch_torch)
  if(NOT TARGET dstorch_torch_pch)
    file(WRITE ${PROJECT_BINARY_DIR}/torch_pch.cpp "")
    add_library(dstorch_torch_pch OBJECT ${PROJECT_BINARY_DIR}/torch_pch.cpp)
    target_link_libraries(dstorch_torch_pch PRIVATE dstorch_torch)
    dstorch_compile_options(dstorch_torch_pch)
    target_precompile_headers(dstorch_torch_pch PRIVATE <torch/torch.h> <fmt/core.h> <nlohmann/json.hpp>)
  endif()
  target_precompile_headers(${target} REUSE_FROM dstorch_torch_pch)
  add_dependencies(${target} dstorch_torch_pch)
endfunction()

# LibTorch as a target that carries its flags; a system header, so that its warnings are not ours.
add_library(dstorch_torch INTERFACE)
target_include_directories(dstorch_torch SYSTEM INTERFACE $<BUILD_INTERFACE:${TORCH_INCLUDE_DIRS}>)
target_link_libraries(dstorch_torch INTERFACE ${TORCH_LIBRARIES} fmt::fmt nlohmann_json::nlohmann_json)
separate_arguments(dstorch_torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
target_compile_options(dstorch_torch INTERFACE ${dstorch_torch_flags})
