/**
 * How a block of lines looks at the destination: with the service's name before each line, or as one JSON record a
 * line. Pure functions from bytes to bytes.
 *
 * Both work on a whole block at once (see output-lines.ts), as Latin-1, which maps every byte to one character and back, so that
 * V8's own search and replacement are byte-exact. What makes that wrong is rare, looked for first, and done line by line.
 */
import { isUtf8 } from 'node:buffer';
import type { LineWriter } from './native.ts';
import type { LineBlock } from './output-lines.ts';
import { giveBack, takeRoom } from './output-room.ts';

/** Formats what one stream of one service wrote. The bytes may lie in room that is to be given back (output-room.ts). */
export type Format = (block: LineBlock) => Buffer;

/** What `prefix` puts at the end of a piece of an over-long line that goes on in the next line. */
export const continuesMark = ' [...]';

/** Cyan, yellow, green, magenta, blue and their bright ones: readable on dark and light; no red, it says "error". */
const colors = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94] as const;

/**
 * What would move the cursor, and so could pass for another service's line, or reach the terminal itself: all control
 * characters but tabs, newlines and the CR before one; in UTF-8 also those of C1.
 */
export const controlSource = String.raw`[\0-\x08\v\f\x0e-\x1f\x7f]|\r(?!\n)|\xc2[\x80-\x9f]`;
export const colorOrControlSource = String.raw`\x1b\[[\d;:]{0,64}m|${controlSource}`;
const colorOrControl = new RegExp(colorOrControlSource, 'g');

const resetColors = '\x1b[0m';

/**
 * `hub     | listening on 7300`: the name, padded to the longest one, before each line. The line's bytes stay what they
 * are, UTF-8 or not, except for control characters, which are shown as `cat -v` does it (C1: `<9b>`). Colours stay, and end
 * with their line.
 */
export function prefixFormat(service: string, names: readonly string[], color: boolean, writer?: LineWriter): Format {
  const width = Math.max(service.length, ...names.map((name) => name.length));
  const label = `${service.padEnd(width)} |`;
  const prefix = color ? `\x1b[${colorOf(service, names)}m${label}\x1b[0m ` : `${label} `;
  const separator = `\n${prefix}`;
  const prefixBytes = Buffer.from(prefix);
  return ({ bytes, partial }) => {
    const written = writer && !partial && inRoom((room) => writer.prefixLines(bytes, prefixBytes, room));
    if (written) return written;
    const text = bytes.toString('latin1');
    const lines = maybeControl(bytes) ? harmless(text) : text;
    if (partial) return Buffer.from(`${prefix}${lines}${continuesMark}\n`, 'latin1');
    return Buffer.from(`${prefix}${lines.slice(0, -1).replaceAll('\n', separator)}\n`, 'latin1');
  };
}

/** What the addon has written, if it has; little is copied, so that many short lines in a queue hold no room each. */
function inRoom(write: (room: Buffer) => number): Buffer | undefined {
  const room = takeRoom();
  const length = write(room);
  if (length >= littleBytes) return room.subarray(0, length);
  const copy = length < 0 ? undefined : Buffer.from(room.subarray(0, length));
  giveBack(room);
  return copy;
}

const littleBytes = 16 * 1024;

const controls = Array.from({ length: 0x20 }, (_, byte) => byte).filter((byte) => byte !== 0x09 && byte !== 0x0a);

/** Whether a pattern must look: at a control character, or at what begins one of C1. */
const maybeControl = makeSearch([...controls, 0x7f, 0xc2]);

/** From this length on many native searches, of which each finds nothing, are faster than one look at each byte. */
const longBytes = 1024;

/** Whether one of these bytes is in a block. */
function makeSearch(wanted: readonly number[]): (bytes: Buffer) => boolean {
  const isWanted = new Uint8Array(256);
  for (const byte of wanted) isWanted[byte] = 1;
  return (bytes) => {
    if (bytes.length >= longBytes) return wanted.some((byte) => bytes.includes(byte));
    for (let at = 0; at < bytes.length; at++) if (isWanted[bytes[at] ?? 0] === 1) return true;
    return false;
  };
}

function harmless(text: string): string {
  const lines = text.replace(colorOrControl, shown).split('\n');
  return lines.map((line) => (line.includes('\x1b') ? `${line}${resetColors}` : line)).join('\n');
}

function shown(character: string): string {
  if (character.length === 2) return `<${character.charCodeAt(1).toString(16)}>`;
  if (character.length > 2) return character;
  return `^${String.fromCharCode(character.charCodeAt(0) ^ 0x40)}`;
}

function colorOf(service: string, names: readonly string[]): number {
  const index = Math.max(0, names.indexOf(service));
  return colors[index % colors.length] ?? 36;
}

/**
 * `{"level":30,"time":1700000000000,"service":"hub","stream":"stdout","msg":"listening on 7300"}`: byte for byte what
 * pino writes for the same record (a test compares them), made by hand because a call of pino a line is slower.
 *
 * A line that is JSON itself stays a string in `msg`. Bytes that are not UTF-8 become U+FFFD, as JSON demands. Every
 * record is level 30, those of stderr too: most programs log everything there, so the stream says nothing of severity.
 * A piece of an over-long line that goes on in the next record has `"partial":true`.
 * @param now wall time in milliseconds; asked once a block, all of its lines arrived together
 */
export function jsonFormat(
  service: string,
  stream: 'stdout' | 'stderr',
  now: () => number = Date.now,
  writer?: LineWriter,
): Format {
  const facts = `"service":${JSON.stringify(service)},"stream":"${stream}"`;
  return ({ bytes, partial }) => {
    const head = `{"level":30,"time":${now()},${facts},${partial ? '"partial":true,' : ''}"msg":`;
    const isText = !partial && isUtf8(bytes);
    const written = writer && isText && inRoom((room) => writer.jsonLines(bytes, Buffer.from(`${head}"`), room));
    if (written) return written;
    const length = partial ? bytes.length : bytes.length - 1;
    if (!isUtf8(bytes) || maybeEscaped(bytes)) return Buffer.from(recordEach(head, bytes.toString('utf8', 0, length)));
    const records = bytes.toString('latin1', 0, length).replaceAll('\n', `"}\n${head}"`);
    return Buffer.from(`${head}"${records}"}\n`, 'latin1');
  };
}

/** What JSON does not have in a string as it is. */
const maybeEscaped = makeSearch([...controls, 0x09, 0x22, 0x5c]);

function recordEach(head: string, text: string): string {
  let records = '';
  for (const line of text.split('\n')) records += `${head}${JSON.stringify(line)}}\n`;
  return records;
}
