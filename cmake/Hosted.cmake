# What every hosted target links: warnings, the source root as include path, sanitizers where asked for.
add_library(shadowtune_hosted INTERFACE)
target_link_libraries(shadowtune_hosted INTERFACE shadowtune_warnings)
target_include_directories(shadowtune_hosted INTERFACE ${CMAKE_SOURCE_DIR})
# Traces need line tables only, and a third of the compilers' time would go into the rest; Debug has it.
target_compile_options(shadowtune_hosted INTERFACE
  $<$<OR:$<CONFIG:RelWithDebInfo>,$<BOOL:${SHADOWTUNE_SANITIZE}>>:-g1>)
if(SHADOWTUNE_SANITIZE)
  target_compile_options(shadowtune_hosted INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(shadowtune_hosted INTERFACE -fsanitize=address,undefined)
endif()
