/** Where the engine is, by what is said of it. */
import { test } from 'tap';
import { placeOf } from '../../src/fleet/docker-engine.ts';

test('B40 the configured socket, else DOCKER_HOST, else the usual socket', async (t) => {
  const tcp = (DOCKER_HOST: string) => placeOf(undefined, { DOCKER_HOST });
  t.same(placeOf('/run/own.sock', { DOCKER_HOST: 'tcp://engine:2375' }), { socketPath: '/run/own.sock' });
  t.same(tcp('unix:///run/user/1000/docker.sock'), { socketPath: '/run/user/1000/docker.sock' });
  t.same(tcp('tcp://engine:2400'), { host: 'engine', port: 2400 });
  t.same(tcp('tcp://[::1]:2400'), { host: '::1', port: 2400 }, 'as a socket wants it');
  t.same(tcp('tcp://engine'), { host: 'engine', port: 2375 });
  t.same(tcp('http://engine:80'), { host: 'engine', port: 80 });
  for (const nothing of ['', ' ']) t.same(tcp(nothing), { socketPath: '/var/run/docker.sock' });
});
