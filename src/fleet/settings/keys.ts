/** The fleet's configuration as tables: what is accepted, the defaults, and the sentence for the documentation. */
import { jsonPattern, list, record } from '../../config/stack/kinds.ts';
import { type KeyTable, type ObjectOf, object } from '../../config/stack/object.ts';
import {
  absolutePath,
  bool,
  duration,
  fleetName,
  imagePrefix,
  networkName,
  positiveDuration,
  serverName,
  wholeNumber,
} from './kinds.ts';
import { serverKeys, strategyKind } from './server-keys.ts';
import { shaped } from './shapes.ts';

export const engineKeys = {
  socketPath: {
    accepts: absolutePath,
    default: '`DOCKER_HOST`, or /var/run/docker.sock',
    effect: 'where the engine is',
  },
  imagePrefix: {
    accepts: imagePrefix,
    default: '`mcp-servers`',
    effect: 'what stands before the name of an image that is not given',
  },
  networkName: {
    accepts: networkName,
    default: '`mcp-hub-network`',
    effect: 'the network of all containers, created if it is not there',
  },
  cleanupOnShutdown: {
    accepts: bool,
    default: 'true',
    effect: 'whether containers are taken away when the fleet ends',
  },
  fleetName: {
    accepts: fleetName,
    default: '`networkName`',
    ours: true,
    effect: 'whose the containers are, where several fleets share an engine',
  },
} as const satisfies KeyTable;

const servers = shaped(record(object(serverKeys, 'a map'), 'a map of servers'), (form) => ({
  ...form,
  propertyNames: { pattern: serverName.source },
}));

export const dockerKeys = {
  enabled: { accepts: bool, default: 'false', effect: 'whether anything is done at all' },
  strategy: { accepts: strategyKind, default: '`on-demand`', effect: 'the strategy of servers that have none' },
  maxContainers: { accepts: wholeNumber(1, 1_000), default: '20', effect: 'how many may run at once' },
  dockerConfig: { accepts: object(engineKeys, 'a map'), default: 'see its keys', effect: 'the engine' },
  serverConfigs: {
    accepts: servers,
    default: 'none',
    effect: 'the servers, by name',
  },
  allowedVolumes: {
    accepts: list(absolutePath, 'a list of absolute paths'),
    default: 'none',
    ours: true,
    effect: 'below these host directories servers may have volumes',
  },
  idleTimeout: {
    accepts: positiveDuration,
    default: '5m',
    ours: true,
    effect: 'the `idleTimeout` of servers that have none',
  },
  startTimeout: {
    accepts: positiveDuration,
    default: '60s',
    ours: true,
    effect: 'the `startTimeout` of servers that have none',
  },
  sessionTimeout: {
    accepts: positiveDuration,
    default: '30m',
    ours: true,
    effect: 'when a session of which nothing is heard is over: most clients go without a word',
  },
  stopTimeout: { accepts: duration, default: '10s', ours: true, effect: 'the `stopTimeout` of servers that have none' },
} as const satisfies KeyTable;

/** Keys that are the hub's: the fleet shares its configuration. */
const hubs = { accepts: jsonPattern, default: '', effect: "the hub's own; the fleet does not read it" } as const;

export const fleetKeys = {
  docker: {
    accepts: object(dockerKeys, 'a map with enabled and serverConfigs'),
    default: '',
    required: true,
    effect: 'the fleet',
  },
  mcpServers: hubs,
  servers: hubs,
  inputs: hubs,
  $schema: { accepts: jsonPattern, default: '', effect: 'for editors: where the JSON Schema of this file is' },
} as const satisfies KeyTable;

export type DockerInput = ObjectOf<typeof dockerKeys>;
