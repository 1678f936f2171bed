/**
 * P11: containers under a real engine: from `docker run` to healthy, from `docker stop` to gone, and the size of the image,
 * for the embedded and the matrix image and for the same with a bash script or supervisord as its PID 1 (bench/docker). Images are
 * built before anything is measured. Where no engine answers, the rows say so.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { docker, HealthEvents, lifeOf, type Subject } from './container.ts';
import type { Column, Measure, Row } from './measure.ts';
import { type Entry, rowsOf } from './rows.ts';

const root = join(import.meta.dirname, '../..');
const others = join(import.meta.dirname, '../docker');

const forms = ['tandem', 'bash', 'supervisord'] as const;
type Form = (typeof forms)[number];

/** One of tandem's images, and what is known of the hub in it. */
interface Image extends Pick<Subject, 'port' | 'path' | 'isReady' | 'options'> {
  readonly pair: 'embedded' | 'matrix';
  readonly buildOptions: readonly string[];
  /** The most rounds; gunicorn takes its time. */
  readonly rounds: number;
}

const secrets = ['JWT_SECRET_KEY', 'AUTH_ENCRYPTION_SECRET', 'BASIC_AUTH_PASSWORD'];

const images: readonly Image[] = [
  {
    ...{ pair: 'embedded', buildOptions: [], rounds: Infinity, options: [], port: 7300, path: '/api/health' },
    isReady: (answer) => answer.includes('"state":"ready"') && answer.includes('"status":"connected"'),
  },
  {
    ...{ pair: 'matrix', rounds: 3, port: 7300, path: '/health' },
    buildOptions: [
      `--build-context=hub=${join(root, 'test/fixtures/hub')}`,
      '--build-arg=PYTHON_IMAGE=python:3.11-slim-bookworm',
    ],
    // One worker each, as the others are told, too.
    options: [
      ...secrets.map((name) => `--env=GW_ENV_${name}=${randomBytes(24).toString('hex')}`),
      ...['--env=HUB_WORKERS=1', '--env=GW_WORKERS=1'],
    ],
    isReady: (answer) => answer !== '',
  },
];

export const containers: Measure = {
  name: 'docker',
  id: 'P11',
  title: 'docker run to healthy, docker stop to gone',
  columns: [...columnsOf('embedded'), ...columnsOf('matrix'), { figure: 'size', title: 'image', unit: 'MB' }],
  async run(bench) {
    const reason = whyNoEngine();
    if (reason !== undefined) return forms.map((name): Row => ({ name, outcome: { cannot: reason } }));
    const events = new HealthEvents();
    try {
      const rows: Row[] = [];
      for (const image of images) {
        const entries = forms.map((form) => entryOf(image, form, events));
        rows.push(...(await rowsOf(bench, entries, Math.min(bench.rounds, image.rounds))));
      }
      return rows;
    } finally {
      events.close();
    }
  },
};

/** A row whose image cannot be built says so. */
function entryOf(image: Image, form: Form, events: HealthEvents): Entry {
  const { pair } = image;
  const name = `${form}, ${pair}`;
  try {
    const built = build(image, form);
    const size = Number(docker('image', 'inspect', '--format={{.Size}}', built)) / 1e6;
    // The intervals of the check are those of tandem's image all the same.
    const check = form === 'tandem' ? [] : ['--health-cmd=/rival/services.sh health'];
    const subject = { ...image, image: built, options: [...image.options, ...check] };
    const run = async () => {
      const { ready, healthy, stop } = await lifeOf(subject, events);
      return { [`${pair} ready`]: ready, [`${pair} healthy`]: healthy, [`${pair} stop`]: stop, size };
    };
    return { name, run };
  } catch (error) {
    return { name, cannot: `its image cannot be built: ${(error as Error).message.trim().split('\n').at(-1)}` };
  }
}

/** The others are made from tandem's image, which is therefore built first. @returns its name */
function build({ pair, buildOptions }: Image, form: Form): string {
  const ours = `tandem-bench:${pair}`;
  if (form === 'tandem') {
    docker('build', '--quiet', `--target=${pair}`, ...buildOptions, `--tag=${ours}`, root);
    return ours;
  }
  const theirs = `${ours}-${form}`;
  const words = [`--build-arg=IMAGE=${ours}`, `--build-arg=PAIR=${pair}`, `--target=${form}`, `--tag=${theirs}`];
  docker('build', '--quiet', ...words, others);
  return theirs;
}

/** bash is the quickest of the others: a few system calls. As quick as that means: within the noise of a median. */
function columnsOf(pair: Image['pair']): Column[] {
  const goal = { limit: 1.05, over: `bash, ${pair}` };
  return [
    { figure: `${pair} ready`, title: `${pair}: run to hub ready`, unit: 'ms', goal },
    { figure: `${pair} healthy`, title: 'run to healthy', unit: 'ms', goal },
    { figure: `${pair} stop`, title: 'stop to gone', unit: 'ms', goal },
  ];
}

export function whyNoEngine(): string | undefined {
  const { status } = spawnSync('docker', ['version'], { stdio: 'ignore', timeout: 10_000 });
  return status === 0 ? undefined : 'no container engine answers `docker version`';
}
