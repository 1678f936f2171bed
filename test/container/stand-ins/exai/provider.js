/** A provider of models: it says what it was asked, if the key is right. */
const http = require('node:http');

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const isKnown = request.headers.authorization === `Bearer ${process.env['KIMI_API_KEY']}`;
  if (!isKnown || request.url !== '/v1/chat/completions') return response.writeHead(401).end();
  const { model, messages } = JSON.parse(Buffer.concat(chunks).toString());
  const content = `${model}: ${messages[0].content}`;
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ choices: [{ message: { content } }] }));
});

server.listen(8000);
process.once('SIGTERM', () => process.exit(0));
