/** The numbered lines of `fixtures/chaos-service.cjs`: none is lost, cut, doubled or out of order. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Mode = 'raw' | 'prefix' | 'json';

const body = '([a-z]+)\\.(\\d+):(\\d{7});x{60}';

/** A whole line of stdout in each mode. */
const shapes: Readonly<Record<Mode, RegExp>> = {
  raw: new RegExp(`^()${body}$`),
  prefix: new RegExp(`^([a-z]+) *\\| ${body}$`),
  json: new RegExp(`^\\{"level":30,"time":\\d+,"service":"([a-z]+)","stream":"stdout","msg":"${body}"\\}$`),
};

export interface LineRules {
  readonly mode: Mode;
  /** The reader went away, or did not read at the end: then what came last may be missing. */
  readonly mayLoseLast: boolean;
  /** tandem itself was killed: what it had in hand went with it, and may be cut. */
  readonly mayCutLast: boolean;
}

/** What is wrong with the lines, as sentences. */
export function wrongLines(stdout: string, directory: string, { mode, mayLoseLast, mayCutLast }: LineRules): string[] {
  const wrongs: string[] = [];
  const seen = new Map<string, number>();
  const lines = stdout.split('\n');
  const unfinished = lines.pop() ?? '';
  if (unfinished !== '' && !mayCutLast && !mayLoseLast) wrongs.push(`cut at the end: ${unfinished}`);
  for (const line of lines) {
    const [, label, service, pid, number] = shapes[mode].exec(line) ?? [];
    if (service === undefined || (label !== '' && label !== service)) {
      wrongs.push(`misshapen: ${line.slice(0, 200)}`);
      continue;
    }
    const writer = `${service}.${pid}`;
    const before = seen.get(writer) ?? 0;
    if (Number(number) !== before + 1) wrongs.push(`${writer}: ${Number(number)} follows ${before}`);
    seen.set(writer, Number(number));
  }
  if (!mayLoseLast && !mayCutLast) wrongs.push(...missing(directory, seen));
  return wrongs.slice(0, 5);
}

/** Lines of which the writer knew that they were written. */
function missing(directory: string, seen: ReadonlyMap<string, number>): string[] {
  return readdirSync(directory)
    .filter((file) => file.startsWith('ledger-'))
    .flatMap((file) => {
      const writer = file.slice('ledger-'.length);
      const written = Number(readFileSync(join(directory, file), 'latin1'));
      const arrived = seen.get(writer) ?? 0;
      return arrived < written ? [`${writer}: ${written} lines were written, ${arrived} arrived`] : [];
    });
}
