/** The TCP probe: the handshake succeeds on any of the address's endpoints. */
import type { ProbeResult } from '../core/ports.ts';
import type { Address } from '../core/spec.ts';
import { doorOf, literalsOf } from './endpoints.ts';
import { knock } from './knock.ts';
import { reasonOfCode } from './reason.ts';

export async function probeTcp({ host, port }: Address, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
  const literals = await literalsOf(host, signal);
  const answers = await Promise.all(literals.map((literal) => knock(doorOf(literal), port, timeoutMs, signal)));
  if (answers.includes('open')) return { ok: true };
  // The first endpoint is the one that the operator means: of `localhost`, IPv4.
  return { ok: false, reason: reasonOfCode(answers[0] ?? 'ENOTFOUND') };
}
