/** Makes the tables that are missing; then it ends. Run again, it changes nothing. */
import { openPostgres } from './stores.js';

const pool = openPostgres();
const client = await pool.connect();
try {
  await client.query('begin');
  // Of several that start at once one makes them, and the others wait and find them.
  await client.query({ text: 'select pg_advisory_xact_lock($1)', values: [8079], query_timeout: 60_000 });
  await client.query(`
    create table if not exists notes (
      key text primary key,
      text text not null,
      updated_at timestamptz not null default now()
    );
    create table if not exists chats (
      id bigint generated always as identity primary key,
      provider text not null,
      prompt text not null,
      answer text not null,
      created_at timestamptz not null default now()
    );
  `);
  await client.query('commit');
  console.log('the tables are there');
} finally {
  // With an error the connection is closed, and what was not committed is undone.
  client.release(true);
  await pool.end();
}
