/** The connections to PostgreSQL, for all that needs some. */
import { createHash } from 'node:crypto';
import pg from 'pg';

/** Who everybody is that has no token, in development alone. */
export const mockUser = 'mock-user';

/** True with ENVIRONMENT=development, and only then. */
export const isDevelopment = process.env['ENVIRONMENT'] === 'development';

/**
 * A pool of at most five connections, made when they are needed. A server that is away is an error within two seconds,
 * and nothing for ever: the next query connects anew.
 */
export function openPool() {
  const pool = new pg.Pool({
    connectionString: process.env['DATABASE_URL'],
    max: 5,
    connectionTimeoutMillis: 2_000,
    query_timeout: 2_000,
  });
  // An idle connection that breaks is no query's error; without a listener it would be the end of the process.
  pool.on('error', (error) => console.error(`an idle connection to PostgreSQL broke: ${error.message}`));
  return pool;
}

/** What is kept of a token. */
export function hashOf(token) {
  return createHash('sha256').update(token).digest('hex');
}
