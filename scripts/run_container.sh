#!/usr/bin/env bash
# Runs the image of Matrix Hub and MCP-Gateway with docker or podman: replaces the container of the same name, waits until
# it is healthy and prints the URLs. What the image is asked to do is found out from its own `tandem check`.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/run_container.sh [OPTION…] [-- OPTION OF THE ENGINE'S RUN…]

  -i, --image NAME        the image's name (matrix-hub)
  -t, --tag TAG           its tag (latest)
  -n, --name NAME         the container's name (matrix-hub)
      --app-port PORT     the hub's port on this machine, also ADDRESS:PORT (7300)
      --gw-port PORT      the gateway's (4444)
      --skip-gateway      no gateway in this container; MCP_GATEWAY_URL in the env file names another one
      --env-file FILE     the hub's .env; what is tandem's in it (HUB_*, GW_*, TANDEM_*, …) reaches tandem
      --gw-env-file FILE  the gateway's .env
      --data-volume NAME  volume of /app/data (NAME-data, after the container)
      --gw-volume NAME    volume of /app/mcpgateway/.state (NAME-gateway)
      --network NAME      the network it joins
      --restart POLICY    no, on-failure, always or unless-stopped (unless-stopped)
      --wait SECONDS      how long it may take to become healthy (300)
  -d, --detach            return once it is healthy (the default)
  -f, --foreground        stay, show its log, stop it on Ctrl-C, end with its exit code
      --pull              fetch the image anew
      --no-replace        refuse to replace a container of the same name
  -h, --help              this text

CONTAINER_ENGINE names the engine; else docker is used, or podman where there is no docker.
END
}

say() { echo "run_container.sh: $1" >&2; }

die() { say "$1"; exit "${2:-1}"; }

wrong_usage() {
  say "$1"
  usage >&2
  exit 2
}

# needs_value FLAG VALUE…: refuses a flag whose value is missing.
needs_value() {
  if [ $# -lt 2 ] || [ -z "$2" ]; then wrong_usage "$1 wants a value"; fi
}

# needs_port FLAG VALUE…: refuses what is not PORT or ADDRESS:PORT.
needs_port() {
  needs_value "$@"
  local port=${2##*:}
  if [[ ! $port =~ ^[0-9]{1,5}$ ]] || ((10#$port < 1 || 10#$port > 65535)); then wrong_usage "$1 $2: no port"; fi
}

# needs_file FLAG VALUE…: refuses what is not a file that can be read.
needs_file() {
  needs_value "$@"
  if [ ! -f "$2" ] || [ ! -r "$2" ]; then die "$1 $2: cannot read it"; fi
}

image=matrix-hub tag=latest name=matrix-hub app_port=7300 gw_port=4444 is_gateway_skipped=no
env_file='' gw_env_file='' data_volume='' gw_volume='' restart=unless-stopped wait_s=300
is_foreground=no is_pulled=no may_replace=yes
options=()
while [ $# -gt 0 ]; do
  case $1 in
    -i | --image) needs_value "$@"; image=$2; shift ;;
    -t | --tag) needs_value "$@"; tag=$2; shift ;;
    -n | --name) needs_value "$@"; name=$2; shift ;;
    --app-port) needs_port "$@"; app_port=$2; shift ;;
    --gw-port) needs_port "$@"; gw_port=$2; shift ;;
    --skip-gateway) is_gateway_skipped=yes ;;
    --env-file) needs_file "$@"; env_file=$(realpath "$2"); shift ;;
    --gw-env-file) needs_file "$@"; gw_env_file=$(realpath "$2"); shift ;;
    --data-volume) needs_value "$@"; data_volume=$2; shift ;;
    --gw-volume) needs_value "$@"; gw_volume=$2; shift ;;
    --network) needs_value "$@"; options+=(--network "$2"); shift ;;
    --restart) needs_value "$@"; restart=$2; shift ;;
    --wait) needs_value "$@"; wait_s=$2; shift ;;
    -d | --detach) is_foreground=no ;;
    -f | --foreground) is_foreground=yes ;;
    --pull) is_pulled=yes ;;
    --no-replace) may_replace=no ;;
    -h | --help) usage; exit ;;
    --) shift; options+=("$@"); break ;;
    *) wrong_usage "unknown option: $1" ;;
  esac
  shift
