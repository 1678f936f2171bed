/** The machine as a whole: what no single port of it can promise. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

t.test('a stop signal that many services wait for is not taken for a leak', async (t) => {
  const script = `
    const { makeMachine } = require(${JSON.stringify(join(import.meta.dirname, '../../src/host/machine.ts'))});
    makeMachine({ launch: async () => ({ code: 127, message: '' }) });
    const { signal } = new AbortController();
    for (let i = 0; i < 100; i++) signal.addEventListener('abort', () => {});
  `;
  const { stderr, status } = spawnSync(process.execPath, ['--import=tsx', '--eval', script], {
    encoding: 'utf8',
  });
  t.equal(stderr, '');
  t.equal(status, 0);
});
