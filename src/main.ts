/**
 * The command line, wired to the flow: arguments, configuration, services, plan, supervisor, outcome, exit code.
 * `live` is the story of a container's life. This is the only file that ends the process.
 */

// Signals first: from here on none is lost. An import for its effect alone is one that no formatter moves.
import './host/signals.ts';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import { type Invocation, parseArguments } from './cli/arguments.ts';
import type { Planned } from './cli/plan-run.ts';
import type { Remark, RunConfig } from './config/config.ts';
import { parseFileLimit } from './config/file-limit.ts';
import type { Surroundings } from './config/load.ts';
import { hideInside } from './config/mask.ts';
import { ConfigError, type Problem, UnavailableError } from './core/errors.ts';
import { healthReport } from './core/health.ts';
import { EX_CONFIG, EX_SOFTWARE, EX_UNAVAILABLE, exitCodeOf } from './core/outcome.ts';
import { makePlan, type Plan } from './core/plan.ts';
import type { LaunchFailure } from './core/ports.ts';
import { type Requests, type StopPolicy, Supervisor } from './core/supervisor.ts';
import { visible } from './core/visible.ts';
import { Chronicle, type Narrator, terseNarrator } from './host/chronicle.ts';
import { systemClock } from './host/clock.ts';
import { originalFileLimit } from './host/file-limit.ts';
import { sweepAll } from './host/groups.ts';
import { closeStrayInspector } from './host/inspector.ts';
import { holderOf } from './host/listeners.ts';
import { type Log, makeLog } from './host/log.ts';
import { makeMachine } from './host/machine.ts';
import { native } from './host/native.ts';
import { makeOutput } from './host/output.ts';
import { variablesActingOnTandem } from './host/own-environment.ts';
import { writePlainly } from './host/own-output.ts';
import { hideInWords, say, untilSaid } from './host/own-words.ts';
import { unusableCommands } from './host/preflight.ts';
import { makeLauncher } from './host/processes.ts';
import { startReaper } from './host/reaper.ts';
import { heedCommandSignals, heedStopSignals } from './host/requests.ts';
import { unmetRequirements } from './host/requirements.ts';
import { isSetUserId, ownIdentity } from './host/self.ts';
import { handleAllSignals, ignoreSignals, signalNumber } from './host/signals.ts';
import { openTcpSocket } from './host/tcp-socket.ts';
import { closeLostTerminals } from './host/terminal.ts';

declare const TANDEM_VERSION: string;

/** The most that the last lines of output are waited for when nobody reads them … */
const flushLimitMs = 1_000;

/** … and when the stop budget is spent: whoever asked for the stop adds a second to it before SIGKILL (README). */
const overtimeMs = 500;

/** no-color.org: set and not empty, whatever it is. */
const isColorWanted = !process.env['NO_COLOR'];

/** What a life needs besides its plan. */
interface Circumstances {
  readonly narrator: Narrator;
  /** Takes secrets out of what is shown. */
  readonly hide?: (text: string) => string;
  readonly output: RunConfig['output'];
  readonly fileLimit: RunConfig['fileLimit'];
  readonly stopPolicy: StopPolicy;
  /** What signals from outside mean. */
  readonly heed: (supervisor: Supervisor) => Requests;
  /** Opens the places where health is asked; they also tell a second tandem that it is the second. */
  readonly openHealth: (supervisor: Supervisor) => Promise<Closable>;
  /** Makes ready on the disk what the services expect. */
  readonly prepare: () => Promise<void>;
}

interface Closable {
  close(): Promise<void>;
}

/** A container's life: everything is started, watched and stopped, and then nothing is left. */
async function live(plan: Plan, circumstances: Circumstances): Promise<number> {
  const { narrator, stopPolicy, heed, openHealth, prepare } = circumstances;
  const { reaper } = native();
  if (reaper) startReaper(reaper);
  const output = makeOutput({
    mode: circumstances.output,
    modes: new Map(plan.services.flatMap(({ name, output }) => (output ? [[name, output]] : []))),
    names: plan.services.map(({ name }) => name),
    createPipe: reaper && (() => reaper.pipe()),
    writer: reaper,
    color: isColorWanted,
  });
  const launcher = makeLauncher({ output, fileLimit: originalFileLimit(circumstances.fileLimit) });
  const supervisor = new Supervisor(plan, makeMachine(launcher, circumstances.hide), narrator, stopPolicy);
  const health = await openHealth(supervisor);
  await prepare().catch((error) => closeAndThrow(health, error));

  const running = supervisor.run(heed(supervisor));
  setImmediate(afterTheFirstSpawn, narrator);
  const outcome = await running;

  await sweepAll();
  const code = exitCodeOf(outcome, signalNumber);
  const limitMs = Math.min(flushLimitMs, Math.max(0, supervisor.budgetLeftMs) + overtimeMs);
  // The words come after the output all the same: what goes to one place goes through one queue.
  await Promise.all([output.flush(limitMs), narrator.end(outcome, code, limitMs), health.close()]);
  return code;
}

