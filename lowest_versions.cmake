# SPDX-License-Identifier: Apache-2.0
# The lowest version of everything that a build needs. docs/building.md has the same table; lint/rules compares them.

# Ends the configuration with a sentence if VERSION of NAME is older than LOWEST.
function(require_version name version lowest)
  if(version VERSION_LESS lowest)
    message(FATAL_ERROR "cannot build with ${name} ${version}: ${lowest} or later is needed "
      "(docs/building.md has the lowest version of each)")
  endif()
endfunction()

if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  require_version(g++ "${CMAKE_CXX_COMPILER_VERSION}" 11)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  require_version(clang "${CMAKE_CXX_COMPILER_VERSION}" 16)
endif()
