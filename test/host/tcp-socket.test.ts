import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import t from 'tap';
import { native } from '../../src/host/native.ts';
import { openTcpSocket } from '../../src/host/tcp-socket.ts';

const isBuilt = native().reaper !== undefined;
const openFiles = () => readdirSync('/proc/self/fd').length;

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

    const before = openFiles();
    t.equal(openTcpSocket({ host, port }), undefined, 'a taken port is left to Node');
    t.equal(openFiles(), before, 'and no descriptor is lost by it');
  }
});

t.test('every other host is left to Node', (t) => {
  for (const host of ['::1', '::', 'localhost', '127.1', ''])
    t.equal(openTcpSocket({ host, port: 0 }), undefined, host);
  t.end();
});