done
[[ $wait_s =~ ^[0-9]+$ ]] || wrong_usage "--wait $wait_s: no whole number of seconds"

engine=${CONTAINER_ENGINE:-$(command -v docker || command -v podman || true)}
[ -n "$engine" ] || die 'neither docker nor podman is installed' 127
# What tandem demands before it starts MCP-Gateway; the last one only where that is new enough to know it.
readonly gateway_secrets=(JWT_SECRET_KEY AUTH_ENCRYPTION_SECRET BASIC_AUTH_PASSWORD PLATFORM_ADMIN_PASSWORD)
secrets_file=${XDG_STATE_HOME:-$HOME/.local/state}/tandem/$name-gateway.env

# No more than it needs: no capabilities, nothing to write on but its volumes and memory.
options=(--read-only --tmpfs /tmp --tmpfs /run --cap-drop ALL --security-opt no-new-privileges "${options[@]}")

# What in the hub's .env is said to tandem, as the engine reads it: without quotes, comments and carriage returns.
tandems_own() {
  { grep -E '^(export +)?((TANDEM|HUB|GW|GATEWAY|MIGRATE)_[A-Z_]+|WORKER_MEMORY) *=' "$1" || true; } |
    sed -E -e 's/\r$//' -e 's/^export +//' -e 's/ *= */=/' \
      -e 's/="([^"]*)".*$/=\1/' -e "s/='([^']*)'.*$/=\1/" -e 's/ +#.*$//' -e 's/ +$//'
}

# sets FILE NAME: whether the .env file has this variable, or the file it is in.
sets() { grep -qE "^[[:space:]]*(export[[:space:]]+)?$2(_FILE)?[[:space:]]*=" "$1"; }

# is_given NAME: whether the gateway is told this one already: by its own .env, or by the hub's or an option of the engine.
is_given() {
  if [ -n "$gw_env_file" ] && sets "$gw_env_file" "$1"; then return 0; fi
  [[ " ${options[*]} $environment" =~ [[:space:]=]GW_ENV_$1(_FILE)?= ]]
}

