/** docs/security.md: directories that somebody has laid where tandem's clients look. More in test/http/runtime-dir.test.ts. */
import { chownSync, mkdirSync, rmSync } from 'node:fs';
import t from 'tap';
import { controlSockets } from '../../src/http/runtime-dir.ts';

const asRoot = { skip: process.geteuid?.() === 0 ? false : 'only root can give directories away' };

t.test(
  "threat: a service answers root in tandem's place from a directory in /tmp that is another's by name",
  asRoot,
  async (t) => {
    const [named, other] = [3_000_000_000 + process.pid, 1_000];
    const directory = `/tmp/tandem-${named}`;
    mkdirSync(directory, { mode: 0o700 });
    t.teardown(() => rmSync(directory, { recursive: true }));
    const isAsked = () => [...controlSockets({}, 0)].includes(`${directory}/tandem.sock`);
    chownSync(directory, other, other);
    t.notOk(isAsked(), 'it belongs to somebody else');
    chownSync(directory, named, other);
    t.ok(isAsked(), 'it belongs to who it says');
    chownSync(directory, 0, 0);
    t.ok(isAsked(), 'root has made it');
  },
);
