/** The JSON Schema accepts what is accepted, and refuses what is wrong in form. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import * as z from 'zod';
import { stackSchema } from '../../../src/config/stack/json-schema.ts';

const root = join(import.meta.dirname, '../../..');
const schema = z.fromJSONSchema(stackSchema() as Parameters<typeof z.fromJSONSchema>[0]);
const isValid = (value: unknown) => schema.safeParse(value).success;

t.test('the examples are valid', async (t) => {
  const files = readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.yaml'));
  t.ok(files.length >= 4);
  for (const file of files) {
    t.ok(isValid(parse(readFileSync(join(root, 'examples', file), 'utf8'), { merge: true })), file);
  }
});

t.test('the deployments are valid', async (t) => {
  const deploy = join(root, 'deploy');
  const files = readdirSync(deploy).flatMap((name) => {
    const file = join(deploy, name, 'tandem.yaml');
    return existsSync(file) ? [file] : [];
  });
  t.ok(files.length >= 2);
  for (const file of files) t.ok(isValid(parse(readFileSync(file, 'utf8'), { merge: true })), file);
});

t.test('numbers, booleans and variables stand where they may', async (t) => {
  const service = (keys: object) => isValid({ services: { a: { command: 'x', ...keys } } });
  t.ok(service({ ready: 80, essential: false, stop_grace_period: 5, environment: { A: 1, B: true, C: null } }));
  t.ok(service({ ready: '${PORT}', essential: '${E}', 'x-y': [1], healthcheck: { tcp: 80, retries: 3, 'x-z': 1 } }));
  t.ok(isValid({ services: { a: { command: ['x'] } }, 'x-any': 1, wait_for: ['redis://h'] }));
});

t.test('unknown keys, missing ones and wrong forms are not valid', async (t) => {
  t.notOk(isValid({}));
  t.notOk(isValid({ services: { a: { comand: 'x' } } }));
  t.notOk(isValid({ services: { a: { command: { x: 1 } } } }));
  t.notOk(isValid({ services: { a: { command: 'x', type: 'job' } } }));
  t.notOk(isValid({ services: { a: { command: 'x', depends_on: { b: {} } } } }));
  t.notOk(isValid({ services: { a: { command: 'x', healthcheck: { intervall: 1 } } } }));
});

t.test('every key has a description', async (t) => {
  const check = (part: unknown, path: string): void => {
    if (typeof part !== 'object' || part === null) return;
    for (const [key, value] of Object.entries(part)) {
      if (key !== 'properties') check(value, `${path}/${key}`);
      else {
        for (const [name, property] of Object.entries(value as Record<string, { description?: string }>)) {
          t.match(property.description, /^.{5}/, `${path}/${name}`);
          check(property, `${path}/${name}`);
        }
      }
    }
  };
  check(stackSchema(), '');
});
