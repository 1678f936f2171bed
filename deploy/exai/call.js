/** Calls one tool of the server in this container and prints the answer: `node call.js TOOL '{"KEY": "VALUE"}'`. */
import { WebSocket } from 'ws';

const [name, given = '{}'] = process.argv.slice(2);
if (!name) {
  console.error('usage: node call.js TOOL JSON');
  process.exit(64);
}
const params = { name, arguments: JSON.parse(given) };
const socket = new WebSocket(`ws://127.0.0.1:${process.env['WS_PORT'] ?? 8079}`, {
  headers: { authorization: `Bearer ${process.env['AUTH_TOKEN']}` },
});
socket.on('open', () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })));
socket.on('message', (data) => {
  const { result, error } = JSON.parse(String(data));
  console.log(result?.content[0].text ?? error.message);
  process.exitCode = error || result.isError ? 1 : 0;
  socket.close();
});
socket.on('error', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
