# SPDX-License-Identifier: Apache-2.0
# Included by the build of the last release after its project(): compiles the sources of a folder together, but for those
# that have local names of another file.
function(compile_alone folder target)
  list(TRANSFORM ARGN PREPEND "${CMAKE_SOURCE_DIR}/${folder}/")
  set_property(SOURCE ${ARGN} TARGET_DIRECTORY ${target} PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

function(choose_files)
  compile_alone(agentd/slurm agentd_slurm job_placement.cpp stale_hold_reaper.cpp)
  compile_alone(agentd/api agentd_api handlers.cpp)
  compile_alone(agentd/server agentd_server hub_server.cpp ipc_server.cpp job_server.cpp)
  compile_alone(agentd/node agentd_node hub_proxy.cpp remote_submit_check.cpp)
  compile_alone(ctl/commands ctl_commands push.cpp)
endfunction()

cmake_language(EVAL CODE "cmake_language(DEFER DIRECTORY [[${CMAKE_SOURCE_DIR}]] CALL choose_files)")
