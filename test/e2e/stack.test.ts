/** A tandem.yaml in the shipped form: real processes, in order, ready, healthy, stopped in reverse; and nothing started if it is broken. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { freePorts, makeDirectory } from '../fixtures/e2e-run-pair.ts';
import { node, type Running, runTandem } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';

/** A directory with this tandem.yaml in it. */
function directoryWith(t: Test, text: string, name = 'tandem.yaml'): string {
  const cwd = makeDirectory(t);
  writeFileSync(join(cwd, name), text);
  return cwd;
}

/** Out of the way of others: no health port, a runtime directory of its own. */
function quiet(cwd: string): Record<string, string> {
  const { PATH = '', HOME = '/' } = process.env;
  mkdirSync(join(cwd, 'run'), { mode: 0o700, recursive: true });
  return { PATH, HOME, TANDEM_HEALTH_PORT: '', TANDEM_RUNTIME_DIR: join(cwd, 'run'), TANDEM_LOG_FORMAT: 'json' };
}

function run(t: Test, cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  return runTandem(t, args, { cwd, env: { ...quiet(cwd), ...env } });
}

/** Says when it starts and when it is asked to stop, in one file, and listens if it has a port. */
const server = `
const { appendFileSync } = require('node:fs');
const { NAME, PORT } = process.env;
const note = (event) => appendFileSync('journal', event + ' ' + NAME + '\\n');
process.on('SIGTERM', () => { note('stop'); process.exit(0); });
note('start');
if (PORT) require('node:http').createServer((request, response) => response.end('{"status":"ok"}')).listen(PORT, '127.0.0.1');
else setInterval(() => {}, 60000);
`;

async function trio(): Promise<string> {
  return `
name: trio
x-server: &server
  command: [${JSON.stringify(node)}, server.cjs]
services:
  web:
    <<: *server
    environment: {NAME: web, GREETING: "\${GREETING:-hello}"}
    depends_on:
      api: {condition: service_healthy}
  api:
    <<: *server
    env_file: api.env
    environment: [NAME=api, "PORT=\${API_PORT:?where the API listens}"]
    ready: {port: "\${API_PORT}", host: 127.0.0.1}
    healthcheck: {http: /health}
    depends_on:
      migrate: {condition: service_completed_successfully}
  migrate:
    command: sh -c 'echo "migrate $$FROM_FILE" >> journal'
    env_file: api.env
  debug:
    <<: *server
    environment: {NAME: debug}
    profiles: [debug]
`;
}

async function trioDirectory(
  t: Test,
): Promise<{ readonly cwd: string; readonly env: Readonly<Record<string, string>> }> {
  const cwd = directoryWith(t, await trio());
  writeFileSync(join(cwd, 'server.cjs'), server);
  writeFileSync(join(cwd, 'api.env'), 'FROM_FILE="two words"\n');
  return { cwd, env: { API_PORT: String((await freePorts(1))[0]) } };
}

const journal = (cwd: string) => readFileSync(join(cwd, 'journal'), 'utf8').trim().split('\n');

test('B13 each service has the log_format that it asks for, and loses no line of it', async (t) => {
  const lines = 2_000;
  const chatter = `command: sh -c 'i=0; while [ $$i -lt ${lines} ]; do echo "$$NAME $$i"; i=$$((i+1)); done'`;
  const service = (name: string, format: string) => `  ${name}:
    type: oneshot
    ${chatter}
    environment: {NAME: ${name}}
    ${format}`;
  const formats = ['log_format: raw', 'log_format: prefix', 'log_format: json', ''];
  const names = ['a', 'b', 'c', 'd'];
  const cwd = directoryWith(t, `services:\n${names.map((name, at) => service(name, formats[at] ?? '')).join('\n')}\n`);
  const running = run(t, cwd, ['run'], { TANDEM_OUTPUT: 'json' });
  t.equal((await running.exited).code, 0);
  const linesSaid = () => running.stdout.split('\n').length - 1;
  await until('all of it is read', () => linesSaid() >= names.length * lines);
  const said = running.stdout.trim().split('\n');
  const numbered = (text: (at: number) => string) => Array.from({ length: lines }, (_, at) => text(at));
  t.same(
    said.filter((line) => line.startsWith('a ')),
    numbered((at) => `a ${at}`),
  );
  t.same(
    said.filter((line) => line.startsWith('b')),
    numbered((at) => `b | b ${at}`),
  );
  const records = said.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  for (const name of ['c', 'd']) {
    t.same(
      records.filter(({ service }) => service === name).map(({ msg }) => msg),
      numbered((at) => `${name} ${at}`),
    );
  }
});

