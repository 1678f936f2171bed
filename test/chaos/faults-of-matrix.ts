/** The same as for the fast pair, for real hubs and gateways under gunicorn; slow to start. */
import { until } from '../support/until.ts';
import { choose, type Fault, killAny, stopAndContinueAny, storm } from './fault.ts';
import { dockerStop } from './faults-of-containers.ts';
import { goesOn } from './oracle.ts';
import { get, kill, seenOf } from './run.ts';

const matrix = { runs: 'matrix', forms: ['plain', 'init'] } as const;

/** In the image: the real gateway besides. */
const inContainer: Pick<Fault, 'runs' | 'forms' | 'options'> = {
  runs: 'matrix',
  forms: ['container'],
  options: () => ({ image: 'matrix' }),
};

export const faultsOfMatrix: readonly Fault[] = [
  { name: 'matrix: kill -9 of any process', ...matrix, when: 'any time', happens: killAny },
  {
    name: 'matrix: kill -9 of gunicorn’s workers',
    ...matrix,
    when: 'up',
    async happens(round) {
      const { run } = round;
      const workers = seenOf(run).filter(({ role }) => role === 'worker');
      round.note(`kill -9 of ${workers.length} workers`);
      for (const { pid } of workers) kill(pid, 'SIGKILL');
      for (const port of [run.ports.gateway, run.ports.hub]) {
        await until(`port ${port} serves again`, async () => (await get(port, '/health')).status === 200, {
          withinMs: 60_000,
          everyMs: 50,
        });
      }
      return goesOn;
    },
  },
  {
    name: 'matrix: SIGSTOP and SIGCONT of any process',
    ...matrix,
    when: 'up',
    happens: stopAndContinueAny,
  },
  { name: 'matrix: a storm of SIGTERM and SIGINT', ...matrix, forms: ['plain'], when: 'any time', happens: storm },
  // B13: what a request was answered for is in the access log
  {
    name: 'matrix: every answered request is in the log',
    ...matrix,
    when: 'up',
    async happens(round) {
      const { run, random } = round;
      const count = random.between(20, 60);
      const answered: number[] = [];
      for (let number = 1; number <= count; number += 1) {
        if (number === Math.floor(count / 2)) {
          const worker = choose(
            seenOf(run).filter(({ role }) => role === 'worker'),
            random.next(),
          );
          if (worker) kill(worker.pid, 'SIGKILL');
        }
        if ((await get(run.ports.hub, `/health?number=${number}`)).status === 200) answered.push(number);
      }
      round.note(`${answered.length} of ${count} requests answered, a worker killed meanwhile`);
      await until('they are in the log', () => {
        const logged = [...(run.stdout.text + run.stderr.text).matchAll(/GET \/health\?number=(\d+) /g)].map(([, n]) =>
          Number(n),
        );
        const wanted = new Set(answered);
        return logged.filter((number) => wanted.has(number)).join() === answered.join();
      });
      return goesOn;
    },
  },
  { name: 'matrix in a container: kill -9 of any process', ...inContainer, when: 'any time', happens: killAny },
  { name: 'matrix in a container: docker stop in each phase', ...inContainer, when: 'any time', happens: dockerStop },
];
