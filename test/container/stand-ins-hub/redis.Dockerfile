# What compose.yaml asks of redis:7, from Debian's packages.
FROM node:26-bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends redis-server \
 && install -d -o redis -g redis /data
USER redis
WORKDIR /data
VOLUME /data
CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]