test('a tandem.yaml in the working directory is run: order, readiness, health, stop in reverse', async (t) => {
  const { cwd, env } = await trioDirectory(t);
  // The presets' variables are not looked at.
  const running = run(t, cwd, ['run'], { ...env, PORT: 'nonsense', HUB_WORKERS: 'x' });
  await running.record({ service: 'web', to: 'ready' });
  const health = runTandem(t, ['health'], { env: quiet(cwd) });
  t.equal((await health.exited).code, 0, health.stderr);
  // It has no port: ready is spawned, not yet what it writes.
  await until('web runs', () => journal(cwd).includes('start web'));
  await running.signal('SIGTERM');
  t.equal((await running.exited).code, 0);
  t.same(journal(cwd), ['migrate two words', 'start api', 'start web', 'stop web', 'stop api']);
  t.match(running.records()[0], { config: 'tandem.yaml', why: /^found in / });
});

test('check prints it, and check --yaml prints one that runs the same', async (t) => {
  const { cwd, env } = await trioDirectory(t);
  const check = run(t, cwd, ['check'], env);
  t.equal((await check.exited).code, 0, check.stderr);
  t.match(check.stdout, /^config +tandem\.yaml \(found in [^)]*\)\norder +migrate, api, web\n/);
  t.notOk(existsSync(join(cwd, 'journal')), 'nothing was started');
  const yaml = run(t, cwd, ['check', '--yaml'], env);
  t.equal((await yaml.exited).code, 0, yaml.stderr);
  writeFileSync(join(cwd, 'copy.yaml'), yaml.stdout);
  const [first, second] = [
    run(t, cwd, ['check', '--json'], env),
    run(t, cwd, ['check', '--json', '--config', 'copy.yaml'], env),
  ];
  await Promise.all([first.exited, second.exited]);
  t.same(JSON.parse(second.stdout).services, JSON.parse(first.stdout).services);
});

test('--profile and TANDEM_PROFILES add services, --only takes one', async (t) => {
  const { cwd, env } = await trioDirectory(t);
  const order = async (args: readonly string[], more: Readonly<Record<string, string>> = {}) => {
    const check = run(t, cwd, ['check', ...args], { ...env, ...more });
    await check.exited;
    return /^order +(.*)$/m.exec(check.stdout)?.[1];
  };
  t.equal(await order(['--profile', 'debug']), 'migrate, api, web, debug');
  t.equal(await order([], { TANDEM_PROFILES: 'debug' }), 'migrate, api, web, debug');
  const only = run(t, cwd, ['run', '--only', 'migrate'], env);
  t.equal((await only.exited).code, 0);
  t.same(journal(cwd), ['migrate two words']);
});

test('which file: --config, TANDEM_CONFIG, a preset that is asked for, the one that lies here', async (t) => {
  const cwd = directoryWith(t, 'services: {here: {command: "true"}}');
  writeFileSync(join(cwd, 'flag.json'), '{"services": {"flag": {"command": "true"}}}');
  writeFileSync(join(cwd, 'variable.yaml'), 'services: {variable: {command: "true"}}');
  const chosen = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const check = run(t, cwd, ['check', ...args], env);
    await check.exited;
    return check.stdout.split('\n')[0] ?? '';
  };
  t.match(await chosen([]), 'config     tandem.yaml (found');
  t.match(await chosen([], { TANDEM_CONFIG: 'variable.yaml' }), 'config     variable.yaml (named by TANDEM_CONFIG)');
  t.match(
    await chosen(['--config', 'flag.json'], { TANDEM_CONFIG: 'variable.yaml' }),
    'config     flag.json (named by --config)',
  );
  t.match(await chosen(['--preset', 'embedded']), 'preset     embedded');
  t.match(await chosen(['--preset', 'embedded'], { TANDEM_CONFIG: 'variable.yaml' }), 'preset     embedded (--preset');
  t.match(
    await chosen([], { TANDEM_CONFIG: 'variable.yaml', TANDEM_PRESET: 'embedded' }),
    'config     variable.yaml (named by TANDEM_CONFIG, which wins over TANDEM_PRESET)',
  );
  t.match(await chosen([], { TANDEM_PRESET: 'embedded' }), 'preset     embedded');
  const both = run(t, cwd, ['run', '--config', 'flag.json', '--preset', 'embedded']);
  t.equal((await both.exited).code, 64);
  t.match(both.stderr, '--config and --preset exclude each other');
});

test('B20 a broken file: all that is wrong, with the environment, 78, and nothing is started', async (t) => {
  const text = 'services:\n  a: {command: touch trace, restrat: no}\n  b: {image: nginx, command: touch trace}\n';
  const cwd = directoryWith(t, text);
  const running = run(t, cwd, ['run', '--only', 'c'], { TANDEM_OUTPUT: 'loud', DB_PASSWORD: 'hunter2' });
  t.equal((await running.exited).code, 78);
  for (const words of [
    'TANDEM_OUTPUT: "loud"',
    'tandem.yaml:2:29: services.a.restrat',
    'tandem.yaml:3:7: services.b.image',
  ]) {
    t.match(running.stderr, words);
  }
  t.same(readdirSync(cwd).sort(), ['run', 'tandem.yaml']);
  for (const [name, says] of [
    ['none.yaml', 'does not exist'],
    ['run', 'is no file'],
  ] as const) {
    const missing = run(t, cwd, ['run', '--config', name]);
    t.equal((await missing.exited).code, 78);
    t.match(missing.stderr, `--config: "${name}" ${says}`);
  }
});

