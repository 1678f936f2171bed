#!/usr/bin/env bash
# Builds the images of the MCP servers here, by docker or podman: the base, then all that stand on it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<END
usage: deploy/mcp-servers/build.sh [TAG]

  TAG         latest, unless another one is given
  -h, --help  this text

IMAGE_PREFIX stands before their names, as "imagePrefix" in the fleet's configuration (mcp-servers). NODE_IMAGE is what they
are made of. CONTAINER_ENGINE names the engine; else docker is used, or podman where there is no docker.
END
}

case ${1:-} in
  -h | --help) usage; exit ;;
  -*) usage >&2; exit 2 ;;
esac
if [ $# -gt 1 ]; then usage >&2; exit 2; fi

tag=${1:-latest}
prefix=${IMAGE_PREFIX:-mcp-servers}
engine=${CONTAINER_ENGINE:-$(command -v docker || command -v podman || true)}
if [ -z "$engine" ]; then echo 'build.sh: neither docker nor podman is here' >&2; exit 127; fi
arguments=(--build-arg "BASE_IMAGE=$prefix/base:$tag")
[ -z "${NODE_IMAGE:-}" ] || arguments+=(--build-arg "NODE_IMAGE=$NODE_IMAGE")

# The base first: the others find it by its tag.
names=(base)
for file in */Dockerfile; do [[ $file == base/* ]] || names+=("${file%/*}"); done
for name in "${names[@]}"; do
  "$engine" build --quiet "${arguments[@]}" --tag "$prefix/$name:$tag" "$name" >/dev/null
  echo "$prefix/$name:$tag"
done
