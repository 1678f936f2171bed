/** From pending to ready: what a service waits for, and what can come between. */
import t from 'tap';
import type { DependencyCondition, ServiceSpec } from '../../src/core/spec.ts';
import type { Manners, Script } from '../support/fake-machine.ts';
import { answering, mainJob, migrating, oneshot, restarting, service, signalNumber, start } from './harness.ts';

t.test('B51 what takes every signal is sent those, too, that come while it is being spawned', async (t) => {
  const run = start([oneshot('cmd', { forwardSignals: 'all' })], { cmd: { launchMs: 10 } });
  await run.clock.advance(5);
  run.supervisor.forward('SIGHUP');
  t.same(run.machine.signals, []);
  await run.clock.advance(10);
  t.same(run.machine.signals, ['cmd SIGHUP@10']);
});

t.test(
  'B12 a service that takes some signals is spared those that come before it runs: they would end it',
  async (t) => {
    const run = start([service('hub', { forwardSignals: ['SIGHUP'] })], { hub: { launchMs: 10 } });
    await run.clock.advance(5);
    run.supervisor.forward('SIGHUP');
    await run.clock.advance(10);
    t.same(run.machine.signals, []);
  },
);

t.test('B01 migrations, then the gateway, then the hub, each once the one before is there', async (t) => {
  const run = start(mainJob(), { migrations: migrating });
  await run.clock.advance(200);
  t.same(run.machine.times('spawn'), ['migrations@0', 'gateway@100', 'hub@121']);
  t.equal(run.health().status, 'healthy');
});

t.test('B01 ready is two stages: first the port is its own, only then the probe is asked', async (t) => {
  const run = start(mainJob(), {
    migrations: migrating,
    gateway: {
      listens: { afterMs: 95, as: { owner: 'ours' } },
      answers: (ageMs) => (ageMs < 1_800 ? { ok: false, reason: 'HTTP 503' } : { ok: true }),
    },
  });
  await run.clock.advance(1_800);
  t.equal(run.stateOf('gateway'), 'starting', 'it listens, but does not answer');
  t.equal(run.machine.questions[0]?.at, 195, 'nobody asked before the port was there');
  t.equal(run.stateOf('hub'), 'pending');
  await run.clock.advance(500);
  t.equal(run.stateOf('gateway'), 'ready');
  t.equal(run.stateOf('hub'), 'ready');
});

t.test('B01 with an empty health path the port alone is readiness, in the same moment', async (t) => {
  const { probe: _, ...portOnly } = answering(4444);
  const run = start(mainJob({ gateway: { readiness: portOnly } }), { migrations: migrating });
  await run.clock.advance(120);
  t.same(run.machine.times('spawn', 'hub'), ['hub@120'], 'the gateway listens at 120');
});

t.test('services that do not depend on each other start side by side', async (t) => {
  const run = start([service('a'), service('b'), service('c', { dependsOn: { a: 'ready', b: 'ready' } })]);
  await run.clock.advance(0);
  t.same(run.machine.times('spawn'), ['a@0', 'b@0', 'c@0']);
});

const conditions: readonly (readonly [DependencyCondition, string, Script, number | 'never'])[] = [
  ['started', 'a service that is not ready yet', { listens: { afterMs: 50, as: { owner: 'ours' } } }, 0],
  ['ready', 'a service that is ready at 51', { listens: { afterMs: 50, as: { owner: 'ours' } } }, 51],
  ['ended', 'a service, which does not end, once it is ready', { listens: { afterMs: 50, as: { owner: 'ours' } } }, 51],
];

for (const [condition, title, script, at] of conditions) {
  t.test(`dependency ${condition} x ${title}: starts at ${at}`, async (t) => {
    const specs = [service('a', { readiness: answering(1) }), service('b', { dependsOn: { a: condition } })];
    const run = start(specs, { a: script });
    await run.clock.advance(1_000);
    t.same(run.machine.times('spawn', 'b'), [`b@${at}`]);
  });
}

