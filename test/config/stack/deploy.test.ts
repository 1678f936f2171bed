/** Every tandem.yaml of deploy/ is accepted as it stands, by editors too. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { parse } from './fixture.ts';

const deploy = join(import.meta.dirname, '../../../deploy');
const stacks = readdirSync(deploy).filter((name) => existsSync(join(deploy, name, 'tandem.yaml')));

/** A value for each variable that a file demands with `${NAME:?…}`; a URL where the message begins like one. */
const demanded = (text: string) =>
  Object.fromEntries(
    [...text.matchAll(/\$\{(\w+):\?([a-z]+:\/\/)?/g)].map(([, name, scheme = '']) => [`${name}`, `${scheme}given`]),
  );

for (const name of stacks) {
  test(`deploy/${name}/tandem.yaml is accepted, and tells editors its schema`, async (t) => {
    const directory = join(deploy, name);
    const text = readFileSync(join(directory, 'tandem.yaml'), 'utf8');
    t.match(text.split('\n')[0], '# yaml-language-server: $schema=../../docs/tandem.schema.json');
    const { specs } = await parse(text, {
      directory,
      environment: { PATH: '/bin', ...demanded(text) },
      profiles: ['*'],
    });
    t.ok(specs.length > 1);
  });
}

test('the preset matrix as a file starts the hub last, with what the preset gives it', async (t) => {
  const text = readFileSync(join(deploy, 'matrix/tandem.yaml'), 'utf8');
  const { specs } = await parse(text, { environment: { PATH: '/bin', ...demanded(text) } });
  t.same(
    specs.map(({ name, dependsOn }) => [name, Object.entries(dependsOn).map((entry) => entry.join(' '))]),
    [
      ['migrations', []],
      ['gateway', ['migrations completed']],
      ['hub', ['migrations completed', 'gateway ready']],
    ],
  );
  const hub = specs.find(({ name }) => name === 'hub');
  t.equal(
    hub?.process.command.slice(1).join(' '),
    'src.app:app -k uvicorn.workers.UvicornWorker --bind 0.0.0.0:7300 --workers 2 --timeout 60 --graceful-timeout 3' +
      ' --keep-alive 5 --max-requests 1000 --max-requests-jitter 100 --access-logfile - --error-logfile -' +
      ' --log-level info --capture-output',
  );
});
