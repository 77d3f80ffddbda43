# SPDX-License-Identifier: Apache-2.0
# Included by the build of the last release after its project(): compiles the sources of a folder together, but for
# folders in which two files have the same local names.
cmake_language(EVAL CODE "
  cmake_language(DEFER DIRECTORY [[${CMAKE_SOURCE_DIR}]] CALL set_target_properties
    agentd_slurm agentd_api agentd_server agentd_node ctl_commands PROPERTIES UNITY_BUILD OFF)")
