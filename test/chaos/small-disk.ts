/** A small file system in the run's own mount namespace. */
export const onTmpfs =
  (place: string, options: string, rest = 'exec "$@"') =>
  (directory: string) => [
    ...['unshare', '--mount', 'sh', '-c'],
    `mkdir -p "${directory}/${place}" && mount -t tmpfs -o ${options} none "${directory}/${place}" && ${rest}`,
    'sh',
  ];
