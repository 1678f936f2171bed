#!/usr/bin/env bash
# Drives a deployment of deploy/ with compose, by docker or podman.
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly project default_stack=mcp-hub

stacks() { for file in "$project"/deploy/*/compose.yaml; do basename "$(dirname "$file")"; done; }

usage() {
  cat <<END
usage: scripts/containers.sh up|down|restart|status|logs|build|exec [STACK] [OPTION…] [WORD FOR COMPOSE…]
       npm run containers:up|down|restart|status|logs [-- STACK [OPTION…] [WORD FOR COMPOSE…]]

  up       builds what is missing, starts the stack, returns once it is healthy
  down     stops and removes its containers and networks; volumes stay (--volumes removes them)
  restart  as up, with images built from the sources of now and new containers
  status   its containers and their health
  logs     their output, until Ctrl-C
  build    builds its images (--no-cache: every layer anew)
  exec     runs a command in one of its services

  STACK          a directory of deploy/ ($default_stack): $(stacks | paste -sd ' ')
  --dev          its compose.dev.yaml in place of its compose.yaml
  --profile NAME a profile of its compose file; may be repeated. Else COMPOSE_PROFILES, in .env or the environment
  -h, --help     this text

A stack without a .env gets one from its .env.example. CONTAINER_ENGINE names the engine; else docker is used, or podman
where docker has no compose. COMPOSE_FILE, COMPOSE_PROJECT_NAME and TANDEM_IMAGE are heeded.
END
}

say() { echo "containers.sh: $1" >&2; }

wrong_usage() {
  say "$1"
  usage >&2
  exit 2
}

verb='' stack='' is_dev=no profiles='' words=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit ;;
    --dev) is_dev=yes ;;
    --profile)
      if [ $# -lt 2 ] || [ -z "$2" ]; then wrong_usage "$1 wants a value"; fi
      profiles+=${profiles:+,}$2
      shift
      ;;
    *)
      if [ -z "$verb" ]; then
        verb=$1
      elif [ -z "$stack" ] && [[ $1 != -* ]]; then
        stack=$1
      else
        words=("$@")
        break
      fi
      ;;
  esac
  shift
done
stack=${stack:-$default_stack}

case $verb in
  up | down | restart | status | logs | build | exec) ;;
  '') wrong_usage 'what is to be done?' ;;
  *) wrong_usage "unknown command: $verb" ;;
esac
if [[ $stack == */* || ! -f $project/deploy/$stack/compose.yaml ]]; then
  say "unknown stack: $stack; accepted: $(stacks | paste -sd ' ')"
  exit 2
fi

cd "$project/deploy/$stack"
if [ "$is_dev" = yes ]; then
  if [ ! -f compose.dev.yaml ]; then say "deploy/$stack has no compose.dev.yaml"; exit 2; fi
  if [ -n "${COMPOSE_FILE:-}" ]; then say "--dev and COMPOSE_FILE contradict each other"; exit 2; fi
  export COMPOSE_FILE=compose.dev.yaml
fi

engine=${CONTAINER_ENGINE:-}
for candidate in docker podman; do
  if [ -z "$engine" ] && "$candidate" compose version >/dev/null 2>&1; then engine=$candidate; fi
done
# Only this format of podman's has a health check.
if [[ ${engine##*/} == podman* ]]; then export BUILDAH_FORMAT=docker; fi
if [ -z "$engine" ]; then say 'neither docker nor podman has compose here'; exit 127; fi

# Where the comment above says "at random", an empty value becomes a secret; nothing else is changed.
make_env() {
  local line is_random=no
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      '') is_random=no ;;
      '#'*'at random'*) is_random=yes ;;
      '#'*) ;;
      *=) if [ "$is_random" = yes ]; then line+=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n'); fi ;;
    esac
    echo "$line"
  done
}
if [ ! -f .env ] && [ -f .env.example ]; then
  (umask 077; make_env <.env.example >.env.new)
  mv .env.new .env
  say "made deploy/$stack/.env from .env.example: look it through"
fi

# The image that deployments copy /opt/tandem from is built here, unless another one is named.
build_supervisor() {
  if [ -n "${TANDEM_IMAGE:-}" ] || ! grep -qs tandem-supervisor Dockerfile compose*.yaml; then return; fi
  "$engine" build --target supervisor --tag tandem-supervisor "$project"
}

if [ -n "$profiles" ]; then export COMPOSE_PROFILES=$profiles; fi
# every_profile: what was started with a profile is also to be seen, and taken away, without it.
every_profile() { export COMPOSE_PROFILES='*'; }
compose() { "$engine" compose "$@"; }

case $verb in
  up) build_supervisor; compose up --detach --wait --build "${words[@]}" ;;
  restart) build_supervisor; compose up --detach --wait --build --force-recreate "${words[@]}" ;;
  build) build_supervisor; compose build "${words[@]}" ;;
  down) every_profile; compose down --remove-orphans "${words[@]}" ;;
  status) every_profile; compose ps --all "${words[@]}" ;;
  logs) every_profile; compose logs --follow "${words[@]}" ;;
  exec) every_profile; compose exec "${words[@]}" ;;
esac
