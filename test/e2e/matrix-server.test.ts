/** What is run in each virtual environment. */
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { argvOf, runMatrix, untilNobodyIsLeft, untilUp } from '../support/matrix.ts';
import { partOf, scriptIn, venv } from '../support/python.ts';
import { until } from '../support/until.ts';

const lostKnobs = /these knobs have no effect/;
const hubAlone = { GATEWAY_SKIP_START: '1', HUB_MIGRATE: 'off' };

/** A hub's virtual environment of its own, in place of the whole one. */
const withPart = (make: (place: string, whole: string) => unknown) => {
  return (directory: string, whole: string) => void make(join(directory, 'app/.venv'), whole);
};

t.test(
  'B02 without gunicorn uvicorn serves, one warning names the knobs that are lost, and TERM is clean',
  async (t) => {
    const matrix = await runMatrix(t, {
      env: { ...hubAlone, HUB_VENV: 'app/.venv', HUB_WORKERS: '2', HUB_KEEPALIVE: '7' },
      prepare: withPart((place, whole) => partOf(whole, place, ['uvicorn'])),
    });
    if (!matrix) return;
    await untilUp(matrix);
    const [, , ...flags] = argvOf(await matrix.leader('hub'));
    t.equal(
      flags.join(' '),
      `src.app:app --host 127.0.0.1 --port ${matrix.hubPort} --workers 2 --timeout-keep-alive 7` +
        ' --timeout-graceful-shutdown 7 --limit-max-requests 1000 --log-level info --proxy-headers',
    );
    const warnings = matrix.records().filter(({ msg }) => lostKnobs.test(msg));
    t.equal(warnings.length, 1);
    t.match(warnings[0], {
      level: 40,
      knobs: ['HUB_TIMEOUT', 'HUB_MAX_REQUESTS_JITTER', 'HUB_PRELOAD', 'HUB_ACCESS_LOGFILE', 'HUB_ERROR_LOGFILE'],
    });
    const leader = await matrix.leader('hub');
    // Python's multiprocessing has a helper of its own beside them.
    const isWorker = (pid: number) => argvOf(pid).some((word) => word.includes('spawn_main'));
    await until('two workers', () => matrix.workers(leader).filter(isWorker).length === 2);
    await matrix.signal('SIGTERM');
    t.equal((await matrix.exited).code, 0);
    await untilNobodyIsLeft(matrix);
  },
);

t.test('B02 an older uvicorn gets only what it knows, and the same warning names that, too', async (t) => {
  const matrix = await runMatrix(t, {
    env: { ...hubAlone, HUB_VENV: 'app/.venv' },
    prepare: withPart((place, whole) => {
      const help = 'Usage: uvicorn [OPTIONS] APP --host TEXT --port INTEGER --workers INTEGER --log-level [info]';
      scriptIn(place, 'uvicorn', [`[ "$1" = --help ] && echo '${help}' && exit`, `exec '${whole}/bin/uvicorn' "$@"`]);
    }),
  });
  if (!matrix) return;
  await untilUp(matrix);
  const [, , ...flags] = argvOf(await matrix.leader('hub'));
  t.equal(flags.join(' '), `src.app:app --host 127.0.0.1 --port ${matrix.hubPort} --workers 1 --log-level info`);
  const warnings = matrix.records().filter(({ msg }) => lostKnobs.test(msg)) as unknown as { knobs: string[] }[];
  t.strictSame(
    warnings.map(({ knobs }) => knobs.slice(5)),
    [['HUB_KEEPALIVE', 'HUB_GRACEFUL_TIMEOUT', 'HUB_MAX_REQUESTS']],
  );
  await matrix.signal('SIGTERM');
  t.equal((await matrix.exited).code, 0, '143 of a uvicorn that was asked is clean');
});

t.test('B02 with neither: 127, a message that names both, and nothing is started', async (t) => {
  const matrix = await runMatrix(t, {
    env: { GATEWAY_SKIP_START: '1', HUB_VENV: 'app/.venv' },
    prepare: withPart((place, whole) => partOf(whole, place, ['alembic'])),
  });
  if (!matrix) return;
  t.equal((await matrix.exited).code, 127);
  t.match(
    matrix.stderr,
    /cannot start "hub".*neither gunicorn nor uvicorn is in the virtual environment ".*app\/.venv"/,
  );
  t.notMatch(matrix.stderr, 'service state');
});

/** The packages that tandem looks for, but uvicorn itself: as of a venv whose uvicorn has no workers any more. */
function withoutUvicornWorkers(place: string, whole: string): void {
  partOf(whole, place, ['gunicorn']);
  const packages = 'lib/python3.11/site-packages';
  mkdirSync(join(place, packages), { recursive: true });
  for (const name of ['gunicorn', 'uvicorn_worker']) symlinkSync(packageIn(whole, name), join(place, packages, name));
}

function packageIn(venvDirectory: string, name: string): string {
  const lib = join(venvDirectory, 'lib');
  const [python = ''] = readdirSync(lib);
  return join(lib, python, 'site-packages', name);
}

t.test(
  "B02 the newest gunicorn runs with uvicorn's workers from their own package, and leaves no socket",
  async (t) => {
    const newest = await venv(t, 'newest');
    if (!newest) return;
    const matrix = await runMatrix(t, {
      env: { HUB_SKIP_START: '1', GATEWAY_VENV: 'app/.newest', GW_WORKERS: '2' },
      prepare: (directory) => withoutUvicornWorkers(join(directory, 'app/.newest'), newest),
    });
    if (!matrix) return;
    await untilUp(matrix);
    const line = argvOf(await matrix.leader('gateway')).join(' ');
    t.match(line, '-k uvicorn_worker.UvicornWorker ');
    t.match(line, ' --no-control-socket');
    t.notOk(existsSync(join(matrix.directory, '.gunicorn')), 'HOME is as it was');
    t.match((await matrix.ask(matrix.gatewayPort, '/health')).body, '"healthy"');
    await matrix.signal('SIGTERM');
    t.equal((await matrix.exited).code, 0);
    await untilNobodyIsLeft(matrix);
  },
);