const no = { ok: false, reason: 'HTTP 503' } as const;
const ends = (code: number): Manners => ({ ends: { afterMs: 50, exit: { code } } });
const notThere: Manners = { launchFailure: { code: 127, message: 'not found' } };
const oneshotConditions: readonly (readonly [DependencyCondition, string, Manners, number | 'never'])[] = [
  ['started', 'that runs', ends(0), 0],
  ['started', 'that cannot be launched', notThere, 'never'],
  ['completed', 'x exit 0', ends(0), 50],
  ['completed', 'x exit 3', ends(3), 'never'],
  ['completed', 'that cannot be launched', notThere, 'never'],
  ['ready', 'x exit 0', ends(0), 50],
  ['ready', 'x exit 3', ends(3), 'never'],
  ['ended', 'x exit 0', ends(0), 50],
  ['ended', 'x exit 3', ends(3), 50],
  ['ended', 'that cannot be launched', notThere, 0],
];

for (const [condition, title, manners, at] of oneshotConditions) {
  t.test(`dependency ${condition} on a oneshot ${title}: starts at ${at}`, async (t) => {
    const specs = [oneshot('m', { essential: false }), service('b', { essential: false, dependsOn: { m: condition } })];
    const run = start(specs, { m: manners });
    await run.clock.advance(1_000);
    t.same(run.machine.times('spawn', 'b'), at === 'never' ? [] : [`b@${at}`]);
    if (at === 'never') t.same(run.pathOf('b'), ['dependency-failed>stopped']);
  });
}

for (const [condition, title, manners, at] of oneshotConditions.filter(([, , , at]) => at === 'never')) {
  t.test(`dependency ${condition} on a oneshot ${title}, not required: starts all the same`, async (t) => {
    const b = service('b', { dependsOn: { m: condition }, optionalDependencies: ['m'] });
    const run = start([oneshot('m', { essential: false }), b], { m: manners });
    await run.clock.advance(1_000);
    t.same(run.machine.times('spawn', 'b'), [`b@${manners.ends ? 50 : 0}`], String(at));
  });
}

t.test('dependency ready x a service that is not required: waited for until it has failed for good', async (t) => {
  const cache = { readiness: answering(1, { startTimeoutMs: 100 }), restart: restarting('always', { maxRestarts: 1 }) };
  const specs = [
    service('cache', { essential: false, ...cache }),
    service('db', { readiness: answering(2) }),
    service('hub', { dependsOn: { cache: 'ready', db: 'ready' }, optionalDependencies: ['cache'] }),
  ];
  const late = { listens: { afterMs: 500, as: { owner: 'ours' } } } as const;
  const run = start(specs, { cache: late, db: { listens: { afterMs: 50, as: { owner: 'ours' } } } });
  await run.clock.advance(1_000);
  t.equal(run.machine.times('spawn', 'cache').length, 2);
  const transitions = run.transitions.map(({ service, to }) => `${service} ${to}`);
  t.equal(transitions.indexOf('hub starting'), transitions.indexOf('cache failed') + 1, transitions.join(', '));
});

for (const condition of ['started', 'ready', 'completed', 'ended'] as const) {
  t.test(`B07 dependency ${condition} x skipped: starts at once`, async (t) => {
    const run = start([oneshot('a', { skip: 'GATEWAY_SKIP_START' }), service('b', { dependsOn: { a: condition } })]);
    await run.clock.advance(0);
    t.same(run.machine.times('spawn'), ['b@0']);
  });
}

t.test('B07 a skipped gateway is never started, nobody waits for it, and exit codes stay exact', async (t) => {
  const run = start(mainJob({ gateway: { skip: 'GATEWAY_SKIP_START=1' } }), {
    migrations: migrating,
    hub: { ends: { afterMs: 500, exit: { code: 9 } } },
  });
  await run.clock.advance(200);
  t.same(run.machine.times('spawn'), ['migrations@0', 'hub@100']);
  t.match(run.health(), {
    status: /^healthy$/,
    components: { gateway: { status: 'skipped', reason: 'GATEWAY_SKIP_START=1' } },
  });
  t.equal((await run.toTheEnd()).code, 9);
});

t.test('B07 a plan of which everything is skipped is done at once', async (t) => {
  const run = await start([
    service('a', { skip: 'no' }),
    service('b', { skip: 'no', dependsOn: { a: 'ready' } }),
  ]).toTheEnd();
  t.same([run.code, run.machine.deeds.length], [0, 0]);
});