/** A start that fails leaves no socket behind. */
async function closeAndThrow(health: Closable, error: unknown): Promise<never> {
  await health.close();
  throw error;
}

/** What costs milliseconds and can wait until the first child is on its way. */
function afterTheFirstSpawn(narrator: Narrator): void {
  closeStrayInspector();
  narrator.begin();
}

/** `tandem run`: the services of a preset or of a tandem.yaml. */
async function runServices(invocation: Invocation & { command: 'run' }): Promise<number> {
  // It knows the secrets of all services, and each of them may run as the same user.
  native().reaper?.closeMemory();
  const { config, plan, remarks, hide, prepare } = await planHere(invocation);
  const unusable = unusableCommands(plan);
  if (config.unmet.length + unusable.length > 0) return complain(unusable, config.unmet);
  const log = makeLog({ level: config.log.level, pretty: config.log.format === 'pretty', color: isColorWanted });
  const { kind, name, reason } = config.source;
  log.info({ version: TANDEM_VERSION, [kind]: name, why: reason }, 'tandem starts');
  pass(remarks, log, hide);
  for (const lost of native().missing) log.warn({ lost }, 'a native part is missing');
  return live(plan, {
    narrator: new Chronicle(log, plan.services),
    hide,
    output: config.output,
    fileLimit: config.fileLimit,
    stopPolicy: { stopTimeoutMs: config.stop.timeoutMs, drainDelayMs: config.stop.drainDelayMs },
    heed: (supervisor) => heedStopSignals(supervisor, log),
    openHealth: (supervisor) =>
      openHealth(supervisor, config, (problem) =>
        log.warn({ problem: hide(problem) }, 'health cannot be asked everywhere'),
      ),
    prepare: async () => pass(await prepare(), log, hide),
  });
}

function pass(remarks: readonly Remark[], log: Log, hide: (text: string) => string): void {
  for (const { level, message, facts } of remarks) log[level](hideInside(facts, hide), message);
}

/** Nothing is started if a command, or anything else, is missing: a shell's code if a command is the only problem. */
function complain(unusable: readonly LaunchFailure[], unmet: readonly Problem[] = []): number {
  if (unmet.length > 0) {
    throw new ConfigError([...unmet, ...unusable.map((failure) => ({ subject: 'services', ...failure }))]);
  }
  for (const { message } of unusable) say(message);
  const [first, ...others] = unusable;
  if (!first) return 0;
  return others.length === 0 ? first.code : EX_CONFIG;
}

/** From the command line and what is around to a plan. Starts and writes nothing. */
async function planHere(wanted: Invocation & { command: 'run' | 'check' }): Promise<Planned> {
  const { planRun } = await import('./cli/plan-run.ts');
  const cwd = process.cwd();
  const surroundings: Surroundings = {
    environment: process.env,
    cwd,
    installDir: join(__dirname, '..'),
    isTerminal: isatty,
    self: ownIdentity(),
    survey: ({ requirements, ...ground }) => unmetRequirements(requirements, { ...ground, cwd }),
  };
  const planned = await planRun(surroundings, wanted);
  hideInWords(planned.hide);
  const variables = variablesActingOnTandem(process.env);
  if (variables.length === 0) return planned;
  const message = 'variables that act on tandem itself, too';
  return { ...planned, remarks: [{ level: 'warn', message, facts: { variables } }, ...planned.remarks] };
}

/** The control socket and the health port, bound before anything is written or started. */
async function openHealth(
  supervisor: Supervisor,
  { health, environment }: RunConfig,
  onProblem: (problem: string) => void,
): Promise<Closable> {
  const { listen } = await import('./http/server.ts');
  const { runtimeDirs } = await import('./http/runtime-dir.ts');
  const startedAt = systemClock.now();
  return listen({
    runtimeDirs: runtimeDirs(environment),
    address: health.port === undefined ? undefined : { host: health.host, port: health.port },
    holderOf,
    openTcpSocket,
    onProblem,
    report: () => {
      const { views, ending } = supervisor;
      return healthReport({ views, ending, now: systemClock.now(), startedAt, version: TANDEM_VERSION });
    },
  });
}

/**
 * `tandem -- CMD`: one command in the foreground, as under tini. Silent: the output is the command's own. Variables that
 * are not acceptable stop nobody here; a TANDEM_NOFILE that is no limit is as if it were not set.
 */
