/** `npm run containers:*` and make, without an engine: what is asked of one is written down by stand-ins on the PATH. */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const projectDir = join(import.meta.dirname, '../..');
const script = 'scripts/containers.sh';
const { scripts } = JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

const example = `# Kept as it is.
NAME=value
KEY=

# Two secrets, made
# at random by a script.
ONE_PASSWORD=
TWO_SECRET=
SET=already

LAST=`;

/** A project with two stacks: one that needs the image of the supervisor and one that does not. */
function makeProject(
  t: Test,
  { compose }: { readonly compose: readonly string[] } = { compose: ['docker', 'podman'] },
) {
  const directory = t.testdir({
    scripts: {},
    bin: {},
    deploy: {
      'mcp-hub': {
        'compose.yaml': '',
        'compose.dev.yaml': '',
        '.env.example': example,
        Dockerfile: 'ARG TANDEM_IMAGE=tandem-supervisor',
      },
      other: { 'compose.yaml': '' },
      'no-stack': {},
    },
  });
  cpSync(join(projectDir, script), join(directory, script));
  const log = join(directory, 'words');
  for (const name of ['docker', 'podman']) {
    const path = join(directory, 'bin', name);
    const known = compose.includes(name) ? 0 : 1;
    const context = '"$(basename "$PWD") $COMPOSE_FILE $COMPOSE_PROFILES"';
    writeFileSync(
      path,
      `#!/bin/sh\n[ "$*" = 'compose version' ] && exit ${known}\necho "${name} $*" [${context}] >> '${log}'\n`,
    );
    chmodSync(path, 0o755);
  }
  const run = (words: readonly string[], more: NodeJS.ProcessEnv = {}) => {
    const env = { PATH: `${join(directory, 'bin')}:${process.env['PATH']}`, HOME: directory, ...more };
    const { status, stdout, stderr } = spawnSync(join(directory, script), words, { env, encoding: 'utf8' });
    const asked = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [];
    writeFileSync(log, '');
    return { code: status, stdout, stderr, asked: asked.filter((line) => line !== '') };
  };
  return { directory, run };
}

const supervisor = /^docker build --target supervisor --tag tandem-supervisor \S+ /;

t.test('B32 up builds what the stack needs and waits until it is healthy', async (t) => {
  const { run } = makeProject(t);
  t.match(run(['up']), { code: 0, asked: [supervisor, /^docker compose up --detach --wait --build \[mcp-hub {2}\]$/] });
  t.strictSame(run(['up', 'other']).asked, ['docker compose up --detach --wait --build [other  ]']);
  const named = run(['up', 'mcp-hub'], { TANDEM_IMAGE: 'mine' });
  t.strictSame(
    named.asked,
    ['docker compose up --detach --wait --build [mcp-hub  ]'],
    'another supervisor is used as it is',
  );
});

const verbs = {
  down: 'compose down --remove-orphans',
  restart: 'compose up --detach --wait --build --force-recreate',
  status: 'compose ps --all',
  logs: 'compose logs --follow',
  build: 'compose build',
  exec: 'compose exec',
};
for (const [verb, words] of Object.entries(verbs)) {
  t.test(`B32 ${verb} is ${words}, with what else is said`, async (t) => {
    const profiles = ['restart', 'build'].includes(verb) ? '' : '*';
    const { run } = makeProject(t);
    const expected = { code: 0, asked: [`docker ${words} --some word [other  ${profiles}]`] };
    t.match(run([verb, 'other', '--some', 'word']), expected);
  });
}

t.test('B34 profiles and the files for development are handed on', async (t) => {
  const { run } = makeProject(t);
  const { asked } = run(['up', '--dev', '--profile', 'postgres', 'mcp-hub', '--profile', 'redis'], {
    TANDEM_IMAGE: 'mine',
  });
  t.strictSame(asked, ['docker compose up --detach --wait --build [mcp-hub compose.dev.yaml postgres,redis]']);
  t.match(run(['up', 'other', '--dev']), { code: 2, stderr: /compose\.dev\.yaml/, asked: [] });
});

t.test('B32 a failure of the engine is the end, with its code', async (t) => {
  const { run, directory } = makeProject(t);
  writeFileSync(join(directory, 'bin/docker'), '#!/bin/sh\n[ "$*" = "compose version" ] || exit 17\n');
  t.equal(run(['up']).code, 17);
  t.equal(run(['status', 'other']).code, 17);
});

t.test('B32 podman where docker has no compose; neither: 127; CONTAINER_ENGINE wins', async (t) => {
  const podman = makeProject(t, { compose: ['podman'] });
  t.match(podman.run(['status']).asked, [/^podman compose ps/]);
  const none = makeProject(t, { compose: [] });
  t.match(none.run(['status']), { code: 127, stderr: /docker.*podman/, asked: [] });
  t.notOk(existsSync(join(none.directory, 'deploy/mcp-hub/.env')), 'and nothing is written');
  t.match(makeProject(t).run(['status'], { CONTAINER_ENGINE: 'podman' }).asked, [/^podman compose ps/]);
});

