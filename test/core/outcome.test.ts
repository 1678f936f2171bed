import { constants } from 'node:os';
import t from 'tap';
import {
  describeFailure,
  describeHolder,
  describeOutcome,
  EX_CONFIG,
  EX_SOFTWARE,
  EX_UNAVAILABLE,
  EX_USAGE,
  exitCodeOf,
  type Failure,
  type Outcome,
} from '../../src/core/outcome.ts';
import { signalNumber } from './harness.ts';

const code = (outcome: Outcome) => exitCodeOf(outcome, signalNumber);
const lost = (failure: Failure, type: 'service' | 'oneshot' = 'service'): Outcome => {
  return { kind: 'service-lost', service: 'gateway', type, failure };
};

const table: readonly (readonly [title: string, outcome: Outcome, code: number])[] = [
  ['B12 stop requested x all within grace: 0', { kind: 'stopped', by: 'SIGTERM', forced: [] }, 0],
  ['B12 stop requested x one killed: 1', { kind: 'stopped', by: 'SIGTERM', forced: ['hub'] }, 1],
  ['all oneshots completed, nothing else to run: 0', { kind: 'completed' }, 0],
  ['B11 essential service x exit 3: 3', lost({ cause: 'exit', exit: { code: 3 } }), 3],
  ['B11 essential service x exit 0: 1', lost({ cause: 'exit', exit: { code: 0 } }), 1],
  ['B11 essential service x SIGKILL: 137', lost({ cause: 'exit', exit: { signal: 'SIGKILL' } }), 137],
  ['B10 migrations x exit 4: 4', lost({ cause: 'exit', exit: { code: 4 } }, 'oneshot'), 4],
  [
    'B10 migrations x SIGTERM from a stranger: 143',
    lost({ cause: 'exit', exit: { signal: 'SIGTERM' } }, 'oneshot'),
    143,
  ],
  ['command not found: 127', lost({ cause: 'not-launched', code: 127, message: 'not found' }), 127],
  ['command not executable: 126', lost({ cause: 'not-launched', code: 126, message: 'not executable' }), 126],
  ['B08 never ready in time: 69', lost({ cause: 'start-timeout', message: 'not ready' }), 69],
  ['B10 never migrated in time: 69', lost({ cause: 'start-timeout', message: 'not completed' }, 'oneshot'), 69],
  ['B09 port taken: 69', lost({ cause: 'port-taken', message: 'port 1 is held' }), 69],
  ['B61 liveness lost: 69', lost({ cause: 'unhealthy', message: 'HTTP 503' }), 69],
  [
    'B11 a dependency that failed: its code',
    lost({ cause: 'dependency-failed', dependency: 'db', failure: { cause: 'exit', exit: { code: 5 } } }),
    5,
  ],
  ['second signal x TERM: 143', { kind: 'killed', by: 'SIGTERM' }, 143],
  ['second signal x INT: 130', { kind: 'killed', by: 'SIGINT' }, 130],
];

for (const [title, outcome, expected] of table) t.equal(code(outcome), expected, title);

t.same([EX_USAGE, EX_UNAVAILABLE, EX_SOFTWARE, EX_CONFIG], [64, 69, 70, 78], 'the codes of sysexits.h');

t.test('B11 each exit code is kept, but 0, which becomes 1', async (t) => {
  for (let n = 0; n <= 255; n += 1) t.equal(code(lost({ cause: 'exit', exit: { code: n } })), n === 0 ? 1 : n);
});

t.test('B11 each signal becomes 128+n', async (t) => {
  for (const [name, n] of Object.entries(constants.signals)) {
    t.equal(code(lost({ cause: 'exit', exit: { signal: name as `SIG${string}` } })), 128 + n, name);
  }
});

t.test('B55 the reason names the service and what became of it', async (t) => {
  const sentences: readonly (readonly [Outcome, RegExp])[] = [
    [{ kind: 'completed' }, /done/],
    [{ kind: 'stopped', by: 'SIGTERM', forced: [] }, /^stopped by SIGTERM$/],
    [{ kind: 'stopped', by: 'SIGINT', forced: ['hub', 'db'] }, /SIGINT.*hub, db/],
    [{ kind: 'killed', by: 'SIGINT' }, /second SIGINT/],
    [lost({ cause: 'exit', exit: { code: 0 } }), /"gateway".*exit 0/],
    [lost({ cause: 'exit', exit: { signal: 'SIGKILL' } }), /"gateway".*SIGKILL/],
    [
      lost({ cause: 'not-launched', code: 127, message: 'cannot start "gateway": no such file' }),
      /^cannot start "gateway"/,
    ],
    [
      lost({ cause: 'port-taken', message: 'port 4444 is held by pid 12 (nginx)' }),
      /^cannot start "gateway": port 4444 .*nginx/,
    ],
    [lost({ cause: 'start-timeout', message: 'not ready within 60 s' }), /"gateway" is not ready within 60 s/],
    [lost({ cause: 'unhealthy', message: 'HTTP 503' }), /"gateway" is unhealthy: HTTP 503/],
    [
      lost({ cause: 'dependency-failed', dependency: 'db', failure: { cause: 'exit', exit: { code: 5 } } }),
      /^"gateway" needs "db": exit 5$/,
    ],
  ];
  for (const [outcome, pattern] of sentences) t.match(describeOutcome(outcome), pattern);
});

t.test('B55 a failure is told in a few words', async (t) => {
  const words: readonly (readonly [Failure, string])[] = [
    [{ cause: 'exit', exit: { code: 3 } }, 'exit 3'],
    [{ cause: 'exit', exit: { signal: 'SIGSEGV' } }, 'SIGSEGV'],
    [{ cause: 'not-launched', code: 126, message: 'permission denied' }, 'permission denied'],
    [{ cause: 'port-taken', message: 'port 1 is held' }, 'port 1 is held'],
    [{ cause: 'start-timeout', message: 'not ready' }, 'is not ready'],
    [{ cause: 'unhealthy', message: 'HTTP 503' }, 'is unhealthy: HTTP 503'],
    [
      { cause: 'dependency-failed', dependency: 'db', failure: { cause: 'exit', exit: { code: 3 } } },
      'needs "db": exit 3',
    ],
  ];
  for (const [failure, expected] of words) t.equal(describeFailure(failure), expected);
});

t.test('B09 a holder is named by pid and command, or by what can be seen of it', async (t) => {
  t.equal(describeHolder({ pid: 12, command: 'nginx', uid: 0 }), 'pid 12 (nginx)');
  t.equal(describeHolder({ pid: 12 }), 'pid 12');
  t.equal(describeHolder({ uid: 33 }), 'uid 33, process not visible');
  t.equal(describeHolder({}), 'a process that cannot be seen');
});
