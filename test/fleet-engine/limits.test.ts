/** B44 on a real engine: what the engine itself says of a server's box, what the server can do in it, and what is refused. */
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ask, callText, docker, everything, everythingOverHttp, needsEngine, Scene } from './fleet.ts';

const secret = 'a secret of forty-two';

t.test('B44 the box', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const [boxed, light, usual] = [scene.name('boxed'), scene.name('light'), scene.name('usual')];
  const [data, shelf] = [scene.makeDirectory('data'), scene.makeDirectory('shelf')];
  writeFileSync(join(shelf, 'note'), 'from the host');
  const fleet = await scene.start({
    docker: {
      allowedVolumes: [scene.directory],
      serverConfigs: {
        [boxed]: {
          command: ['mcp-server-filesystem', '/'],
          volumes: { [data]: '/data', [shelf]: '/shelf:ro' },
          environment: { MCP_ALLOWED_PATHS: '/data' },
          secrets: { API_KEY: scene.write('api-key', `${secret}\n`) },
          resourceLimits: { memory: '200m', cpus: '0.75', pids: 40 },
        },
        [light]: { ...everything, strategy: 'pre-warmed', lightweight: true },
        [usual]: { ...everythingOverHttp, strategy: 'pre-warmed' },
      },
    },
  });
  const { client } = await fleet.client(boxed);
  // The engine takes its time for these.
  const figures = ask(['stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}}', `mcp-hub-${boxed}`]);
  const read = (path: string) => callText(client, 'read_text_file', { path });
  const write = (path: string) => callText(client, 'write_file', { path, content: 'from the server' });

  await t.test('as docker inspect shows it', async (t) => {
    const inspected = await scene.inspect(boxed);
    t.match(inspected, {
      Name: `/mcp-hub-${boxed}`,
      Config: {
        Labels: {
          'mcp-hub': 'true',
          'mcp-hub.managed': 'true',
          'mcp-hub.server': boxed,
          'mcp-hub.fleet': scene.fleetName,
        },
        User: 'node',
      },
      HostConfig: {
        Memory: 200 * 1_024 ** 2,
        MemorySwap: 200 * 1_024 ** 2,
        NanoCpus: 0.75e9,
        PidsLimit: 40,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        Privileged: false,
        ReadonlyRootfs: true,
        Tmpfs: { '/tmp': String },
        NetworkMode: scene.fleetName,
        PidMode: '',
        IpcMode: 'private',
        RestartPolicy: { Name: 'no' },
      },
    });
    const { CapAdd, Devices, PortBindings, Binds } = inspected?.HostConfig ?? {};
    t.same(Binds, [`${data}:/data:rw`, `${shelf}:/shelf:ro`], 'nothing of the host but what is allowed');
    t.same([CapAdd ?? [], Devices ?? [], PortBindings ?? {}], [[], [], {}]);
    t.same(Object.keys(inspected?.NetworkSettings.Networks ?? {}), [scene.fleetName], 'in no other network');
  });

  await t.test('limits of a server that names none', async (t) => {
    await Promise.all([light, usual].map((name) => fleet.is(name, 'running')));
    const [lighter, more] = await Promise.all([light, usual].map((name) => scene.inspect(name)));
    t.match(lighter?.HostConfig, { Memory: 128 * 1_024 ** 2, NanoCpus: 0.25e9, PidsLimit: 64 });
    t.match(more?.HostConfig, { Memory: 512 * 1_024 ** 2, NanoCpus: 1e9, PidsLimit: 256 });
    t.match(more?.HostConfig, { CapDrop: ['ALL'], ReadonlyRootfs: true, Binds: [] });
  });

  await t.test('as the server itself sees it', async (t) => {
    const status = await read('/proc/self/status');
    for (const line of ['CapEff:\t0000000000000000', 'CapBnd:\t0000000000000000', 'NoNewPrivs:\t1']) {
      t.match(status, line);
    }
    t.notMatch(status, /^Uid:\t0\t/m, 'not root');
    t.match(status, /^Seccomp:\t2$/m, 'a filter on its system calls');
    t.match(await write('/data/new'), 'Successfully');
    t.match(await write('/tmp/new'), 'Successfully');
    t.equal(await read('/shelf/note'), 'from the host');
    for (const path of ['/shelf/new', '/home/node/new']) t.match(await write(path), 'EROFS', path);
  });

  await t.test('a secret is a variable, and nothing else', async (t) => {
    t.match(await read('/proc/self/environ'), `API_KEY=${secret}\0`);
    const { Config, HostConfig, Name } = (await scene.inspect(boxed)) ?? {};
    const { Env, ...rest } = Config ?? {};
    t.match(Env, ['MCP_ALLOWED_PATHS=/data', `API_KEY=${secret}`]);
    t.notMatch(JSON.stringify([Name, rest, HostConfig]), secret);
    const told = await Promise.all(['/api/docker/containers', '/metrics'].map((path) => fleet.ask('GET', path)));
    t.notMatch(told.map(({ text }) => text).join() + fleet.running.stderr + fleet.running.stdout, secret);
  });

  await t.test("the operator's commands", async (t) => {
    t.match(await ask(['ps', '--filter', 'label=mcp-hub']), `mcp-hub-${boxed}`);
    // What it said on stderr, and on stdout, which is MCP.
    const { stderr, stdout } = await docker(['logs', `mcp-hub-${boxed}`]);
    t.match(stderr, 'Secure MCP Filesystem Server running on stdio');
    t.match(stdout, '"jsonrpc":"2.0"');
    t.match(await figures, new RegExp(`^mcp-hub-${boxed} .*/ 200MiB$`, 'm'));
    t.match(await ask(['network', 'ls', '--filter', `name=${scene.fleetName}`]), scene.fleetName);
    t.match(await ask(['exec', `mcp-hub-${boxed}`, 'cat', '/proc/self/status']), 'CapEff:\t0000000000000000');
  });
});

