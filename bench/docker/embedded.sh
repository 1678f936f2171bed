#!/bin/bash
# The embedded pair, with the command lines and the environment that `tandem check` shows for it.
# embedded.sh prepare|gateway|gateway_ready|hub|hub_after_gateway|health
data=/app/data
pair=/opt/tandem/node_modules
node=(/opt/tandem/bin/node --require /opt/tandem/embedded/loopback.cjs)

prepare() {
  umask 077
  mkdir -p $data/gateway $data/hub/share/mcp-hub/cache $data/hub/state/mcp-hub/logs
  echo '{"mcpServers":{"gateway":{"url":"http://127.0.0.1:4444/mcp"}}}' > $data/hub/config.json
  cp /opt/tandem/embedded/registry.json $data/hub/share/mcp-hub/cache/
  rm -f $data/hub/state/mcp-hub/workspaces.json.lock
  ln -sf /dev/null $data/hub/state/mcp-hub/logs/mcp-hub.log
}

gateway() {
  export HOST=127.0.0.1 PORT=4444 MEMORY_FILE_PATH=$data/gateway/memory.jsonl
  exec "${node[@]}" $pair/supergateway/dist/index.js \
    --stdio "exec '/opt/tandem/bin/node' '$pair/@modelcontextprotocol/server-memory/dist/index.js'" \
    --outputTransport streamableHttp --stateful --port 4444 --healthEndpoint /healthz --logLevel none < /dev/null
}

gateway_ready() { (: < /dev/tcp/127.0.0.1/4444) 2> /dev/null; }

hub() {
  export PORT=7300 HOME=$data/hub XDG_CONFIG_HOME=$data/hub/config XDG_DATA_HOME=$data/hub/share XDG_STATE_HOME=$data/hub/state
  exec "${node[@]}" $pair/mcp-hub/dist/cli.js --port 7300 --config $data/hub/config.json
}

# A hub that finds no gateway when it starts does not look for one again.
hub_after_gateway() {
  until gateway_ready; do sleep 0.1; done
  hub
}

# What `tandem health` is told by the supervisor: the hub is ready and has its gateway.
health() {
  exec 3<> /dev/tcp/127.0.0.1/7300 || exit 1
  printf 'GET /api/health HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
  answer=$(cat <&3)
  [[ $answer == *'"state":"ready"'* && $answer == *'"status":"connected"'* ]]
}

"$1"
