/** Signals to tandem, to its services and to what these have started, wherever they come from. */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { type Fault, killAny, killOne, leaderOf, local, type Round, stopAndContinueAny, storm, told } from './fault.ts';
import { forced, goesOn, lost, mustEnd, stopped, type Verdict } from './oracle.ts';
import { wordsOf } from './processes.ts';
import { get, kill, type Run, seenOf } from './run.ts';

/** Whether the entry point has done its part: it blocks signals before it becomes Node. Before that they are lost by right. */
function isHeld(run: Run): boolean {
  const [, file = ''] = wordsOf(run.pid);
  return file.endsWith('/tandem.cjs') || run.code !== undefined;
}

/** Nobody could stop a stranger by such a number of signals. */
async function harmlessSignals(round: Round): Promise<Verdict> {
  const { run, random } = round;
  const names = Array.from({ length: 60 }, () =>
    random.oneOf(['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT', 'SIGURG', 'SIGQUIT', 'SIGPIPE'] as const),
  );
  round.note('60 of HUP, QUIT, USR1, USR2, WINCH, CONT, URG, PIPE');
  for (const name of names) {
    run.signal(name);
    await sleep(random.chance(0.3) ? 1 : 0);
  }
  return goesOn;
}

export const faultsOfProcesses: readonly Fault[] = [
  // B11, B08: the first one's code; B50: a worker is its service's own affair; B59 for tandem itself
  { name: 'kill -9 of any process', forms: local, when: 'any time', happens: killAny, mixes: true },
  {
    name: 'kill -9 of workers',
    forms: local,
    when: 'up',
    options: () => ({ scripts: { gateway: { workers: 2 }, hub: { workers: 2 } } }),
    mixes: true,
    async happens(round) {
      const workers = seenOf(round.run).filter(({ role }) => role === 'worker');
      round.note(`kill -9 of ${workers.length} workers`);
      for (const { pid } of workers) kill(pid, 'SIGKILL');
      return goesOn;
    },
  },
  // B59: a group must not outlive a tandem that is killed; as PID 1 the kernel sees to that
  {
    name: 'kill -9 of tandem',
    forms: local,
    when: 'up',
    options: () => ({ scripts: { gateway: { workers: 2 }, hub: { workers: 2 } } }),
    async happens(round) {
      return killOne(
        round,
        seenOf(round.run).find(({ role }) => role === 'tandem'),
      );
    },
  },
  // ARCHITECTURE: the guardian stands beside tandem, and is replaced; nothing else depends on it while tandem lives
  {
    name: 'kill -9 of the guardian',
    forms: ['plain'],
    when: 'up',
    options: () => ({ scripts: { gateway: { workers: 2 }, hub: { workers: 2 } } }),
    async happens(round) {
      const { run, random } = round;
      const guards = () => seenOf(run).filter(({ role }) => role === 'guard');
      const [guard] = await until('the guardian runs', () => guards().length > 0 && guards());
      if (guard === undefined) return goesOn;
      round.note(`kill -9 of ${told(guard)}`);
      kill(guard.pid, 'SIGKILL');
      if (random.chance(0.5)) return goesOn;
      await until('another one runs', () => guards().some(({ pid }) => pid !== guard.pid));
      // Its first words to tandem's successor are on their way.
      await sleep(200);
      return killOne(
        round,
        seenOf(run).find(({ role }) => role === 'tandem'),
      );
    },
  },
  // B11: its own code, 128+n for a signal, 1 for an unasked 0
  {
    name: 'a service ends by itself',
    forms: local,
    when: 'up',
    mixes: true,
    async happens(round) {
      const { run, random } = round;
      const service = random.oneOf(['gateway', 'hub'] as const);
      const signal = random.chance(0.5)
        ? random.oneOf(['SIGSEGV', 'SIGABRT', 'SIGQUIT', 'SIGALRM', 'SIGHUP', 'SIGTERM'] as const)
        : undefined;
      const code = random.between(0, 255);
      round.note(`${service} ends by itself: ${signal ?? code}`);
      round.ends();
      const leader = leaderOf(run, service);
      if (signal === undefined) void get(run.ports[service], `/exit?code=${code}`);
      else if (leader !== undefined) kill(leader, signal);
      // It takes SIGTERM for a request, and ends with 0, which nobody has asked for here.
      const end = signal === 'SIGTERM' ? 0 : (signal ?? code);
      return leader === undefined ? goesOn : mustEnd(lost(service, end));
    },
  },
  // B61: no answer for a while changes health at most
  {
    name: 'SIGSTOP and SIGCONT of any process',
    forms: local,
    when: 'any time',
    happens: stopAndContinueAny,
    mixes: true,
  },
  // ARCHITECTURE: SIGCONT follows each stop signal
  {
    name: 'SIGTERM to tandem while a service is stopped',
    forms: local,
    when: 'up',
    async happens(round) {
      const service = round.random.oneOf(['gateway', 'hub']);
      round.note(`SIGSTOP of ${service}, then SIGTERM`);
      kill(leaderOf(round.run, service) ?? 0, 'SIGSTOP');
      round.ends();
      round.run.signal('SIGTERM');
      return mustEnd(stopped);
    },
  },
  // README "Stop": a second one kills at once
  { name: 'a storm of SIGTERM and SIGINT', forms: local, when: 'any time', happens: storm, mixes: true },
  // README "Limits": signals are held while Node starts; where tandem is not PID 1 a TERM then ends it with 143
  {
    name: 'one SIGTERM at any time',
    forms: ['plain', 'held'],
    when: 'any time',
    async happens(round) {
      const { run } = round;
      if (run.form === 'held') await until('signals are held', () => isHeld(run), { everyMs: 0 });
      round.note('SIGTERM');
      round.ends();
      run.signal('SIGTERM');
      return run.form === 'plain' ? mustEnd(stopped, { code: 143, isUnsaid: true }) : mustEnd(stopped);
    },
  },
  // README "Stop": HUP and QUIT stop only where there is a terminal; nobody here is gunicorn
  { name: 'signals that stop nobody', forms: local, when: 'up', happens: harmlessSignals, mixes: true },
  // The same while Node still starts: they are held, and mean nothing later either
  {
    name: 'signals that stop nobody, at any time',
    forms: ['held'],
    when: 'any time',
    async happens(round) {
      await until('signals are held', () => isHeld(round.run), { everyMs: 0 });
      return harmlessSignals(round);
    },
  },
  // B12: what outlives its grace is killed, which makes 1; all inside the budget
  {
    name: 'SIGTERM to a service that ignores it',
    forms: local,
    when: 'up',
    options: (random) => {
      const scripts = {
        gateway: { isStubborn: random.chance(0.5), workers: 1 },
        hub: { isStubborn: true, workers: 1 },
      };
      return { scripts, env: { TANDEM_STOP_TIMEOUT: '2' } };
    },
    async happens(round) {
      round.note('SIGTERM');
      round.ends();
      round.run.signal('SIGTERM');
      return mustEnd(forced);
    },
  },
  // B50: every orphan is reaped
  {
    name: '300 orphans',
    forms: local,
    when: 'up',
    mixes: true,
    async happens(round) {
      round.note('300 orphans');
      await get(round.run.ports.hub, '/orphans?count=300');
      await sleep(round.random.between(0, 300));
      return goesOn;
    },
  },
];
