/**
 * The gateway: it keeps the messages of its users.
 *
 *   POST /messages {"text": "…"}   201 and the message
 *   GET  /messages                 the user's last fifty
 *   GET  /health                   200, or 503 and the component that is down
 *
 * Users come with `Authorization: Bearer TOKEN` (user.js makes one). In development nobody needs to.
 */
import { createServer } from 'node:http';
import { hashOf, isDevelopment, mockUser, openPool } from './database.js';

const port = Number(process.env['PORT'] ?? 8000);
const longestBody = 64 * 1024;
/** How long requests in flight may take when the gateway stops. */
const drainMs = 5_000;

const pool = openPool();
const server = createServer((request, response) => {
  answer(request).then(
    ({ status = 200, body }) => send(response, status, body),
    (error) => send(response, error.status ?? 503, { error: error.status ? error.message : 'the database is away' }),
  );
});

/** What a client did wrong. Any other error is the database's. */
class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function answer(request) {
  const { pathname } = new URL(request.url, 'http://gateway');
  switch (`${request.method} ${pathname}`) {
    case 'GET /health':
      return health();
    case 'GET /messages':
      return { body: { messages: await messagesOf(await userOf(request)) } };
    case 'POST /messages': {
      const user = await userOf(request);
      return { status: 201, body: await keep(user, await textOf(request)) };
    }
    default:
      throw new Refusal(404, `there is no ${request.method} ${pathname}`);
  }
}

async function health() {
  try {
    await pool.query('select 1');
    return { body: { status: 'healthy', components: { postgres: { status: 'healthy' } } } };
  } catch (error) {
    const postgres = { status: 'unhealthy', reason: error.message || error.code };
    return { status: 503, body: { status: 'unhealthy', components: { postgres } } };
  }
}

async function userOf({ headers: { authorization } }) {
  const isMock = isDevelopment && authorization === undefined;
  const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
  if (!isMock && !token) throw new Refusal(401, 'a token is needed: Authorization: Bearer TOKEN');
  const { rows } = isMock
    ? await pool.query('select id, name from users where name = $1', [mockUser])
    : await pool.query('select id, name from users where token_hash = $1', [hashOf(token)]);
  if (rows.length === 0) throw new Refusal(401, 'this token is nobody’s');
  return rows[0];
}

async function messagesOf(user) {
  const { rows } = await pool.query(
    'select id, text, created_at from messages where user_id = $1 order by id desc limit 50',
    [user.id],
  );
  return rows;
}

async function keep(user, text) {
  const { rows } = await pool.query(
    'insert into messages (user_id, text) values ($1, $2) returning id, text, created_at',
    [user.id, text],
  );
  return { user: user.name, ...rows[0] };
}

async function textOf(request) {
  const { text } = await bodyOf(request);
  if (typeof text !== 'string' || text === '') throw new Refusal(400, '"text" must be a text that is not empty');
  if (text.includes('\0')) throw new Refusal(400, '"text" must not contain U+0000');
  return text;
}

async function bodyOf(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > longestBody) throw new Refusal(413, `the body is longer than ${longestBody} bytes`);
    chunks.push(chunk);
  }
  try {
    return Object(JSON.parse(Buffer.concat(chunks).toString()));
  } catch {
    throw new Refusal(400, 'the body must be JSON');
  }
}

function send(response, status, body) {
  // What was not read of a refused request would be taken for the next one.
  const headers = { 'content-type': 'application/json', ...(status === 413 && { connection: 'close' }) };
  response.writeHead(status, headers).end(`${JSON.stringify(body)}\n`);
}

/** Requests in flight are answered, then the connections to the database are closed, and Node ends by itself with 0. */
process.once('SIGTERM', () => {
  server.close(() => pool.end());
  setTimeout(() => server.closeAllConnections(), drainMs).unref();
});

server.listen(port, () => console.log(`listening on port ${port}${isDevelopment ? ', with the mock user' : ''}`));