const refusals = [
  {
    title: 'host directories that are not allowed, links out of those that are, the engine itself',
    serversOf: ({ inside, outside, link }: Record<'inside' | 'outside' | 'link', string>) => ({
      first: { volumes: { [outside]: '/data', [link]: '/more', [`${inside}/../outside`]: '/most' } },
      second: { volumes: { '/var/run/docker.sock': '/docker.sock', '/': '/host' } },
    }),
    told: [
      [/first\.volumes\..*\/outside/, /is not below one of "allowedVolumes"/],
      [/first\.volumes\..*\/link/, /is not below one of "allowedVolumes"/],
      [/second\.volumes\."\/var\/run\/docker\.sock"/, /the engine's socket/],
      [/second\.volumes\."\/"/, /the engine's socket/],
    ],
  },
  {
    title: "the host's rights, and what nobody knows",
    serversOf: () => ({
      first: { privileged: true, network: 'host', networkMode: 'host', pid: 'host', capAdd: ['ALL'] },
      second: { imaeg: 'x', strategy: 'on-demnad', resourceLimits: { memroy: '1g', cpus: '0' } },
    }),
    told: [
      [/first\.privileged/, /never privileged/],
      [/first\.network:/, /network of the fleet alone/],
      [/first\.networkMode/, /network of the fleet alone/],
      [/first\.pid:/, /no namespace of the host/],
      [/first\.capAdd/, /no capabilities/],
      [/second\.imaeg/, /did you mean "image"/],
      [/second\.strategy/, /did you mean "on-demand"/],
      [/second\.resourceLimits\.memroy/, /did you mean "memory"/],
      [/second\.resourceLimits\.cpus/, /0\.01 to 1024/],
    ],
  },
] as const;

for (const { title, serversOf, told } of refusals) {
  t.test(`B44 refused before anything is touched: ${title}`, needsEngine, async (t) => {
    const scene = await Scene.make(t);
    const [inside, outside] = [scene.makeDirectory('inside'), scene.makeDirectory('outside')];
    const link = join(inside, 'link');
    symlinkSync(outside, link);
    const serverConfigs = serversOf({ inside, outside, link });
    const { running } = await scene.launch({ docker: { allowedVolumes: [inside], serverConfigs } });
    t.equal((await running.exited).code, 78);
    const lines = running.stderr.split('\n');
    for (const [subject, word] of told) {
      t.ok(
        lines.some((line) => subject.test(line) && word.test(line)),
        `${subject} ${word}`,
      );
    }
    t.same(await scene.containers(), []);
    t.equal(await ask(['network', 'ls', '--quiet', '--filter', `name=${scene.fleetName}`]), '');
  });
}
