/**
 * `tandem health` as images have it, without a word more: asks the first control socket through the addon, and ends. Neither
 * the rest of tandem nor Node's network is loaded, which is what the check would cost otherwise.
 *
 * It says only what a supervisor has answered. Whatever else there is, no socket, no answer, no addon, it returns, and the
 * ordinary command (cli/health.ts) asks, and finds the words for it.
 */
import { writeSync } from 'node:fs';
import { type HttpResponse, readAnswer } from './cli/http-answer.ts';
import { requestOf } from './cli/http-question.ts';
import { judgeResponse } from './cli/judge-response.ts';
import { printable } from './cli/printable.ts';
import { type Addon, native } from './host/native.ts';
import { isSetUserId } from './host/self.ts';
import { controlSockets } from './http/runtime-dir.ts';

const limitMs = 1_000;
/** The ordinary command's deadline, of which it gets what is left. */
const deadlineMs = 4_000;

/** A report of more services than fit is for the ordinary command. */
const answerBytes = 64 * 1024;

function askQuickly(): void {
  if (isSetUserId() || process.env['HEALTHCHECK_DEBUG']) return;
  const { reaper } = native();
  const [path] = controlSockets(process.env);
  if (reaper === undefined || path === undefined) return;
  const startedAt = process.hrtime.bigint(); // to look at performance.now loads a dozen modules
  const response = responseOf(reaper, path);
  if (response === undefined) {
    const spentMs = Number((process.hrtime.bigint() - startedAt) / 1_000_000n);
    process.argv.push('--timeout', `${deadlineMs - spentMs}ms`);
    return;
  }
  const { isHealthy, words } = judgeResponse(response);
  say(printable(`${isHealthy ? 'healthy' : 'unhealthy'}: ${words}`));
  reaper.exit(isHealthy ? 0 : 1);
}

function responseOf(addon: Addon, path: string): HttpResponse | undefined {
  const bytes = Buffer.allocUnsafeSlow(answerBytes);
  const length = addon.ask(path, requestOf({ target: '/health', host: 'localhost' }), bytes, limitMs);
  if (length <= 0 || length === answerBytes) return undefined;
  const answer = readAnswer(bytes.subarray(0, length), true);
  return answer !== undefined && 'response' in answer ? answer.response : undefined;
}

function say(line: string): void {
  try {
    writeSync(1, `${line}\n`);
  } catch {
    // Nobody reads; the exit code still tells.
  }
}

askQuickly();
