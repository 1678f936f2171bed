/** B43 on a real engine. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { callText, filesystem, needsEngine, Scene } from './fleet.ts';

t.test('B43 the first call starts the container and answers from its volume', needsEngine, async (t) => {
  const scene = await Scene.make(t);
  const server = scene.name('filesystem');
  const data = scene.makeDirectory('data');
  writeFileSync(join(data, 'note.txt'), 'from the host');
  const fleet = await scene.start({
    docker: {
      allowedVolumes: [scene.directory],
      idleTimeout: '1s',
      serverConfigs: { [server]: { ...filesystem, volumes: { [data]: '/data' } } },
    },
  });
  t.equal(await scene.inspect(server), undefined);
  const { client, leave } = await fleet.client(server);
  t.equal(await callText(client, 'read_text_file', { path: '/data/note.txt' }), 'from the host');
  await leave();
  await scene.gone(server);
});
