/** What each route of `/api/docker` takes and answers, as the OpenAPI document has it. */
import { bodyFailures, engineFailures, json, operation, startFailures } from './operation.ts';
import * as bodies from './schemas.ts';

const { serverParams } = bodies;
const disabled = 'DOCKER_DISABLED';
const ofServer = [disabled, 'UNKNOWN_SERVER'] as const;

export const status = operation('How the fleet is configured, and how much of it runs', {
  answers: { 200: json('The fleet', bodies.statusAnswer) },
  failures: [disabled],
});

export const containers = operation('All servers and their containers', {
  answers: { 200: json('All of them', bodies.containersAnswer) },
  failures: [disabled],
});

export const container = operation('One server and its container', {
  params: serverParams,
  answers: { 200: json('The server', bodies.containerAnswer) },
  failures: ofServer,
});

export const start = operation('Starts a server', {
  params: serverParams,
  body: bodies.startBody,
  answers: { 200: json('It runs', bodies.startAnswer) },
  failures: [...ofServer, ...bodyFailures, ...startFailures],
});

export const restart = operation('Takes the container of a server away and starts a new one', {
  params: serverParams,
  body: bodies.startBody,
  answers: { 200: json('It runs', bodies.startAnswer) },
  failures: [...ofServer, ...bodyFailures, ...startFailures],
});

export const stop = operation('Stops a server, also under those who use it', {
  params: serverParams,
  body: bodies.stopBody,
  answers: { 200: json('It does not run any more', bodies.stopAnswer) },
  failures: [...ofServer, ...bodyFailures, ...engineFailures, 'SERVER_CLOSED'],
});

const events = {
  'text/event-stream': {
    schema: { type: 'string', description: 'events `progress`, then one `result` or `error`' },
  },
};

export const pull = operation('Pulls the images of servers', {
  body: bodies.pullBody,
  answers: {
    200: {
      description: 'All are here. With `Accept: text/event-stream`: what becomes of it, whatever that is',
      content: { ...json('', bodies.pullAnswer).content, ...events },
    },
    502: json('Some are not, and why', bodies.pullAnswer),
  },
  failures: [...ofServer, ...bodyFailures],
});

export const cleanup = operation('Takes containers away that do not run', {
  answers: {
    200: json('There are none any more', bodies.cleanupAnswer),
    502: json('Some could not be taken away, and why', bodies.cleanupAnswer),
  },
  failures: [disabled, ...bodyFailures, ...engineFailures],
});
