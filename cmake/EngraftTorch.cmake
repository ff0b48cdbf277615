# Finds LibTorch and defines the target engraft::torch.
#
# Where it looks, first hit wins:
#   1. ENGRAFT_TORCH, a folder that holds share/cmake/Torch (a LibTorch archive
#      unpacked, or site-packages/torch);
#   2. CMAKE_PREFIX_PATH (variable or environment) and Torch_DIR;
#   3. the torch of a Python: ENGRAFT_PYTHON, this project's .venv, python3;
#   4. the system's default places.
# Sets ENGRAFT_TORCH_ROOT, ENGRAFT_TORCH_VERSION and ENGRAFT_TORCH_LIBRARY_DIR.
# Installed beside the package configuration, which includes it.

set(ENGRAFT_TORCH_OLDEST 2.6)
set(ENGRAFT_TORCH_NEWEST 2.13)

# The folder of TorchConfig.cmake below one of the given roots, or empty. The
# last suffix is for torch.utils.cmake_prefix_path, itself a share/cmake.
function(_engraft_torch_config out)
  unset(dir)
  find_path(dir TorchConfig.cmake NO_CACHE ${ARGN}
    PATH_SUFFIXES share/cmake/Torch lib/cmake/Torch cmake/Torch Torch)
  if(NOT dir)
    set(dir "")
  endif()
  set(${out} "${dir}" PARENT_SCOPE)
endfunction()

