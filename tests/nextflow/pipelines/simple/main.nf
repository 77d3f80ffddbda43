// SPDX-License-Identifier: Apache-2.0
// One process, which runs a script of the test with secret TOKEN_A.
nextflow.enable.dsl = 2
params.script = 'true'

process first {
    secret 'TOKEN_A'

    output:
    val true

    script:
    "seen first; ${params.script}"
}

workflow {
    first()
}
