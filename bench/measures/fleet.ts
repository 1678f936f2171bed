/**
 * P13: the fleet on a real engine, beside the same servers without it: a warm call, many clients at once, a start on demand,
 * and what the fleet takes with no servers and with fifty.
 */
import { type Bench, now } from '../bench.ts';
import type { Case, Figures } from '../interleave.ts';
import { whyNoEngine } from './docker.ts';
import { type Client, callRate, linesOf, medianCallsMs, openHttp, openLines } from './fleet-clients.ts';
import { lifeWithoutFleet, recipeOf } from './fleet-engine.ts';
import { atRest } from './fleet-rest.ts';
import { api, type FleetProcess, type Kind, Scene, serverPort } from './fleet-scene.ts';
import type { Measure, Row } from './measure.ts';
import { rowsOf } from './rows.ts';

const calls = 100;
const clients = 16;
const rateMs = 300;
const mostColds = 6;

const names = {
  http: 'tandem, http',
  stdio: 'tandem, stdio',
  sdkHttp: 'tandem, http, SDK server',
  sdkStdio: 'tandem, stdio, SDK server',
  directHttp: 'direct, http',
  directStdio: 'direct, docker run -i',
  directSdkHttp: 'direct, http, SDK server',
  directSdkStdio: 'direct, docker run -i, SDK server',
  peer: 'supergateway, docker run -i',
  engineHttp: 'the engine, http',
  engineStdio: 'the engine, stdio',
} as const;

const coldOf = (name: string) => `${name} cold`;

/** Whose figures are compared with whose, round by round. */
const bases: Readonly<Record<string, string>> = {
  [names.http]: names.directHttp,
  [names.stdio]: names.directStdio,
  [names.sdkHttp]: names.directSdkHttp,
  [names.sdkStdio]: names.directSdkStdio,
  [names.peer]: names.directStdio,
  [coldOf(names.http)]: names.engineHttp,
  [coldOf(names.stdio)]: names.engineStdio,
};

export const fleet: Measure = {
  name: 'fleet',
  id: 'P13',
  title: 'a call of a tool through the fleet and without it; many clients at once; a start on demand; memory',
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
  const http = { transport: 'http', port: serverPort } as const;
  const stdio = { transport: 'stdio' } as const;
  const process = await scene.fleet('warm', [
    { name: 'http', kind: 'quick', ...http },
    { name: 'stdio', kind: 'quick', ...stdio },
    { name: 'sdk-http', kind: 'sdk', ...http },
    { name: 'sdk-stdio', kind: 'sdk', ...stdio },
    { name: 'cold-http', kind: 'quick', ...http },
    { name: 'cold-stdio', kind: 'quick', ...stdio },
  ]);
  const through = (server: string) => sessions(process.mcp(server));
  const direct = async (server: string) => {
    const path = `/containers/${scene.nameOf(server)}/start`;
    return sessions((await api<{ endpoint: string }>(process, 'POST', path)).endpoint);
  };
  // One server, as many calls under way: the pipe knows no clients.
  const piped = async (kind: Kind) => {
    const run = scene.run(kind);
    return Array<Client>(clients).fill(await openLines(linesOf(run)));
  };
  const [directHttp, directSdkHttp] = [await direct('http'), await direct('sdk-http')];
  const [quickPipe, sdkPipe] = [await piped('quick'), await piped('sdk')];
  const cases = [
    warm(names.directHttp, directHttp),
    warm(names.http, await through('http'), directHttp),
    warm(names.directStdio, quickPipe),
    warm(names.stdio, await through('stdio'), quickPipe),
    warm(names.peer, await sessions(await scene.supergateway('quick')), quickPipe),
    warm(names.directSdkHttp, directSdkHttp),
    warm(names.sdkHttp, await through('sdk-http'), directSdkHttp),
    warm(names.directSdkStdio, sdkPipe),
    warm(names.sdkStdio, await through('sdk-stdio'), sdkPipe),
    ...(await coldCases(scene, process)),
  ];
  const rows = await rowsOf(bench, cases);
  return merged(rows.map((row) => compared(row, rows)));
}

