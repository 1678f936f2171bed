/**
 * A flame graph, as a plain SVG, of CPU profiles or of a run of Node.
 *
 *   node bench/flame.mjs [--title TEXT] OUT.svg PROFILE.cpuprofile…
 *   node bench/flame.mjs [--title TEXT] [--runs 1] [--interval 100] OUT.svg -- PROGRAM.cjs [ARG…]
 *
 * Several profiles or runs are added up. --interval: microseconds between two samples. The run's stdout goes into a pipe whose
 * reader is fast. A frame is as wide as the time in it and in what it has called, and sits on its caller; widest first, idle time left out.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';

const [width, rowHeight, headHeight, letterWidth] = [1200, 17, 48, 6.4];
/** Narrower frames are not drawn, in pixels. */
const leastWidth = 0.5;

/** Node writes a profile when it ends by itself; tandem's addon would end it at once. */
const endAsNodeDoes = `
  const { dlopen } = process;
  process.dlopen = (module, path) => {
    dlopen(module, path);
    if (module.exports.exit) module.exports.exit = process.exit;
  };
`;

/** Runs Node and takes its profiles. @throws Error if a run leaves none */
function profilesOf(words, { runs, interval }) {
  const work = mkdtempSync(join(tmpdir(), 'flame-'));
  try {
    const preload = join(work, 'preload.cjs');
    writeFileSync(preload, endAsNodeDoes);
    const flags = ['--cpu-prof', `--cpu-prof-dir=${work}`, `--cpu-prof-interval=${interval}`, `--require=${preload}`];
    for (let run = 0; run < runs; run++) {
      const command = ['-c', '"$@" | cat > /dev/null', 'sh', process.execPath, ...flags, ...words];
      spawnSync('sh', command, { stdio: ['ignore', 'ignore', 'inherit'] });
    }
    const files = readdirSync(work).filter((name) => name.endsWith('.cpuprofile'));
    if (files.length < runs)
      throw new Error(`cannot profile ${words.join(' ')}: ${files.length} of ${runs} runs left one`);
    return files.map((name) => readProfile(join(work, name)));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const readProfile = (file) => JSON.parse(readFileSync(file, 'utf8'));

const makeFrame = (name, kind) => ({ name, kind, ownUs: 0, children: new Map() });

/** Adds a profile, in V8's format, to a tree whose frames are told apart by function and file. */
function add(root, { nodes, samples, timeDeltas }) {
  const ownUs = new Map();
  samples.forEach((id, index) => {
    ownUs.set(id, (ownUs.get(id) ?? 0) + Math.max(0, timeDeltas[index] ?? 0));
  });
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const walk = (node, frame) => {
    frame.ownUs += ownUs.get(node.id) ?? 0;
    for (const child of (node.children ?? []).map((id) => byId.get(id))) {
      const { functionName, url, lineNumber } = child.callFrame;
      if (functionName === '(idle)') continue;
      const key = `${functionName} ${url} ${lineNumber}`;
      if (!frame.children.has(key))
        frame.children.set(key, makeFrame(nameOf(child.callFrame), kindOf(child.callFrame)));
      walk(child, frame.children.get(key));
    }
  };
  walk(nodes[0], root);
}

function nameOf({ functionName, url }) {
  const file = url.startsWith('node:') ? url : basename(url);
  return `${functionName || '(anonymous)'}${file && ` ${file}`}`;
}

function kindOf({ functionName, url }) {
  if (functionName === '(garbage collector)') return 'garbage';
  if (url === '') return 'native';
  return url.startsWith('node:') ? 'node' : 'own';
}

const colors = { own: '#f2a65a', node: '#9fc5a3', native: '#b9c4cc', garbage: '#d98880' };

const totalUs = (frame) => [...frame.children.values()].reduce((sum, child) => sum + totalUs(child), frame.ownUs);

const depthOf = (frame, scale) =>
  1 +
  Math.max(
    0,
    ...[...frame.children.values()]
      .filter((one) => totalUs(one) * scale >= leastWidth)
      .map((one) => depthOf(one, scale)),
  );

function draw(root, title) {
  const whole = totalUs(root);
  const scale = width / Math.max(whole, 1);
  const rows = depthOf(root, scale);
  const height = headHeight + rows * rowHeight + 8;
  const shapes = [];
  const place = (frame, x, row) => {
    const us = totalUs(frame);
    if (us * scale < leastWidth) return;
    shapes.push(shapeOf(frame, { x, y: height - 8 - (row + 1) * rowHeight, wide: us * scale, us, share: us / whole }));
    let next = x;
    const children = [...frame.children.values()].sort((one, other) => totalUs(other) - totalUs(one));
    for (const child of children) {
      place(child, next, row + 1);
      next += totalUs(child) * scale;
    }
  };
  place(root, 0, 0);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="monospace" font-size="11">`,
    `<title>${escaped(title)}</title>`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="6" y="18" font-size="14">${escaped(title)}</text>`,
    `<text x="6" y="36">${escaped(`${milliseconds(whole)} on the processor. Orange: the program; green: Node's own JavaScript; grey: native code; red: garbage collection`)}</text>`,
    ...shapes,
    '</svg>\n',
  ].join('\n');
}

function shapeOf({ name, kind }, { x, y, wide, us, share }) {
  const letters = Math.floor((wide - 6) / letterWidth);
  const label = name.length <= letters ? name : `${name.slice(0, Math.max(0, letters - 2))}..`;
  const text = letters < 4 ? '' : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escaped(label)}</text>`;
  const rect = `<rect x="${x.toFixed(1)}" y="${y}" width="${wide.toFixed(1)}" height="${rowHeight - 1}" fill="${colors[kind]}"/>`;
  const words = `${name}: ${milliseconds(us)}, ${(share * 100).toFixed(1)} %`;
  return `<g><title>${escaped(words)}</title>${rect}${text}</g>`;
}

const milliseconds = (us) => `${(us / 1000).toFixed(us < 10_000 ? 2 : 0)} ms`;

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function main() {
  const { values, positionals, tokens } = parseArgs({
    allowPositionals: true,
    tokens: true,
    options: {
      title: { type: 'string' },
      runs: { type: 'string', default: '1' },
      interval: { type: 'string', default: '100' },
    },
  });
  const isRun = tokens.some(({ kind }) => kind === 'option-terminator');
  const [out, ...words] = positionals;
  if (out === undefined || words.length === 0) {
    console.error(
      'usage: node bench/flame.mjs [--title TEXT] [--runs N] [--interval US] OUT.svg (PROFILE… | -- PROGRAM [ARG…])',
    );
    process.exitCode = 64;
    return;
  }
  const root = makeFrame('all', 'native');
  const profiles = isRun
    ? profilesOf(words, { runs: Number(values.runs), interval: Number(values.interval) })
    : words.map(readProfile);
  for (const profile of profiles) add(root, profile);
  writeFileSync(out, draw(root, values.title ?? words.join(' ')));
}

main();
