/**
 * docs/security.md: who writes a line into a log, or an escape to a terminal, that is not his. What services print is
 * theirs; that it cannot pass for another's is asked here.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readStatus } from '../../src/cli/status.ts';
import { showWord } from '../../src/config/words.ts';
import type { ProbeSpec } from '../../src/core/spec.ts';
import { visible, visibleLines } from '../../src/core/visible.ts';
import { makeLog } from '../../src/host/log.ts';
import { jsonFormat, prefixFormat } from '../../src/host/output-format.ts';
import { makeLineSplitter } from '../../src/host/output-lines.ts';
import { openSink } from '../../src/host/output-sink.ts';
import { commandOf } from '../../src/host/proc-table.ts';
import { node, tandemSync } from '../support/run-tandem.ts';
import { until } from '../support/until.ts';
import { ask, portOf, serve } from './hostile-server.ts';

const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const unseenInLines = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Clears the screen; sets a title; C1's CSI; turns text around; ends a line in Unicode's way; a tag that nobody sees. */
const illWill =
  '\u001b[2J\u001b]0;x\u0007\u009b2J\u202edb\u2066\u2028\u2029\r\ntandem: all is well\u{e0041}\u200b\ufeff';

// Probes

const answers: readonly (readonly [string, Pick<Extract<ProbeSpec, { kind: 'http' }>, 'json' | 'status'>, unknown])[] =
  [
    ['status', {}, { status: illWill }],
    ['component', {}, { components: { [illWill]: illWill } }],
    ['component in a list', {}, { components: [{ name: illWill, status: illWill }] }],
    ['component behind a status', { status: 201 }, { components: { [illWill]: false } }],
    ['value', { json: { state: 'ready' } }, { state: illWill }],
    ['list', { json: { state: 'ready' } }, { state: [illWill] }],
  ];

for (const [title, rest, body] of answers) {
  t.test(`threat: log injection by the reason of a probe, ${title}: one plain line`, async (t) => {
    const url = await serve(t, (_, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
    );
    const result = await ask({ kind: 'http', url, ...rest });
    t.notOk(result.ok);
    t.notMatch(result.ok ? '' : result.reason, unseen);
  });
}

t.test('threat: log injection by the reason of a probe, other protocols: one plain line', async (t) => {
  const mcp = await serve(t, (_, response) =>
    response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: illWill, message: illWill } })),
  );
  const saying = async (bytes: Buffer) => ({
    host: '127.0.0.1',
    port: await portOf(
      t,
      createTcpServer((socket) => socket.end(bytes).on('error', () => {})),
    ),
  });
  const fields = Buffer.from(`SFATAL\0C57P03\0M${illWill}\0\0`);
  const head = Buffer.from([0x45, 0, 0, 0, fields.length + 4]);
  const questions: ProbeSpec[] = [
    { kind: 'mcp', url: mcp },
    { kind: 'exec', command: ['sh', '-c', `printf '%s' '${illWill}'; exit 1`] },
    { kind: 'postgres', endpoint: await saying(Buffer.concat([head, fields])) },
    { kind: 'redis', endpoint: await saying(Buffer.from(`-ERR ${illWill.replace(/[\r\n]/g, '')}\r\n`)) },
  ];
  for (const question of questions) {
    const result = await ask(question);
    t.notOk(result.ok, question.kind);
    t.notMatch(result.ok ? '' : result.reason, unseen);
  }
});

// Output of services

const wrap = (bytes: string | Buffer) => makeLineSplitter().push(Buffer.from(bytes));
const prefixed = (bytes: string | Buffer, color = false) =>
  Buffer.concat(wrap(bytes).map(prefixFormat('hub', ['hub', 'gateway'], color))).toString('utf8');

const ruses: readonly (readonly [string, string, string])[] = [
  ['a carriage return', 'x\rgateway | y\n', 'hub     | x^Mgateway | y\n'],
  ['a cursor that goes up', 'x\u001b[1A\u001b[2Kgateway | y\n', 'hub     | x^[[1A^[[2Kgateway | y\n'],
  ['backspaces', 'x\b\b\bgateway\n', 'hub     | x^H^H^Hgateway\n'],
  ['a screen that is cleared', '\u001bc\u001b[2J\f\v\n', 'hub     | ^[c^[[2J^L^K\n'],
  [
    'a title, a clipboard, a link',
    '\u001b]0;x\u0007\u001b]52;c;eA==\u001b\\\n',
    'hub     | ^[]0;x^G^[]52;c;eA==^[\\\n',
  ],
  ['the same in C1', '\u009b2J\u009d0;x\u009c\n', 'hub     | <9b>2J<9d>0;x<9c>\n'],
  ['NUL, DEL, SO', '\0\u007f\u000e\n', 'hub     | ^@^?^N\n'],
  ['an escape that is cut', '\u001b\n\u001b[\n', 'hub     | ^[\nhub     | ^[[\n'],
];

