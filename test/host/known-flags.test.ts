import t from 'tap';
import { flagsOf } from '../../src/host/known-flags.ts';
import { scratchDir } from '../config/fixture.ts';

/** A program that does this when it is asked for help. */
function program(t: Parameters<typeof scratchDir>[0], script: string): string {
  return `${scratchDir(t, { 'bin/program': `#!/bin/sh\n${script}\n` })}/bin/program`;
}

t.test('the long flags of a help text are read, whatever stands around them', async (t) => {
  const help =
    'Usage: x [OPTIONS]\n  -h, --host TEXT  [default: 1]\n  --ws / --no-ws  not a--flag\n  --limit-max-requests INTEGER';
  const flags = await flagsOf(program(t, `[ "$1" = --help ] && cat <<'E'\n${help}\nE`));
  t.strictSame([...(flags ?? [])], ['--host', '--ws', '--no-ws', '--limit-max-requests']);
});

t.test('a program that has no help to give is not known', async (t) => {
  for (const script of ['exit 0', 'echo --host; exit 2', 'echo no flags here']) {
    t.equal(await flagsOf(program(t, script)), undefined, script);
  }
  t.equal(await flagsOf('/nowhere/uvicorn'), undefined);
});