# Asks each Python where its torch lies. The torch is located, not imported:
# that takes milliseconds instead of seconds.
function(_engraft_python_torch out_dir out_python)
  set(ask [[
import importlib.util, os
spec = importlib.util.find_spec("torch")
print(os.path.realpath(list(spec.submodule_search_locations)[0]) if spec else "")
]])
  foreach(python IN LISTS ARGN)
    if(NOT python)
      continue()
    endif()
    execute_process(COMMAND "${python}" -c "${ask}" OUTPUT_VARIABLE root
      ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
    if(failed OR NOT root)
      continue()
    endif()
    _engraft_torch_config(dir PATHS "${root}" NO_DEFAULT_PATH)
    if(dir)
      set(${out_dir} "${dir}" PARENT_SCOPE)
      set(${out_python} "${python}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${out_dir} "" PARENT_SCOPE)
endfunction()

set(_torch_config "")
set(_torch_from "")
if(ENGRAFT_TORCH)
  _engraft_torch_config(_torch_config PATHS "${ENGRAFT_TORCH}" NO_DEFAULT_PATH)
  set(_torch_from "ENGRAFT_TORCH")
  if(NOT _torch_config)
    message(FATAL_ERROR "ENGRAFT_TORCH is '${ENGRAFT_TORCH}', but there is no "
      "share/cmake/Torch/TorchConfig.cmake below it.")
  endif()
endif()
if(NOT _torch_config)
  set(_prefixes ${CMAKE_PREFIX_PATH})
  string(REPLACE ":" ";" _environment_prefixes "$ENV{CMAKE_PREFIX_PATH}")
  list(APPEND _prefixes ${_environment_prefixes})
  if(_prefixes)
    _engraft_torch_config(_torch_config PATHS ${_prefixes} NO_DEFAULT_PATH)
    set(_torch_from "CMAKE_PREFIX_PATH")
  endif()
  if(NOT _torch_config AND Torch_DIR)
    set(_torch_config "${Torch_DIR}")
    set(_torch_from "Torch_DIR")
  endif()
endif()
if(NOT _torch_config)
  _engraft_python_torch(_torch_config _torch_from "${ENGRAFT_PYTHON}"
    "${PROJECT_SOURCE_DIR}/.venv/bin/python" python3 python)
endif()
if(NOT _torch_config)
  _engraft_torch_config(_torch_config)
  set(_torch_from "the system's folders")
endif()
if(NOT _torch_config)
  message(FATAL_ERROR "No LibTorch found. Run scripts/setup, which installs one "
    "into this project, or point CMAKE_PREFIX_PATH at LibTorch "
    "${ENGRAFT_TORCH_OLDEST} to ${ENGRAFT_TORCH_NEWEST}, for example at what "
    "python3 -c 'import torch; print(torch.utils.cmake_prefix_path)' prints.")
endif()

get_filename_component(ENGRAFT_TORCH_ROOT "${_torch_config}/../../.." REALPATH)
set(ENGRAFT_TORCH_LIBRARY_DIR "${ENGRAFT_TORCH_ROOT}/lib")
set(ENGRAFT_TORCH_VERSION 0)
if(EXISTS "${_torch_config}/TorchConfigVersion.cmake")
  file(STRINGS "${_torch_config}/TorchConfigVersion.cmake" _line
    REGEX "PACKAGE_VERSION \"" LIMIT_COUNT 1)
  if(_line MATCHES "\"([0-9]+\\.[0-9]+(\\.[0-9]+)?)")
    set(ENGRAFT_TORCH_VERSION "${CMAKE_MATCH_1}")
  endif()
endif()
if(ENGRAFT_TORCH_VERSION VERSION_LESS ENGRAFT_TORCH_OLDEST)
  message(FATAL_ERROR "Found LibTorch ${ENGRAFT_TORCH_VERSION} at "
    "${ENGRAFT_TORCH_ROOT} (from ${_torch_from}); engraft needs "
    "${ENGRAFT_TORCH_OLDEST} to ${ENGRAFT_TORCH_NEWEST}. Upgrade it, point "
    "CMAKE_PREFIX_PATH at a newer one, or run scripts/setup, which installs "
    "one into this project.")
endif()
string(REGEX MATCH "^[0-9]+\\.[0-9]+" _minor "${ENGRAFT_TORCH_VERSION}")
if(_minor VERSION_GREATER ENGRAFT_TORCH_NEWEST)
  message(WARNING "Found LibTorch ${ENGRAFT_TORCH_VERSION} at "
    "${ENGRAFT_TORCH_ROOT}; engraft was tested up to ${ENGRAFT_TORCH_NEWEST}.")
endif()

# Debian's OpenCV and GoogleTest use the C++11 ABI of std::string; a LibTorch
# of the other ABI cannot be linked beside them.
file(STRINGS "${_torch_config}/TorchConfig.cmake" _old_abi
  REGEX "_GLIBCXX_USE_CXX11_ABI=0")
if(_old_abi)
  message(FATAL_ERROR "LibTorch ${ENGRAFT_TORCH_VERSION} at "
    "${ENGRAFT_TORCH_ROOT} was built with _GLIBCXX_USE_CXX11_ABI=0, and OpenCV "
    "and GoogleTest of this system were not. Take a build with the C++11 ABI: "
    "the 'cxx11-abi' archive of LibTorch, or any wheel from 2.7 on.")
endif()

add_library(engraft::torch INTERFACE IMPORTED)
if(EXISTS "${ENGRAFT_TORCH_LIBRARY_DIR}/libtorch_cuda.so")
  # The package configuration of a CUDA build wants nvcc and the toolkit, which
  # only CUDA sources need; there are none here. So the libraries are linked
  # directly. --no-as-needed: nothing refers to libtorch_cuda by name, it
  # registers itself when it is loaded.
  set(_flavour "CUDA build, linked directly")
  find_package(Threads REQUIRED)
  foreach(_name torch torch_cpu torch_cuda c10 c10_cuda)
    add_library(engraft_${_name} SHARED IMPORTED)
    set_target_properties(engraft_${_name} PROPERTIES
      IMPORTED_LOCATION "${ENGRAFT_TORCH_LIBRARY_DIR}/lib${_name}.so"
      IMPORTED_NO_SONAME FALSE)
  endforeach()
  target_include_directories(engraft::torch SYSTEM INTERFACE
    "${ENGRAFT_TORCH_ROOT}/include"
    "${ENGRAFT_TORCH_ROOT}/include/torch/csrc/api/include")
  target_compile_definitions(engraft::torch INTERFACE USE_DISTRIBUTED
    USE_C10D_GLOO)
  target_link_libraries(engraft::torch INTERFACE
    -Wl,--no-as-needed engraft_torch_cuda engraft_c10_cuda engraft_torch_cpu
    engraft_c10 -Wl,--as-needed Threads::Threads)
  # Its CUDA libraries lie in other packages, found when it is loaded.
  target_link_options(engraft::torch INTERFACE
    -Wl,--allow-shlib-undefined -Wl,--unresolved-symbols=ignore-in-shared-libs)
else()
  set(_flavour "CPU build")
  # Torch's configuration warns that it cannot find libkineto.a, which wheels
  # do not ship because libtorch_cpu.so contains it.
  if(NOT DEFINED kineto_LIBRARY)
    set(kineto_LIBRARY "${ENGRAFT_TORCH_LIBRARY_DIR}/libtorch_cpu.so")
  endif()
  unset(Torch_DIR CACHE)
  unset(Caffe2_DIR CACHE)
  find_package(Torch ${ENGRAFT_TORCH_OLDEST} REQUIRED CONFIG QUIET
    PATHS "${_torch_config}" NO_DEFAULT_PATH)
  target_link_libraries(engraft::torch INTERFACE torch_library c10)
endif()
message(STATUS "LibTorch ${ENGRAFT_TORCH_VERSION} (${_flavour}) at "
  "${ENGRAFT_TORCH_ROOT}")

# LibTorch's own OpenMP, so that its threads are ours too: another beside it
# would start as many again. Its runtime is GCC's.
set(ENGRAFT_OPENMP_FLAG "")
set(ENGRAFT_OPENMP_LIBRARY "")
file(GLOB _gomp "${ENGRAFT_TORCH_LIBRARY_DIR}/libgomp*.so*")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND _gomp)
  list(GET _gomp 0 _gomp)
  set(ENGRAFT_OPENMP_FLAG -fopenmp)
  if(NOT TARGET engraft_openmp)
    add_library(engraft_openmp SHARED IMPORTED)
    set_target_properties(engraft_openmp PROPERTIES
      IMPORTED_LOCATION "${_gomp}")
  endif()
  set(ENGRAFT_OPENMP_LIBRARY engraft_openmp)
endif()
