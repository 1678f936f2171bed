/**
 * P11: containers under a real engine: from `docker run` to healthy, from `docker stop` to gone, and the size of the image,
 * for the embedded image and for the same image with a bash script or supervisord as its PID 1 (bench/docker). Images are
 * built before anything is measured. Where no engine answers, the rows say so.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { docker, HealthEvents, lifeOf } from './container.ts';
import type { Measure, Row } from './measure.ts';
import { type Entry, rowsOf } from './rows.ts';

const root = join(import.meta.dirname, '../..');
const embedded = 'tandem-bench:embedded';

const forms = ['tandem', 'bash', 'supervisord'] as const;
type Form = (typeof forms)[number];

/** bash is the better one of the others: what it does is a few system calls. As fast as it is means within the noise of a median. */
const asBash = { limit: 1.05, over: 'embedded, bash' };

export const containers: Measure = {
  name: 'docker',
  id: 'P11',
  title: 'docker run to healthy, docker stop to gone',
  columns: [
    { figure: 'ready', title: 'run to the hub with its gateway', unit: 'ms', goal: asBash },
    { figure: 'healthy', title: 'run to healthy', unit: 'ms', goal: asBash },
    { figure: 'stop', title: 'stop to gone', unit: 'ms', goal: asBash },
    { figure: 'size', title: 'image', unit: 'MB' },
  ],
  async run(bench) {
    const reason = whyNoEngine();
    if (reason !== undefined) return forms.map((form): Row => ({ name: nameOf(form), outcome: { cannot: reason } }));
    const events = new HealthEvents();
    try {
      const rows = await rowsOf(
        bench,
        forms.map((form) => entryOf(form, events)),
      );
      return rows.map((row, index) => ({ ...row, isOurs: forms[index] === 'tandem' }));
    } finally {
      events.close();
    }
  },
};

const nameOf = (form: Form) => `embedded, ${form}`;

/** A row whose image cannot be built says so. */
function entryOf(form: Form, events: HealthEvents): Entry {
  const name = nameOf(form);
  try {
    const image = imageOf(form);
    const size = Number(docker('image', 'inspect', '--format={{.Size}}', image)) / 1e6;
    const subject = { image, options: [], port: 7300, path: '/api/health', isReady: isHubReady };
    return { name, run: async () => ({ ...(await lifeOf(subject, events)), size }) };
  } catch (error) {
    return { name, cannot: `cannot build the image: ${(error as Error).message.trim().split('\n').at(-1)}` };
  }
}

/** The others are made from tandem's image, which is therefore built first. */
function imageOf(form: Form): string {
  if (form === 'tandem') {
    docker('build', '--quiet', '--target=embedded', `--tag=${embedded}`, root);
    return embedded;
  }
  const image = `${embedded}-${form}`;
  const context = join(import.meta.dirname, '../docker');
  docker('build', '--quiet', `--build-arg=IMAGE=${embedded}`, `--target=${form}`, `--tag=${image}`, context);
  return image;
}

/** As the health check of the other images has it. */
function isHubReady(answer: string): boolean {
  return answer.includes('"state":"ready"') && answer.includes('"status":"connected"');
}

function whyNoEngine(): string | undefined {
  const { status } = spawnSync('docker', ['version'], { stdio: 'ignore', timeout: 10_000 });
  return status === 0 ? undefined : 'no container engine answers `docker version`';
}
