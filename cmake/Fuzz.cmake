# Fuzz targets: libFuzzer, clang only, built where SHADOWTUNE_FUZZ is on (the preset `fuzz`).
set(SHADOWTUNE_FUZZ_SECONDS 30 CACHE STRING "How long the ctest of each fuzz target runs")

if(SHADOWTUNE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SHADOWTUNE_FUZZ needs clang: configure with --preset fuzz")
  endif()
  # Without coverage in the libraries too, the fuzzer would see nothing of what it drives.
  target_compile_options(shadowtune_hosted INTERFACE -fsanitize=fuzzer-no-link)
endif()

# shadowtune_add_fuzzer(name source library): the executable fuzz_NAME, which drives the library, and the test
# fuzz.NAME, label `fuzz`, which starts from the seeds in corpus/NAME beside the calling CMakeLists.txt. What it finds
# stays in the build tree; a crash is written there as crash-*. Does nothing where SHADOWTUNE_FUZZ is off.
function(shadowtune_add_fuzzer name source library)
  if(NOT SHADOWTUNE_FUZZ)
    return()
  endif()
  add_executable(fuzz_${name} ${source})
  target_link_libraries(fuzz_${name} PRIVATE shadowtune_hosted ${library})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  set(found ${CMAKE_CURRENT_BINARY_DIR}/found/${name})
  file(MAKE_DIRECTORY ${found})
  set(seeds ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  if(NOT IS_DIRECTORY ${seeds})
    message(FATAL_ERROR "fuzz target ${name} has no seed corpus: put a few inputs into ${seeds}")
  endif()
  add_test(NAME fuzz.${name}
    COMMAND fuzz_${name} -max_total_time=${SHADOWTUNE_FUZZ_SECONDS} -print_final_stats=1 ${found} ${seeds}
    WORKING_DIRECTORY ${found})
  math(EXPR limit "${SHADOWTUNE_FUZZ_SECONDS} + 60")
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT ${limit})
endfunction()
