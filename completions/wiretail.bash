# bash completion for wiretail. Made from the command definitions: wiretail completion bash
#   source <(wiretail completion bash)

_wiretail_words() {
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_wiretail_files() {
  local IFS=$'\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$cur"))
}

_wiretail() {
  local cur prev command i
  cur="${COMP_WORDS[COMP_CWORD]}"
  prev="${COMP_WORDS[COMP_CWORD - 1]}"
  COMPREPLY=()
  command=""
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command/${COMP_WORDS[i]}" in
      "/tail") command="tail" ;;
      "/init") command="init" ;;
      "/run") command="run" ;;
      "/search") command="search" ;;
      "/status") command="status" ;;
      "/tap") command="tap" ;;
      "/top") command="top" ;;
      "/dead-letters") command="dead-letters" ;;
      "dead-letters/list") command="dead-letters/list" ;;
      "dead-letters/show") command="dead-letters/show" ;;
      "dead-letters/replay") command="dead-letters/replay" ;;
      "dead-letters/purge") command="dead-letters/purge" ;;
      "/state") command="state" ;;
      "state/show") command="state/show" ;;
      "state/set") command="state/set" ;;
      "state/forget") command="state/forget" ;;
      "/check") command="check" ;;
      "/test") command="test" ;;
      "/try") command="try" ;;
      "/decode") command="decode" ;;
      "/interfaces") command="interfaces" ;;
      "/estimate") command="estimate" ;;
      "/capture") command="capture" ;;
      "/completion") command="completion" ;;
    esac
  done
  # The value of an option.
  case "$command:$prev" in
    "tail:-n" | "tail:--lines") return ;;
    "tail:--since") return ;;
    "tail:--until") return ;;
    "tail:-q" | "tail:--where") return ;;
    "tail:--format") if [[ "$cur" == */* || "$cur" == .* ]]; then _wiretail_files -f; else _wiretail_words "apache app-multiline auth aws-elb connections-log connections-log-peers cri dns-by-hour docker flows-by-hour haproxy http-by-hour json-lines logfmt mysql-slow nginx-access nginx-access-ports nginx-error nginx-stream nginx-stream-ports packet-row postgresql redis syslog tcpdump-text w3c watched-employees watched-employees-both-ways watched-employees-http watched-employees-report"; fi; return ;;
    "tail:--highlight") return ;;
    "tail:--to") return ;;
    "tail:--state-dir") _wiretail_files -d; return ;;
    "init:-o" | "init:--output") _wiretail_files -f; return ;;
    "init:--to") return ;;
    "run:-c" | "run:--config") _wiretail_files -f; return ;;
    "run:--timeout") return ;;
    "run:--takeover-timeout") return ;;
    "search:-c" | "search:--config") _wiretail_files -f; return ;;
    "search:--store") _wiretail_files -d; return ;;
    "search:--since") return ;;
    "search:--until") return ;;
    "search:--limit") return ;;
    "search:--order") _wiretail_words "newest oldest"; return ;;
    "search:--fields") return ;;
    "search:--top") return ;;
    "search:--trace") return ;;
    "search:--id") return ;;
    "search:-A" | "search:--after-context") return ;;
    "search:-B" | "search:--before-context") return ;;
    "search:-C" | "search:--context") return ;;
    "search:--save") return ;;
    "search:--saved") return ;;
    "status:-c" | "status:--config") _wiretail_files -f; return ;;
    "status:--state-dir") _wiretail_files -d; return ;;
    "tap:-c" | "tap:--config") _wiretail_files -f; return ;;
    "tap:--state-dir") _wiretail_files -d; return ;;
    "tap:-q" | "tap:--where") return ;;
    "tap:--at") _wiretail_words "in out dropped"; return ;;
    "tap:-n" | "tap:--limit") return ;;
    "tap:--seconds") return ;;
    "tap:--max-per-second") return ;;
    "tap:--fields") return ;;
    "top:-c" | "top:--config") _wiretail_files -f; return ;;
    "top:--state-dir") _wiretail_files -d; return ;;
    "top:-i" | "top:--interval") return ;;
    "top:--sort") return ;;
    "top:--filter") return ;;
    "dead-letters/list:-c" | "dead-letters/list:--config") _wiretail_files -f; return ;;
    "dead-letters/list:--state-dir") _wiretail_files -d; return ;;
    "dead-letters/show:-c" | "dead-letters/show:--config") _wiretail_files -f; return ;;
    "dead-letters/show:--state-dir") _wiretail_files -d; return ;;
    "dead-letters/replay:-c" | "dead-letters/replay:--config") _wiretail_files -f; return ;;
    "dead-letters/replay:--state-dir") _wiretail_files -d; return ;;
    "dead-letters/purge:-c" | "dead-letters/purge:--config") _wiretail_files -f; return ;;
    "dead-letters/purge:--state-dir") _wiretail_files -d; return ;;
    "state/show:-c" | "state/show:--config") _wiretail_files -f; return ;;
    "state/show:--state-dir") _wiretail_files -d; return ;;
    "state/show:--pipeline") return ;;
    "state/show:--sink") return ;;
    "state/show:--source") return ;;
    "state/set:-c" | "state/set:--config") _wiretail_files -f; return ;;
    "state/set:--state-dir") _wiretail_files -d; return ;;
    "state/set:--pipeline") return ;;
    "state/set:--sink") return ;;
    "state/forget:-c" | "state/forget:--config") _wiretail_files -f; return ;;
    "state/forget:--state-dir") _wiretail_files -d; return ;;
    "state/forget:--pipeline") return ;;
    "state/forget:--sink") return ;;
    "state/forget:--source") return ;;
    "check:--sample") _wiretail_files -f; return ;;
    "check:--source") return ;;
    "check:--limit") return ;;
    "test:--min-coverage") return ;;
    "try:--limit") return ;;
    "decode:--output") _wiretail_words "packets flows transactions stats"; return ;;
    "decode:--filter") return ;;
    "decode:--where") return ;;
    "decode:--packet") return ;;
    "decode:--limit") return ;;
    "estimate:-i" | "estimate:--interface") return ;;
    "estimate:--seconds") return ;;
    "estimate:--filter") return ;;
    "estimate:--pipeline") return ;;
    "estimate:--disk") return ;;
    "capture:-i" | "capture:--interface") return ;;
    "capture:--socket") return ;;
  esac
  case "$command" in
    "")
      if [[ "$cur" == -* ]]; then _wiretail_words "-V --version --debug -h --help"; else _wiretail_words "tail init run search status tap top dead-letters state check test try decode interfaces estimate capture completion"; fi
      ;;
    "tail")
      if [[ "$cur" == -* ]]; then _wiretail_words "-n --lines --since --until -q --where --no-follow --format --highlight --json --raw --no-fold --to --state-dir --utc --no-color -h --help"; else _wiretail_files -f; fi
      ;;
    "init")
      if [[ "$cur" == -* ]]; then _wiretail_words "-o --output --to -y --yes --force -h --help"; else :; fi
      ;;
    "run")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --once --timeout --takeover --takeover-timeout -h --help"; else :; fi
      ;;
    "search")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --store --since --until --limit --order --fields --json --csv --histogram --top --trace --id -A --after-context -B --before-context -C --context --save --saved --utc --fail-if-empty --no-color -h --help"; else :; fi
      ;;
    "status")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --state-dir --json --all -h --help"; else :; fi
      ;;
    "tap")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --state-dir -q --where --at -n --limit --seconds --max-per-second --fields --list --json --utc --no-color -h --help"; else :; fi
      ;;
    "top")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --state-dir -i --interval --once --sort --filter --json --no-color -h --help"; else :; fi
      ;;
    "dead-letters")
      if [[ "$cur" == -* ]]; then _wiretail_words "-h --help"; else _wiretail_words "list show replay purge"; fi
      ;;
    "dead-letters/list")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --state-dir --json --each -h --help"; else :; fi
      ;;
    "dead-letters/show")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --state-dir --json -h --help"; else :; fi
      ;;
    "dead-letters/replay")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --state-dir --json --yes --apply --as-it-was --each --no-wait --follow --stop -h --help"; else :; fi
      ;;
    "dead-letters/purge")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --state-dir --json --all --yes -h --help"; else :; fi
      ;;
    "state")
      if [[ "$cur" == -* ]]; then _wiretail_words "-h --help"; else _wiretail_words "show set forget"; fi
      ;;
    "state/show")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --state-dir --json --pipeline --sink --source -h --help"; else _wiretail_files -f; fi
      ;;
    "state/set")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --state-dir --json --pipeline --sink --yes -h --help"; else _wiretail_files -f; fi
      ;;
    "state/forget")
      if [[ "$cur" == -* ]]; then _wiretail_words "-c --config --state-dir --json --pipeline --sink --source --yes -h --help"; else _wiretail_files -f; fi
      ;;
    "check")
      if [[ "$cur" == -* ]]; then _wiretail_words "--connect --diff --sample --source --limit --json -h --help"; else _wiretail_files -f; fi
      ;;
    "test")
      if [[ "$cur" == -* ]]; then _wiretail_words "--min-coverage --json -h --help"; else if [[ "$cur" == */* || "$cur" == .* ]]; then _wiretail_files -f; else _wiretail_words "apache app-multiline auth aws-elb connections-log connections-log-peers cri dns-by-hour docker flows-by-hour haproxy http-by-hour json-lines logfmt mysql-slow nginx-access nginx-access-ports nginx-error nginx-stream nginx-stream-ports packet-row postgresql redis syslog tcpdump-text w3c watched-employees watched-employees-both-ways watched-employees-http watched-employees-report"; fi; fi
      ;;
    "try")
      if [[ "$cur" == -* ]]; then _wiretail_words "--limit --json -h --help"; else if [[ "$cur" == */* || "$cur" == .* ]]; then _wiretail_files -f; else _wiretail_words "apache app-multiline auth aws-elb connections-log connections-log-peers cri dns-by-hour docker flows-by-hour haproxy http-by-hour json-lines logfmt mysql-slow nginx-access nginx-access-ports nginx-error nginx-stream nginx-stream-ports packet-row postgresql redis syslog tcpdump-text w3c watched-employees watched-employees-both-ways watched-employees-http watched-employees-report"; fi; fi
      ;;
    "decode")
      if [[ "$cur" == -* ]]; then _wiretail_words "--output --filter --where --show-credentials --json --packet --limit --utc -n --no-color -h --help"; else _wiretail_files -f; fi
      ;;
    "interfaces")
      if [[ "$cur" == -* ]]; then _wiretail_words "--json --no-color -h --help"; else :; fi
      ;;
    "estimate")
      if [[ "$cur" == -* ]]; then _wiretail_words "-i --interface --seconds --filter --pipeline --disk --json --no-color -h --help"; else _wiretail_files -f; fi
      ;;
    "capture")
      if [[ "$cur" == -* ]]; then _wiretail_words "-i --interface --socket -h --help"; else :; fi
      ;;
    "completion")
      if [[ "$cur" == -* ]]; then _wiretail_words "-h --help"; else _wiretail_words "bash zsh fish"; fi
      ;;
  esac
}

complete -F _wiretail wiretail
