/** What the health report must say, told a second time, from what could be seen. It imports nothing. */

/** What could be seen of one service. */
export interface Patient {
  readonly state: string;
  readonly essential: boolean;
}

export type Overall = 'healthy' | 'starting' | 'unhealthy' | 'stopping';

export function overallOf(patients: Iterable<Patient>, isEnding: boolean): Overall {
  if (isEnding) return 'stopping';
  let worst: Overall = 'healthy';
  for (const patient of patients) {
    const word = verdictOn(patient);
    if (word === 'unhealthy') return word;
    if (word === 'starting') worst = word;
  }
  return worst;
}

function verdictOn({ state, essential }: Patient): Overall {
  if (['ready', 'completed', 'skipped'].includes(state)) return 'healthy';
  if (['pending', 'starting'].includes(state)) return 'starting';
  return state === 'failed' && !essential ? 'healthy' : 'unhealthy';
}

export function wordFor({ state, essential }: Patient): string {
  if (state === 'failed') return essential ? 'unhealthy' : 'skipped';
  if (state === 'ready') return 'healthy';
  return ['unready', 'backoff'].includes(state) ? 'unhealthy' : state;
}