for (const [title, written, shown] of ruses) {
  t.test(`threat: log injection by a service, prefix, ${title}: shown, not done`, async (t) => {
    t.equal(prefixed(written), shown);
  });
}

t.test('threat: log injection by a service, prefix, colours: end with their line', async (t) => {
  t.equal(
    prefixed('\u001b[31mred\n\u001b[8m\nx\n'),
    'hub     | \u001b[31mred\u001b[0m\nhub     | \u001b[8m\u001b[0m\nhub     | x\n',
  );
});

t.test('what does no harm stays: tabs, CRLF, UTF-8, bytes that are not', async (t) => {
  t.equal(prefixed('a\tb\r\ncafé 日本 \u00a0\n'), 'hub     | a\tb\r\nhub     | café 日本 \u00a0\n');
  const bytes = Buffer.from([0xff, 0x80, 0x9b, 0xc3, 0x0a]);
  t.strictSame(Buffer.concat(wrap(bytes).map(prefixFormat('h', ['h'], false))).subarray(4), bytes);
});

t.test('threat: log injection by a service, prefix, pieces of a long line: as whole ones', async (t) => {
  const lines = prefixed(`${'x'.repeat(16_383)}\r\u001b[2J${'y'.repeat(20_000)}\n`).split('\n');
  t.equal(lines.length, 4);
  for (const line of lines.slice(0, -1)) t.match(line, /^hub {5}\| [xy^M[2J]+( \[\.\.\.\])?$/);
});

t.test(
  'threat: log injection by a service, json, whatever it writes: one record a line, under its own name',
  async (t) => {
    const fake = '{"level":30,"name":"tandem","msg":"tandem ends"}';
    const written = Buffer.concat([
      Buffer.from(`${fake}\n"},${fake}\n${illWill}\n\u001b[2J\r\n`),
      Buffer.from([0xff, 0x0a]),
    ]);
    const records = Buffer.concat(wrap(written).map(jsonFormat('hub', 'stdout')))
      .toString('utf8')
      .trimEnd()
      .split('\n');
    for (const record of records) {
      t.notMatch(record.replace(/[\u007f-\u009f]/g, ''), /\p{Cc}/u);
      t.match(JSON.parse(record), { service: 'hub', stream: 'stdout' });
      t.equal(JSON.parse(record).name, undefined);
    }
  },
);

// tandem's own words

t.test('text that is shown is one line, and says what was in it', async (t) => {
  t.equal(visible('a\u001b[2J\n\u202e\u{e0041}é'), 'a\\u001b[2J\\n\\u202e\\udb40\\udc41é');
  t.notMatch(visible(illWill), unseen);
  t.strictSame(JSON.parse(visibleLines(JSON.stringify({ [illWill]: illWill }, undefined, 2))), { [illWill]: illWill });
});

t.test('a word with control characters can be pasted into a shell all the same', async (t) => {
  const word = "it's\n\u001b[2J\u0001\u009b\u202e\u{e0041}\\";
  t.notMatch(showWord(word), unseen);
  const { stdout } = spawnSync('bash', ['-c', `printf %s ${showWord(word)}`], {
    encoding: 'utf8',
    env: { LC_ALL: 'C.UTF-8' },
  });
  t.equal(stdout, word);
});

for (const pretty of [false, true]) {
  t.test(
    `threat: log injection by what tandem logs, ${pretty ? 'pretty' : 'JSON'}: one plain line a record`,
    async (t) => {
      const path = join(t.testdir({}), 'log');
      const file = openSync(path, 'a');
      const log = makeLog({ pretty, color: false, sink: () => openSink(file, { shared: true }) });
      log.warn({ reason: illWill, names: [illWill], [illWill]: 1, deep: { [illWill]: illWill } }, 'x');
      await log.flush();
      const text = readFileSync(path, 'utf8');
      t.equal(text.split('\n').length, 2);
      t.notMatch(text, unseenInLines);
      if (!pretty) t.equal(JSON.parse(text).reason, illWill);
    },
  );
}

t.test('threat: log injection by the name of a process that holds a port: plain', async (t) => {
  const script = `const fs = require('node:fs'); fs.writeFileSync('/proc/self/comm', '\\x1b[2J\\nx'); console.log('up'); setTimeout(() => {}, 60000)`;
  const { spawn } = await import('node:child_process');
  const child = spawn(node, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise((done) => child.stdout.once('data', done));
  t.match(await until('it has its name', () => commandOf(child.pid ?? 0)), /2J/);
  t.notMatch(commandOf(child.pid ?? 0), unseen);
});

t.test('threat: terminal escapes in `tandem status` from who answers in its place: shown, not done', async (t) => {
  const component = {
    status: illWill,
    state: illWill,
    reason: illWill,
    since_seconds: 1,
    restarts: 0,
    probe: { reason: illWill },
  };
  const report = { status: illWill, version: illWill, uptime_seconds: 1, components: { [illWill]: component } };
  const url = new URL(await serve(t, (_, response) => response.end(JSON.stringify(report))));
  const env = { TANDEM_RUNTIME_DIR: t.testdir({}), XDG_RUNTIME_DIR: '', TANDEM_HEALTH_PORT: url.port };
  for (const json of [false, true]) {
    const { code, text } = await readStatus({ json, timeoutMs: 3_000, env });
    t.equal(code, 0);
    t.notMatch(text, unseenInLines);
  }
});

const inYaml = JSON.stringify(illWill);
const commandLines: readonly (readonly [string, string, number])[] = [
  [
    'a command, a directory, variables, probes',
    `services:
  a:
    command: ["true", ${inYaml}, "x\\ny"]
    working_dir: ${inYaml}
    environment: { ${inYaml}: ${inYaml}, B: ${inYaml} }
    healthcheck: { test: ["CMD", ${inYaml}] }
    profiles: []
x-a: ${inYaml}
`,
    0,
  ],
  ['keys', `services: { a: { command: "true", ${inYaml}: 1 } }\n${inYaml}: 1\n`, 78],
  ['names', `services: { ${inYaml}: { command: "true", depends_on: [${inYaml}] } }\n`, 78],
  [
    'values',
    `services: { a: { command: "true", restart: ${inYaml}, stop_signal: ${inYaml}, user: ${inYaml}, env_file: ${inYaml}, working_dir: ${inYaml} } }\n`,
    78,
  ],
  ['a variable that is demanded', `services: { a: { command: ${JSON.stringify(`\${X:?${illWill}}`)} } }\n`, 78],
  [
    'what is required',
    `services: { a: { command: "true" } }\npreflight: { files: [${inYaml}], commands: [${inYaml}], directories: [${JSON.stringify(`/proc/${illWill}`)}] }\n`,
    78,
  ],
  ['a command that is missing', `services: { a: { command: [${inYaml}] } }\n`, 127],
  [
    'what is waited for',
    `services: { a: { command: "true" } }\nwait_for: [${JSON.stringify(`http://${illWill}/`)}, ${JSON.stringify(`tcp://h:1/${illWill}`)}]\n`,
    78,
  ],
  ['no YAML', `services: {{ ${illWill} }\n`, 78],
];

for (const [title, yaml, code] of commandLines) {
  t.test(
    `threat: terminal escapes in a tandem.yaml of somebody else, ${title}: \`tandem check\` shows them only`,
    async (t) => {
      const directory = t.testdir({});
      for (const name of ['run', illWill]) mkdirSync(join(directory, name));
      writeFileSync(join(directory, 'tandem.yaml'), yaml);
      const env = {
        TANDEM_HEALTH_PORT: '',
        TANDEM_RUNTIME_DIR: join(directory, 'run'),
      };
      for (const flags of [[], ['--json'], ['--yaml']]) {
        const { status, stdout, stderr } = tandemSync(['check', ...flags], { cwd: directory, env });
        t.equal(status, code);
        t.notMatch(stdout, unseenInLines, flags.join());
        t.notMatch(stderr, unseenInLines, flags.join());
        if (flags[0] === '--json' && code === 0) t.equal(JSON.parse(stdout).services[0].process.environment.B, illWill);
      }
    },
  );
}

t.test('threat: terminal escapes in an argument: shown, not done', async (t) => {
  for (const words of [
    [illWill],
    [`--${illWill}`],
    ['run', `--only=${illWill}`],
    ['run', '--config', illWill],
    ['run', '--preset', illWill],
    ['health', '--url', illWill],
    ['--', illWill],
  ]) {
    const { status, stdout, stderr } = tandemSync(words, { cwd: tmpdir(), env: { TANDEM_HEALTH_PORT: '' } });
    t.ok(status);
    t.notMatch(stdout + stderr, unseenInLines);
  }
});
