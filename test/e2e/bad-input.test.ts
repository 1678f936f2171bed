/** Bad input: everything that is wrong is said at once, on stderr, before anything is started. */
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { basicEnvironment, emptyNodeMs, makeDirectory, processesOf, readJournal } from '../fixtures/e2e-run-pair.ts';
import { node, runTandem } from '../support/run-tandem.ts';

/** What a refused start leaves: its words, its code, and nothing else. */
interface Refusal {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly afterMs: number;
  /** The lines of stderr that name a problem each. */
  readonly problems: readonly string[];
}

/** Runs tandem with migrations that would leave a trace, and sees that they did not run. */
async function refuse(t: Test, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Refusal> {
  const cwd = makeDirectory(t);
  const trace = join(cwd, 'migrated');
  const running = runTandem(t, args, {
    cwd,
    env: { ...basicEnvironment(cwd), MIGRATE_COMMAND: `touch ${trace}`, ...env },
  });
  const { code, afterMs } = await running.exited;
  const { stdout, stderr } = running;
  t.notOk(existsSync(trace), 'nothing was started');
  t.same(readJournal(cwd), []);
  t.same(processesOf(cwd), [], 'nothing is left');
  t.notOk(existsSync(join(cwd, 'run/tandem.sock')));
  t.equal(stdout, '', 'stdout belongs to the services');
  const problems = stderr
    .split('\n')
    .filter((line) => line.startsWith('  '))
    .map((line) => line.trim());
  return { code, stdout, stderr, afterMs, problems };
}

/** The variable or flag of each problem. */
function subjects({ problems }: Refusal): string[] {
  return problems.map((problem) => problem.split(':', 1)[0] ?? '').sort();
}

test('invalid variables and flags are refused in one message, 78, with what is accepted', async (t) => {
  const refusal = await refuse(t, ['run', '--preset', 'compose'], {
    PORT: '99999',
    GW_PORT: 'abc',
    TANDEM_STOP_TIMEOUT: '-1',
    TANDEM_OUTPUT: 'loud',
    GW_READY_TIMEOUT: 'soon',
    GATEWAY_SKIP_START: 'perhaps',
    TANDEM_NOFILE: 'many',
  });
  t.equal(refusal.code, 78);
  t.same(subjects(refusal), [
    ...['--preset', 'GATEWAY_SKIP_START', 'GW_PORT', 'GW_READY_TIMEOUT', 'PORT'],
    ...['TANDEM_NOFILE', 'TANDEM_OUTPUT', 'TANDEM_STOP_TIMEOUT'],
  ]);
  for (const problem of refusal.problems) t.match(problem, /"[^"]+" is not accepted; accepted: ./);
});

test('values that contradict each other are refused in one message, 78', async (t) => {
  const refusal = await refuse(t, ['run'], {
    PORT: '4444',
    GW_PORT: '4444',
    TANDEM_HEALTH_PORT: '4444',
    TANDEM_DRAIN_DELAY: '99',
  });
  t.equal(refusal.code, 78);
  t.same(subjects(refusal), ['GW_PORT', 'TANDEM_DRAIN_DELAY', 'TANDEM_HEALTH_PORT']);
});

test('B07 both services skipped: 78', async (t) => {
  const refusal = await refuse(t, ['run'], { GATEWAY_SKIP_START: '1', HUB_SKIP_START: 'yes' });
  t.equal(refusal.code, 78);
  t.match(refusal.stderr, 'HUB_SKIP_START, GATEWAY_SKIP_START');
});

test('B53 secrets in what is refused are masked', async (t) => {
  const refusal = await refuse(t, ['run'], {
    MCP_GATEWAY_URL: 'ftp://user:hunter1@host/?token=hunter2',
    GW_COMMAND: `server --token hunter3 'unbalanced`,
    HUB_COMMAND: `env API_KEY=hunter4 "unbalanced`,
    PORT: 'http://u:hunter5@h',
  });
  t.equal(refusal.code, 78);
  t.same(subjects(refusal), ['GW_COMMAND', 'HUB_COMMAND', 'MCP_GATEWAY_URL', 'PORT']);
  t.notMatch(refusal.stderr, /hunter/);
});

test('B03 an unbalanced quote in GW_COMMAND is refused with its place', async (t) => {
  const refusal = await refuse(t, ['run'], { GW_COMMAND: `node 'server.js` });
  t.equal(refusal.code, 78);
  t.match(refusal.problems, [/^GW_COMMAND: .*single quote at character 6 is never closed/]);
});

for (const [name, command, code, says] of [
  ['not found', 'no-such-gateway --port 1', 127, /"gateway".*"no-such-gateway" not found/],
  ['not found at its path', '/no/such/gateway', 127, /"gateway".*"\/no\/such\/gateway" not found/],
  ['a directory', '/etc', 126, /"gateway".*"\/etc" is a directory/],
] as const) {
  test(`B20 a command that is ${name}, as the only problem, ends in ${code} before migrations`, async (t) => {
    const refusal = await refuse(t, ['run'], { GW_COMMAND: command });
    t.equal(refusal.code, code);
    t.match(refusal.stderr, says);
  });
}

test('B20 a command that is not executable, as the only problem, ends in 126 before migrations', async (t) => {
  const file = join(makeDirectory(t), 'server');
  writeFileSync(file, '#!/bin/sh\n');
  chmodSync(file, 0o644);
  const refusal = await refuse(t, ['run'], { HUB_COMMAND: file });
  t.equal(refusal.code, 126);
  t.match(refusal.stderr, `"hub": command "${file}" is not executable`);
});

test('B20 several commands that cannot be started are all named, 78', async (t) => {
  const refusal = await refuse(t, ['run'], { GW_COMMAND: '/etc', HUB_COMMAND: 'no-such-hub' });
  t.equal(refusal.code, 78);
  t.match(refusal.stderr, /"gateway".*"\/etc"[\s\S]*"hub".*"no-such-hub"/);
});

test('B20 variables and flags that are wrong are all named in one message, 78', async (t) => {
  const refusal = await refuse(t, ['run', '--only', 'nobody'], { PORT: 'x', GW_COMMAND: '"' });
  t.equal(refusal.code, 78);
  for (const subject of ['PORT', '--only', 'GW_COMMAND']) t.match(refusal.stderr, subject);
});

test('B20 a service that --only names and the plan does not have is refused with what the plan has, 78', async (t) => {
  const refusal = await refuse(t, ['run', '--only', 'external-gateway']);
  t.equal(refusal.code, 78);
  t.match(refusal.stderr, '--only: "external-gateway" is not accepted; accepted: migrations, gateway, hub\n');
});

test('B20 a data directory that cannot be made is refused, 78, and no control socket stays behind', async (t) => {
  // In /proc nothing can be made, although it is there and writable.
  for (const path of ['/dev/null/tandem', '/proc/tandem']) {
    const refusal = await refuse(t, ['run'], { TANDEM_DATA_DIR: path });
    t.equal(refusal.code, 78);
    t.same(subjects(refusal), ['TANDEM_DATA_DIR']);
  }
});

test('B20 what is wrong is said within 100 ms of start-up, beyond what Node takes for itself', async (t) => {
  const refusals: number[] = [];
  const emptyNode: number[] = [];
  // In turns, so that both see the same machine; the fastest of each is the least disturbed.
  for (let turn = 0; turn < 5; turn += 1) {
    refusals.push((await refuse(t, ['run'], { GW_COMMAND: 'no-such-gateway' })).afterMs);
    emptyNode.push(await emptyNodeMs());
  }
  const extraMs = Math.min(...refusals) - Math.min(...emptyNode);
  t.comment(`${Math.round(extraMs)} ms`);
  t.ok(extraMs < 100, `${extraMs} ms`);
});

for (const [args, says] of [
  [['run', '--bogus'], 'unknown flag --bogus'],
  [['--bogus'], 'unknown flag --bogus'],
  [['run', '--preset'], '--preset needs a value'],
  [['run', 'extra'], 'unexpected argument "extra"'],
  [['frobnicate'], 'unknown command "frobnicate"'],
  [['health', '--bogus'], 'unknown flag --bogus'],
  [['check', '--json=yes'], '--json takes no value'],
  [['--'], 'there is no command after --'],
] as const) {
  test(`tandem ${args.join(' ')}: the complaint and a usage line, 64`, async (t) => {
    // Whoever cannot be understood is not asked about the environment, too.
    const refusal = await refuse(t, args, { PORT: 'x' });
    t.equal(refusal.code, 64);
    t.match(refusal.stderr, says);
    t.match(refusal.stderr, /^usage: tandem .+$/m);
  });
}

test('tandem health: every flag that is not accepted is named in one message, 78, secrets masked', async (t) => {
  const refusal = await refuse(t, ['health', '--timeout', 'soon', '--url', 'ftp://u:hunter@h/']);
  t.equal(refusal.code, 78);
  t.match(refusal.stderr, '--url');
  t.match(refusal.stderr, '--timeout');
  t.notMatch(refusal.stderr, /hunter/);
});

test('B51 what stands behind -- is the command’s own, and the environment is not looked at', async (t) => {
  const words = ['--bogus', '--help', '-h', '--version', '--preset', 'x', '--', 'run', ''];
  const script = 'console.log(JSON.stringify(process.argv.slice(1)))';
  const running = runTandem(t, ['--', node, '-e', script, '--', ...words], {
    env: { PORT: 'x', TANDEM_OUTPUT: 'loud', TANDEM_NOFILE: 'many' },
  });
  t.equal((await running.exited).code, 0);
  t.same(JSON.parse(running.stdout), words);
  t.equal(running.stderr, '');
});
