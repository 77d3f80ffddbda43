// SPDX-License-Identifier: Apache-2.0
// Each process declares secrets in another way, and writes down which it has.
nextflow.enable.dsl = 2

process one {
    secret 'TOKEN_A'

    script:
    'seen one'
}

process two {
    secret 'TOKEN_A'
    secret 'TOKEN_B'

    script:
    'seen two'
}

process undeclared {
    script:
    'seen undeclared'
}

process exact {
    secret 'TOKEN_EXACT'

    script:
    'seen exact'
}

process retried {
    secret 'TOKEN_A'
    errorStrategy 'retry'
    maxRetries 1

    script:
    "seen retried; [ ${task.attempt} -gt 1 ]"
}

process own_options {
    secret 'TOKEN_A'
    clusterOptions '--comment=mine --secret=TOKEN_C=TOKEN_OTHER'

    script:
    'seen own_options; squeue -h -j $SLURM_JOB_ID -o %k >$SEEN/comment'
}

process own_request {
    clusterOptions '--secret=TOKEN_B'

    script:
    'seen own_request'
}

process own_comment {
    clusterOptions '--comment="use --secret=TOKEN_B"'

    script:
    'seen own_comment'
}

process own_quoted {
    clusterOptions '"--secret=TOKEN_B"'

    script:
    'seen own_quoted'
}

process own_closure {
    clusterOptions { "--secret TOKEN_${'B'}" }

    script:
    'seen own_closure'
}

process own_run {
    secret 'TOKEN_A'
    clusterOptions '--secrets-run=run-2'

    script:
    'seen own_run'
}

process own_none {
    clusterOptions '--secrets=none'

    script:
    'seen own_none'
}

process own_list {
    script:
    'seen own_list'
}

process selected {
    script:
    'seen selected'
}

process many {
    secret 'TOKEN_B'

    input:
    val number

    script:
    'seen many'
}

process local_one {
    executor 'local'
    secret 'TOKEN_A'

    script:
    'seen local_one'
}

process local_exact {
    executor 'local'
    secret 'TOKEN_EXACT'

    script:
    'seen local_exact'
}

process local_undeclared {
    executor 'local'

    script:
    'seen local_undeclared'
}

process contained {
    secret 'TOKEN_B'
    container 'stub'

    script:
    'seen contained'
}

def digest(value) {
    if (value == null) return 'null'
    java.security.MessageDigest.getInstance('SHA-256').digest(value.toString().getBytes('UTF-8')).encodeHex().toString()
}

workflow {
    one()
    two()
    undeclared()
    exact()
    retried()
    own_options()
    own_request()
    own_comment()
    own_quoted()
    own_closure()
    own_run()
    own_none()
    own_list()
    selected()
    many(Channel.of(1, 2, 3))
    local_one()
    local_exact()
    local_undeclared()
    contained()
    file("${params.seen}/config").text = digest(workflow.session.config.custom.token)
    if (params.scriptSecrets) {
        file("${params.seen}/script").text = [secrets.TOKEN_EXACT, secrets.UNKNOWN].collect { digest(it) }.join(' ')
    }
}
