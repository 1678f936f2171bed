/** What a start leaves behind is given back. */
import t from 'tap';
import { native } from '../../src/host/native.ts';

const megabyte = 2 ** 20;

t.test('garbage is collected when it is asked for, and at once', async (t) => {
  const { reaper } = native();
  t.ok(reaper, 'the addon was built');
  reaper?.giveBack();
  const before = process.memoryUsage().heapUsed;
  let garbage: string[] | undefined = Array.from({ length: 100_000 }, (_, index) => `${index}`.padEnd(300, '.'));
  t.ok(garbage.length > 0 && process.memoryUsage().heapUsed > before + 20 * megabyte);
  garbage = undefined;
  reaper?.giveBack();
  t.ok(process.memoryUsage().heapUsed < before + 5 * megabyte);
});
