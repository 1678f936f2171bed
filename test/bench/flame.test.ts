/** The flame graph of a tiny profile: widths are shares of the time, frames sit on their callers. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';

const script = join(import.meta.dirname, '../../bench/flame.mjs');

const node = (id: number, functionName: string, url: string, children: readonly number[] = []) => {
  return { id, callFrame: { functionName, url, lineNumber: 0 }, children };
};

/** main 1 ms + parse 3 ms below it; 4 ms idle. */
const profile = {
  nodes: [
    node(1, '(root)', '', [2, 4]),
    node(2, 'main', 'file:///a/main.cjs', [3]),
    node(3, 'parse<T>', 'node:url'),
    node(4, '(idle)', ''),
  ],
  samples: [2, 3, 4, 3],
  timeDeltas: [1000, 1000, 4000, 2000],
};

function framesOf(svg: string) {
  const pattern = /<title>(.*?): (\S+) ms, (\S+) %<\/title><rect x="(\S+?)" y="(\S+?)" width="(\S+?)"/g;
  return Array.from(svg.matchAll(pattern), ([, name = '', ...figures]) => ({ name, figures: figures.map(Number) }));
}

function drawn(directory: string, profiles: number) {
  const [file, out] = [join(directory, 'tiny.cpuprofile'), join(directory, 'out.svg')];
  writeFileSync(file, JSON.stringify(profile));
  execFileSync(process.execPath, [script, '--title', 'a < b', out, ...new Array(profiles).fill(file)]);
  return readFileSync(out, 'utf8');
}

test('a frame is as wide as its share of the time, and sits on its caller', async (t) => {
  const svg = drawn(t.testdir(), 1);
  const [all, main, parse, ...others] = framesOf(svg);
  t.match(all, { name: 'all', figures: [4, 100, 0] });
  t.match(main, { name: 'main main.cjs', figures: [4, 100, 0] });
  t.match(parse, { name: 'parse&lt;T&gt; node:url', figures: [3, 75, 0] });
  t.same(others, [], 'idle time is left out');
  const [rows, widths] = [
    [all, main, parse].map((one) => one?.figures[3]),
    [all, main, parse].map((one) => one?.figures[4]),
  ];
  t.same(widths, [1200, 1200, 900]);
  t.ok((rows[0] ?? 0) > (rows[1] ?? 0) && (rows[1] ?? 0) > (rows[2] ?? 0), 'callees are above');
  t.match(svg, 'a &lt; b');
});

test('several profiles are added up, frame by frame', async (t) => {
  const frames = framesOf(drawn(t.testdir(), 2));
  t.same(
    frames.map(({ figures }) => figures[0]),
    [8, 8, 6],
  );
});

test('a run is profiled, and one that fails to leave a profile is told', async (t) => {
  const directory = t.testdir({
    'spin.cjs': 'function spin() { for (const end = Date.now() + 30; Date.now() < end; ); }\nspin();',
  });
  const out = join(directory, 'out.svg');
  execFileSync(process.execPath, [script, out, '--', join(directory, 'spin.cjs')]);
  t.match(readFileSync(out, 'utf8'), 'spin spin.cjs');
  const killed = spawnSync(process.execPath, [script, out, '--', '-e', 'process.abort()'], {
    encoding: 'utf8',
  });
  t.match(killed.stderr, 'cannot profile');
  t.not(killed.status, 0);
  t.equal(spawnSync(process.execPath, [script, out]).status, 64);
});
