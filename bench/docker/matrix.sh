#!/bin/bash
# Matrix Hub and MCP-Gateway, with the command lines and the environment that `tandem check` shows for them.
# matrix.sh prepare|gateway|gateway_ready|hub|hub_after_gateway|health
secret=$GW_ENV_JWT_SECRET_KEY
unset GW_ENV_JWT_SECRET_KEY GW_ENV_AUTH_ENCRYPTION_SECRET GW_ENV_BASIC_AUTH_PASSWORD
export HOST=0.0.0.0 PYTHONUNBUFFERED=1

serve() {
  exec gunicorn "$1" -k uvicorn.workers.UvicornWorker --bind "0.0.0.0:$PORT" --workers 1 --timeout 60 --graceful-timeout 3 \
    --keep-alive 5 --max-requests 1000 --max-requests-jitter 100 --access-logfile - --error-logfile - --log-level info \
    --capture-output < /dev/null
}

in_hub() {
  cd /app || exit 1
  export PORT=7300 MCP_GATEWAY_URL=http://127.0.0.1:4444 VIRTUAL_ENV=/app/.venv PATH=/app/.venv/bin:$PATH
}

prepare() {
  in_hub
  exec alembic upgrade head
}

gateway() {
  cd /app/mcpgateway || exit 1
  export PORT=4444 VIRTUAL_ENV=$PWD/.venv PATH=$PWD/.venv/bin:$PATH DATABASE_URL=sqlite:////app/mcpgateway/.state/mcp.db
  export JWT_SECRET_KEY=$secret AUTH_ENCRYPTION_SECRET=$secret BASIC_AUTH_PASSWORD=$secret
  serve mcpgateway.main:app
}

hub() {
  in_hub
  serve src.app:app
}

# gunicorn listens long before it answers.
answers() {
  { exec 3<> "/dev/tcp/127.0.0.1/$1"; } 2> /dev/null || return 1
  printf 'GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
  [[ $(cat <&3) == *' 200 '* ]]
}

gateway_ready() { answers 4444; }

hub_after_gateway() {
  until gateway_ready; do sleep 0.1; done
  hub
}

health() { answers 4444 && answers 7300; }

"$1"
