/** `tandem -- CMD` on a terminal, in each of the three forms. */
import { randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import { docker } from '../../container/engine.ts';
import { unlessThereIs } from '../../fixtures/e2e-cmd-run.ts';
import { onTerminal, openTerminal, type Terminal } from '../../fixtures/e2e-cmd-terminal.ts';
import { type Form, inContainer, tandemImage } from './subject.ts';

export const ctrlC = '\x03';
export const ctrlD = '\x04';
export const ctrlZ = '\x1a';

export const needsTerminal = unlessThereIs('python3');

/** Around a plain tandem: tells its code, and lives on, so that the terminal does not hang up. */
const shellAround = '"$@"; code=$?; echo "tandem gave $code"; exit $code';

/** A terminal with a command, and tandem's exit code once it has ended. */
export type Terminated = Terminal & { code(): Promise<number> };

export async function terminalIn(form: Form, t: Test, command: readonly string[]): Promise<Terminated> {
  const terminal =
    form === inContainer
      ? await dockerTerminal(t, command)
      : onTerminal(t, command, { asInit: form.isInit, shell: shellAround });
  return Object.assign(terminal, { code: () => terminal.exited });
}

async function dockerTerminal(t: Test, command: readonly string[]): Promise<Terminal> {
  const image = await tandemImage();
  const name = `tandem-conformance-${randomUUID()}`;
  t.teardown(() => docker(['rm', '--force', name]));
  const options = ['--name', name, '--label=tandem-test', '--no-healthcheck', '--interactive', '--tty'];
  return openTerminal(t, ['docker', 'run', ...options, image, '--', ...command], engineEnvironment());
}

/** What the `docker` command needs to find the engine. */
export function engineEnvironment(): Record<string, string> {
  const { DOCKER_HOST, DOCKER_CONFIG, HOME } = process.env;
  const entries = Object.entries({ DOCKER_HOST, DOCKER_CONFIG, HOME });
  return Object.fromEntries(entries.flatMap(([name, value]) => (value ? [[name, value]] : [])));
}
