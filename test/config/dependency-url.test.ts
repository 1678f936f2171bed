import t from 'tap';
import { parseDependencyUrl, splitUrls, uniqueNames } from '../../src/config/dependency-url.ts';
import { load, problemsOf } from './fixture.ts';

const postgres = (more: object) => ({ kind: 'postgres', ...more });
const redis = (more: object) => ({ kind: 'redis', ...more });
const at = (host: string, port: number) => ({ endpoint: { host, port } });

for (const [url, name, probe] of [
  ['postgres://db', 'wait-postgres-db', postgres(at('db', 5432))],
  ['POSTGRESQL://DB:5433/app', 'wait-postgres-db-5433', postgres({ ...at('DB', 5433), database: 'app' })],
  [
    'postgresql+asyncpg://me:s3cret@db.example.com:5432/a%20b?sslmode=require',
    'wait-postgres-db-example-com',
    postgres({ ...at('db.example.com', 5432), user: 'me', database: 'a b' }),
  ],
  ['postgres://[::1]:5432/', 'wait-postgres-1', postgres(at('::1', 5432))],
  [
    'postgres:///app?host=/run/pg&user=me',
    'wait-postgres-run-pg',
    postgres({ endpoint: { path: '/run/pg/.s.PGSQL.5432' }, user: 'me', database: 'app' }),
  ],
  ['postgres://%2Frun%2Fpg', 'wait-postgres-run-pg', postgres({ endpoint: { path: '/run/pg/.s.PGSQL.5432' } })],
  ['redis://cache', 'wait-redis-cache', redis(at('cache', 6379))],
  [
    'redis://:p%40ss,word@cache:6380/0',
    'wait-redis-cache-6380',
    redis({ ...at('cache', 6380), password: 'p@ss,word' }),
  ],
  [
    'rediss://me:pw@cache',
    'wait-redis-cache',
    redis({ ...at('cache', 6379), tls: 'verified', username: 'me', password: 'pw' }),
  ],
  ['rediss://cache?ssl_cert_reqs=none', 'wait-redis-cache', redis({ ...at('cache', 6379), tls: 'unverified' })],
  ['redis+unix:///run/redis.sock', 'wait-redis-run-redis-sock', redis({ endpoint: { path: '/run/redis.sock' } })],
  ['http://api:8080/health', 'wait-http-api-8080', { kind: 'http', url: 'http://api:8080/health' }],
  ['https://u:p@api/', 'wait-https-api', { kind: 'http', url: 'https://u:p@api/' }],
  ['tcp://db:3306', 'wait-tcp-db-3306', { kind: 'tcp', address: { host: 'db', port: 3306 } }],
  ['tcp://[fe80::1]:1', 'wait-tcp-fe80-1-1', { kind: 'tcp', address: { host: 'fe80::1', port: 1 } }],
] as const) {
  t.test(`B30 ${url}: ${name}`, async (t) => t.strictSame(parseDependencyUrl(url), { probe, name }));
}

for (const [url, problem] of [
  ['db:5432', /scheme|no URL/],
  ['db', /no URL/],
  ['postgres://', /host/],
  ['postgres://h1,h2/db', /several hosts/],
  ['postgres://db:99999', /cannot be read|can be read/],
  ['redis://', /host/],
  ['redis+unix://run/redis.sock', /three slashes/],
  ['tcp://db', /port/],
  ['mysql://u:s3cret@db', /"mysql"/],
  ['redis://:100%@cache', /hexadecimal/],
] as const) {
  t.test(`B30 ${url} is refused`, async (t) => {
    const parsed = parseDependencyUrl(url);
    t.match('problem' in parsed ? parsed.problem : '', problem);
    t.notMatch(JSON.stringify(parsed), 's3cret');
  });
}

t.test('B30 a list is split at blanks, and at commas where another URL begins', async (t) => {
  t.strictSame(splitUrls(' postgres://u:a,b@db,redis://c ,\n tcp://d:1, http://e/?x=1,2,'), [
    'postgres://u:a,b@db',
    'redis://c',
    'tcp://d:1',
    'http://e/?x=1,2',
  ]);
  t.strictSame(splitUrls(''), []);
});

t.test('B30 names are unique, also beside others', async (t) => {
  t.strictSame(uniqueNames(['a', 'a', 'b', 'a'], ['b']), ['a', 'a-2', 'b-2', 'a-3']);
});

t.test('B30 WAIT_FOR: one wait for each URL, and none twice', async (t) => {
  const { waits } = await load({ WAIT_FOR: 'tcp://a:1,tcp://a:1 redis://a/0,redis://a/1', WAIT_FOR_TIMEOUT: '2m' });
  t.match(waits, [
    { name: 'wait-tcp-a-1', timeoutMs: 120_000 },
    { name: 'wait-redis-a', timeoutMs: 120_000 },
    { name: 'wait-redis-a-2', timeoutMs: 120_000 },
  ]);
  t.same((await load({})).waits, []);
});

t.test('B30 a wrong WAIT_FOR names what is wrong, and shows no password', async (t) => {
  const WAIT_FOR = 'tcp://db,redis://:s3cret@c,postgres://u:h/unter2@db mysql://a:hunter3@b';
  const problems = await problemsOf(load({ WAIT_FOR, WAIT_FOR_TIMEOUT: '0' }));
  t.match(problems, [
    { subject: 'WAIT_FOR', message: /number 1: host and port.*number 4: nothing is known of the scheme "mysql"/ },
    { subject: 'WAIT_FOR_TIMEOUT' },
  ]);
  t.notMatch(JSON.stringify(problems), /s3cret|unter/);
});
