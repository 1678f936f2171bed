/**
 * docs/security.md: variables of the container that act on tandem itself, and what of tandem's a service sees. Which secret
 * reaches whom is asked in test/config/secret-files.test.ts, test/config/mask.test.ts and test/e2e/matrix-secrets.test.ts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { scratchDir } from '../config/fixture.ts';
import { program, tandemSync } from '../support/run-tandem.ts';

const yaml = 'services: { a: { command: env, restart: "no" } }\n';

function tandem(directory: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const env = { TANDEM_HEALTH_PORT: '', TANDEM_RUNTIME_DIR: directory, ...environment };
  return tandemSync(args, { cwd: directory, env });
}

const warning = /warning: variables that act on tandem itself, too variables=(.*)/;

const acting: readonly (readonly [string, string])[] = [
  ['NODE_OPTIONS', '--require ./s3cret.cjs'],
  ['NODE_OPTIONS', '-r ./s3cret.cjs'],
  ['NODE_OPTIONS', '--import=./s3cret.cjs'],
  ['NODE_OPTIONS', '--inspect=127.0.0.1:0'],
  ['NODE_OPTIONS', '--insecure-http-parser'],
  ['NODE_DEBUG', 's3cret'],
  ['NODE_TLS_REJECT_UNAUTHORIZED', '0'],
  ['LD_PRELOAD', '/s3cret.so'],
];

t.test(
  "threat: what is meant for a service's Node or loader acts on PID 1, too: a warning, without values",
  async (t) => {
    const directory = scratchDir(t, { 'tandem.yaml': yaml, 's3cret.cjs': '' });
    for (const [name, value] of acting) {
      const { status, stdout } = tandem(directory, ['check'], { [name]: value });
      t.equal(status, 0);
      t.equal(warning.exec(stdout)?.[1], JSON.stringify([name]), value);
      t.notMatch(stdout, 's3cret.');
    }
  },
);

t.test('what does no harm is not warned of', async (t) => {
  const directory = scratchDir(t, { 'tandem.yaml': yaml });
  const harmless = { NODE_OPTIONS: '--max-old-space-size=64', NODE_TLS_REJECT_UNAUTHORIZED: '1', NODE_DEBUG: '' };
  const { status, stdout } = tandem(directory, ['check'], harmless);
  t.equal(status, 0);
  t.notMatch(stdout, warning);
});

t.test("threat: tandem's own variables leak into a service: it sees none", async (t) => {
  const directory = scratchDir(t, { 'tandem.yaml': yaml });
  const { stdout } = tandem(directory, ['run'], {
    TANDEM_FILE_VARS: 'X',
    TANDEM_NOFILE: '100',
    OTHER: 'y',
    LD_PRELOAD: '',
  });
  t.match(stdout, /^OTHER=y$/m);
  t.notMatch(stdout, /TANDEM|hold\.so/);
});

t.test('threat: secrets of the build or of a run lie in the code cache: none of its environment does', async (t) => {
  const cache = join(dirname(program), 'cache');
  for (const item of readdirSync(cache, { withFileTypes: true, recursive: true })) {
    if (!item.isFile()) continue;
    const bytes = readFileSync(join(item.parentPath, item.name));
    // What scripts/warm.mjs has set for the run that fills it.
    for (const trace of ['tandem-warm-', process.env['PATH'] ?? '']) {
      if (trace.length > 1) t.notOk(bytes.includes(trace), trace);
    }
  }
});
