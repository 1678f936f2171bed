/** Every file of examples/, and a Compose file as people write them, run as they stand. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { freePorts, makeDirectory } from '../fixtures/e2e-run-pair.ts';
import { type Running, runTandem } from '../support/run-tandem.ts';

const examples = join(import.meta.dirname, '../../examples');
const compose = join(import.meta.dirname, '../fixtures/compose.yaml');

function environment(t: Test, more: Readonly<Record<string, string>>): Record<string, string> {
  const { PATH = '', HOME = '/' } = process.env;
  const runtime = join(makeDirectory(t), 'run');
  return { PATH, HOME, TANDEM_HEALTH_PORT: '', TANDEM_RUNTIME_DIR: runtime, TANDEM_LOG_FORMAT: 'json', ...more };
}

/** Runs until all is up, asks whether it is healthy, and stops it. */
async function upAndDown(t: Test, args: readonly string[], env: Record<string, string>): Promise<Running> {
  const running = runTandem(t, ['run', ...args], { env });
  await running.record({ msg: 'everything is up' });
  const health = runTandem(t, ['health'], { env });
  t.equal((await health.exited).code, 0, health.stderr);
  await running.signal('SIGTERM');
  t.equal((await running.exited).code, 0, running.stderr);
  return running;
}

async function ports() {
  const [one, two] = await freePorts(2);
  return { API_PORT: String(one), WEB_PORT: String(two), ONE_PORT: String(one), TWO_PORT: String(two) };
}

const runs: Readonly<Record<string, (t: Test, file: string) => Promise<void>>> = {
  'web.yaml': async (t, file) => {
    const { stdout } = await upAndDown(t, ['--config', file], environment(t, await ports()));
    t.match(stdout, /schema is up to date[\s\S]*api listens[\s\S]*web listens/);
  },
  'restart.yaml': async (t, file) => {
    t.match((await upAndDown(t, ['--config', file], environment(t, await ports()))).stdout, 'helping');
  },
  'shared.yaml': async (t, file) => {
    const env = environment(t, await ports());
    t.match((await upAndDown(t, ['--config', file, '--profile', 'debug'], env)).stdout, 'tracing info');
  },
  'external.yaml': async (t, file) => {
    const database = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    t.teardown(() => database.close());
    await once(database, 'listening');
    const address = database.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const env = environment(t, { ...(await ports()), DATABASE_ADDRESS: `127.0.0.1:${port}` });
    await upAndDown(t, ['--config', file], env);
  },
};

for (const name of readdirSync(examples).filter((file) => file.endsWith('.yaml'))) {
  test(`examples/${name} runs as it stands, and tells editors its schema`, async (t) => {
    const file = join(examples, name);
    t.match(readFileSync(file, 'utf8').split('\n')[0], '# yaml-language-server: $schema=../docs/tandem.schema.json');
    const run = runs[name];
    if (!run) throw new Error('nothing runs this example');
    await run(t, file);
  });
}

test('a Compose file in which only processes are meant runs unchanged', async (t) => {
  const running = await upAndDown(t, ['--config', compose], environment(t, {}));
  t.match(running.stdout, 'migrated');
  t.match(running.stdout, 'api on 8080');
  t.match(running.stdout, 'sh mails');
  t.match(running.stdout, 'sh images');
  const starts = running
    .records()
    .filter(({ to }) => to === 'starting')
    .map(({ service }) => service);
  t.same(starts.slice(0, 2), ['migrate', 'api']);
  t.notOk(starts.includes('shell'));
});
