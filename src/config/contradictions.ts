/** What is acceptable one by one and not together. */
import type { Problem } from '../core/errors.ts';
import { formatDuration } from './duration.ts';
import { defaultStopTimeoutMs } from './stop-shares.ts';
import type { Collected } from './texts.ts';
import type { Values } from './variables.ts';

/** @param subjects what each variable is called in a message */
export function contradictions(values: Values, subjects: Collected['subjects']): Problem[] {
  const problems = portConflicts(values, subjects);
  if (values.HUB_SKIP_START && values.GATEWAY_SKIP_START) {
    const subject = 'HUB_SKIP_START, GATEWAY_SKIP_START';
    problems.push({ subject, message: 'both services are skipped; accepted: at most one' });
  }
  if (values.GATEWAY_WAIT && values.GATEWAY_SKIP_START && values.MCP_GATEWAY_URL === undefined) {
    const message = 'there is no gateway to wait for; accepted: with MCP_GATEWAY_URL';
    problems.push({ subject: 'GATEWAY_WAIT', message });
  }
  const timeoutMs = values.TANDEM_STOP_TIMEOUT;
  const isBudgetMade =
    [values.HUB_GRACEFUL_TIMEOUT, values.GW_GRACEFUL_TIMEOUT].some(Boolean) && timeoutMs === undefined;
  if (!isBudgetMade && values.TANDEM_DRAIN_DELAY >= (timeoutMs ?? defaultStopTimeoutMs)) {
    const limit = formatDuration(timeoutMs ?? defaultStopTimeoutMs);
    const message = `${formatDuration(values.TANDEM_DRAIN_DELAY)} leaves nothing of the stop timeout; accepted: less than TANDEM_STOP_TIMEOUT, which is ${limit}`;
    problems.push({ subject: 'TANDEM_DRAIN_DELAY', message });
  }
  return problems;
}

function portConflicts(values: Values, subjects: Collected['subjects']): Problem[] {
  const users = [
    ...(values.HUB_SKIP_START ? [] : (['PORT'] as const)),
    ...(values.GATEWAY_SKIP_START ? [] : (['GW_PORT'] as const)),
    'TANDEM_HEALTH_PORT' as const,
  ].filter((name) => values[name] !== undefined);
  return users.flatMap((name, index) => {
    const earlier = users.slice(0, index).find((other) => values[other] === values[name]);
    if (earlier === undefined) return [];
    const message = `"${values[name]}" is the port of ${subjects[earlier]}, too; accepted: a port of its own`;
    return [{ subject: subjects[name] ?? name, message }];
  });
}