t.test(
  'B08 waiting for the gateway ends at once when it dies; the hub is never started; its code is the end',
  async (t) => {
    for (const [exit, code] of [
      [{ code: 3 }, 3],
      [{ code: 0 }, 1],
      [{ signal: 'SIGKILL' }, 137],
    ] as const) {
      const run = start(mainJob(), { migrations: migrating, gateway: { ends: { afterMs: 10, exit } } });
      await run.toTheEnd();
      t.equal(run.clock.now(), 110, 'at once');
      t.equal(run.code, code);
      t.same(run.machine.times('spawn', 'hub'), []);
      t.equal(run.stateOf('hub'), 'stopped');
    }
  },
);

t.test(
  'B08 a stop while the hub waits for the gateway: the hub is never started, the gateway gets TERM, 0',
  async (t) => {
    const run = start(mainJob(), {
      migrations: migrating,
      gateway: { answers: () => ({ ok: false, reason: 'HTTP 503' }) },
    });
    await run.clock.advance(1_000);
    run.stop();
    await run.toTheEnd();
    t.same(run.machine.times('spawn', 'hub'), []);
    t.same(run.machine.signals, ['gateway SIGTERM@1000']);
    t.equal(run.code, 0);
  },
);

t.test(
  'B08 a gateway that never gets ready: 69 at the timeout, with the last reason, the hub never started',
  async (t) => {
    const run = start(mainJob(), {
      migrations: migrating,
      gateway: { answers: () => ({ ok: false, reason: 'HTTP 503' }) },
    });
    await run.toTheEnd();
    t.same(run.machine.signals, ['gateway SIGTERM@60100'], '60 s after its spawn');
    t.equal(run.code, 69);
    t.same(run.machine.times('spawn', 'hub'), []);
    t.match(run.supervisor.ending?.reason, /"gateway" is not ready within 60 s: HTTP 503/);
  },
);

t.test('B08 a gateway that never listens: 69 at the timeout, and the reason names the port', async (t) => {
  const run = start(mainJob(), {
    migrations: migrating,
    gateway: { listens: { afterMs: Infinity, as: { owner: 'ours' } } },
  });
  await run.toTheEnd();
  t.equal(run.code, 69);
  t.match(run.supervisor.ending?.reason, /nothing listens on port 4444/);
});

t.test('B08 a restarted service that times out is not blamed for what a former life answered', async (t) => {
  const specs = [
    service('a', {
      readiness: answering(4444, { startTimeoutMs: 1_000 }),
      restart: restarting('on-failure', { maxRestarts: 1 }),
    }),
  ];
  const run = start(specs, {
    a: [
      { answers: () => ({ ok: false, reason: 'HTTP 503' }), ends: { afterMs: 100, exit: { code: 1 } } },
      { listens: { afterMs: Infinity, as: { owner: 'ours' } } },
    ],
  });
  await run.toTheEnd();
  t.match(run.supervisor.ending?.reason, /nothing listens on port 4444/);
});

t.test(
  'B09 a port that is taken before the spawn: 69 at once, holder named, nothing spawned, nothing left',
  async (t) => {
    const run = start(mainJob(), { migrations: migrating });
    run.machine.holders.set(4444, { pid: 12, command: 'nginx' });
    await run.toTheEnd();
    t.same(run.machine.times('spawn'), ['migrations@0']);
    t.equal(run.code, 69);
    t.match(run.supervisor.ending?.reason, /cannot start "gateway": port 4444 is held by pid 12 \(nginx\)/);
  },
);

t.test('B09 a stranger on the port after the spawn: the service is stopped, 69, holder named', async (t) => {
  const run = start(mainJob(), {
    migrations: migrating,
    gateway: { listens: { afterMs: 30, as: { owner: 'foreign', holder: { uid: 33 } } } },
  });
  await run.toTheEnd();
  t.same(run.machine.signals, ['gateway SIGTERM@130']);
  t.equal(run.code, 69);
  t.match(run.supervisor.ending?.reason, /port 4444 is held by uid 33, process not visible/);
  t.same(run.machine.times('spawn', 'hub'), []);
  t.equal(run.machine.questions.length, 0, 'a stranger is not probed');
});

t.test('B09 the reason of a stranger on the port is that the service cannot start', async (t) => {
  const as = { owner: 'foreign', holder: { pid: 12 } } as const;
  const run = await start([service('a', { readiness: answering(4444) })], {
    a: { listens: { afterMs: 30, as } },
  }).toTheEnd();
  t.equal(run.supervisor.ending?.reason, 'cannot start "a": port 4444 is held by pid 12');
});

