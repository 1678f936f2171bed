/** Images pulled over the API: progress while it goes on, one result, and an end with whoever asked for it. */
import t, { test } from 'tap';
import { until } from '../support/until.ts';
import { type Made, makeFleet } from './fake-fleet.ts';

const token = 'a-token-of-the-test';
const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
let made: Made;
let url: string;
t.before(async () => {
  const serverConfigs = { a: { image: 'both:1' }, b: { image: 'both:1' }, c: { image: 'third:1' } };
  made = await makeFleet({ stopTimeout: 1, serverConfigs }, { token });
  made.engine.registry.add('both:1');
  url = `${await made.listen()}/api/docker/images/pull`;
});
t.teardown(() => made.stop());
t.afterEach(() => {
  made.engine.calls.splice(0);
  made.engine.hanging.clear();
});

function pull(
  servers: readonly string[],
  { accept = 'text/event-stream', signal }: { accept?: string; signal?: AbortSignal } = {},
) {
  const body = JSON.stringify({ servers });
  return fetch(url, { method: 'POST', headers: { ...headers, accept }, body, ...(signal && { signal }) });
}

/** The events of a stream that is over. */
function eventsOf(text: string): { event: string; data: unknown }[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [, event = '', data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
      return { event, data: JSON.parse(data) };
    });
}

const pulls = () => made.engine.calls.filter((call) => call.startsWith('pull'));

test('B46 progress is told while it goes on, then one result', async (t) => {
  const answer = await pull(['a', 'c', 'b']);
  t.match([answer.status, answer.headers.get('content-type')], [200, 'text/event-stream']);
  const events = eventsOf(await answer.text());
  const layer = { layer: 'a', totalBytes: 2 };
  t.same(events, [
    { event: 'progress', data: { servers: ['a', 'b'], image: 'both:1', status: 'Pulling', doneBytes: 1, ...layer } },
    {
      event: 'progress',
      data: { servers: ['a', 'b'], image: 'both:1', status: 'Pull complete', doneBytes: 2, ...layer },
    },
    { event: 'progress', data: { servers: ['c'], image: 'third:1', status: 'Pulling', doneBytes: 1, ...layer } },
    {
      event: 'result',
      data: {
        success: false,
        results: { successful: ['a', 'b'], failed: [{ server: 'c', error: 'manifest for third:1 not found' }] },
      },
    },
  ]);
  t.same(pulls(), ['pull both:1', 'pull third:1'], 'an image is pulled once');
});

test('B46 without it there is one answer', async (t) => {
  const answer = await pull(['b'], { accept: 'application/json' });
  t.same(await answer.json(), { success: true, results: { successful: ['b'], failed: [] } });
});

test('B46 the first progress comes before the pull is over', async (t) => {
  made.engine.hanging.add('pull');
  const controller = new AbortController();
  const answer = await pull(['a'], { signal: controller.signal });
  const { value } = (await answer.body?.getReader().read()) ?? {};
  t.match(Buffer.from(value ?? []).toString(), /^event: progress\n/);
  controller.abort();
  await until('it is given up', () => made.engine.givenUp === 1);
});

test('B46 who goes away pulls no more, with a stream or without', async (t) => {
  for (const accept of ['text/event-stream', 'application/json']) {
    made.engine.calls.splice(0);
    made.engine.hanging.add('pull');
    const before = made.engine.givenUp;
    const controller = new AbortController();
    const asked = pull(['a', 'c'], { accept, signal: controller.signal })
      .then((answer) => answer.text())
      .catch((error) => error);
    await until('it pulls', () => pulls().length === 1);
    controller.abort();
    t.match(await asked, { name: 'AbortError' });
    await until('it is given up', () => made.engine.givenUp === before + 1);
    t.equal((await fetch(new URL('/health', url))).status, 200);
    t.same(pulls(), ['pull both:1'], 'the next image is not pulled for nobody');
  }
  t.same(made.bugs, []);
});

test('B46 when the fleet ends the stream says so', async (t) => {
  const other = await makeFleet({ stopTimeout: 1, serverConfigs: { a: { image: 'x' } } });
  other.engine.hanging.add('pull');
  const payload = { servers: ['a'] };
  const asked = other.app.inject({
    method: 'POST',
    url: '/api/docker/images/pull',
    headers: { accept: 'text/event-stream' },
    payload,
  });
  await until('it pulls', () => other.engine.calls.includes('pull x'));
  other.scope.abort();
  t.match(eventsOf((await asked).body).at(-1), { event: 'error', data: { success: false, code: 'SHUTTING_DOWN' } });
  await other.stop();
});

test('B47 a pull needs the token and knows its servers before it begins', async (t) => {
  const { authorization: _, ...without } = headers;
  const body = JSON.stringify({ servers: ['a'] });
  const accept = 'text/event-stream';
  t.equal((await fetch(url, { method: 'POST', headers: { ...without, accept }, body })).status, 401);
  const unknown = await pull(['a', 'nobody']);
  t.match([unknown.status, await unknown.json()], [404, { success: false, code: 'UNKNOWN_SERVER' }]);
  t.same(pulls(), []);
});