# Strong ones are made once, and kept: the gateway's database is encrypted with one of them.
make_secrets() {
  local secret is_made=no
  mkdir -p "${secrets_file%/*}"
  for secret in "$@"; do
    if grep -qs "^GW_ENV_$secret=" "$secrets_file"; then continue; fi
    (umask 077; echo "GW_ENV_$secret=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >>"$secrets_file")
    is_made=yes
  done
  [ "$is_made" = no ] || say "made secrets for the gateway: $secrets_file (keep it)"
}

# What a gateway needs that is started here, as far as its own .env does not say it.
add_gateway_options() {
  local secret missing=()
  if [ -n "$gw_env_file" ]; then options+=(--volume "$gw_env_file:/app/mcpgateway/.env:ro"); fi
  for secret in "${gateway_secrets[@]}"; do
    is_given "$secret" || missing+=("$secret")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    make_secrets "${missing[@]}"
    environment+=$(grep -E "^GW_ENV_($(IFS='|'; echo "${missing[*]}"))=" "$secrets_file")$'\n'
  fi
  if [ -n "$gw_env_file" ] && ! sets "$gw_env_file" DATABASE_URL; then
    options+=(--env GW_ENV_DATABASE_URL=sqlite:////app/mcpgateway/.state/mcp.db)
  fi
}

# Handed to the engine by a pipe, so that no secret is on a command line.
environment=''
if [ -n "$env_file" ]; then
  options+=(--volume "$env_file:/app/.env:ro")
  environment+=$(tandems_own "$env_file")$'\n'
fi
if [ "$is_gateway_skipped" = yes ]; then environment+=$'GATEWAY_SKIP_START=1\n'; fi
if [ "$is_pulled" = yes ]; then "$engine" pull "$image:$tag"; fi
image_environment=$("$engine" image inspect --format '{{.Config.Env}}' "$image:$tag") ||
  die "there is no image $image:$tag: scripts/build_container.sh"
if [[ $is_gateway_skipped = no && $image_environment != *GATEWAY_SKIP_START=1* ]]; then add_gateway_options; fi

# run_engine WORD…: the engine's run with all that is to be given to the container.
run_engine() { "$engine" run --env-file <(printf '%s' "$environment") "${options[@]}" "$@"; }

# The plan as lines of a name and a number: the port of each service that is run, and the stop budget in whole seconds.
# What is wrong with it is told, and nothing is replaced.
read_plan() {
  # shellcheck disable=SC2016  # expanded in the container
  run_engine --rm --entrypoint sh "$image:$tag" -c 'plan=$(tandem check --json) || exit; printf %s "$plan" | node -e "$1"' sh '
    const { services, stop } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
    for (const { name, skip, readiness } of services) {
      if (skip === undefined && readiness?.port) console.log(name, readiness.port.port);
    }
    console.log("stop", Math.ceil(stop.timeout_ms / 1000));'
}
plan=$(read_plan) || die 'the container would not start' $?
number_of() { awk -v name="$1" '$1 == name { print $2 }' <<<"$plan"; }
hub_port=$(number_of hub) gateway_port=$(number_of gateway) stop_s=$(number_of stop)

if "$engine" container inspect "$name" >/dev/null 2>&1; then
  [ "$may_replace" = yes ] || die "there is a container \"$name\" already"
  "$engine" stop "$name" >/dev/null
  "$engine" rm --force --volumes "$name" >/dev/null
fi

# publish FLAG HOST_PORT CONTAINER_PORT: after the old container is gone, which may have held the port.
publish() {
  local address=127.0.0.1
  if [[ $2 == *:* ]]; then address=${2%:*} address=${address//[][]/}; fi
  if (exec 3<>"/dev/tcp/$address/${2##*:}") 2>/dev/null; then die "port $2 is taken on this machine: choose another $1"; fi
  options+=(--publish "$2:$3")
}
if [ -n "$hub_port" ]; then publish --app-port "$app_port" "$hub_port"; fi
if [ -n "$gateway_port" ]; then publish --gw-port "$gw_port" "$gateway_port"; fi

run_engine --detach --name "$name" --restart "$restart" --stop-timeout $((stop_s + 2)) \
  --volume "${data_volume:-$name-data}:/app/data" \
  --volume "${gw_volume:-$name-gateway}:/app/mcpgateway/.state" \
  "$image:$tag" >/dev/null || { "$engine" rm --force --volumes "$name" >/dev/null 2>&1; exit 1; }

# One that does not come up is stopped, not left to be restarted for ever; it stays, to be looked at.
give_up() {
  "$engine" stop "$name" >/dev/null || true
  "$engine" logs --tail 20 "$name" >&2
  die "$1"
}

await_healthy() {
  local deadline=$((SECONDS + wait_s)) state health
  until health=$("$engine" exec "$name" tandem health 2>&1); do
    state=$("$engine" inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}' "$name")
    case $state in
      running\ *\ 0 | created\ *) ;;
      *) read -r _ code _ <<<"$state"; give_up "the container ended with $code" ;;
    esac
    if [ "$SECONDS" -ge "$deadline" ]; then give_up "not healthy within $wait_s s: $health"; fi
    sleep 0.2
  done
}

if [ "$is_foreground" = yes ]; then
  trap '"$engine" stop "$name" >/dev/null' INT TERM
  "$engine" logs --follow "$name" &
fi
await_healthy

# url HOST_PORT
url() { if [[ $1 == *:* ]]; then echo "http://$1"; else echo "http://127.0.0.1:$1"; fi; }
if [ -n "$hub_port" ]; then echo "hub      $(url "$app_port")"; fi
if [ -n "$gateway_port" ]; then echo "gateway  $(url "$gw_port")"; fi

if [ "$is_foreground" = yes ]; then
  # Ctrl-C ends the wait early as well; the stop that it asked for is over by then.
  code=$("$engine" wait "$name") || code=$("$engine" inspect --format '{{.State.ExitCode}}' "$name")
  exit "$code"
fi
