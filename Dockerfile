# Three images from one build:
#   docker build .                       embedded: tandem as PID 1, with the embedded pair
#   docker build --target supervisor .   only /opt/tandem, for COPY --from=… into any image that has glibc
#   docker build --target matrix --build-context hub=DIR|URL .
#                                        matrix: tandem as PID 1, with Matrix Hub and MCP-Gateway
#
# What runs is below /opt/tandem and, in matrix, /app; it belongs to root and is never written. State is below /app/data
# and, in matrix, /app/mcpgateway/.state.
ARG NODE_IMAGE=node:26-bookworm-slim
ARG PYTHON_IMAGE=python:3.12-slim-bookworm
# tandem's own, as in package.json.
ARG TANDEM_VERSION=0.1.0

FROM ${NODE_IMAGE} AS tools
RUN apt-get update \
 && apt-get install --yes --no-install-recommends binutils gcc libc6-dev patchelf \
 && rm -rf /var/lib/apt/lists/*

# A Node of our own, without its symbol table. Beside it lie the libraries that it needs and glibc does not bring, so
# that the image it is copied into need not have them.
FROM tools AS node
RUN mkdir -p /opt/tandem/bin /opt/tandem/lib \
 && strip --strip-unneeded -o /opt/tandem/bin/node /usr/local/bin/node \
 && ldd /usr/local/bin/node | awk '/libstdc|libgcc|libatomic/ {print $3}' | xargs -I{} cp -L {} /opt/tandem/lib/ \
 && patchelf --force-rpath --set-rpath '$ORIGIN/../lib' /opt/tandem/bin/node \
 && /opt/tandem/bin/node --version

# The bundle and its native parts, which may not be missing here.
FROM tools AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
COPY embedded/package.json embedded/
RUN --mount=type=cache,target=/root/.npm npm ci --workspaces=false --ignore-scripts
COPY scripts/build.mjs scripts/warm.mjs scripts/
COPY src src
COPY LICENSE ./
RUN TANDEM_REQUIRE_NATIVE=1 npm run build
# The command is `launch`, which notes the limit of open files before Node raises it and, as PID 1, holds the signals that
# come before Node handles any. No `env` before Node, which need not be in the PATH. And no --disable-sigusr1: Node then
# leaves SIGUSR1 blocked, and no service would ever be sent one; that it opens no inspector is tandem's own care.
RUN mkdir -p /opt/tandem/bin \
 && cp -r dist LICENSE /opt/tandem/ \
 && chmod 644 /opt/tandem/LICENSE \
 && sed -i '1s|.*|#!/opt/tandem/bin/node|' /opt/tandem/dist/tandem.cjs \
 && ln -s ../dist/native/launch /opt/tandem/bin/tandem \
 && node scripts/warm.mjs /opt/tandem/dist/tandem.cjs

FROM scratch AS supervisor
ARG TANDEM_VERSION
LABEL org.opencontainers.image.title="tandem supervisor" \
      org.opencontainers.image.description="A correct PID 1 for several processes: COPY --from=… /opt/tandem /opt/tandem" \
      org.opencontainers.image.version="${TANDEM_VERSION}" \
      org.opencontainers.image.licenses="MIT"
COPY --from=node /opt/tandem /opt/tandem
COPY --from=build /opt/tandem /opt/tandem

# The pair alone: none of tandem's own packages, and nothing that is only for developers.
FROM ${NODE_IMAGE} AS pair
WORKDIR /opt/tandem
COPY package.json package-lock.json .npmrc ./
COPY embedded/package.json embedded/
RUN --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --workspace embedded --include-workspace-root=false --ignore-scripts \
 && find node_modules -regex '.*\.\(map\|d\.[cm]?ts\)' -delete
COPY embedded embedded
# Readable whatever the umask of the clone was.
RUN chmod -R u=rwX,go=rX embedded

# The base image without what is for building: its own Node, npm, yarn, headers, registry settings, package lists.
FROM ${NODE_IMAGE} AS base
RUN rm -rf /usr/local/bin/* /usr/local/include /usr/local/lib/node_modules /usr/local/share/* /usr/local/etc/npmrc \
           /usr/local/*.md /usr/local/LICENSE /opt/* /root/.npm /var/lib/apt/lists/* /var/cache/apt/*
RUN ln -s /opt/tandem/bin/node /opt/tandem/bin/tandem /usr/local/bin/ \
 && install -d -o 1000 -g 1000 /app/data \
 && install -d -o 1000 -g 1000 -m 0700 /run/tandem

# The hub's sources: --build-context hub=… takes this stage's place.
FROM scratch AS hub

# Each virtual environment is made where it will be, by the Python that will run it. pip itself stays outside of them.
FROM ${PYTHON_IMAGE} AS python
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app

# The hub's files, without what is secret, somebody's data, or only of use where it came from: no name with a dot before
# it but .env.example. They are left out here, as a hub from a git URL brings no .dockerignore that could be relied on,
# and before anything is installed: a package may hold whatever lies in its directory.
FROM python AS hub-files
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN --mount=type=bind,from=hub,target=/hub \
    if [ ! -f /hub/pyproject.toml ] && [ ! -f /hub/requirements.txt ]; then \
      echo 'there is no hub to install: give its sources with --build-context hub=DIR|URL' >&2; exit 1; fi \
 && tar --create --directory=/hub --exclude='.[!/]*' --exclude=__pycache__ --exclude=venv --exclude=node_modules \
      --exclude='*.env' --exclude='*.db' --exclude='*.db-*' --exclude='*.sqlite*' \
      --exclude='*.key' --exclude='*.pem' --exclude='*.p12' --exclude='*.pfx' --exclude='*.jks' \
      --exclude=./data --exclude=./mcpgateway --exclude=./tests . | tar --extract --no-same-owner \
 && if [ -f /hub/.env.example ]; then cp /hub/.env.example .; fi \
 && chmod -R u=rwX,go=rX . \
 && python3 -m compileall -q src

# The hub as Matrix Hub is (pyproject.toml, extra "dev") or by lists of pinned packages (requirements.txt and, if there is
# one, requirements-dev.txt). Without gunicorn of its own it gets one: not the newest, which starts as well, but the release
# that every end-to-end test runs, with the uvicorn that goes with it.
FROM python AS hub-venv
ARG HUB_INSTALL_TARGET=prod
RUN --mount=type=bind,from=hub-files,source=/app,target=/hub,rw --mount=type=cache,target=/root/.cache/pip \
    case $HUB_INSTALL_TARGET in \
      prod) extra= lists=requirements.txt ;; \
      dev) extra=[dev] lists='requirements.txt requirements-dev.txt' ;; \
      *) echo "HUB_INSTALL_TARGET=$HUB_INSTALL_TARGET; accepted: prod or dev" >&2; exit 1 ;; \
    esac \
 && python3 -m venv --without-pip .venv \
 && set -- \
 && if [ -f /hub/pyproject.toml ]; then set -- "/hub$extra"; \
    else for list in $lists; do [ ! -f "/hub/$list" ] || set -- "$@" -r "/hub/$list"; done; fi \
 && python3 -m pip --python .venv/bin/python install "$@" \
 && { [ -x .venv/bin/gunicorn ] || python3 -m pip --python .venv/bin/python install gunicorn==23.0.0 'uvicorn<0.36'; }

# The gateway. The versions that the default one was proven with are listed; any other finds its own.
FROM python AS gateway-venv
ARG SKIP_GATEWAY_SETUP=0
ARG GATEWAY_PACKAGE=mcp-contextforge-gateway==0.4.0
WORKDIR /app/mcpgateway
RUN --mount=type=bind,source=deploy/matrix,target=/pins --mount=type=cache,target=/root/.cache/pip \
    case $SKIP_GATEWAY_SETUP in \
      1) exit 0 ;; \
      0) ;; \
      *) echo "SKIP_GATEWAY_SETUP=$SKIP_GATEWAY_SETUP; accepted: 0 or 1" >&2; exit 1 ;; \
    esac \
 && pins=/pins/$GATEWAY_PACKAGE.txt \
 && if [ ! -f "$pins" ]; then pins=/dev/null; fi \
 && python3 -m venv --without-pip .venv \
 && python3 -m pip --python .venv/bin/python install --constraint "$pins" "$GATEWAY_PACKAGE" gunicorn
COPY deploy/matrix/gunicorn.conf.py ./
# What the gateway goes by without a .env of its own: its default is a file in a directory that cannot be written here.
RUN chmod 644 gunicorn.conf.py \
 && echo 'DATABASE_URL=sqlite:////app/mcpgateway/.state/mcp.db' > .env.gateway.local

FROM ${PYTHON_IMAGE} AS matrix
RUN useradd --uid 1000 --user-group --home-dir /app/data --no-create-home --shell /usr/sbin/nologin matrix \
 && ln -s /opt/tandem/bin/node /opt/tandem/bin/tandem /usr/local/bin/ \
 && install -d -o 1000 -g 1000 /app/data /app/mcpgateway/.state \
 && install -d -o 1000 -g 1000 -m 0700 /run/tandem
COPY --from=hub-venv /app/.venv /app/.venv
COPY --from=gateway-venv /app/mcpgateway /app/mcpgateway
COPY --from=node /opt/tandem /opt/tandem
COPY --from=build /opt/tandem /opt/tandem
COPY --from=hub-files /app /app
ARG SKIP_GATEWAY_SETUP=0
ARG TANDEM_VERSION
LABEL org.opencontainers.image.title="matrix-hub" \
      org.opencontainers.image.description="Matrix Hub and MCP-Gateway in one container, supervised by tandem as its PID 1" \
      org.opencontainers.image.version="${TANDEM_VERSION}" \
      org.opencontainers.image.licenses="MIT"
# An image without the gateway does not try to start it.
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    TANDEM_PRESET=matrix \
    GATEWAY_SKIP_START=${SKIP_GATEWAY_SETUP}
WORKDIR /app
USER 1000:1000
VOLUME ["/app/data", "/app/mcpgateway/.state"]
EXPOSE 7300 4444
STOPSIGNAL SIGTERM
# Migrations may take ten minutes (MIGRATE_TIMEOUT), and the two services one each. Meanwhile it is starting, not sick;
# what takes longer ends by itself.
HEALTHCHECK --interval=30s --timeout=5s --start-period=720s --start-interval=500ms --retries=3 CMD ["tandem", "health"]
ENTRYPOINT ["tandem"]

# One layer of Debian, then one layer each for what changes seldom, sometimes and often.
FROM scratch AS embedded
COPY --from=base / /
COPY --from=node /opt/tandem /opt/tandem
COPY --from=pair /opt/tandem/node_modules /opt/tandem/node_modules
COPY --from=pair /opt/tandem/embedded /opt/tandem/embedded
COPY --from=build /opt/tandem /opt/tandem
ARG TANDEM_VERSION
LABEL org.opencontainers.image.title="tandem" \
      org.opencontainers.image.description="An MCP hub and an MCP gateway in one container, supervised by tandem as its PID 1" \
      org.opencontainers.image.version="${TANDEM_VERSION}" \
      org.opencontainers.image.licenses="MIT"
# The hub listens for others, who reach it only where its port is published; the gateway and tandem's health do not.
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    NODE_ENV=production \
    TANDEM_PRESET=embedded \
    TANDEM_DATA_DIR=/app/data \
    HOST=0.0.0.0 \
    GW_HOST=127.0.0.1
WORKDIR /app
USER 1000:1000
VOLUME /app/data
EXPOSE 7300
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --start-interval=250ms --retries=3 CMD ["tandem", "health"]
ENTRYPOINT ["tandem"]
