/**
 * The health check of the hub: 0 if it is up and all of its servers are connected, or disabled on purpose; else 1 and
 * one line that names what is not. The hub itself answers 200 whatever its servers do.
 */
import { get } from 'node:http';

const url = 'http://127.0.0.1:7300/api/health';
const timeoutMs = 2_500;
/** After a reload it calls itself `restarted` for ever. */
const goodState = ['ready', 'restarted'];

function judge(text) {
  const { state, servers = [] } = JSON.parse(text);
  if (!goodState.includes(state)) return `the hub is ${state}`;
  return servers.flatMap(problemOf).join('; ');
}

/** Of a server that has ended the hub still says `connected`, but no longer since when. */
function problemOf({ name, status, error, uptime }) {
  if (status === 'disabled' || (status === 'connected' && uptime > 0)) return [];
  const reason = error ? `: ${error}` : '';
  return status === 'connected'
    ? `server ${name} has ended, or is up for less than a second`
    : `server ${name} is ${status}${reason}`;
}

function end(problem) {
  if (problem) console.log(problem.replaceAll(/\s+/g, ' '));
  process.exitCode = problem ? 1 : 0;
}

const request = get(url, { timeout: timeoutMs }, async (response) => {
  try {
    const body = await response.setEncoding('utf8').reduce((text, chunk) => text + chunk, '');
    end(response.statusCode === 200 ? judge(body) : `${url} answers ${response.statusCode}`);
  } catch (error) {
    end(`${url} does not answer in JSON: ${error.message}`);
  }
});
request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
request.on('error', (error) => end(`${url}: ${error.message}`));
