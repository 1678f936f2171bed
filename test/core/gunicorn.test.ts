import t from 'tap';
import { isGunicorn, usualSignals } from '../../src/core/gunicorn.ts';

const cells: readonly (readonly [command: string, isGunicorn: boolean])[] = [
  ['gunicorn src.app:app', true],
  ['/app/.venv/bin/gunicorn src.app:app', true],
  ['./gunicorn', true],
  ['python -m gunicorn src.app:app', true],
  ['/usr/bin/python3 -X dev -m gunicorn', true],
  ['python /app/.venv/bin/gunicorn', false],
  ['python -c gunicorn', false],
  ['gunicorn.sh', false],
  ['/opt/gunicorn/start', false],
  ['mygunicorn', false],
  ['uvicorn src.app:app', false],
];

for (const [command, expected] of cells) {
  const words = command.split(' ');
  t.equal(isGunicorn(words), expected, `${command}: ${expected ? 'gunicorn' : 'something else'}`);
  t.same(usualSignals(words), expected ? ['SIGHUP', 'SIGUSR1'] : [], `B12 ${command}: what it is handed`);
}
