/**
 * P13: the fleet on a real engine, beside the same server without it: a warm call, many clients at once, a start on demand,
 * and what the fleet takes with no servers and with fifty. The server answers at once (`fleet-server.c`), so that what is
 * measured is all before it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, now, type Started } from '../bench.ts';
import type { Case, Figures } from '../interleave.ts';
import { usageOf } from '../processes.ts';
import { whyNoEngine } from './docker.ts';
import { type Client, callRate, linesOf, medianCallMs, openHttp, openLines } from './fleet-clients.ts';
import { lifeWithoutFleet, recipeOf } from './fleet-engine.ts';
import { api, type FleetProcess, Scene, serverPort } from './fleet-scene.ts';
import type { Measure, Row } from './measure.ts';
import { rowsOf } from './rows.ts';

const calls = 200;
const clients = 16;
const rateMs = 500;
const many = 50;
const restMs = 10_000;
const looks = 10;

const names = {
  http: 'tandem, http',
  stdio: 'tandem, stdio',
  directHttp: 'direct, http',
  directStdio: 'direct, docker run -i',
  peer: 'supergateway, docker run -i',
  engineHttp: 'the engine, http',
  engineStdio: 'the engine, stdio',
  none: 'tandem, no servers',
  many: `tandem, ${many} stdio servers`,
  node: 'idle node',
} as const;

/** Whose figures are compared with whose, round by round. */
const bases = { [names.http]: names.directHttp, [names.stdio]: names.directStdio, [names.peer]: names.directStdio };

export const fleet: Measure = {
  name: 'fleet',
  id: 'P13',
  title: `a call of a tool through the fleet and without it; 16 clients at once; a start on demand; memory`,
  columns: [
    { figure: 'call', title: 'call', unit: 'ms' },
    { figure: 'beyond', title: 'beyond direct', unit: 'ms', goal: { limit: 2 } },
    { figure: 'rate', title: `${clients} clients`, unit: 'calls/s', isHigherBetter: true },
    { figure: 'share', title: 'of direct', unit: '1', isHigherBetter: true },
    { figure: 'cold', title: 'start to first answer', unit: 'ms' },
    { figure: 'late', title: 'beyond the engine', unit: 'ms', goal: { limit: 150 } },
    { figure: 'rss', title: 'RSS', unit: 'MB' },
    { figure: 'cpu', title: 'CPU in rest', unit: '% of a core' },
    { figure: 'wakeups', title: 'wakeups in rest', unit: '1/s' },
  ],
  async run(bench) {
    const reason = whyNoEngine();
    if (reason !== undefined) return [{ name: 'tandem', isOurs: true, outcome: { cannot: reason } }];
    const scene = new Scene(bench);
    try {
      return [...(await warmAndCold(bench, scene)), ...(await atRest(bench, scene))];
    } finally {
      await scene.close();
    }
  },
};

async function warmAndCold(bench: Bench, scene: Scene): Promise<Row[]> {
  const process = await scene.fleet('warm', [
    { name: 'http', transport: 'http', port: serverPort },
    { name: 'stdio', transport: 'stdio' },
    { name: 'cold-http', transport: 'http', port: serverPort },
    { name: 'cold-stdio', transport: 'stdio' },
  ]);
  const { endpoint } = await api<{ endpoint: string }>(process, 'POST', `/containers/${scene.nameOf('http')}/start`);
  const gateway = await scene.supergateway();
  const overHttp = (url: string) => sessions(clients, () => openHttp(url));
  const [http, stdio, direct] = [process.mcp('http'), process.mcp('stdio'), endpoint];
  const run = scene.run();
  const pipe = await openLines(linesOf(run, run));
  const [first, ...others] = await overHttp(gateway);
  const rows = await rowsOf(bench, [
    warm(names.directHttp, await overHttp(direct)),
    warm(names.http, await overHttp(http)),
    // One server, as many calls under way: the pipe knows no clients.
    warm(names.directStdio, Array<Client>(clients).fill(pipe)),
    warm(names.stdio, await overHttp(stdio)),
    warm(names.peer, [first as Client, ...others]),
    ...(await coldCases(scene, process)),
  ]);
  await pipe.close();
  return merged(rows.map((row) => compared(row, rows)));
}

/** One call after the other, and then all at once. */
const warm = (name: string, all: readonly Client[]): Case => ({
  name,
  run: async (): Promise<Figures> => {
    const [client] = all as [Client];
    return { call: await medianCallMs(client, calls), rate: await callRate(all, rateMs) };
  },
});

