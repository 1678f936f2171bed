import t from 'tap';
import { hideUserinfo } from '../../src/core/userinfo.ts';

const cells: Readonly<Record<string, string>> = {
  'no URL at all: user:pass@host': 'no URL at all: user:pass@host',
  'http://host:1/path?q=1': 'http://host:1/path?q=1',
  'http://host/': 'http://host/',
  'http://user@host/': 'http://***@host/',
  'http://user:pass@host/': 'http://***@host/',
  'cannot reach postgres://hub:s3cret@db/hub': 'cannot reach postgres://***@db/hub',
  'redis://:s3cret@cache:6379/0': 'redis://***@cache:6379/0',
  'http://u:s3c@cret@host/': 'http://***@host/',
  'postgres://u:s3/cr?et#@host/d': 'postgres://***@host/d',
  // An ordinary host stands before the path: the @ is the path's.
  'http://host/p@q': 'http://host/p@q',
  'http://host:80/p@q': 'http://host:80/p@q',
  'http://host:/p@q': 'http://host:/p@q',
  'http://host?mail=a@b.c': 'http://host?mail=a@b.c',
  'http://host#a@b.c': 'http://host#a@b.c',
  'http://[::1]/p@q': 'http://[::1]/p@q',
  'http://[::1]:80/p@q': 'http://[::1]:80/p@q',
  // These look like a host with a port, and are not one.
  'http://user:80x/p@host': 'http://***@host',
  'http://user:x80/p@host': 'http://***@host',
  'http://a:b:80/p@host': 'http://***@host',
  'http://[::1]x/p@host': 'http://***@host',
  'http://x[::1]:/p@host': 'http://***@host',
  'http://[a/p@host': 'http://[a/p@host',
  'http://u:s3cret@h/ and redis://:s3cret@r': 'http://***@h/ and redis://***@r',
  '{"url":"http://u:s3cret@h"}': '{"url":"http://***@h"}',
  "url='http://u:s3cret@h' user@x": "url='http://***@h' user@x",
  '<http://u:s3cret@h> user@x': '<http://***@h> user@x',
  'http://a\tb@c': 'http://a\tb@c',
  // A comma is a part of a password, unless a URL begins behind it.
  'http://u:s3,cret@h/': 'http://***@h/',
  'http://u:a@h/,http://u:b@i/': 'http://***@h/,http://***@i/',
  'http://h/,HTTP://u:b@i/': 'http://h/,HTTP://***@i/',
  'http://h/,git+ssh-2.0://u:b@i/': 'http://h/,git+ssh-2.0://***@i/',
  'http://h/,x://b@i/': 'http://h/,x://***@i/',
  'http://u:a,1x://b@i/': 'http://***@i/',
  'http://h/,a_b://u@i/': 'http://h/,a_b://u@i/',
  'http://u:a@h/,http://i/,redis://:b@j': 'http://***@h/,http://i/,redis://***@j',
  'http://': 'http://',
  'http://@h': 'http://***@h',
};

for (const [text, hidden] of Object.entries(cells)) t.equal(hideUserinfo(text), hidden, `B53 ${text}`);

t.test('B53 hiding twice changes nothing', async (t) => {
  for (const hidden of Object.values(cells)) t.equal(hideUserinfo(hidden), hidden);
});

t.test('B53 a long text takes no time', async (t) => {
  const startedAt = performance.now();
  for (const part of ['a', '://', 'http://u:p,', ',a', '@']) hideUserinfo(part.repeat(100_000));
  t.ok(performance.now() - startedAt < 5_000);
});
