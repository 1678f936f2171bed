/** The target `supervisor`: one directory that makes tandem PID 1 of any image that has glibc. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ask, imageFrom, imageOf, needsEngine, projectDir, remove, runToEnd, start } from './engine.ts';

/** A Python image in which the libraries that Node needs besides glibc cannot be found. */
const pythonImage = (supervisor: string) => `
  FROM python:3.11-slim-bookworm
  RUN rm -f /usr/lib/*/libstdc++.so* /usr/lib/*/libatomic.so*
  COPY --from=${supervisor} /opt/tandem /opt/tandem
  HEALTHCHECK --start-period=30s --start-interval=200ms CMD ["/opt/tandem/bin/tandem", "health"]
  ENTRYPOINT ["/opt/tandem/bin/tandem"]
`;

/** An image of glibc and tandem: no shell, no other file. */
const bareImage = (supervisor: string) => `
  FROM node:26-bookworm-slim AS glibc
  COPY --from=${supervisor} /opt/tandem /opt/tandem
  RUN mkdir /glibc && cp -L --parents $(ldd /opt/tandem/bin/node | tr -s ' \\t' '\\n' | grep ^/lib) /glibc
  FROM scratch
  COPY --from=glibc /glibc /
  COPY --from=${supervisor} /opt/tandem /opt/tandem
  USER 1000
  ENTRYPOINT ["/opt/tandem/bin/tandem"]
`;

t.setTimeout(300_000);

t.before(async () => {
  if (!needsEngine.skip) await imageOf('supervisor');
});

const python = async () => imageFrom('python', pythonImage(await imageOf('supervisor')));
const bare = async () => imageFrom('bare', bareImage(await imageOf('supervisor')));

t.test('it holds /opt/tandem and nothing else', needsEngine, async (t) => {
  const directory = t.testdir({});
  await ask(['build', '--quiet', '--target=supervisor', '--output', `type=local,dest=${directory}`, '.']);
  const below = (path: string) => readdirSync(`${directory}/${path}`).sort();
  t.same(below(''), ['opt']);
  t.same(below('opt'), ['tandem']);
  t.same(below('opt/tandem'), ['LICENSE', 'bin', 'dist', 'lib']);
  t.same(below('opt/tandem/bin'), ['node', 'tandem']);
  t.same(
    below('opt/tandem/dist/native'),
    readdirSync(join(projectDir, 'dist/native')).sort(),
    'no native part is missing',
  );
});

t.test('B51 in an image of glibc alone it runs a command and hands its code on', needsEngine, async (t) => {
  t.match(await runToEnd(await bare(), ['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ });
  const words = ['--', '/opt/tandem/bin/node', '--eval', 'process.exit(9)'];
  t.match(await runToEnd(await bare(), words), { code: 9, stderr: '' });
});

t.test('B08 B12 in an image of glibc alone a TERM right after the start is not lost', needsEngine, async (t) => {
  for (let round = 1; round <= 5; round++) {
    const container = await start(
      t,
      await bare(),
      [],
      ['--', '/opt/tandem/bin/node', '--eval', 'setInterval(() => {}, 1000)'],
    );
    const { tookMs } = await container.stop();
    t.equal(await container.ended(), 143, `round ${round}: the command's own`);
    t.ok(tookMs < 2_000, `${tookMs} ms`);
    await remove(container.id);
  }
});

t.test('B51 in a Python image it is PID 1 of a Python program', needsEngine, async (t) => {
  const words = ['--', 'python3', '-c', 'import os, sys; sys.exit(40 + os.getppid())'];
  t.match(await runToEnd(await python(), words), { code: 41, stderr: '' });
});

t.test(
  'B14 B50 in a Python image it runs two services, healthy, without zombies, and stops with 0',
  needsEngine,
  async (t) => {
    const server = (port: number) => `python3 -m http.server ${port} --bind 127.0.0.1 --directory /opt`;
    const container = await start(t, await python(), [
      ...['--env=TANDEM_PRESET=embedded', '--env=GW_HEALTH_PATH=/', '--env=HUB_HEALTH_PATH=/'],
      ...[`--env=GW_COMMAND=${server(4444)}`, `--env=HUB_COMMAND=${server(7300)}`],
    ]);
    await container.healthy();
    await container.shell('for _ in 1 2 3 4 5; do (sleep 0.05 &) ; done; sleep 0.3');
    t.equal(await container.shell(`grep -l '^State:.Z' /proc/[0-9]*/status || true`), '');
    await container.stop();
    t.equal(await container.ended(), 0);
  },
);