test('B12 a stop_grace_period makes the stop timeout, or is told of where that is set', async (t) => {
  const cwd = directoryWith(t, 'services: {a: {command: "true", stop_grace_period: 30}}');
  const free = run(t, cwd, ['check']);
  await free.exited;
  t.match(free.stdout, /^stop +within 32s,/m);
  t.match(free.stdout, 'docker_stop_timeout_seconds=33');
  const bound = run(t, cwd, ['run'], { TANDEM_STOP_TIMEOUT: '20' });
  t.equal((await bound.exited).code, 1);
  const facts = { service: 'a', stop_grace_period_seconds: 30, stop_timeout_seconds: 20, needed_seconds: 32 };
  const [warning] = bound.records().filter(({ level }) => level === 40);
  t.match(warning, { ...facts, msg: /TANDEM_STOP_TIMEOUT/ });
});

test('tandem schema prints what is committed', async (t) => {
  const schema = runTandem(t, ['schema']);
  t.equal((await schema.exited).code, 0);
  t.equal(schema.stdout, readFileSync(join(import.meta.dirname, '../../docs/tandem.schema.json'), 'utf8'));
});

/** The same stack every time: a linear congruential generator (Numerical Recipes). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const slowOneshots = 10;

/** A hundred services, every fifth a oneshot; each depends on up to three before it. */
function hundred(): Readonly<Record<string, { command: string[]; depends_on: Record<string, { condition: string }> }>> {
  const random = randomNumbers(4);
  const isOneshot = (index: number) => index % 5 === 0;
  const services = Array.from({ length: 100 }, (_, index) => {
    // The first ten are independent and take their time.
    const numbers =
      index < slowOneshots * 5 && isOneshot(index)
        ? []
        : Array.from({ length: random(4) }, () => random(Math.max(1, index)));
    const needs = numbers
      .filter((number) => number !== index)
      .map((number) => {
        return [`s${number}`, { condition: isOneshot(number) ? 'service_completed_successfully' : 'service_started' }];
      });
    const seconds = index < slowOneshots * 5 ? '2' : '0';
    const command = isOneshot(index) ? ['sleep', seconds] : ['sleep', '1000'];
    return [
      `s${index}`,
      { command, depends_on: Object.fromEntries(needs), ...(isOneshot(index) && { type: 'oneshot' }) },
    ];
  });
  return Object.fromEntries(services);
}

test('100 services with random dependencies start in their order, side by side, and stop in reverse', {
  timeout: 120_000,
}, async (t) => {
  const services = hundred();
  const cwd = directoryWith(t, JSON.stringify({ services }), 'tandem.json');
  const running = run(t, cwd, ['run'], { TANDEM_STOP_TIMEOUT: '60' });
  const up = await running.record({ msg: 'everything is up' });
  await running.signal('SIGTERM');
  const { code } = await running.exited;
  t.equal(code, 0);
  const records = running.records();
  const at = (service: string, ...states: string[]) => {
    return records.findIndex((record) => record.service === service && states.includes(record.to ?? ''));
  };
  for (const [name, { depends_on: needs }] of Object.entries(services)) {
    for (const [other, { condition }] of Object.entries(needs)) {
      const isOneshot = condition === 'service_completed_successfully';
      const there = at(other, ...(isOneshot ? ['completed'] : ['ready']));
      if (there < 0 || at(name, 'starting') < there) t.fail(`${name} started before ${other} was there`);
      if (!isOneshot && at(other, 'stopping') < at(name, 'stopped', 'completed'))
        t.fail(`${other} stopped before ${name}`);
    }
  }
  const slow = Array.from({ length: slowOneshots }, (_, index) => `s${index * 5}`);
  const lastStart = Math.max(...slow.map((name) => at(name, 'starting')));
  const firstEnd = Math.min(...slow.map((name) => at(name, 'completed')));
  t.ok(lastStart < firstEnd, 'the independent ones all run before the first of them ends');
  const [begin, stop, end] = [
    records[0]?.time ?? 0,
    records.find(({ msg }) => msg === 'asked to stop')?.time ?? 0,
    records.at(-1)?.time ?? 0,
  ];
  t.comment(`up in ${up.time - begin} ms (2000 of them are asked for), stopped in ${end - stop} ms`);
});
