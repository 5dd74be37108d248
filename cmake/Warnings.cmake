# One set of warnings for hosted and freestanding code alike; every warning is an error.
add_library(shadowtune_warnings INTERFACE)
target_compile_options(shadowtune_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wconversion;-Wshadow;-Wold-style-cast;-Werror>
  $<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Werror>)
