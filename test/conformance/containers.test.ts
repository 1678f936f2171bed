/**
 * The reaping promises of canonical/pebble (TestReapZombies), joyent/containerpilot (test_reap_zombies) and s6-overlay
 * (exit code of the main service), in a container of a real engine, where PID 1 is the image's entry point.
 */
import t from 'tap';
import { imageFrom, imageOf, needsEngine, runToEnd, start } from '../container/engine.ts';
import { asks, note, type Services, sh } from '../fixtures/conformance-stack.ts';
import { until } from '../support/until.ts';

/** Somebody else's image, to which tandem was added. */
const image = async () =>
  imageFrom(
    'conformance-b',
    `FROM python:3.11-slim-bookworm
     COPY --from=${await imageOf('supervisor')} /opt/tandem /opt/tandem
     WORKDIR /srv
     RUN chmod 777 /srv
     ENTRYPOINT ["/opt/tandem/bin/tandem"]`,
  );

/** The file comes by the environment: the images have none, and an engine may see other directories than this test. */
const entry = ['--entrypoint=/bin/sh'];
const wordsFor = (services: Services) => [
  '-c',
  'printf %s "$1" > tandem.yaml && exec /opt/tandem/bin/tandem run',
  'sh',
  JSON.stringify({ services }),
];

/** How many processes of the container are zombies; the shell that asks collects its own. */
const zombies = "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z ' || true";

t.setTimeout(300_000);

t.before(async () => {
  if (!needsEngine.skip) await image();
});

t.test(
  'containerpilot test_reap_zombies: checks and a service that beget orphans leave no zombie (B50)',
  needsEngine,
  async (t) => {
    const container = await start(
      t,
      await image(),
      entry,
      wordsFor({
        zombies: {
          command: sh('exec sleep 100000'),
          healthcheck: { test: asks(`${note('asked')}; sleep 0.1 & exec sleep 0.05`), interval: '20ms', timeout: '5s' },
        },
        slow_zombies: {
          command: sh(`while :; do (sh -c 'setsid sleep 0.05 & :' &); ${note('begot')}; sleep 0.03; done`),
        },
      }),
    );
    await until('many were begotten', async () => {
      const [asked = '0', begot = '0'] = (
        await container.shell('touch journal; grep -c asked journal; grep -c begot journal; true')
      ).split('\n');
      return Number(asked) >= 30 && Number(begot) >= 30;
    });
    // A few may have ended just now; what is not collected adds up to dozens.
    await until('no more than a few are zombies', async () => Number(await container.shell(zombies)) <= 2);
    await container.stop();
    t.equal(await container.ended(), 0);
  },
);

t.test(
  'pebble TestReapZombies: what a parent never collected is reaped once that parent is gone (B50)',
  needsEngine,
  async (t) => {
    const container = await start(
      t,
      await image(),
      entry,
      wordsFor({
        negligent: {
          command: sh('sleep 0.2 & sleep 0.2 & sleep 0.2 & echo $$ > parent; exec sleep 100000'),
          essential: false,
        },
        other: { command: sh('exec sleep 100000') },
      }),
    );
    await until('three are zombies', async () => Number(await container.shell(zombies)) === 3);
    await container.shell('kill $(cat parent)');
    await until('none is', async () => Number(await container.shell(zombies)) === 0);
    await container.stop();
    t.equal(await container.ended(), 0);
  },
);

t.test(
  's6-overlay, exit code of the container: the main service’s, whatever else runs (B11)',
  needsEngine,
  async (t) => {
    const other = { command: sh('exec sleep 100000') };
    for (const code of [17, 255]) {
      const words = wordsFor({ main: { command: sh(`exit ${code}`) }, other });
      t.equal((await runToEnd(await image(), words, entry)).code, code);
    }
  },
);
