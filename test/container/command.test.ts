/** `docker run IMAGE …`: what is behind the image's name is tandem's command line. */
import t from 'tap';
import { imageOf, needsEngine, runToEnd, start } from './engine.ts';

t.setTimeout(600_000);

t.before(async () => {
  if (!needsEngine.skip) await imageOf('embedded');
});

/** 9229, as the kernel writes it. */
const inspectorPort = ':240D';

async function run(words: readonly string[], options: readonly string[] = []) {
  return runToEnd(await imageOf('embedded'), words, options);
}

for (const code of [0, 7, 255]) {
  t.test(`B51 -- sh -c 'exit ${code}' ends the container with ${code}`, needsEngine, async (t) => {
    t.match(await run(['--', 'sh', '-c', `exit ${code}`]), { code, stdout: '', stderr: '' });
  });
}

t.test('B51 a missing command is 127, a directory 126', needsEngine, async (t) => {
  t.equal((await run(['--', 'no-such-command'])).code, 127);
  t.equal((await run(['--', '/app'])).code, 126);
});

t.test('a word that is no command is 64, with the usage line', needsEngine, async (t) => {
  const { code, stdout, stderr } = await run(['nonsense']);
  t.equal(code, 64);
  t.equal(stdout, '');
  t.match(stderr, /nonsense.*\nusage: tandem/);
});

t.test('B51 under docker run -t the terminal is the command’s, in the foreground', needsEngine, async (t) => {
  const script =
    'tty; read pid name state parent group session tty foreground rest < /proc/$$/stat; echo $group=$foreground';
  const { code, stdout } = await run(['--', 'sh', '-c', script], ['--tty']);
  t.equal(code, 0);
  const [terminal, groups] = stdout.trim().split(/\r?\n/);
  t.match(terminal, /^\/dev\/pts\/\d+$/);
  t.match(groups, /^(\d+)=\1$/);
});

t.test('B51 stdin is the command’s', needsEngine, async (t) => {
  const { stdout } = await run(['--', 'sh', '-c', 'cat; echo end'], ['--interactive']);
  t.equal(stdout, 'end\n');
});

t.test(
  'B51 docker kill sends the command any signal, every time, and USR1 opens no inspector',
  needsEngine,
  async (t) => {
    const script = 'trap "echo usr1" USR1; trap "exit 42" TERM; echo ready; while :; do sleep 0.01; done';
    const container = await start(t, await imageOf('embedded'), [], ['--', 'sh', '-c', script]);
    await container.says('ready');
    await container.kill('USR1');
    await container.says('ready\nusr1');
    await container.kill('USR1');
    await container.says('ready\nusr1\nusr1');
    t.equal(await container.shell(`grep -ci '${inspectorPort}' /proc/net/tcp || :`), '0');
    await container.kill('TERM');
    t.equal(await container.ended(), 42);
  },
);

t.test('B51 the command gets the container’s own limit of open files, not Node’s', needsEngine, async (t) => {
  const { stdout } = await run(['--', 'sh', '-c', 'ulimit -Sn; ulimit -Hn'], ['--ulimit=nofile=1234:5678']);
  t.equal(stdout, '1234\n5678\n');
});
