/** What `--help` prints, and the usage lines of error messages. Text only. */

/** The commands, each with its line of usage. */
export const usageLines = {
  run: 'tandem run [--config FILE | --preset embedded|matrix] [--profile NAME]... [--only NAME]...',
  check:
    'tandem check [--config FILE | --preset embedded|matrix] [--profile NAME]... [--only NAME]... [--json | --yaml]',
  status: 'tandem status [--json]',
  health: 'tandem health [--url URL] [--timeout TIME]',
  schema: 'tandem schema',
} as const;

/** `tandem fleet` is a program of its own, with words and a help of its own: `src/fleet/command-line.ts`. */
const fleetUsage = 'tandem fleet [--config FILE] [--host ADDRESS] [--port PORT] [--token-file FILE] [--schema]';

export type CommandName = keyof typeof usageLines;

/** For an error that is about no command in particular. */
export const generalUsageLine =
  'tandem [run|check|status|health|schema|fleet] [FLAG]... | tandem -- CMD [ARG]... | tandem --help';

export const generalHelp = `tandem: runs the processes of a container that must hold more than one, as its PID 1.

Usage:
  ${usageLines.run}
      Start the services in order, watch them, stop them together. This is what tandem does without arguments.
  ${usageLines.check}
      Print all that run would do, and start nothing.
  ${usageLines.status}
      Show the running tandem's services: states, ages, processes, reasons.
  ${usageLines.health}
      Ask the running tandem, or any URL, whether it is healthy; made for HEALTHCHECK.
  ${usageLines.schema}
      Print the JSON Schema of tandem.yaml, for editors.
  ${fleetUsage}
      Run MCP servers as containers, on demand; a service like any other for the tandem that runs it.
  tandem -- CMD [ARG]...
      Run one command as a child of a correct PID 1: all signals forwarded, orphans reaped, its exit code kept.
  tandem COMMAND --help
  tandem --version

Environment (the README has the whole table):
  TANDEM_CONFIG         a tandem.yaml that says what is run; wins over TANDEM_PRESET
  TANDEM_PRESET         embedded or matrix; unset: ./tandem.yaml, else the preset that is found
  HOST, PORT            where the hub listens (port 7300)
  GW_HOST, GW_PORT      where the gateway listens (port 4444)
  HUB_COMMAND, GW_COMMAND, MIGRATE_COMMAND
                        replace a command; split as a shell splits words
  HUB_SKIP_START, GATEWAY_SKIP_START
                        1: run only the other one
  HUB_ENV_X, GW_ENV_X   set X for one service
  TANDEM_STOP_TIMEOUT   seconds for a whole stop (9)
  TANDEM_HEALTH_HOST, TANDEM_HEALTH_PORT
                        where health is served (127.0.0.1, 7399)
  TANDEM_OUTPUT         raw, prefix or json
  Times are seconds, or 500ms, 30s, 2m, 1h.

Exit codes: 0 stopped as asked; 1 something had to be killed; 64 wrong command line; 69 not ready in time or a port
taken; 70 a bug in tandem; 78 invalid configuration; 126, 127 and 128+n as a shell; else that of the service that ended.
`;

const helpOf: Readonly<Record<CommandName, string>> = {
  run: `Starts the services in order, watches them, stops them together.

Usage: ${usageLines.run}
  --config FILE   run the services of this tandem.yaml; it wins over TANDEM_CONFIG and TANDEM_PRESET
  --profile NAME  activate this profile of the file; may be given several times; not with --preset
  --preset NAME   embedded (gateway and hub from npm) or matrix (Matrix Hub and MCP-Gateway, Python);
                  it wins over TANDEM_CONFIG and TANDEM_PRESET
  --only NAME     run this service and skip the others, for example migrations; may be given several times

Without --config and --preset: TANDEM_CONFIG, else TANDEM_PRESET, else tandem.yaml, tandem.yml or tandem.json in the
working directory, else the preset that is found.
SIGTERM and SIGINT stop; a second one ends everything at once.
`,
  check: `Prints all that run would do: order, commands, directories, environment, health endpoints.
Starts and writes nothing. Secrets are masked.

Usage: ${usageLines.check}
  --config FILE   as for run
  --profile NAME  as for run
  --preset NAME   as for run
  --only NAME     as for run
  --json          everything as JSON
  --yaml          as a tandem.yaml that runs the same; secrets become variables

Exit codes: 0 run would start; 126, 127 or 78 it would not, with all reasons.
`,
  status: `Shows what the running tandem says of its services: state, since when, process, restarts, reason.
It is found as by health.

Usage: ${usageLines.status}
  --json          the whole health report, for programs

Exit codes: 0 a tandem answered, whether healthy or not; 1 none did.
`,
  health: `Asks the running tandem over its control socket, then over TANDEM_HEALTH_HOST and TANDEM_HEALTH_PORT.

Usage: ${usageLines.health}
  --url URL       ask this http or https URL instead; needs no running tandem
  --timeout TIME  one deadline for all tries; seconds, or 500ms, 4s (default 4s)

HEALTHCHECK_DEBUG=1 shows each try. Exit codes: 0 healthy, 1 not.
`,
  schema: `Prints the JSON Schema of tandem.yaml, for editors and checks.

Usage: ${usageLines.schema}
`,
};

/** The help of one command. */
export function commandHelp(command: CommandName): string {
  return helpOf[command];
}