t.test('a service with a probe and no port is ready when the probe answers', async (t) => {
  const { port: _, ...probeOnly } = answering(1);
  const run = start([service('a', { readiness: probeOnly })], {
    a: { answers: (ageMs) => (ageMs < 100 ? no : { ok: true }) },
  });
  await run.clock.advance(90);
  t.equal(run.stateOf('a'), 'starting');
  await run.clock.advance(1_000);
  t.equal(run.stateOf('a'), 'ready');
});

t.test('B08 who is late is told what is known of it, and nothing else', async (t) => {
  const { port: _, ...probeOnly } = answering(1);
  const hangs: Manners = { launchMs: Infinity };
  const cells: readonly (readonly [ServiceSpec, Manners, string])[] = [
    [service('a', { readiness: answering(1) }), hangs, '"a" is not ready within 60 s: nothing listens on port 1'],
    [service('a', { readiness: probeOnly }), hangs, '"a" is not ready within 60 s'],
    [service('a', { readiness: answering(1) }), { answers: () => no }, '"a" is not ready within 60 s: HTTP 503'],
    [oneshot('a', { readiness: answering(1) }), {}, '"a" is not completed within 60 s'],
  ];
  for (const [spec, manners, reason] of cells) {
    t.equal((await start([spec], { a: manners }).toTheEnd()).supervisor.ending?.reason, reason);
  }
});

t.test('B52 a listener whose owner cannot be seen counts as its own, with one warning', async (t) => {
  const run = start(mainJob(), {
    migrations: migrating,
    gateway: { listens: { afterMs: 30, as: { owner: 'unknown', holder: { uid: 1000 } } } },
  });
  await run.clock.advance(1_000);
  t.equal(run.stateOf('gateway'), 'ready');
  t.equal(run.warnings.length, 1);
  t.match(run.warnings[0], /^gateway: .*4444/);
});

t.test('B10 migrations that fail end the run with their code; nothing else starts', async (t) => {
  for (const code of [1, 4, 255]) {
    const run = await start(mainJob(), { migrations: ends(code) }).toTheEnd();
    t.equal(run.code, code);
    t.same(run.machine.times('spawn'), ['migrations@0']);
  }
});

t.test('B10 migrations that may fail (ended, not essential): the services start after them', async (t) => {
  const specs: ServiceSpec[] = [
    oneshot('migrations', { essential: false }),
    service('gateway', { dependsOn: { migrations: 'ended' } }),
    service('hub', { dependsOn: { migrations: 'ended', gateway: 'ready' } }),
  ];
  const run = start(specs, { migrations: ends(4) });
  await run.clock.advance(49);
  t.same(run.machine.times('spawn'), ['migrations@0']);
  await run.clock.advance(1);
  t.same(run.machine.times('spawn'), ['migrations@0', 'gateway@50', 'hub@50']);
});

t.test('B10 migrations that take too long: TERM, then 69', async (t) => {
  const readiness = { timing: answering(1).timing, startTimeoutMs: 600_000 };
  const run = await start(mainJob({ migrations: { readiness } })).toTheEnd();
  t.same(run.machine.signals, ['migrations SIGTERM@600000']);
  t.equal(run.code, 69);
  t.match(run.supervisor.ending?.reason, /"migrations" is not completed within 600 s/);
});

t.test('B10 SIGTERM while migrating: the tool gets TERM and the budget, nothing else starts', async (t) => {
  const run = start(mainJob(), { migrations: { reactions: { SIGTERM: { afterMs: 2_000, exit: { code: 1 } } } } });
  await run.clock.advance(50);
  t.equal(run.health().status, 'starting');
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.signals, ['migrations SIGTERM@50']);
  t.equal(run.clock.now(), 2_050);
  t.same(run.machine.times('spawn'), ['migrations@0']);
  t.equal(run.code, 0);
});

for (const code of [126, 127] as const) {
  t.test(`a command that cannot be started: ${code}`, async (t) => {
    const launchFailure = { code, message: 'cannot start "gateway": no such file' };
    const run = await start(mainJob(), { migrations: migrating, gateway: { launchFailure } }).toTheEnd();
    t.equal(run.code, code);
    t.same(run.pathOf('gateway'), ['dependencies-met>starting', 'not-launched>failed']);
    t.equal(run.supervisor.ending?.reason, launchFailure.message);
  });
}

