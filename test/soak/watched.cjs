// tandem's shipped form, and a window into its heap: whoever connects to the socket SOAK_WINDOW is told how many objects of
// these kinds live. Asking collects garbage first, and memory is measured right after it: what is left counts, not how far V8
// had come with its garbage.
const { createServer } = require('node:net');
const { join } = require('node:path');
const { queryObjects } = require('node:v8');

const probe = setTimeout(() => {}, 0);
const { Timeout } = { Timeout: probe.constructor };
clearTimeout(probe);
const kinds = { Timeout, AbortSignal, Socket: require('node:net').Socket, Promise };

createServer((client) => {
  const counts = Object.entries(kinds).map(([name, kind]) => [name, queryObjects(kind)]);
  client.on('error', () => {}).end(JSON.stringify(Object.fromEntries(counts)));
})
  .listen(process.env.SOAK_WINDOW)
  .unref();

process.argv[1] = join(__dirname, '../../dist/tandem.cjs');
require(process.argv[1]);
