/** What Docker could do and a server of the fleet never gets, by the names under which it is asked for. */
const words: readonly (readonly [names: readonly string[], word: string])[] = [
  [['privileged'], 'a server is never privileged; accepted: leave it out'],
  [
    ['network', 'networkmode', 'network_mode', 'networks'],
    'servers are in the network of the fleet alone (docker.dockerConfig.networkName); accepted: leave it out',
  ],
  [['capadd', 'cap_add', 'capabilities'], 'servers have no capabilities; accepted: leave it out'],
  [['securityopt', 'security_opt'], 'servers have no-new-privileges and the usual profiles; accepted: leave it out'],
  [['devices', 'device_cgroup_rules', 'gpus'], 'servers have no devices; accepted: leave it out'],
  [
    ['pid', 'pidmode', 'ipc', 'ipcmode', 'userns_mode', 'uts'],
    "servers share no namespace of the host's; accepted: leave it out",
  ],
  [
    ['ports', 'portbindings'],
    'servers are reached through the fleet alone, at /mcp/NAME; accepted: "port", where it listens inside',
  ],
  [['env', 'env_file', 'envfile'], 'accepted: "environment", and "secrets" for files'],
  [['restart', 'restartpolicy'], 'the strategy says when it runs; accepted: leave it out'],
];

export const refusedServerKeys: ReadonlyMap<string, string> = new Map(
  words.flatMap(([names, word]) => names.map((name) => [name, word] as const)),
);
