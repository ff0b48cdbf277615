# Run after engraft_tests was linked: writes one ctest entry per test suite.
# Not gtest_discover_tests, which makes one per test: every process that loads
# LibTorch pays 0.4 s before its first test begins.
#   cmake -D BINARY=… -D OUTPUT=… -D ENVIRONMENT=… -P DiscoverSuites.cmake
execute_process(COMMAND "${BINARY}" --gtest_list_tests OUTPUT_VARIABLE listing
  ERROR_VARIABLE complaint RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${BINARY} --gtest_list_tests: ${failed}\n${complaint}")
endif()
string(REPLACE ";" "," listing "${listing}")
string(REPLACE "\n" ";" listing "${listing}")
set(entries "")
foreach(line IN LISTS listing)
  # A suite's line starts in column one and ends in a dot, before a comment.
  if(line MATCHES "^([^ ]+)\\.( |$)")
    set(suite "${CMAKE_MATCH_1}")
    string(APPEND entries
      "add_test([==[${suite}]==] [==[${BINARY}]==] "
      "[==[--gtest_filter=${suite}.*]==])\n"
      "set_tests_properties([==[${suite}]==] PROPERTIES "
      "ENVIRONMENT [==[${ENVIRONMENT}]==] TIMEOUT 600)\n")
  endif()
endforeach()
file(WRITE "${OUTPUT}" "${entries}")