t.test('B08 a stop that comes between the look at the port and the spawn: nothing is spawned', async (t) => {
  const run = start([service('a', { readiness: answering(1) })], { a: { lookMs: 10 } });
  await run.clock.advance(5);
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.deeds, []);
  t.same(run.pathOf('a'), ['dependencies-met>starting', 'stop>stopping', 'exit-stopped>stopped']);
  t.equal(run.code, 0);
});

for (const launchMs of [10, Infinity]) {
  t.test(`B08 a stop while a spawn takes ${launchMs} ms: it is stopped at once, command or not`, async (t) => {
    const run = start([service('a')], { a: { launchMs } });
    await run.clock.advance(5);
    run.stop();
    await run.toTheEnd();
    t.same(run.machine.signals, ['a SIGTERM@5']);
    t.same(run.machine.times('cleaned'), ['a@10']);
    t.equal(run.code, 0);
  });
}

t.test('B08 a look at the port that hangs holds up no stop', async (t) => {
  const run = start([service('a', { readiness: answering(1) })], { a: { lookMs: Infinity } });
  await run.clock.advance(5);
  run.stop();
  await run.toTheEnd();
  t.same(run.machine.deeds, []);
  t.match(run, { code: 0, endedAt: 5 });
});

t.test('B08 a spawn that hangs ends at the start timeout, counted from its beginning: 69', async (t) => {
  const run = await start(mainJob(), { migrations: migrating, gateway: { launchMs: Infinity } }).toTheEnd();
  t.equal(run.code, 69);
  t.same(run.machine.signals, ['gateway SIGTERM@60100']);
  t.same(run.pathOf('hub'), ['stop>stopped']);
});

t.test('a process that has ended before anybody asks for it is not taken for ready', async (t) => {
  const run = start([service('a'), service('b', { dependsOn: { a: 'ready' } })], {
    a: { ends: { afterMs: 0, exit: { code: 5 } } },
  });
  await run.toTheEnd();
  t.equal(run.code, 5);
});

t.test('nothing starts unless all its conditions hold in the same moment', async (t) => {
  const specs = [
    service('a', { readiness: answering(1), restart: restarting('always', { baseDelayMs: 4_000 }) }),
    service('b', { readiness: answering(2) }),
    service('c', { dependsOn: { a: 'ready', b: 'ready' } }),
  ];
  const run = start(specs, {
    a: { ends: { afterMs: 500, exit: { code: 1 } } },
    b: { listens: { afterMs: 1_000, as: { owner: 'ours' } } },
  });
  await run.clock.advance(1_100);
  t.equal(run.stateOf('a'), 'backoff');
  t.equal(run.stateOf('b'), 'ready');
  t.equal(run.stateOf('c'), 'pending');
});

t.test('B11 an essential service that can never start ends the run', async (t) => {
  const specs = [service('cache', { essential: false }), service('hub', { dependsOn: { cache: 'ready' } })];
  const run = await start(specs, { cache: notThere }).toTheEnd();
  t.equal(run.stateOf('hub'), 'stopped');
  t.equal(run.code, 127, 'the hub, which is essential, never ran');
  t.equal(run.supervisor.ending?.reason, '"hub" needs "cache": not found');
  const late = [service('cache', { essential: false, readiness: answering(1) }), ...specs.slice(1)];
  const crashes = await start(late, { cache: { ends: { afterMs: 10, exit: { code: 9 } } } }).toTheEnd();
  t.equal(crashes.code, 9, 'the code is that of what it needs');
});

t.test('B61 a probe that fails after ready changes health and nothing else', async (t) => {
  const run = start(mainJob(), {
    migrations: migrating,
    gateway: {
      answers: (ageMs) => (ageMs > 5_000 && ageMs < 60_000 ? { ok: false, reason: 'HTTP 503' } : { ok: true }),
    },
  });
  await run.clock.advance(20_200);
  t.equal(run.stateOf('gateway'), 'ready', 'two failures are below the threshold');
  await run.clock.advance(11_000);
  t.equal(run.stateOf('gateway'), 'unready');
  t.match(run.health(), { status: 'unhealthy', live: true, components: { gateway: { reason: 'HTTP 503' } } });
  await run.clock.advance(40_000);
  t.equal(run.stateOf('gateway'), 'ready');
  t.same(run.pathOf('gateway').slice(1), ['probe-succeeded>ready', 'probe-failed>unready', 'probe-succeeded>ready']);
  t.same(run.machine.signals, []);
  t.equal(run.health().status, 'healthy');
});

