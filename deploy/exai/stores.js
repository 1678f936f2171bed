/** PostgreSQL, which keeps, and Redis, which counts and caches. Both may go and come back while the server lives. */
import { Redis } from 'ioredis';
import pg from 'pg';

/** A query or a command that takes longer has failed. */
const patienceMs = 2_000;

/** A pool of at most five connections, made when they are needed. */
export function openPostgres() {
  const pool = new pg.Pool({
    connectionString: process.env['DATABASE_URL'],
    max: 5,
    connectionTimeoutMillis: patienceMs,
    query_timeout: patienceMs,
  });
  // An idle connection that breaks is no query's error; without a listener it would be the end of the process.
  pool.on('error', (error) => console.error(`an idle connection to PostgreSQL broke: ${error.message}`));
  return pool;
}

/** One connection, made anew for as long as it takes. Meanwhile a command is an error at once. */
export function openRedis() {
  const redis = new Redis(process.env['REDIS_URL'], {
    enableOfflineQueue: false,
    connectTimeout: patienceMs,
    commandTimeout: patienceMs,
  });
  redis.on('error', (error) => {
    redis.lastReason = error.message || error.code;
  });
  return redis;
}

/** What is wrong with each of them: a reason, or nothing. */
export async function troubles({ postgres, redis }) {
  const [ofPostgres, ofRedis] = await Promise.all([
    postgres.query('select 1').then(nothing, (error) => error.message || error.code),
    redis
      .ping()
      .then(nothing, (error) => (redis.status === 'ready' ? error.message : (redis.lastReason ?? redis.status))),
  ]);
  return { postgres: ofPostgres, redis: ofRedis };
}

const nothing = () => undefined;
