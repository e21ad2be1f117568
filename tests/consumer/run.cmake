# cmake -DBUILD=... -DSOURCE=... -DGENERATOR=... -DCOMPILER=... -DTYPE=... -DVERSION=... -DLIBDIR=... -P run.cmake
# Installs the build under a prefix of its own, builds the consumer against that alone, runs it and looks at its answer.
set(work ${BUILD}/consumer)
file(REMOVE_RECURSE ${work})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix)
# Moved, so that a path into the prefix it was installed to shows.
file(RENAME ${work}/prefix ${work}/moved)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${work}/build -G ${GENERATOR} -DCMAKE_BUILD_TYPE=${TYPE} -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_PREFIX_PATH=${work}/moved)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${work}/build/consumer)
if(NOT output MATCHES "a canned answer")
  message(FATAL_ERROR "the consumer printed: ${output}")
endif()

# The same without CMake.
set(ENV{PKG_CONFIG_PATH} ${work}/moved/${LIBDIR}/pkgconfig)
run(pkg-config --modversion dstorch)
string(STRIP "${output}" version)
if(NOT version STREQUAL VERSION)
  message(FATAL_ERROR "pkg-config says version ${version}, it is ${VERSION}")
endif()
run(pkg-config --cflags --libs dstorch)
separate_arguments(flags UNIX_COMMAND "${output}")
run(${COMPILER} ${SOURCE}/main.cpp -o ${work}/with-pkg-config ${flags})
run(${work}/with-pkg-config)
if(NOT output MATCHES "a canned answer")
  message(FATAL_ERROR "the consumer built with pkg-config printed: ${output}")
endif()

# The command beside them, its helper, its manual and its completion.
run(${work}/moved/bin/dstorch --version)
if(NOT output MATCHES "${VERSION}")
  message(FATAL_ERROR "the command says version ${output}")
endif()
foreach(file IN ITEMS libexec/dstorch/webgl-trial share/man/man1/dstorch.1 share/bash-completion/completions/dstorch
                      share/zsh/site-functions/_dstorch share/dstorch/models/default/config.json)
  if(NOT EXISTS ${work}/moved/${file})
    message(FATAL_ERROR "the installation has no ${file}")
  endif()
endforeach()

# Both halves of the command, wherever they were moved, with the model that was installed beside them.
set(dstorch ${work}/moved/bin/dstorch)
run(${dstorch} tokenize python3-yaml)
run(${dstorch} generate python3-yaml --temperature 0 --max-tokens 4)
set(model ${work}/moved/share/dstorch/models/default)
file(REMOVE ${model}/model.safetensors ${model}/tokenizer.json)
foreach(command tokenize generate)
  execute_process(COMMAND ${dstorch} ${command} python3-yaml RESULT_VARIABLE status ERROR_VARIABLE output)
  if(status EQUAL 0 OR NOT output MATCHES "${model}")
    message(FATAL_ERROR "dstorch ${command} does not look into ${model}: ${output}")
  endif()
endforeach()