const liveness = {
  probe: { kind: 'tcp', address: { host: '127.0.0.1', port: 4444 } },
  timing: { intervalMs: 1_000, timeoutMs: 500, failureThreshold: 2, successThreshold: 1 },
} as const;
const goesDeaf: Manners = {
  answers: (ageMs, { kind }) => (kind === 'tcp' && ageMs > 5_000 ? 'silence' : { ok: true }),
};

t.test('B61 a service with liveness that is lost ends the container with 69', async (t) => {
  const run = await start(mainJob({ gateway: { liveness } }), { migrations: migrating, gateway: goesDeaf }).toTheEnd();
  t.equal(run.code, 69);
  t.match(run.supervisor.ending?.reason, /"gateway" is unhealthy: no answer in time/);
  t.ok(run.pathOf('gateway').includes('liveness-lost>stopping'));
});

t.test('B61 a service with liveness and a restart policy is restarted, and the others stay', async (t) => {
  const restart = restarting('on-failure');
  const run = start(mainJob({ gateway: { liveness, restart } }), { migrations: migrating, gateway: [goesDeaf, {}] });
  await run.clock.advance(20_000);
  t.equal(run.stateOf('gateway'), 'ready');
  t.equal(run.health().components['gateway']?.restarts, 1);
  t.same(run.machine.times('spawn', 'hub'), ['hub@121']);
});

t.test('B61 liveness that is lost while unready counts as well', async (t) => {
  const run = start([service('a', { readiness: answering(4444), liveness })], {
    a: { answers: (ageMs) => (ageMs > 5_000 ? { ok: false, reason: 'down' } : { ok: true }) },
  });
  const slow = { ...liveness, timing: { ...liveness.timing, intervalMs: 20_000 } };
  const later = start([service('a', { readiness: answering(4444), liveness: slow })], {
    a: { answers: (ageMs) => (ageMs > 5_000 ? { ok: false, reason: 'down' } : { ok: true }) },
  });
  await run.toTheEnd();
  await later.toTheEnd();
  t.same([run.code, later.code], [69, 69]);
  t.same(later.pathOf('a').slice(1), [
    'probe-succeeded>ready',
    'probe-failed>unready',
    'liveness-lost>stopping',
    'exit-failed>failed',
  ]);
});

t.test('B11 whatever code the gateway ends with, the hub gets TERM at once and the code is the end', async (t) => {
  for (let code = 0; code <= 255; code += 1) {
    const run = start(mainJob(), { migrations: migrating, gateway: { ends: { afterMs: 1_000, exit: { code } } } });
    await run.toTheEnd();
    if (run.code !== (code || 1)) t.fail(`exit ${code} became ${run.code}`);
    if (run.machine.signals.join() !== 'hub SIGTERM@1100') t.fail(`exit ${code}: ${run.machine.signals}`);
  }
  t.pass('0..255');
});

for (const signal of ['SIGHUP', 'SIGINT', 'SIGABRT', 'SIGKILL', 'SIGSEGV', 'SIGTERM'] as const) {
  t.test(`B11 hub x ${signal}: the gateway is stopped, ${128 + signalNumber(signal)}`, async (t) => {
    const run = start(mainJob(), { migrations: migrating, hub: { ends: { afterMs: 1_000, exit: { signal } } } });
    await run.toTheEnd();
    t.equal(run.code, 128 + signalNumber(signal));
    t.same(run.machine.signals, ['gateway SIGTERM@1121']);
  });
}

t.test('an essential service that ends takes the others along; one that is not essential does not', async (t) => {
  const specs = [service('metrics', { essential: false }), service('hub')];
  const run = start(specs, { metrics: ends(3) });
  await run.clock.advance(1_000);
  t.equal(run.stateOf('metrics'), 'failed');
  t.equal(run.stateOf('hub'), 'ready');
  t.match(run.health(), {
    status: /^healthy$/,
    live: true,
    components: { metrics: { status: 'skipped', state: 'failed' } },
  });
  run.stop();
  t.equal((await run.toTheEnd()).code, 0);
});

t.test('when all oneshots are completed and nothing else is to run, the run is completed', async (t) => {
  const run = await start([oneshot('a'), oneshot('b', { dependsOn: { a: 'completed' } })], {
    a: ends(0),
    b: ends(0),
  }).toTheEnd();
  t.same(run.outcome, { kind: 'completed' });
  t.equal(run.code, 0);
});
