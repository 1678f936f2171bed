import t from 'tap';
import { joinRequirements, noRequirements, type Requirements } from '../../src/core/requirements.ts';

const of = (subject: string): Requirements => ({
  env: [{ subject, name: `${subject}_KEY` }],
  files: [{ subject, path: `/${subject}.json` }],
  directories: [{ subject, path: `/${subject}` }],
  commands: [{ subject, command: subject }],
});

t.test('B20 what is required in several places is required, in their order', async (t) => {
  t.same(joinRequirements(of('a'), noRequirements, of('b')), {
    env: [...of('a').env, ...of('b').env],
    files: [...of('a').files, ...of('b').files],
    directories: [...of('a').directories, ...of('b').directories],
    commands: [...of('a').commands, ...of('b').commands],
  });
});

t.test('nothing is required unless somebody says so', async (t) => {
  const nothing = { env: [], files: [], directories: [], commands: [] };
  t.same(joinRequirements(), nothing);
  t.same(noRequirements, nothing);
});
