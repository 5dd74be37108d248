# The decoder of VMX instruction operands; joined by include(decode.cmake) in this folder's CMakeLists.txt.
shadowtune_add_fuzzer(decode fuzz_decode.cpp)
if(TARGET fuzz_decode)
  target_link_libraries(fuzz_decode PRIVATE shadowtune_nested)
endif()
