/**
 * Bytes in chunks become lines: the pure half of the children's output. It knows no stream, no service and no format.
 *
 * Lines are not handed out one by one but in blocks, because a chunk of 64 KiB holds hundreds of them and everything
 * that is done once per block instead of once per line is what makes the output fast.
 */

/** A longer line is split. Docker splits at the same length, which then has nothing left to do but for our prefix. */
export const maxLineBytes = 16 * 1024;

/** A run of bytes from one stream. */
export interface LineBlock {
  /** Whole lines, each with its newline; or, if `partial`, one piece of a line, without a newline. */
  readonly bytes: Buffer;
  /** True for a piece of an over-long line that goes on in the next block. Its last piece is an ordinary line. */
  readonly partial: boolean;
}

/** Splits one stream. What is kept between two calls is at most one line of `maxLineBytes`. */
export interface LineSplitter {
  /** Everything that is complete with this chunk, in order; good as long as the chunk is. */
  push(chunk: Buffer): LineBlock[];
  /** The last line if it came without a newline; it gets one, so that nobody else's line is glued to it. */
  end(): LineBlock[];
}

const newline = 0x0a;

/** Puts what was kept, at most `maxLineBytes`, before the next chunk. */
export type Join = (rest: Buffer, chunk: Buffer) => Buffer;

const concatenated: Join = (rest, chunk) => Buffer.concat([rest, chunk]);

/**
 * Makes a splitter for one stream.
 *
 * @example
 * const splitter = makeLineSplitter();
 * splitter.push(Buffer.from('one\ntwo\nthr')); // one block: "one\ntwo\n"
 * splitter.push(Buffer.from('ee'));            // nothing yet
 * splitter.end();                              // one block: "three\n"
 */
export function makeLineSplitter(limitBytes: number = maxLineBytes, join: Join = concatenated): LineSplitter {
  let rest: Buffer = Buffer.alloc(0);
  return {
    push(chunk) {
      const bytes = rest.length === 0 ? chunk : join(rest, chunk);
      const blocks: LineBlock[] = [];
      const start = cutLongLines(bytes, limitBytes, blocks);
      const end = Math.max(bytes.lastIndexOf(newline) + 1, start);
      if (end > start) blocks.push({ bytes: bytes.subarray(start, end), partial: false });
      rest = Buffer.from(bytes.subarray(end)); // the chunk's own bytes are its reader's to use again
      return blocks;
    },
    end() {
      if (rest.length === 0) return [];
      const line = Buffer.concat([rest, Buffer.of(newline)]);
      rest = Buffer.alloc(0);
      return [{ bytes: line, partial: false }];
    },
  };
}

/**
 * Hands out everything up to the end of the last over-long line's last full piece; returns where the rest begins.
 *
 * It looks for a newline backwards from where a line that starts here would become too long: if there is one, every line
 * up to it is short enough. That is one search per 16 KiB instead of one per line.
 */
function cutLongLines(bytes: Buffer, limitBytes: number, blocks: LineBlock[]): number {
  let start = 0;
  let lineStart = 0;
  while (bytes.length - lineStart > limitBytes) {
    const lastNewline = bytes.lastIndexOf(newline, lineStart + limitBytes);
    if (lastNewline >= lineStart) {
      lineStart = lastNewline + 1;
      continue;
    }
    if (lineStart > start) blocks.push({ bytes: bytes.subarray(start, lineStart), partial: false });
    const cut = characterStart(bytes, lineStart + limitBytes);
    blocks.push({ bytes: bytes.subarray(lineStart, cut), partial: true });
    start = cut;
    lineStart = cut;
  }
  return start;
}

/** The start of the UTF-8 character that the byte at `at` belongs to; `at` itself where the bytes are not UTF-8. */
function characterStart(bytes: Buffer, at: number): number {
  for (let start = at; start > at - 4 && start > 0; start--) {
    const isContinuation = ((bytes[start] ?? 0) & 0xc0) === 0x80;
    if (!isContinuation) return start;
  }
  return at;
}
