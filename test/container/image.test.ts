/** What is in the image, and what is not. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import manifest from '../../package.json' with { type: 'json' };
import lock from '../../package-lock.json' with { type: 'json' };
import { ask, imageOf, needsEngine, projectDir, runToEnd } from './engine.ts';

/** All that the build reads. */
const buildContext = [
  ...['Dockerfile', '.dockerignore', '.npmrc', 'LICENSE', 'package.json', 'package-lock.json'],
  ...[
    'scripts/build.mjs',
    'scripts/warm.mjs',
    'src',
    'embedded/package.json',
    'embedded/README.md',
    'embedded/loopback.cjs',
  ],
  'embedded/registry.json',
];

/** What an operator's tree may hold besides. */
const strangers = ['.env', '.env.production', 'embedded/.env', 'src/.env.local', 'data/gateway/memory.jsonl', 'id_rsa'];

t.setTimeout(300_000);

t.before(async () => {
  if (!needsEngine.skip) await imageOf('embedded');
});

/** What a shell script prints in a new container, as root, so that nothing is hidden from it. */
async function inImage(script: string): Promise<string> {
  const { code, stdout, stderr } = await runToEnd(await imageOf('embedded'), ['--', 'sh', '-c', script], ['--user=0']);
  if (code !== 0) throw new Error(stderr);
  return stdout.trim();
}

t.test(
  'B14 B16 user, entry point, health check, stop signal, volume and labels are declared',
  needsEngine,
  async (t) => {
    const [image] = JSON.parse(await ask(['image', 'inspect', await imageOf('embedded')]));
    t.match(image.Config, {
      User: '1000:1000',
      Entrypoint: ['tandem'],
      Cmd: null,
      Healthcheck: { Test: ['CMD', 'tandem', 'health'] },
      StopSignal: 'SIGTERM',
      Volumes: { '/app/data': {} },
      ExposedPorts: { '7300/tcp': {} },
      Labels: {
        'org.opencontainers.image.title': 'tandem',
        'org.opencontainers.image.version': manifest.version,
        'org.opencontainers.image.licenses': manifest.license,
        'org.opencontainers.image.description': String,
      },
    });
  },
);

t.test('its user can write /app/data and /run/tandem, and nothing of what is run', needsEngine, async (t) => {
  const places = await inImage('find / -xdev -user 1000 -not -path "/proc/*" -not -path "/home/*"; ls -ld /app/data');
  t.match(places, /^\/run\/tandem$/m);
  t.match(places, / \/app\/data$/);
  t.equal(await inImage('find /opt /usr /app -xdev -perm /022 -not -type l'), '');
});

t.test('no compiler, no package manager of npm, no development tools, no source maps', needsEngine, async (t) => {
  t.equal(await inImage('for tool in npm npx yarn corepack gcc cc ld patchelf; do command -v $tool; done; :'), '');
  t.equal(await inImage('ls -d /build /root/.npm /usr/local/etc/npmrc 2>/dev/null || :'), '');
  t.equal(await inImage('find / -xdev -name "*.map" -path "*node_modules*"'), '');
  // Some, as ajv, the pair needs as well; the lock file then calls them no development's.
  const packages = new Map<string, object>(Object.entries(lock.packages));
  const isDevelopment = (name: string) => 'dev' in (packages.get(`node_modules/${name}`) ?? {});
  const development = Object.keys(manifest.devDependencies).filter(isDevelopment);
  t.ok(development.includes('typescript'));
  const installed = development.map((name) => `/opt/tandem/node_modules/${name}`).join(' ');
  t.equal(await inImage(`ls -d ${installed} 2>/dev/null || :`), '');
});

t.test('B16 secrets that lie beside the sources change nothing in the image', needsEngine, async (t) => {
  const copy = t.testdir({});
  for (const path of buildContext) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(projectDir, path), join(copy, path), { recursive: true });
  }
  const build = (directory: string) => ask(['build', '--quiet', '--target=embedded', directory]);
  const clean = await build(copy);
  for (const path of strangers) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    writeFileSync(join(copy, path), 'SECRET=1');
  }
  t.equal(await build(copy), clean);
});

t.test('B16 there is no .env and no data of anybody in it', needsEngine, async (t) => {
  t.equal(await inImage('find / -xdev -name ".env*"; find /app/data -mindepth 1'), '');
});
