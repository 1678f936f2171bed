// A small HTTP service for the examples: listens on PORT, answers /health, ends on SIGTERM.
const { createServer } = require('node:http');
const { NAME = 'server', PORT = '8080', HOST = '127.0.0.1' } = process.env;

const server = createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(request.url === '/health' ? { status: 'ok' } : { service: NAME }));
});
server.listen(Number(PORT), HOST, () => console.log(`${NAME} listens on ${HOST}:${PORT}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
