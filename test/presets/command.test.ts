import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { makePlan } from '../../src/core/plan.ts';
import { commandServices } from '../../src/presets/command.ts';

const here = { environment: { PORT: '1', TANDEM_X: '2' }, cwd: '/somewhere' };

t.test('B51 one command in the foreground, with every signal and an untouched environment', async (t) => {
  const [spec] = commandServices(['/bin/sh', '-c', 'exit 3'], here);
  t.match(spec, { name: 'sh', type: 'oneshot', essential: true, forwardSignals: 'all', restart: { condition: 'no' } });
  t.match(spec.process, { command: ['/bin/sh', '-c', 'exit 3'], cwd: '/somewhere', attachment: 'foreground' });
  t.equal(spec.process.environment, here.environment);
});

t.test('B51 whatever the command is called, its service has a name that a plan accepts', async (t) => {
  const names = {
    'My Prog.py': 'my-prog-py',
    '../x/..': 'command',
    ünï: 'n',
    '/': 'command',
    [`/${'a'.repeat(99)}`]: 'a'.repeat(32),
  };
  for (const [program, name] of Object.entries(names)) {
    const [spec] = commandServices([program], here);
    t.equal(spec.name, name);
    t.equal(makePlan([spec]).services.length, 1);
  }
});

t.test('B51 the start of a command loads neither zod nor the configuration', async (t) => {
  const module = join(__dirname, '../../src/presets/command.ts');
  const script = `require(${JSON.stringify(module)}); console.log(Object.keys(require.cache).join('\\n'))`;
  const loaded = execFileSync(process.execPath, ['--import=tsx', '-e', script], { encoding: 'utf8' });
  t.match(loaded, 'presets/command.ts');
  t.notMatch(loaded, /node_modules\/(zod|dotenv)|src\/config/);
});
