import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import t from 'tap';
import { native } from '../../src/host/native.ts';
import { openTcpSocket } from '../../src/host/tcp-socket.ts';

const isBuilt = native().reaper !== undefined;

/** The sockets of this process; other threads open and close files meanwhile. */
function openSockets(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith('socket:') ? [target] : [];
    } catch {
      return [];
    }
  });
}

t.test('Node listens on the socket, at the address and the port that were asked for', { skip: !isBuilt }, async (t) => {
  for (const host of ['127.0.0.1', '127.0.0.2', '0.0.0.0']) {
    const server = createServer((socket) => socket.end(`hello from ${host}`));
    const fd = openTcpSocket({ host, port: 0 });
    server.listen({ fd });
    await once(server, 'listening');
    t.teardown(() => server.close());
    const { address, port } = server.address() as AddressInfo;
    t.equal(address, host);
    const client = connect(port, host === '0.0.0.0' ? '127.0.0.1' : host);
    const [greeting] = await once(client, 'data');
    t.equal(String(greeting), `hello from ${host}`);
    client.destroy();

    const before = openSockets();
    t.equal(openTcpSocket({ host, port }), undefined, 'a taken port is left to Node');
    t.same(
      openSockets().filter((one) => !before.includes(one)),
      [],
      'and no descriptor is lost by it',
    );
  }
});

t.test('every other host is left to Node', (t) => {
  for (const host of ['::1', '::', 'localhost', '127.1', ''])
    t.equal(openTcpSocket({ host, port: 0 }), undefined, host);
  t.end();
});
