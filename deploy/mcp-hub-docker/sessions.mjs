/**
 * The hub never begins a session anew: of a server whose container has ended and come back, it says `connected` for ever,
 * and all of its calls fail. This compares what the hub says with what the fleet says, and has the hub connect again.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const hub = 'http://127.0.0.1:7300/api/servers';
const fleet = 'http://127.0.0.1:3456';
const everyMs = 2_000;
/** A start may take a minute. */
const answerWithinMs = 90_000;

/** The fleet's servers, by the names that the hub has for them. */
const { mcpServers = {} } = JSON.parse(readFileSync(process.env.MCP_HUB_CONFIG, 'utf8'));
const fleetNames = new Map(
  Object.entries(mcpServers).flatMap(([name, { url = '' }]) => {
    const [, server] = url.split(`${fleet}/mcp/`);
    return server ? [[name, decodeURIComponent(server)]] : [];
  }),
);

async function ask(url, options = {}) {
  const response = await fetch(url, { signal: AbortSignal.timeout(answerWithinMs), ...options });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

async function containers() {
  const headers = { authorization: `Bearer ${process.env.TANDEM_FLEET_TOKEN}` };
  const { containers } = await ask(`${fleet}/api/docker/containers`, { headers });
  return new Map(containers.map((one) => [one.server, one]));
}

/** What was stopped by name, here or in the hub, stays stopped. */
function isStale({ status, uptime, error }, { containerState, startedAt }) {
  if (status === 'disconnected') return error !== null && ['running', 'failed'].includes(containerState);
  if (status !== 'connected') return false;
  // The uptime is in whole seconds: the session is not younger than this.
  const connectedAt = Date.now() - uptime * 1_000;
  return containerState === 'failed' || (containerState === 'running' && Date.parse(startedAt) > connectedAt);
}

async function connectAgain(name) {
  console.log(`"${name}" has lost its session: the hub connects again`);
  for (const verb of ['stop', 'start']) {
    const options = { method: 'POST', headers: { 'content-type': 'application/json' } };
    await ask(`${hub}/${verb}`, { ...options, body: JSON.stringify({ server_name: name }) });
  }
}

async function look() {
  const [{ servers }, found] = await Promise.all([ask(hub), containers()]);
  const stale = servers.filter((one) => {
    const container = found.get(fleetNames.get(one.name));
    return container && isStale(one, container);
  });
  const results = await Promise.allSettled(stale.map(({ name }) => connectAgain(name)));
  for (const { reason } of results) if (reason) console.log(reason.message);
}

while (fleetNames.size > 0) {
  // Nobody answers: their own health checks say so.
  await look().catch(() => {});
  await sleep(everyMs);
}
