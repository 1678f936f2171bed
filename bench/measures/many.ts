/**
 * P8: 10, 100 and 500 services: how long until all are there and until all are gone, and what a supervisor takes for each.
 * A row has a share of the time of the whole; what is slow has fewer runs, and its row says how many.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, now } from '../bench.ts';
import type { Child, Launch, Way } from '../peers/peer.ts';
import { usageOf } from '../processes.ts';
import { summarize } from '../statistics.ts';
import { startCrowd } from './crowd.ts';
import type { Measure, Row } from './measure.ts';
import { type Entry, rowsOf } from './rows.ts';

type Start = (children: readonly Child[], directory: string) => Launch;

interface Form {
  readonly name: string;
  readonly way: Way<readonly Child[]>;
  /** It writes to stderr when it knows that everything is up. */
  readonly tellsReady?: boolean;
}

const sizes = [10, 100, 500] as const;
/** Of one row, by size; then it has no more runs. The goals are about a hundred. */
const shareMs = { 10: 1_000, 100: 3_000, 500: 2_500 } as const;
/** These have all their runs of a hundred services, however long that takes. */
const judged = 'tandem, ready by port';
const baseline = 'nobody';

export const many: Measure = {
  name: 'many',
  id: 'P8',
  title: 'exec of the supervisor to all services listening, and to all gone',
  columns: [
    { figure: 'up', title: 'all listen', unit: 'ms' },
    { figure: 'known', title: 'known to be ready', unit: 'ms' },
    { figure: 'beyond', title: "beyond the children's own time", unit: 'ms', goal: { limit: 500 } },
    { figure: 'growth', title: '(500-100)/(100-10), a service', unit: '1', goal: { limit: 1.5 } },
    { figure: 'stop', title: 'TERM to all gone', unit: 'ms' },
    { figure: 'rss', title: 'RSS', unit: 'MB' },
    { figure: 'each', title: 'RSS a service, (500-10)/490', unit: 'KB', goal: { limit: 100 } },
    { figure: 'runs', title: 'runs', unit: '1' },
  ],
  async run(bench) {
    const rows = new Map<number, Row[]>();
    for (const size of sizes) rows.set(size, await rowsOfSize(bench, size));
    const [few = [], hundred = [], most = []] = sizes.map((size) => rows.get(size));
    return [few, compared(hundred), grown(few, hundred, most)].flatMap((all, index) =>
      all.map((row) => named(row, sizes[index] ?? 0)),
    );
  },
};

async function rowsOfSize(bench: Bench, size: (typeof sizes)[number]): Promise<Row[]> {
  const entries = forms(bench).map(({ name, way, tellsReady = false }): Entry => {
    if (typeof way === 'string') return { name, cannot: way };
    const limitMs = size === 100 && (name === judged || name === baseline) ? Infinity : shareMs[size];
    let [runs, spentMs] = [0, 0];
    return {
      name,
      async run() {
        // The first is not counted.
        if (runs > 1 && spentMs > limitMs) return {};
        const since = now();
        const crowd = await startCrowd(bench, size, way, { tellsReady });
        const { rssMb } = usageOf(crowd.started.pid, bench.compile('child'));
        const { upMs, knownMs } = crowd;
        const figures = { up: upMs, ...(knownMs !== undefined && { known: knownMs }), rss: rssMb };
        const stop = await crowd.stop();
        runs += 1;
        spentMs += now() - since;
        return { ...figures, stop };
      },
    };
  });
  return rowsOf(bench, entries);
}

/** tandem in both forms: ready when spawned, and ready when it listens, which is what only it and process-compose have. */
function forms(bench: Bench): readonly Form[] {
  return [
    { name: baseline, way: nobody(bench.compile('crowd')) },
    ...bench.peers.flatMap(({ name, together, ordered }): Form[] => {
      if (name === 'supervisord')
        return [{ name, way: typeof together === 'string' ? together : inOneGroup(together) }];
      if (name === 'tandem')
        return [
          { name, way: together },
          { name: judged, way: ordered, tellsReady: true },
        ];
      if (name === 'process-compose')
        return [
          { name, way: together },
          { name: `${name}, ready by port`, way: ordered },
        ];
      return [{ name, way: together }];
    }),
  ];
}

/** A C program that spawns the same children and does nothing else. */
function nobody(program: string): Start {
  return (children) => {
    const [
      {
        words: [child = ''],
        environment,
      } = { words: [], environment: {} },
    ] = children;
    return { words: [program, child, ...children.map(({ port }) => String(port))], environment };
  };
}

/** supervisord stops one group after the other, 0.7 s each; and a program is a group of its own unless it is in one. */
function inOneGroup(way: Start): Start {
  return (children, directory) => {
    const launch = way(children, directory);
    const programs = children.map(({ name }) => name).join(',');
    appendFileSync(join(directory, 'supervisord.conf'), `[group:all]\nprograms=${programs}\n`);
    return launch;
  };
}

const valuesOf = ({ outcome }: Row) => ('values' in outcome ? outcome.values : {});

/** Time beyond what the children take by themselves, round by round. */
export function compared(rows: readonly Row[]): Row[] {
  const alone = rows.map(valuesOf)[0]?.['up'];
  if (alone === undefined || rows[0]?.name !== baseline) return [...rows];
  return rows.map((row) => {
    const { up, known = up } = valuesOf(row);
    if (row.name === baseline || known === undefined || alone.length === 0) return row;
    const beyond = known.map((value, round) => value - (alone[round] ?? 0));
    return { ...row, outcome: { values: { ...valuesOf(row), beyond } } };
  });
}

/** What one service more costs, by medians: in memory, and in time when there are many beside when there are few. */
export function grown(few: readonly Row[], hundred: readonly Row[], most: readonly Row[]): Row[] {
  return most.map((row, index) => {
    const [ten, some, all] = [few[index], hundred[index], row].map((one) => (one ? valuesOf(one) : {}));
    const timeOf = (values: typeof ten) => median(values?.['known'] ?? values?.['up']);
    const each = ((median(all?.['rss']) - median(ten?.['rss'])) / 490) * 1024;
    const growth = (timeOf(all) - timeOf(some)) / 400 / ((timeOf(some) - timeOf(ten)) / 90);
    if (Number.isNaN(each) || Number.isNaN(growth)) return row;
    return { ...row, outcome: { values: { ...valuesOf(row), each: [each], growth: [growth] } } };
  });
}

const median = (values: readonly number[] = []) => (values.length === 0 ? Number.NaN : summarize(values).median);

function named({ name, outcome, ...rest }: Row, size: number): Row {
  const row = { ...rest, name: `${name}, ${size} services` };
  if (!('values' in outcome)) return { ...row, outcome };
  return { ...row, outcome: { values: { ...outcome.values, runs: [outcome.values['up']?.length ?? 0] } } };
}
