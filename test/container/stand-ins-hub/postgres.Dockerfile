# What compose.yaml asks of postgres:16, from Debian's packages: the three variables, the volume, pg_isready.
FROM node:26-bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-common \
 && sed -i 's/^#create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
 && apt-get install --yes --no-install-recommends postgresql \
 && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/ \
 && install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data
COPY <<"START" /usr/local/bin/start
#!/bin/sh
set -e
data=/var/lib/postgresql/data
if [ -z "$POSTGRES_PASSWORD" ]; then echo 'POSTGRES_PASSWORD is not set' >&2; exit 1; fi
if [ ! -f "$data/PG_VERSION" ]; then
  echo "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D "$data" -U "$POSTGRES_USER" -A scram-sha-256 --pwfile=/tmp/password --no-sync --locale=C
  echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$data" postgres
  echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
fi
exec postgres -D "$data" -c listen_addresses=* -c unix_socket_directories=/tmp -c fsync=off
START
RUN chmod 755 /usr/local/bin/start
USER postgres
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
CMD ["start"]
