/** Two .env files, one container, and who sees what of them: on the real services. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { freePorts } from '../fixtures/e2e-run-pair.ts';
import { argvOf, runMatrix, untilUp } from '../support/matrix.ts';

const fingerprint = (text: string) => createHash('sha256').update(text).digest('hex');

/** Each breaks where a shell reads the file. */
const hard = {
  JSON_LIST: ['["https://a.b","c"]', '["https://a.b","c"]'],
  DOLLARS: ['a$$b$HOME', 'a$$b$HOME'],
  AMPERSAND: ['a&b; c', 'a&b; c'],
  QUOTED: ['"a # b"', 'a # b'],
  SPACED: ["' a '", ' a '],
} as const;

t.test('B05 B06 each service has the PORT of its own .env file, and every value arrives byte-exact', async (t) => {
  const [hubPort, gatewayPort] = await freePorts(2);
  const lines = Object.entries(hard).map(([name, [written]]) => `${name}=${written}`);
  const matrix = await runMatrix(t, {
    env: {
      ...{ HUB_MIGRATE: 'off', PORT: '', GW_PORT: '', SHARED: 'container' },
      ...{ HUB_ENV_OVERRIDDEN: 'override', OVERRIDDEN: 'container', DATABASE_URL: 'sqlite:///here.db' },
    },
    prepare: (directory) => {
      const ofHub = [`\uFEFFPORT=${hubPort}`, 'SHARED=file', ...lines];
      writeFileSync(join(directory, 'app/.env'), `${ofHub.join('\r\n')}\r\n`);
      writeFileSync(join(directory, 'app/mcpgateway/.env'), `PORT=${gatewayPort}\nOF_GATEWAY=1\nSHARED=file\n`);
    },
  });
  if (!matrix) return;
  await untilUp(matrix);
  t.match(argvOf(await matrix.leader('gateway')).join(' '), `--bind 127.0.0.1:${gatewayPort} `);
  const ofHub = JSON.parse((await matrix.ask(hubPort, '/environment')).body) as Record<string, string>;
  const expected = Object.entries(hard).map(([name, [, value]]) => [name, fingerprint(value)]);
  t.match(ofHub, {
    ...Object.fromEntries(expected),
    PORT: fingerprint(String(hubPort)),
    SHARED: fingerprint('container'),
    OVERRIDDEN: fingerprint('override'),
    DATABASE_URL: fingerprint('sqlite:///here.db'),
    MCP_GATEWAY_URL: fingerprint(`http://127.0.0.1:${gatewayPort}`),
  });
  t.notOk('OF_GATEWAY' in ofHub);
  const ofGateway = JSON.parse((await matrix.ask(gatewayPort, '/environment')).body) as Record<string, string>;
  t.match(ofGateway, { PORT: String(gatewayPort), OF_GATEWAY: '1', SHARED: 'file', OVERRIDDEN: 'container' });
  for (const name of ['DATABASE_URL', 'GW_PORT', ...Object.keys(hard)]) t.notOk(name in ofGateway, name);
  t.match(await matrix.record({ msg: "the gateway's env file beats the environment" }), { names: ['SHARED'] });
  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0);
});
