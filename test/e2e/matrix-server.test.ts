/** What is run in each virtual environment. */
import { join } from 'node:path';
import t from 'tap';
import { argvOf, runMatrix, untilNobodyIsLeft, untilUp } from '../support/matrix.ts';
import { partOf, scriptIn } from '../support/python.ts';

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
