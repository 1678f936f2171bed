/**
 * The terminal that goes away under tandem: its window is closed, its connection is lost.
 */
import { closeSync, fstatSync } from 'node:fs';
import { isatty } from 'node:tty';

/**
 * Closes those of the descriptors 0 to 2 whose terminal has hung up; to be called last of all. At its end Node puts every
 * terminal back into the mode in which it found it, and aborts where that fails: the exit code would be 134, or 139 as
 * PID 1.
 */
export function closeLostTerminals(): void {
  for (const descriptor of [0, 1, 2]) if (isLost(descriptor)) closeSync(descriptor);
}

/** A device that is no terminal: it has ceased to be one, or it is /dev/null, which nobody will miss. */
function isLost(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice() && !isatty(descriptor);
  } catch {
    return false; // not open
  }
}
