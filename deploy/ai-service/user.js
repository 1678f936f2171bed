/** Makes a user, or gives one a new token, and prints the token: `node user.js NAME`. It is kept nowhere else. */
import { randomBytes } from 'node:crypto';
import { hashOf, mockUser, openPool } from './database.js';

const [name] = process.argv.slice(2);
if (!name || name === mockUser) {
  console.error(`usage: node user.js NAME   (any but ${mockUser})`);
  process.exit(64);
}
const token = randomBytes(24).toString('base64url');
const pool = openPool();
await pool.query(
  'insert into users (name, token_hash) values ($1, $2) on conflict (name) do update set token_hash = excluded.token_hash',
  [name, hashOf(token)],
);
await pool.end();
console.log(token);
