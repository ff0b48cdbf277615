# Which sources do without LibTorch. GCC instantiates what the precompiled
# LibTorch headers leave pending in every file that uses them, 3 s a file: a
# source that reaches no LibTorch header is quicker without.

# Sets `result` to whether `file` includes LibTorch, itself or through our own
# headers. `visited` names the global property that lists the files seen.
function(engraft_reaches_torch file result visited)
  set(${result} FALSE PARENT_SCOPE)
  get_property(seen GLOBAL PROPERTY ${visited})
  if(file IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY ${visited} "${file}")
  file(STRINGS "${file}" includes REGEX "^#include ")
  foreach(include IN LISTS includes)
    if(include MATCHES "<(torch|ATen|c10)/")
      set(${result} TRUE PARENT_SCOPE)
      return()
    elseif(include MATCHES "\"(.+)\"")
      foreach(folder include src tests)
        set(header "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/${CMAKE_MATCH_1}")
        if(EXISTS "${header}")
          engraft_reaches_torch("${header}" reaches ${visited})
          if(reaches)
            set(${result} TRUE PARENT_SCOPE)
            return()
          endif()
        endif()
      endforeach()
    endif()
  endforeach()
endfunction()

# Takes the precompiled header from the sources that do without LibTorch.
function(engraft_spare_precompiled_header)
  foreach(source IN LISTS ARGN)
    set_property(GLOBAL PROPERTY engraft_visited "")
    engraft_reaches_torch("${source}" reaches engraft_visited)
    if(NOT reaches)
      set_source_files_properties("${source}" PROPERTIES
        SKIP_PRECOMPILE_HEADERS ON)
    endif()
  endforeach()
endfunction()
