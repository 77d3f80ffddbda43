// SPDX-License-Identifier: Apache-2.0
// One process with secret TOKEN_A, each of whose tasks runs a script of the test.
nextflow.enable.dsl = 2
params.script = 'true'
params.tasks = 1

process fetch {
    secret 'TOKEN_A'

    input:
    val number

    output:
    val true

    script:
    "seen fetch; ${params.script}"
}

workflow {
    fetch(Channel.of(1..params.tasks))
}
