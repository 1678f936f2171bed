import t from 'tap';
import { ConfigError, PlanError, UnavailableError } from '../../src/core/errors.ts';
import { makePlan } from '../../src/core/plan.ts';
import type { ServiceSpec } from '../../src/core/spec.ts';
import { mainJob, oneshot, service } from './harness.ts';

const order = (specs: readonly ServiceSpec[]) => makePlan(specs).services.map(({ name }) => name);

function problemsOf(specs: readonly ServiceSpec[]): string[] {
  try {
    makePlan(specs);
  } catch (error) {
    if (error instanceof PlanError) return error.problems.map(({ subject, message }) => `${subject}: ${message}`);
    throw error;
  }
  return [];
}

t.test('B01 the plan puts each service after all that it depends on, in whatever order they come', async (t) => {
  t.same(order(mainJob()), ['migrations', 'gateway', 'hub']);
  t.same(order(mainJob().reverse()), ['migrations', 'gateway', 'hub']);
});

t.test('independent services keep the order in which they were given', async (t) => {
  t.same(order([service('c'), service('a'), service('b')]), ['c', 'a', 'b']);
});

t.test('the plan knows who depends on whom', async (t) => {
  const { dependents } = makePlan(mainJob());
  t.same(Object.fromEntries(dependents), { migrations: ['gateway', 'hub'], gateway: ['hub'], hub: [] });
});

t.test('a plan that cannot work is refused, with the name and the reason', async (t) => {
  t.same(problemsOf([]), ['services: there is nothing to run']);
  t.same(problemsOf([service('a'), service('a')]), ['a: this name is used twice']);
  t.same(problemsOf([service('a', { dependsOn: { b: 'ready' } })]), ['a: depends on "b", which does not exist']);
  t.same(problemsOf([service('a', { dependsOn: { a: 'ready' } })]), ['a: depends on itself: a -> a']);
  t.same(problemsOf([service('a'), service('b', { dependsOn: { a: 'completed' } })]), [
    'b: waits until "a" is completed, but that is not a oneshot',
  ]);
  const circle = [
    service('a', { dependsOn: { b: 'ready' } }),
    service('b', { dependsOn: { c: 'ready' } }),
    service('c', { dependsOn: { b: 'started' } }),
  ];
  t.same(problemsOf(circle), ['b: depends on itself: b -> c -> b']);
});

t.test('a name of a member of every object is a name like any other', async (t) => {
  const a = service('a', { dependsOn: Object.fromEntries([['constructor', 'ready']]) });
  t.same(order([service('constructor'), a]), ['constructor', 'a']);
});

t.test('all problems are reported together, never the first alone', async (t) => {
  const problems = problemsOf([
    service('a', { dependsOn: { b: 'completed', missing: 'ready' } }),
    service('a'),
    service('b', { dependsOn: { c: 'ready' } }),
    service('c', { dependsOn: { b: 'ready' } }),
  ]);
  t.match(problems.join('\n'), 'used twice');
  t.match(problems.join('\n'), '"missing"');
  t.match(problems.join('\n'), 'not a oneshot');
  t.match(problems.join('\n'), 'b -> c -> b');
  t.equal(problems.length, 4);
});

t.test('a oneshot that may end in any way can be waited for', async (t) => {
  t.same(order([service('a', { dependsOn: { m: 'ended' } }), oneshot('m')]), ['m', 'a']);
});

t.test('errors carry every problem, also in their message, and their own name', async (t) => {
  const problems = [
    { subject: 'PORT', message: 'is "x"; accepted: a port' },
    { subject: 'HOST', message: 'is empty' },
  ];
  const error = new ConfigError(problems);
  t.same(error.problems, problems);
  t.equal(error.message, 'PORT: is "x"; accepted: a port\nHOST: is empty');
  t.equal(error.name, 'ConfigError');
  t.ok(new PlanError(problems) instanceof ConfigError, 'a plan that cannot work is bad configuration: 78');
  t.equal(new PlanError(problems).name, 'PlanError');
  t.equal(new UnavailableError('the port is taken').name, 'UnavailableError');
});
