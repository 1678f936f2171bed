/** `/metrics`: text that Prometheus can read, true values, and no label that callers can make up. */
import t, { test } from 'tap';
import { until } from '../support/until.ts';
import { type Made, makeFleet } from './fake-fleet.ts';

let made: Made;
t.before(async () => {
  made = await makeFleet({ stopTimeout: 1, serverConfigs: { one: {}, kept: { strategy: 'always-on' } } });
  await until('it runs', () => made.fleet.servers.get('kept')?.view.isConnected);
});
t.teardown(() => {
  made.engine.isLost = false;
  return made.stop();
});

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const sampleForm = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (-?[0-9.e+-]+|\+Inf|NaN)$/;
const labelForm = /([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/g;

/** Reads the text format strictly. @throws Error at the first line that is not in it */
function read(text: string): { readonly samples: readonly Sample[]; readonly types: ReadonlyMap<string, string> } {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [, comment, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (comment === 'TYPE') types.set(name, rest);
    else if (comment === 'HELP') helps.add(name);
    else samples.push(sampleOf(line));
  }
  for (const { name } of samples) {
    const family = name.replace(/_(bucket|sum|count)$/, '');
    const known = types.has(name) ? name : family;
    if (!types.has(known) || !helps.has(known)) throw new Error(`${name} has no TYPE or no HELP`);
    if (types.get(known) === 'counter' && !name.endsWith('_total')) throw new Error(`${name} is a counter`);
  }
  const keys = samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
  if (new Set(keys).size !== keys.length) throw new Error('a sample is there twice');
  return { samples, types };
}

function sampleOf(line: string): Sample {
  const [, name, labels = '', value = ''] = sampleForm.exec(line) ?? [];
  if (name === undefined) throw new Error(`not in the format: ${line}`);
  const pairs = [...labels.matchAll(labelForm)].map(([, key = '', text = '']) => [key, text]);
  if (labels.replace(labelForm, '').replaceAll(',', '') !== '') throw new Error(`labels of: ${line}`);
  return { name, labels: Object.fromEntries(pairs), value: Number(value) };
}

async function metrics() {
  const answer = await made.app.inject({ url: '/metrics' });
  return { answer, ...read(answer.body) };
}

const numberOf = (samples: readonly Sample[], name: string, labels: object = {}) =>
  samples.find((one) => one.name === name && Object.entries(labels).every(([key, text]) => one.labels[key] === text))
    ?.value;

test('B42 GET /metrics can be read by Prometheus, and says what is', async (t) => {
  const { answer, samples, types } = await metrics();
  t.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  for (const name of types.keys()) t.match(name, /^tandem_fleet_/);
  t.equal(numberOf(samples, 'tandem_fleet_engine_up'), 1);
  t.equal(numberOf(samples, 'tandem_fleet_servers', { state: 'running' }), 1);
  t.equal(numberOf(samples, 'tandem_fleet_servers', { state: 'absent' }), 1);
  t.equal(numberOf(samples, 'tandem_fleet_sessions'), 0);
  t.equal(samples.filter(({ name }) => name === 'tandem_fleet_servers').length, 7, 'one for each state');
});

test('B42 requests are counted by route and status, whatever callers ask for', async (t) => {
  const before = (await metrics()).samples.length;
  for (let index = 0; index < 20; index += 1) {
    await made.app.inject({ url: `/made-up/${index}` });
    await made.app.inject({ url: `/api/docker/containers/nobody${index}?x=${index}` });
    await made.app.inject({ method: 'POST', url: `/mcp/nobody${index}` });
    await made.app.inject({ method: 'PUT', url: `/mcp/nobody${index}` });
  }
  const { samples } = await metrics();
  const count = (route: string, status: string) => numberOf(samples, 'tandem_fleet_requests_total', { route, status });
  t.equal(count('unknown', '404'), 20);
  t.equal(count('/api/docker/containers/:server', '404'), 20);
  t.equal(count('/mcp/:server', '404'), 20);
  t.equal(count('/mcp/:server', '405'), 20);
  const routes = new Set(samples.flatMap(({ labels }) => labels['route'] ?? []));
  t.strictSame([...routes].sort(), ['/api/docker/containers/:server', '/mcp/:server', '/metrics', 'unknown']);
  t.ok(samples.length - before < 60, 'and no more than their routes');
  t.notOk(JSON.stringify(samples).includes('nobody'));
});

test('B42 an answer that was streamed has its own status', async (t) => {
  const url = await made.listen();
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const answer = await fetch(`${url}/mcp/one`, { method: 'POST', headers, body });
  await answer.text();
  t.equal(answer.status, 400, 'no session, no greeting: the transport refuses it');
  await until('it is counted', async () => {
    const { samples } = await metrics();
    return numberOf(samples, 'tandem_fleet_requests_total', { route: '/mcp/:server', status: '400' }) === 1;
  });
});

test('B42 an engine that is lost is seen', async (t) => {
  made.engine.isLost = true;
  await until('it is seen', () => !made.fleet.isConnected);
  t.equal(numberOf((await metrics()).samples, 'tandem_fleet_engine_up'), 0);
});