/** One call after the other, in turns with one of the base's if there is one; and then all at once. */
const warm = (name: string, all: readonly Client[], base: readonly Client[] = []): Case => ({
  name,
  run: async (): Promise<Figures> => {
    const [call = 0, direct] = await medianCallsMs([...all.slice(0, 1), ...base.slice(0, 1)], calls);
    const beyond = direct === undefined ? {} : { beyond: call - direct };
    return { call, ...beyond, rate: await callRate(all, rateMs) };
  },
});

/** A server that is not there: the fleet's way to its first answer, and the engine's with the same container. */
async function coldCases(scene: Scene, process: FleetProcess): Promise<Case[]> {
  const kinds = [
    { server: 'cold-http', fleets: coldOf(names.http), engines: names.engineHttp, port: serverPort },
    { server: 'cold-stdio', fleets: coldOf(names.stdio), engines: names.engineStdio, port: undefined },
  ];
  const cases = kinds.map(async ({ server, fleets, engines, port }): Promise<Case[]> => {
    const path = `/containers/${scene.nameOf(server)}`;
    await api(process, 'POST', `${path}/start`);
    const recipe = await recipeOf(`mcp-hub-${scene.nameOf(server)}`);
    return [
      {
        name: engines,
        run: atMost(mostColds, async () => {
          const since = now();
          let cold = 0;
          await lifeWithoutFleet(recipe, port, () => {
            cold = now() - since;
          });
          return { cold };
        }),
      },
      {
        name: fleets,
        run: atMost(mostColds, async () => {
          await api(process, 'POST', `${path}/stop`, { remove: true });
          const since = now();
          const client = await openHttp(process.mcp(server));
          await client.call();
          const cold = now() - since;
          await client.close();
          return { cold };
        }),
      },
    ];
  });
  return (await Promise.all(cases)).flat();
}

/** The first, which is not counted, and so many more; then there is nothing to tell. */
function atMost(rounds: number, run: () => Promise<Figures>): () => Promise<Figures> {
  let turns = 0;
  return async () => {
    turns += 1;
    return turns > rounds + 1 ? {} : run();
  };
}

const valuesOf = (row: Row | undefined) => (row && 'values' in row.outcome ? row.outcome.values : {});

/** Its figures, and those beyond its base's of the same round. */
function compared(row: Row, rows: readonly Row[]): Row {
  const base = valuesOf(rows.find(({ name }) => name === bases[row.name]));
  const own = valuesOf(row);
  const pairs = (figure: string, join: (own: number, base: number) => number) =>
    own[figure] && base[figure] ? own[figure].map((value, index) => join(value, base[figure]?.[index] ?? value)) : [];
  const more = {
    share: pairs('rate', (mine, theirs) => mine / theirs),
    late: pairs('cold', (mine, theirs) => mine - theirs),
  };
  const there = Object.entries(more).filter(([, values]) => values.length > 0);
  if (!('values' in row.outcome)) return row;
  return { ...row, outcome: { values: { ...own, ...Object.fromEntries(there) } } };
}

/** A server's cold figures stand in the row of its warm ones. */
function merged(rows: readonly Row[]): Row[] {
  const colds = rows.filter(({ name }) => name.endsWith(' cold'));
  return rows.flatMap((row) => {
    if (colds.includes(row)) return 'values' in row.outcome ? [] : [row];
    const cold = colds.find(({ name }) => name === coldOf(row.name));
    if (!cold || !('values' in row.outcome)) return [row];
    return [{ ...row, outcome: { values: { ...row.outcome.values, ...valuesOf(cold) } } }];
  });
}

const sessions = (url: string): Promise<readonly Client[]> =>
  Promise.all(Array.from({ length: clients }, () => openHttp(url)));