t.test('B32 .env is made on first use, said, and then left alone', async (t) => {
  const { directory, run } = makeProject(t);
  const path = join(directory, 'deploy/mcp-hub/.env');
  t.match(run(['status']).stderr, 'deploy/mcp-hub/.env');
  const made = readFileSync(path, 'utf8');
  const secret = '[0-9a-f]{48}';
  t.match(
    made,
    new RegExp(`\\nKEY=\\n\\n(#.*\\n){2}ONE_PASSWORD=${secret}\\nTWO_SECRET=${secret}\\nSET=already\\n\\nLAST=\\n$`),
  );
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(new Set(made.match(new RegExp(secret, 'g'))).size, 2, 'no secret twice');
  t.notMatch(run(['status']).stderr, '.env');
  t.equal(readFileSync(path, 'utf8'), made);
  t.notMatch(run(['status', 'other']).stderr, '.env', 'without an example there is none');
});

const wrong: readonly (readonly string[])[] = [
  [],
  ['fly'],
  ['up', 'nowhere'],
  ['up', 'no-stack'],
  ['up', '../deploy/other'],
  ['up', '--profile'],
];
for (const words of wrong) {
  t.test(`B32 containers.sh ${words.join(' ')}: 2, with the stacks, and the engine is not asked`, async (t) => {
    const { code, stderr, asked } = makeProject(t).run(words);
    t.strictSame({ code, asked }, { code: 2, asked: [] });
    t.match(stderr, /mcp-hub other/);
  });
}

t.test('B32 -h prints the usage, from npm too', async (t) => {
  t.match(makeProject(t).run(['-h']), { code: 0, stdout: /^usage: [\s\S]*mcp-hub other/, stderr: '', asked: [] });
  for (const verb of ['up', 'down', 'restart', 'status', 'logs'])
    t.equal(scripts[`containers:${verb}`], `${script} ${verb}`);
});

/** In CI nothing may be skipped. */
const hasTool = (name: string) => process.env['CI'] === 'true' || spawnSync(name, ['--version']).status === 0;

const recipes: Readonly<Record<string, RegExp>> = {
  help: /^awk/,
  build: / build mcp-hub *$/,
  'build-dev': / build mcp-hub +--dev *$/,
  rebuild: / build mcp-hub +--no-cache$/,
  up: / up mcp-hub *$/,
  down: / down mcp-hub *$/,
  restart: / restart mcp-hub *$/,
  status: / status mcp-hub *$/,
  logs: / logs mcp-hub *$/,
  healthcheck: / exec mcp-hub +-T --env HEALTHCHECK_DEBUG=1 mcp-hub \/opt\/tandem\/bin\/tandem health$/,
};
t.test('B24 each target of the Makefile', { skip: hasTool('make') ? false : 'no make here' }, async (t) => {
  const make = (...words: string[]) =>
    spawnSync('make', ['--dry-run', ...words], { cwd: projectDir, encoding: 'utf8' });
  const phony = /^\.PHONY: (.*)$/m.exec(readFileSync(join(projectDir, 'Makefile'), 'utf8'))?.[1]?.split(' ');
  t.strictSame(phony?.sort(), Object.keys(recipes).sort(), 'all of them are looked at here');
  for (const [target, recipe] of Object.entries(recipes)) {
    const { status, stdout } = make(target);
    t.equal(status, 0, target);
    t.match(stdout.split('\n')[0], recipe, target);
  }
  t.match(make('up', 'PROFILES=postgres redis', 'DEV=1').stdout, /--dev --profile postgres --profile redis\n/);
  for (const [stack, service] of Object.entries({ matrix: 'matrix-hub', 'ai-service': 'gateway', exai: 'exai' })) {
    t.match(
      make('healthcheck', `STACK=${stack}`).stdout,
      new RegExp(` ${service} /opt/tandem/bin/tandem health\\n`),
      stack,
    );
  }
  const help = spawnSync('make', [], { cwd: projectDir, encoding: 'utf8' }).stdout;
  for (const target of Object.keys(recipes)) t.match(help, new RegExp(`^${target} +\\w`, 'm'));
});

t.test(
  'B32 shellcheck has nothing to say',
  { skip: hasTool('shellcheck') ? false : 'no shellcheck here' },
  async (t) => {
    const { status, stdout } = spawnSync('shellcheck', [join(projectDir, script)], { encoding: 'utf8' });
    t.equal(status, 0, stdout);
  },
);
