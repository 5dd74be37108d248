# What every bare-metal target links (the VMM, the micro-L1): no C library, no exceptions, no vector
# registers (they belong to the guest), no red zone, no sanitizers; assembler files see the same flags.
add_library(shadowtune_freestanding INTERFACE)
target_link_libraries(shadowtune_freestanding INTERFACE shadowtune_warnings)
target_include_directories(shadowtune_freestanding INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(shadowtune_freestanding INTERFACE SHADOWTUNE_FREESTANDING=1)
target_compile_options(shadowtune_freestanding INTERFACE
  -m64 -ffreestanding -fno-stack-protector -fno-pic -fno-pie -mno-red-zone
  # clang's general-regs-only forbids long double, which the standard headers mention.
  $<IF:$<CXX_COMPILER_ID:Clang>,-mno-sse;-mno-sse2;-mno-mmx;-mno-avx,-mgeneral-regs-only>
  -fno-asynchronous-unwind-tables -fcf-protection=none -fno-sanitize=all -O2
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions;-fno-rtti;-fno-threadsafe-statics;-fno-use-cxa-atexit>)
target_link_options(shadowtune_freestanding INTERFACE
  # clang takes -static for "no PIE" and calls the second option unused.
  -nostdlib -static $<$<NOT:$<CXX_COMPILER_ID:Clang>>:-no-pie> -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -fno-sanitize=all)
