# bash completion for secretctl. Commands, options and the names of secrets, runs and workspaces come
# from secretctl itself.

_secretctl_names() { # KIND [ARGUMENT...]
  secretctl "${_secretctl_agent[@]}" complete-names "$@" 2>/dev/null | cut -f1
}

_secretctl_offer() { # WORDS PART [PREFIX]
  mapfile -t COMPREPLY < <(compgen -P "${3-}" -W "$1" -- "$2")
}

# Completes the items of a secret spec: the text after the last comma is being typed.
_secretctl_spec() { # PART
  local prefix=
  [[ $1 == *,* ]] && prefix=${1%,*},
  _secretctl_offer "$(_secretctl_names secrets)" "${1##*,}" "$prefix"
}

_secretctl() {
  local part=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command= word i positionals=0
  local -a _secretctl_agent=() workspace=()
  COMPREPLY=()

  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    case $word in
      --socket) _secretctl_agent=(--socket "${COMP_WORDS[++i]}") ;;
      --job-socket | --secret) ((++i)) ;;
      --workspace) workspace=(--workspace "${COMP_WORDS[++i]}") ;;
      --file | --from | --store | --expires | --ttl | --until-job | --scope | --owner | --only | --skip | --dns | --ip | --uri | --days | --port | --idle | --unix-socket) ((++i)) ;;
      -*) ;;
      *)
        case $command in
          '') command=$word ;;
          pki) command="pki $word" ;;
          *) ((++positionals)) ;;
        esac
        ;;
    esac
  done

  # Readline takes "run:R" for three words.
  if [[ $command == check ]]; then
    if [[ $part == : && $previous == run ]]; then part='' previous=:; fi
    if [[ $previous == : && ${COMP_WORDS[COMP_CWORD - 2]} == *run ||
          $previous == : && ${COMP_WORDS[COMP_CWORD - 1]} == run ]]; then
      _secretctl_offer "$(_secretctl_names runs)" "$part"
      return
    fi
  fi

  case $previous in
    --workspace) _secretctl_offer "$(_secretctl_names workspaces)" "$part"; return ;;
    --secret) _secretctl_spec "$part"; return ;;
    --file | --from | --store | --socket | --job-socket | --unix-socket) mapfile -t COMPREPLY < <(compgen -f -- "$part"); compopt -o filenames; return ;;
    --scope) _secretctl_offer "user workspace" "$part"; return ;;
    --owner) mapfile -t COMPREPLY < <(compgen -u -- "$part"); return ;;
    --expires | --ttl | --until-job | --only | --skip | --dns | --ip | --uri | --days | --port | --idle) return ;;
  esac

  if [[ $part == -* ]]; then
    _secretctl_offer "$(_secretctl_names options "$command")" "$part"
    return
  fi
  case $command in
    '') _secretctl_offer "$(_secretctl_names commands)" "$part" ;;
    get | set | rename) ((positionals > 0)) || _secretctl_offer "$(_secretctl_names secrets "${workspace[@]}")" "$part" ;;
    rm) _secretctl_offer "$(_secretctl_names secrets "${workspace[@]}")" "$part" ;;
    push | complete | runs) ((positionals > 0)) || _secretctl_offer "$(_secretctl_names runs)" "$part" ;;
    check) _secretctl_spec "$part" ;;
    import) mapfile -t COMPREPLY < <(compgen -f -- "$part"); compopt -o filenames ;;
    pki) _secretctl_offer "$(_secretctl_names commands pki)" "$part" ;;
    pki\ *)
      ((positionals > 0)) || { mapfile -t COMPREPLY < <(compgen -d -- "$part"); compopt -o filenames; }
      ;;
  esac
}

complete -F _secretctl secretctl
