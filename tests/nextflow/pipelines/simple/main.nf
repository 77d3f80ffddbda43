// SPDX-License-Identifier: Apache-2.0
// One process, which runs a script of the test with secret TOKEN_A.
nextflow.enable.dsl = 2
params.script = 'true'

process fetch {
    secret 'TOKEN_A'

    output:
    val true

    script:
    "seen fetch; ${params.script}"
}

workflow {
    fetch()
}
