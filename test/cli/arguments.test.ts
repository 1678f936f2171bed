import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Invocation, parseArguments } from '../../src/cli/arguments.ts';
import { commandHelp, generalHelp, usageLines } from '../../src/cli/usage.ts';
import { variableNames } from '../../src/config/variables.ts';

const run = { command: 'run', preset: undefined, config: undefined, profiles: [], only: [] } as const;
const health = { command: 'health', url: undefined, timeoutMs: undefined } as const;

t.test('what may be written means what it says', async (t) => {
  const cells: readonly [readonly string[], Invocation][] = [
    [[], run],
    [['run'], run],
    [['run', '--preset', 'matrix'], { ...run, preset: 'matrix' }],
    [['run', '--preset=matrix', '--preset=embedded'], { ...run, preset: 'embedded' }],
    [['run', '--only', 'migrations', '--only=hub'], { ...run, only: ['migrations', 'hub'] }],
    [['run', '--preset='], { ...run, preset: '' }],
    [['check'], { ...run, command: 'check', json: false, yaml: false }],
    [['check', '--json', '--only', 'hub'], { ...run, command: 'check', only: ['hub'], json: true, yaml: false }],
    [['check', '--yaml'], { ...run, command: 'check', json: false, yaml: true }],
    [
      ['run', '--config', 'x.yaml', '--profile', 'a', '--profile=b'],
      { ...run, config: 'x.yaml', profiles: ['a', 'b'] },
    ],
    [['schema'], { command: 'schema' }],
    [['health'], health],
    [['health', '--url', 'http://h/x', '--timeout', '500ms'], { ...health, url: 'http://h/x', timeoutMs: 500 }],
    [['health', '--timeout=4'], { ...health, timeoutMs: 4_000 }],
    [['--version'], { command: 'version' }],
    [['--help'], { command: 'help', text: generalHelp }],
    [['-h'], { command: 'help', text: generalHelp }],
    [['run', '--preset', 'x', '--help'], { command: 'help', text: commandHelp('run') }],
    [['check', '-h'], { command: 'help', text: commandHelp('check') }],
    [['health', '--help', '--nonsense'], { command: 'help', text: commandHelp('health') }],
  ];
  for (const [argv, invocation] of cells) t.strictSame(parseArguments(argv), invocation, argv.join(' ') || 'nothing');
});

t.test('B51 the arguments after -- are never read', async (t) => {
  for (const argv of [['sh', '-c', 'exit 3'], ['--help'], ['--', '--version'], ['run', '--nonsense']] as const) {
    t.strictSame(parseArguments(['--', ...argv]), { command: 'exec', argv });
  }
});

t.test('a command line that cannot be read is 64: one line that names what is wrong, and the usage', async (t) => {
  const cells: readonly [readonly string[], RegExp][] = [
    [['run', '--nonsense'], /^unknown flag --nonsense\nusage: tandem run /],
    [['run', '--toString'], /^unknown flag --toString\n/],
    [['run', '-p', 'matrix'], /^unknown flag -p\n/],
    [['check', '--json=1'], /^--json takes no value\n/],
    [['run', '--preset'], /^--preset needs a value\n/],
    [['run', '--only', '--preset', 'x'], /^--only needs a value\n/],
    [['run', '--config', 'x', '--preset', 'matrix'], /^--config and --preset exclude each other\nusage: tandem run /],
    [
      ['run', '--profile', 'x', '--preset', 'matrix'],
      /^--profile is for a tandem\.yaml, and --preset is none\nusage: tandem run /,
    ],
    [['check', '--json', '--yaml'], /^--json and --yaml exclude each other\nusage: tandem check /],
    [['run', 'matrix'], /^unexpected argument "matrix"\n/],
    [['run', '--', 'sh'], /^unexpected argument "--"\n/],
    [['health', '--json'], /^unknown flag --json\nusage: tandem health /],
    [['--nonsense=1', 'run'], /^unknown flag --nonsense\nusage: tandem \[/],
    [['--preset', 'matrix'], /^--preset stands before its command: tandem run --preset\n/],
    [['helth'], /^unknown command "helth"; did you mean "health"\?\nusage: /],
    [['fleets'], /^unknown command "fleets"; did you mean "fleet"\?\nusage: /],
    [['python', 'x.py'], /^unknown command "python"; to run a program: tandem -- python\nusage: /],
    [[''], /^unknown command ""/],
    [['--'], /^there is no command after --\nusage: tandem -- /],
    [['--', ''], /^there is no command after --\n/],
  ];
  for (const [argv, message] of cells) {
    t.match(parseArguments(argv), { command: 'refused', code: 64, message }, argv.join(' '));
  }
});

t.test('a value that is not accepted is 78 and never shows a secret', async (t) => {
  const refused = { command: 'refused', code: 78 };
  t.match(parseArguments(['health', '--url', 'x']), { ...refused, message: /^--url: "x" is not accepted; accepted: / });
  t.match(parseArguments(['health', '--url', 'ftp://u:s3cret@h']), { ...refused, message: /"ftp:\/\/\*\*\*@h"/ });
  for (const time of ['soon', '0', ''])
    t.match(parseArguments(['health', `--timeout=${time}`]), { ...refused, message: /^--timeout: / });
});

t.test('--help names every command with its flags, and only variables that exist', async (t) => {
  for (const line of Object.values(usageLines)) t.ok(generalHelp.includes(line), line);
  const named = generalHelp.match(/\b(TANDEM|HUB|GW|GATEWAY|MIGRATE)_[A-Z_]+\b/g) ?? [];
  const known: readonly string[] = [...variableNames, 'HUB_ENV_X', 'GW_ENV_X'];
  t.strictSame(
    named.filter((name) => !known.includes(name)),
    [],
  );
  const source = readFileSync(join(__dirname, '../../src/cli/usage.ts'), 'utf8');
  t.ok(
    source.split('\n').every((line) => line.length <= 120),
    'fits a wide terminal',
  );
});
