/** The engine itself, asked over its socket without any library: what a container takes that nobody stands in front of. */
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lines, openHttp, openLines } from './fleet-clients.ts';

const place = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
const where = place.startsWith('unix:')
  ? { socketPath: new URL(place).pathname }
  : { host: new URL(place).hostname, port: Number(new URL(place).port) };

interface Found {
  readonly Config: Readonly<Record<string, unknown>>;
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
}

/** How a container is made that is the same as this one. */
export async function recipeOf(container: string): Promise<object> {
  const { Config, HostConfig } = (await ask('GET', `/containers/${container}/json`)) as Found;
  return { ...Config, Hostname: '', HostConfig, NetworkingConfig: {} };
}

/** Makes it, starts it, has one call answered, and takes it away. The caller's clock runs until `answered`. */
export async function lifeWithoutFleet(recipe: object, port: number | undefined, answered: () => void): Promise<void> {
  const { Id: id } = (await ask('POST', '/containers/create', recipe)) as { Id: string };
  try {
    const lines = port === undefined ? attach(id) : undefined;
    await lines;
    await ask('POST', `/containers/${id}/start`);
    const client = lines ? await openLines(await lines) : await openHttp(await served(id, port ?? 0));
    await client.call();
    answered();
    await client.close();
  } finally {
    await ask('DELETE', `/containers/${id}?force=1&v=1`);
  }
}

async function served(id: string, port: number): Promise<string> {
  const { NetworkSettings } = (await ask('GET', `/containers/${id}/json`)) as Found;
  const [network] = Object.values(NetworkSettings.Networks);
  const host = network?.IPAddress ?? '';
  while (!(await listens(host, port))) await sleep(1);
  return `http://${host}:${port}/mcp`;
}

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** One question to the engine. @throws Error with what it said, if it refuses */
export function ask(method: string, path: string, body?: object): Promise<unknown> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const sent = request({ ...where, method, path: `/v1.41${path}`, headers }, (response) => {
      let said = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        said += chunk;
      });
      response.on('end', () => {
        if ((response.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${said}`));
        else resolve(said.startsWith('{') ? JSON.parse(said) : undefined);
      });
    });
    sent.on('error', reject).end(text);
  });
}

function attach(id: string): Promise<Lines> {
  const path = `/v1.41/containers/${id}/attach?stream=1&stdin=1&stdout=1`;
  return new Promise((resolve, reject) => {
    const sent = request({ ...where, method: 'POST', path, headers: { connection: 'Upgrade', upgrade: 'tcp' } });
    sent.on('error', reject).on('response', ({ statusCode }) => reject(new Error(`attach: ${statusCode}`)));
    sent.on('upgrade', (_response, socket) => resolve(framed(socket as Socket)));
    sent.end();
  });
}

/** The engine's frames around output: eight bytes, of which the last four are a length. */
function framed(socket: Socket): Lines {
  return {
    write: (line) => void socket.write(line),
    onText: (take) => {
      let held = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        held = Buffer.concat([held, chunk]);
        while (held.length >= 8 && held.length >= 8 + held.readUInt32BE(4)) {
          const end = 8 + held.readUInt32BE(4);
          take(held.toString('utf8', 8, end));
          held = held.subarray(end);
        }
      });
    },
    close: () => socket.destroy(),
  };
}
