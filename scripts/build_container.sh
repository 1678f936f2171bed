#!/usr/bin/env bash
# Builds the image of Matrix Hub and MCP-Gateway: the Dockerfile's target "matrix", with docker or podman.
set -euo pipefail

readonly default_hub=https://github.com/agent-matrix/matrix-hub.git
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly project

usage() {
  cat <<END
usage: scripts/build_container.sh [OPTION…] [-- OPTION OF THE ENGINE'S BUILD…]

  -i, --image NAME        the image's name (matrix-hub)
  -t, --tag TAG           its tag (git describe; the image is then also tagged latest)
      --hub DIR|URL       the hub's sources, a directory or a git URL
                          ($default_hub)
      --dev               with the hub's extra for developers
      --skip-gateway-setup  without the gateway; one elsewhere is used at run time
      --platform PLATFORM build for another platform, as linux/arm64
      --buildx            build with docker buildx, and load the image
      --no-cache          build every layer anew
      --pull              fetch the base images anew
  -h, --help              this text

CONTAINER_ENGINE names the engine; else docker is used, or podman where there is no docker.
END
}

die() { echo "build_container.sh: $1" >&2; exit "${2:-1}"; }

wrong_usage() {
  echo "build_container.sh: $1" >&2
  usage >&2
  exit 2
}

# needs_value FLAG VALUE…: refuses a flag whose value is missing.
needs_value() {
  if [ $# -lt 2 ] || [ -z "$2" ]; then wrong_usage "$1 wants a value"; fi
}

image=matrix-hub tag='' hub=$default_hub target=prod skip_gateway=0 is_buildx=no
options=()
while [ $# -gt 0 ]; do
  case $1 in
    -i | --image) needs_value "$@"; image=$2; shift ;;
    -t | --tag) needs_value "$@"; tag=$2; shift ;;
    --hub) needs_value "$@"; hub=$2; shift ;;
    --dev) target=dev ;;
    --skip-gateway-setup) skip_gateway=1 ;;
    --platform) needs_value "$@"; options+=(--platform "$2"); shift ;;
    --buildx) is_buildx=yes ;;
    --no-cache) options+=(--no-cache) ;;
    --pull) options+=(--pull) ;;
    -h | --help) usage; exit ;;
    --) shift; options+=("$@"); break ;;
    *) wrong_usage "unknown option: $1" ;;
  esac
  shift
done

engine=${CONTAINER_ENGINE:-$(command -v docker || command -v podman || true)}
[ -n "$engine" ] || die 'neither docker nor podman is installed' 127
# A directory that is not there would be taken for an image's name.
[[ $hub == *://* || $hub == git@* || -d $hub ]] || die "--hub $hub: no directory, no git URL"

described=$(git -C "$project" describe --tags --always --dirty 2>/dev/null || echo latest)
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$project/package.json")
revision=$(git -C "$project" rev-parse HEAD 2>/dev/null || echo unknown)
tags=("$image:${tag:-$described}")
[ -n "$tag" ] || tags+=("$image:latest")
for name in "${tags[@]}"; do options+=(--tag "$name"); done

build=(build)
if [ "$is_buildx" = yes ]; then build=(buildx build --load); fi
# Only this format of podman's has a health check.
if [[ ${engine##*/} == podman* ]]; then build+=(--format docker); fi

DOCKER_BUILDKIT=1 "$engine" "${build[@]}" \
  --file "$project/Dockerfile" \
  --target matrix \
  --build-context "hub=$hub" \
  --build-arg "HUB_INSTALL_TARGET=$target" \
  --build-arg "SKIP_GATEWAY_SETUP=$skip_gateway" \
  --build-arg "TANDEM_VERSION=$version" \
  --label "org.opencontainers.image.revision=$revision" \
  "${options[@]}" \
  "$project"
printf 'built %s\n' "${tags[@]}"