/** A server that is not there: the fleet's way to its first answer, and the engine's with the same container. */
async function coldCases(scene: Scene, process: FleetProcess): Promise<Case[]> {
  const kinds = [
    { server: 'cold-http', fleets: `${names.http} cold`, engines: names.engineHttp, port: serverPort },
    { server: 'cold-stdio', fleets: `${names.stdio} cold`, engines: names.engineStdio, port: undefined },
  ];
  const cases = kinds.map(async ({ server, fleets, engines, port }): Promise<Case[]> => {
    const path = `/containers/${scene.nameOf(server)}`;
    await api(process, 'POST', `${path}/start`);
    const recipe = await recipeOf(`mcp-hub-${scene.nameOf(server)}`);
    return [
      {
        name: engines,
        run: async () => {
          const since = now();
          let cold = 0;
          await lifeWithoutFleet(recipe, port, () => {
            cold = now() - since;
          });
          return { cold };
        },
      },
      {
        name: fleets,
        run: async () => {
          await api(process, 'POST', `${path}/stop`, { remove: true });
          const since = now();
          const client = await openHttp(process.mcp(server));
          await client.call();
          const cold = now() - since;
          await client.close();
          return { cold };
        },
      },
    ];
  });
  return (await Promise.all(cases)).flat();
}

const valuesOf = (row: Row | undefined) => (row && 'values' in row.outcome ? row.outcome.values : {});

/** Its figures, and those beyond its base's of the same round. */
function compared(row: Row, rows: readonly Row[]): Row {
  const coldBases: Readonly<Record<string, string>> = {
    [`${names.http} cold`]: names.engineHttp,
    [`${names.stdio} cold`]: names.engineStdio,
  };
  const base = valuesOf(rows.find(({ name }) => name === ({ ...bases, ...coldBases } as typeof coldBases)[row.name]));
  const own = valuesOf(row);
  const pairs = (figure: string, join: (own: number, base: number) => number) =>
    own[figure] && base[figure] ? own[figure].map((value, index) => join(value, base[figure]?.[index] ?? value)) : [];
  const more = {
    beyond: pairs('call', (mine, theirs) => mine - theirs),
    share: pairs('rate', (mine, theirs) => mine / theirs),
    late: pairs('cold', (mine, theirs) => mine - theirs),
  };
  const there = Object.entries(more).filter(([, values]) => values.length > 0);
  if (there.length === 0) return row;
  return { ...row, outcome: { values: { ...own, ...Object.fromEntries(there) } } };
}

/** A server's cold figures stand in the row of its warm ones. */
function merged(rows: readonly Row[]): Row[] {
  const colds = rows.filter(({ name }) => name.endsWith(' cold'));
  return rows.flatMap((row) => {
    if (colds.includes(row)) return 'values' in row.outcome ? [] : [row];
    const cold = colds.find(({ name }) => name === `${row.name} cold`);
    if (!cold || !('values' in row.outcome)) return [row];
    return [{ ...row, outcome: { values: { ...row.outcome.values, ...valuesOf(cold) } } }];
  });
}

/** Alone first: what two Nodes share would count for both of them. All are looked at while nothing is asked of them. */
async function atRest(bench: Bench, scene: Scene): Promise<Row[]> {
  const sleeper = { words: [process.execPath, '-e', 'setInterval(() => {}, 1e9)'] };
  const node = bench.start(sleeper, bench.directory());
  const none = await scene.fleet('none', []);
  const servers = Array.from({ length: many }, (_, index) => ({
    ...({ name: `many-${index}`, transport: 'stdio', strategy: 'always-on', lightweight: true } as const),
  }));
  const crowd = await scene.fleet('many', servers);
  await untilRunning(crowd, many);
  await sleep(2_000);
  const rows = await Promise.all([
    restOf(bench, names.node, node),
    restOf(bench, names.none, none.started),
    restOf(bench, names.many, crowd.started),
  ]);
  await node.stop(0);
  return rows;
}

async function untilRunning(process: FleetProcess, count: number): Promise<void> {
  for (const deadline = now() + 120_000; now() < deadline; await sleep(200)) {
    const { containerCount } = await api<{ containerCount: number }>(process, 'GET', '/status');
    if (containerCount >= count) return;
  }
  throw new Error(`${count} servers did not run within 120 s`);
}

async function restOf(bench: Bench, name: string, { pid }: Started): Promise<Row> {
  const child = bench.compile('child');
  const values = { rss: [] as number[], cpu: [] as number[], wakeups: [] as number[] };
  let before = usageOf(pid, child);
  for (let look = 0; look < looks; look++) {
    await sleep(restMs / looks);
    const usage = usageOf(pid, child);
    values.rss.push(usage.rssMb);
    values.cpu.push(((usage.cpuMs - before.cpuMs) / (restMs / looks)) * 100);
    values.wakeups.push((usage.wakeups - before.wakeups) / (restMs / looks / 1_000));
    before = usage;
  }
  return { name, isOurs: name.startsWith('tandem'), outcome: { values } };
}

function sessions(count: number, open: () => Promise<Client>): Promise<readonly Client[]> {
  return Promise.all(Array.from({ length: count }, open));
}
