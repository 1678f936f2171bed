/**
 * The health report as Prometheus metrics, written by hand (text exposition format 0.0.4).
 * The names follow the conventions of Prometheus: base units, `_total` for counters, one series for each state.
 */
import type { HealthReport } from '../core/health.ts';
import { transitions } from '../core/state.ts';

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** @returns the whole page, with a line feed at its end */
export function renderMetrics(report: HealthReport): string {
  const components = Object.entries(report.components);
  const each = (value: (component: (typeof components)[number][1]) => number): Sample[] =>
    components.map(([service, component]) => [{ service }, value(component)]);
  const states = components.flatMap(([service, component]) =>
    Object.keys(transitions).map((state): Sample => [{ service, state }, Number(component.state === state)]),
  );
  return [
    metric('tandem_info', 'gauge', 'The version that runs.', [[{ version: report.version }, 1]]),
    metric('tandem_up', 'gauge', 'Whether everything is healthy.', [[{}, Number(report.status === 'healthy')]]),
    metric('tandem_live', 'gauge', 'Whether nothing essential is lost for good.', [[{}, Number(report.live)]]),
    metric('tandem_ready', 'gauge', 'Whether everything that should serve does.', [[{}, Number(report.ready)]]),
    metric('tandem_uptime_seconds', 'gauge', 'Time since tandem started.', [[{}, report.uptime_seconds]]),
    metric('tandem_service_state', 'gauge', 'The state a service is in: 1, all others 0.', states),
    metric(
      'tandem_service_state_seconds',
      'gauge',
      'Time since a service came into its state.',
      each((component) => component.since_seconds),
    ),
    metric(
      'tandem_service_restarts_total',
      'counter',
      'How often a service was started again.',
      each((component) => component.restarts),
    ),
  ].join('');
}

function metric(name: string, type: 'gauge' | 'counter', help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return '';
  const lines = samples.map(([labels, value]) => `${name}${renderLabels(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function renderLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
