# dstorch_add_folder(NAME deps...): the static library dstorch_NAME of every *.cpp in the current folder, linking
# only the folders it may use. TORCH adds LibTorch and the shared precompiled header. Where CMAKE_UNITY_BUILD is on, a
# folder's files are compiled together, so a name in one's unnamed namespace is taken for the others too.
function(dstorch_add_folder name)
  cmake_parse_arguments(ARG "TORCH" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(target dstorch_${name})
  if(NOT sources)
    return()
  endif()
  add_library(${target} STATIC ${sources})
  add_library(dstorch::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} UNITY_BUILD_MODE GROUP)
  dstorch_compile_together(${name} ${sources})
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
  target_compile_features(${target} PUBLIC cxx_std_20)  # the public headers', for whoever links it
  dstorch_compile_options(${target})
  if(ARG_TORCH)
    dstorch_use_torch(${target})
  endif()
  set_property(GLOBAL APPEND PROPERTY DSTORCH_LIBRARIES ${target})
endfunction()

# Where CMAKE_UNITY_BUILD is on: some thirty files of the current folder at a time. Reading LibTorch's headers takes four
# seconds and more each time, even precompiled.
function(dstorch_compile_together name)
  set(count 0)
  foreach(source IN LISTS ARGN)
    math(EXPR group "${count} / 32")
    math(EXPR count "${count} + 1")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${name}${group})
  endforeach()
endfunction()

# Warnings, sanitizers, coverage: the same for every target.
function(dstorch_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wno-unknown-pragmas -fno-math-errno)
  if(DSTORCH_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${DSTORCH_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${DSTORCH_SANITIZE})
  endif()
  if(DSTORCH_BUILD_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  if(DSTORCH_COVERAGE)
    target_compile_options(${target} PRIVATE --coverage -fprofile-update=atomic)
    target_link_options(${target} PUBLIC --coverage)
  endif()
endfunction()

# For what hands work to other folders and to LibTorch: optimized, it is no faster, and takes a third longer to compile.
function(dstorch_compile_quickly target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# LibTorch as one target that carries its flags.
add_library(dstorch_torch INTERFACE)
set_target_properties(dstorch_torch PROPERTIES EXPORT_NAME torch)
target_link_libraries(
  dstorch_torch INTERFACE $<BUILD_INTERFACE:${TORCH_LIBRARIES}> $<INSTALL_INTERFACE:torch$<SEMICOLON>torch_library>
                          fmt::fmt nlohmann_json::nlohmann_json)

# pytorch.org's LibTorch exports parts of std::filesystem that do not work: the C++ library's have to be found before.
if(NOT TORCH_INSTALL_PREFIX STREQUAL "/usr")
  target_link_options(dstorch_torch INTERFACE
                      "SHELL:-Wl,--push-state,--no-as-needed -lstdc++ -Wl,--pop-state")
endif()

# LibTorch 2 brings the headers of a fmt of its own, which are found first and whose library it does not bring.
find_path(dstorch_torch_fmt fmt/base.h PATHS ${TORCH_INCLUDE_DIRS} NO_DEFAULT_PATH)
if(dstorch_torch_fmt)
  target_compile_definitions(dstorch_torch INTERFACE $<BUILD_INTERFACE:FMT_HEADER_ONLY>)
endif()

# Links LibTorch and reuses one precompiled header of its tensors and modules. <torch/torch.h> in whole would be 660 MB
# and leave seconds of pending templates to every file: include the narrow header of what else you use.
function(dstorch_use_torch target)
  target_link_libraries(${target} PUBLIC dstorch_torch)
  # What ccache asks for before it will keep a precompiled header and what is compiled with it.
  set(pch_options $<IF:$<CXX_COMPILER_ID:GNU>,-fpch-preprocess,SHELL:-Xclang$<SEMICOLON>-fno-pch-timestamp>)
  if(NOT TARGET dstorch_torch_pch)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/torch_pch.cpp CONTENT "")
    add_library(dstorch_torch_pch OBJECT ${PROJECT_BINARY_DIR}/torch_pch.cpp)
    set_target_properties(dstorch_torch_pch PROPERTIES UNITY_BUILD OFF)
    target_link_libraries(dstorch_torch_pch PRIVATE dstorch_torch)
    dstorch_compile_options(dstorch_torch_pch)
    target_compile_options(dstorch_torch_pch PRIVATE ${pch_options})
    target_precompile_headers(dstorch_torch_pch PRIVATE <torch/nn/module.h> <fmt/core.h> <nlohmann/json.hpp>)
  endif()
  target_compile_options(${target} PRIVATE ${pch_options})
  # The header is compiled with -fPIC, and the compiler refuses it to a program's -fPIE.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL EXECUTABLE)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${target} REUSE_FROM dstorch_torch_pch)
  add_dependencies(${target} dstorch_torch_pch)
endfunction()

# For whatever includes Highway: what the kernels are not compiled for, since each instruction set takes a good part of the
# whole build. Vectors must have a fixed length, since the kernels keep them in arrays (Arm's scalable ones run as NEON).
# SSSE3 is a step that hardly any machine stops at. Of AVX-512 there is one: the kernels use none of what its later kinds
# add but products of bfloat16, which are written by themselves (src/ops/cpu/avx512_bf16.cpp) and chosen at run time.
set(dstorch_highway_disabled HWY_SSSE3 HWY_SVE HWY_SVE2 HWY_SVE_256 HWY_SVE2_128)
if(HWY_VERSION VERSION_GREATER_EQUAL 1.1)
  list(APPEND dstorch_highway_disabled HWY_AVX3_DL HWY_AVX3_ZEN4 HWY_AVX3_SPR)
endif()
list(JOIN dstorch_highway_disabled | dstorch_highway_disabled)
set(DSTORCH_HIGHWAY_DEFINITIONS "HWY_DISABLED_TARGETS=(${dstorch_highway_disabled})")
