/** Makes the tables that are missing and, in development, the mock user; then it ends. Run again, it changes nothing. */
import { isDevelopment, mockUser, openPool } from './database.js';

/** Several gateways start at once (`--scale gateway=3`): one makes the tables, the others wait and find them. */
const lock = 7_399;

const tables = `
  create table if not exists users (
    id bigint generated always as identity primary key,
    name text not null unique,
    token_hash text unique,
    created_at timestamptz not null default now()
  );
  create table if not exists messages (
    id bigint generated always as identity primary key,
    user_id bigint not null references users,
    text text not null,
    created_at timestamptz not null default now()
  );
  create index if not exists messages_by_user on messages (user_id, id);
`;

const pool = openPool();
const client = await pool.connect();
try {
  await client.query('begin');
  await client.query({ text: 'select pg_advisory_xact_lock($1)', values: [lock], query_timeout: 60_000 });
  const { rows } = await client.query(`select to_regclass('messages') is not null as found`);
  await client.query(tables);
  console.log(rows[0].found ? 'the tables are there' : 'the tables were made');
  if (isDevelopment) {
    const { rowCount } = await client.query('insert into users (name) values ($1) on conflict do nothing', [mockUser]);
    if (rowCount === 1) console.log('the mock user for development was made');
  }
  await client.query('commit');
} finally {
  // With an error the connection is closed, and what was not committed is undone.
  client.release(true);
  await pool.end();
}
