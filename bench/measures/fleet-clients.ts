/** MCP clients that take next to nothing: what is measured with them is what they talk to. They speak as the SDK's own does. */
import type { ChildProcess } from 'node:child_process';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { now } from '../bench.ts';
import { summarize } from '../statistics.ts';

export interface Client {
  /** A `tools/call` of the echo tool, until its answer is there. @throws Error if that is none */
  call(): Promise<void>;
  close(): Promise<void>;
}

const patienceMs = 20_000;
const clientInfo = { name: 'tandem-bench', version: '1' };
const greeting = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo };
const tool = { name: 'echo', arguments: { message: 'hello' } };
const goodbye = { jsonrpc: '2.0', method: 'notifications/initialized' };

const asked = (id: number, method: string, params: object) => ({ jsonrpc: '2.0', id, method, params });

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A session over streamable HTTP, on one connection. @throws Error if it cannot be had */
export async function openHttp(url: string): Promise<Client> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const told: Record<string, string> = { 'mcp-protocol-version': '2025-06-18' };
  let last = 0;
  const post = (message: object) => exchange(url, agent, 'POST', told, JSON.stringify(message));
  const ask = async (method: string, params: object) => {
    last += 1;
    const answer = await post(asked(last, method, params));
    if (answer.status !== 200 || !answer.text.includes('"result"')) throw new Error(`${answer.status} ${answer.text}`);
    return answer;
  };
  const { headers } = await ask('initialize', greeting);
  const session = headers['mcp-session-id'];
  if (typeof session === 'string') told['mcp-session-id'] = session;
  await post(goodbye);
  return {
    call: async () => void (await ask('tools/call', tool)),
    close: async () => {
      await exchange(url, agent, 'DELETE', told, '');
      agent.destroy();
    },
  };
}

function exchange(url: string, agent: Agent, method: string, more: object, body: string): Promise<Answer> {
  const types = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const headers = { ...types, ...more, 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers, timeout: patienceMs }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sent.on('error', reject).on('timeout', () => sent.destroy(new Error(`${url} does not answer`)));
    sent.end(body);
  });
}

/** A server's stdin and stdout, whoever carries them. */
export interface Lines {
  write(line: string): void;
  onText(take: (text: string) => void): void;
  close(): void;
}

export const linesOf = (child: ChildProcess): Lines => ({
  write: (line) => void child.stdin?.write(line),
  onText: (take) => void child.stdout?.setEncoding('utf8').on('data', take),
  close: () => void child.kill(),
});

/** A session over lines; answers find their calls by number, so that many can be under way. */
export async function openLines(lines: Lines): Promise<Client> {
  const waiting = new Map<number, (line: string) => void>();
  let [last, rest] = [0, ''];
  lines.onText((text) => {
    const whole = (rest + text).split('\n');
    rest = whole.pop() ?? '';
    for (const line of whole) waiting.get(Number(/"id":(\d+)/.exec(line)?.[1]))?.(line);
  });
  const ask = async (method: string, params: object) => {
    last += 1;
    const id = last;
    const answer = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer on stdout')), patienceMs);
      waiting.set(id, (line) => {
        clearTimeout(timer);
        resolve(line);
      });
      lines.write(`${JSON.stringify(asked(id, method, params))}\n`);
    });
    waiting.delete(id);
    if (!answer.includes('"result"')) throw new Error(answer);
  };
  await ask('initialize', greeting);
  lines.write(`${JSON.stringify(goodbye)}\n`);
  return { call: () => ask('tools/call', tool), close: async () => lines.close() };
}

/** The medians of so many calls of each, in ms. They have turns: whatever slows the machine down for a moment meets all of them. */
export async function medianCallsMs(clients: readonly Client[], calls: number): Promise<number[]> {
  const took = clients.map((): number[] => []);
  for (let turn = 0; turn < calls; turn++) {
    for (const [index, client] of clients.entries()) {
      const since = now();
      await client.call();
      took[index]?.push(now() - since);
    }
  }
  return took.map((row) => summarize(row).median);
}

/** Calls a second, when each of these has one under way at any time. */
export async function callRate(clients: readonly Client[], forMs: number): Promise<number> {
  const since = now();
  let calls = 0;
  const busy = clients.map(async (client) => {
    while (now() - since < forMs) {
      await client.call();
      calls += 1;
    }
  });
  await Promise.all(busy);
  return (calls / (now() - since)) * 1_000;
}
