/**
 * `npm run audit`: the lock file against the registry's list of known vulnerabilities. It fails if one is known in what is
 * shipped; if one is known in what only developers install, it says so. Where the registry has no such list, or none
 * answers, that is said, and nothing is failed: a build must not hang on somebody else's server.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const limitMs = 60_000;

/** The report, or why there is none. */
function audit(flags) {
  const { stdout, error } = spawnSync('npm', ['audit', '--json', ...flags], {
    cwd: root,
    encoding: 'utf8',
    timeout: limitMs,
  });
  if (error) return { why: error.message };
  try {
    const report = JSON.parse(stdout);
    return report.vulnerabilities ? { found: report.vulnerabilities } : { why: report.message ?? 'no report' };
  } catch {
    return { why: 'npm printed no report' };
  }
}

for (const { what, flags, isFatal } of [
  { what: 'what is shipped', flags: ['--omit=dev'], isFatal: true },
  { what: 'everything', flags: [], isFatal: false },
]) {
  const { found, why } = audit(flags);
  if (found === undefined) {
    console.log(`audit of ${what}: not done, ${why}`);
    continue;
  }
  const names = Object.values(found).map(({ name, severity, range }) => `${name} ${range} (${severity})`);
  console.log(
    `audit of ${what}: ${names.length} with known vulnerabilities${names.length > 0 ? `: ${names.join(', ')}` : ''}`,
  );
  if (names.length > 0 && isFatal) process.exitCode = 1;
}
