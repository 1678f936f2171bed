import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { scratchDir } from '../http/fixture.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const health = fileURLToPath(new URL('../../src/cli/health.ts', import.meta.url));

/** Runs the check in a process of its own: Node reads the extra authority at its start only. */
function check(
  url: string,
  environment: Record<string, string>,
): Promise<{ code: number | null; line: string; tries: string }> {
  const script = `
    const { runHealth } = require(${JSON.stringify(health)});
    runHealth({ url: ${JSON.stringify(url)}, timeoutMs: 800, env: { HEALTHCHECK_DEBUG: '1' } }).then((code) => { process.exitCode = code; });`;
  const child = spawn(process.execPath, ['--import=tsx', '-e', script], { env: { ...process.env, ...environment } });
  let line = '';
  child.stdout.on('data', (chunk) => {
    line += chunk;
  });
  let tries = '';
  child.stderr.on('data', (chunk) => {
    tries += chunk;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, line: line.trim(), tries })));
}

t.test('B22 --url takes https, and checks the certificate', { skip: !hasOpenssl }, async (t) => {
  const directory = scratchDir(t);
  const [key, cert] = [`${directory}/key.pem`, `${directory}/cert.pem`];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const request = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
    ...names,
  ];
  execFileSync('openssl', request, { stdio: 'ignore' });
  let respond: (response: ServerResponse) => unknown = (response) => response.end('{"status":"ok"}');
  const seen: (string | undefined)[] = [];
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (incoming, response) => {
    seen.push(incoming.headers.authorization);
    respond(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const bound = server.address();
  const host = `localhost:${typeof bound === 'object' ? bound?.port : 0}`;
  const trusting = { NODE_EXTRA_CA_CERTS: cert };

  t.match(await check(`https://user:s3cret@${host}/`, trusting), { code: 0, line: 'healthy: status ok' });
  t.same(seen, [`Basic ${Buffer.from('user:s3cret').toString('base64')}`]);

  t.match(await check(`https://${host}/`, {}), { code: 1, tries: /try 1, .*SELF_SIGNED_CERT/ });

  respond = (response) => response.writeHead(200).write('{"status":');
  t.match(await check(`https://${host}/`, trusting), { code: 1, line: `unhealthy: ${host}: no answer in time` });

  respond = (response) => response.write('x', () => response.destroy());
  t.match(await check(`https://${host}/`, trusting), { code: 1, tries: /try 1, .* connection reset\n/ });
});