async function runCommand({ argv }: Invocation & { command: 'exec' }): Promise<number> {
  handleAllSignals(native().reaper);
  const { commandServices } = await import('./presets/command.ts');
  const plan = makePlan(commandServices(argv, { environment: process.env, cwd: workingDirectory() }));
  return live(plan, {
    narrator: terseNarrator,
    output: 'raw',
    fileLimit: parseFileLimit(process.env['TANDEM_NOFILE']?.trim() ?? ''),
    stopPolicy: { stopTimeoutMs: 0, drainDelayMs: 0 },
    heed: heedCommandSignals,
    openHealth: async () => ({ close: async () => {} }),
    prepare: async () => {},
  });
}

/** A directory that was removed, or that may not be entered, has no name; a command can be run there all the same. */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return '/';
  }
}

/** `tandem check`: the plan, printed. */
async function check(invocation: Invocation & { command: 'check' }): Promise<number> {
  const { config, plan, remarks } = await planHere(invocation);
  if (invocation.yaml) {
    const { serializeStack } = await import('./config/tandem-yaml.ts');
    await print((await serializeStack(plan.services, config)).text);
  } else {
    const { describePlan } = await import('./cli/check.ts');
    await print(describePlan({ config, plan, remarks, lost: native().missing }, invocation.json));
  }
  return complain(unusableCommands(plan), config.unmet);
}

/** `tandem schema`: for editors. */
async function schema(): Promise<number> {
  const { stackSchema } = await import('./config/tandem-yaml.ts');
  await print(`${JSON.stringify(stackSchema(), undefined, 2)}\n`);
  return 0;
}

/** `tandem health`: 0 or 1. */
async function health({ url, timeoutMs }: Invocation & { command: 'health' }): Promise<number> {
  const { runHealth, defaultHealthTimeoutMs } = await import('./cli/health.ts');
  return runHealth({ url, timeoutMs: timeoutMs ?? defaultHealthTimeoutMs, env: process.env });
}

/** `tandem status`: 0 or 1. */
async function status({ json }: Invocation & { command: 'status' }): Promise<number> {
  const { readStatus, statusTimeoutMs } = await import('./cli/status.ts');
  const { code, text } = await readStatus({ json, timeoutMs: statusTimeoutMs, env: process.env });
  if (code === 0) await print(text);
  else say(text);
  return code;
}

/** Resolves when stdout has it all, however slow its reader is; or when nobody reads. */
function print(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.on('error', () => resolve());
    process.stdout.write(text, () => resolve());
  });
}

async function main(): Promise<number> {
  if (isSetUserId()) {
    say('cannot start: set-user-ID or set-group-ID, it would run anything for anybody');
    return EX_CONFIG;
  }
  const invocation = parseArguments(process.argv.slice(2));
  if (invocation.command === 'run') return runServices(invocation);
  if (invocation.command === 'exec') return runCommand(invocation);
  // From here on nothing is supervised: signals mean what they always mean.
  await ignoreSignals();
  switch (invocation.command) {
    case 'health':
      return health(invocation);
    case 'check':
      return check(invocation);
    case 'schema':
      return schema();
    case 'status':
      return status(invocation);
    case 'help':
      await print(invocation.text);
      return 0;
    case 'version':
      await print(`${TANDEM_VERSION}\n`);
      return 0;
    case 'refused':
      say(invocation.message);
      return invocation.code;
  }
}

/** Bad input and what is taken end with their own code; everything else is a bug. */
function codeOfError(error: unknown): number {
  if (error instanceof ConfigError) {
    const lines = error.problems.map(({ subject, message }) => `  ${visible(subject)}: ${visible(message)}`);
    say(['cannot start, nothing was started:', ...lines].join('\n'));
    const [first, ...others] = error.problems;
    return others.length === 0 ? (first?.code ?? EX_CONFIG) : EX_CONFIG;
  }
  if (error instanceof UnavailableError) {
    say(error.message);
    return EX_UNAVAILABLE;
  }
  say(`a bug in tandem: ${error instanceof Error ? error.stack : String(error)}`);
  return EX_SOFTWARE;
}

/** Ends the process once its words are out; or without them, if nobody reads. */
async function leave(code: number): Promise<never> {
  await untilSaid();
  return end(code);
}

/**
 * At once where the addon can: Node's own end takes milliseconds, and for ever while one of its threads is stuck in a write
 * that nobody reads.
 */
function end(code: number): never {
  native().reaper?.exit(code);
  closeLostTerminals();
  process.exit(code);
}

let failed: number | undefined;

/** The first error counts; another one, while the words about it are on their way, is not waited for. */
function fail(error: unknown): void {
  if (failed !== undefined) end(failed);
  failed = codeOfError(error);
  void leave(failed);
}

writePlainly();
process.on('uncaughtException', fail);
main().then(leave, fail);
