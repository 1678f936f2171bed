/**
 * Loaded with `--require` before the gateway and the hub: gives every TCP server that names no host one.
 *
 * Both programs call `listen(port)`, which binds all interfaces, have no option for the host and no authentication.
 * The host is HOST, which tandem sets for each of the two; without it, 127.0.0.1. A server that names a host itself, a
 * path or a descriptor is left alone. CommonJS, because `--import` would load the ESM machinery for three lines.
 */
'use strict';

const net = require('node:net');

const host = process.env.HOST || '127.0.0.1';
const { listen } = net.Server.prototype;

net.Server.prototype.listen = function listenOnHost(...args) {
  return listen.apply(this, withHost(args));
};

/** The arguments of `listen`, in one of its four documented forms, with the host put where that form has it. */
function withHost([target, ...rest]) {
  if (target == null || typeof target === 'function') return [0, host, ...(target ? [target] : []), ...rest];
  if (isPort(target)) return [target, ...afterPort(rest)];
  if (isPortOptions(target)) return [{ ...target, host }, ...rest];
  return [target, ...rest];
}

/** `listen(port[, host][, backlog][, callback])`: any of them may be left out, a missing host also as `undefined`. */
function afterPort(rest) {
  if (typeof rest[0] === 'string' && rest[0] !== '') return rest;
  return [host, ...(rest[0] === '' ? rest.slice(1) : rest)];
}

function isPort(value) {
  return typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value));
}

function isPortOptions(value) {
  return typeof value === 'object' && value.port != null && !value.host && value.path == null && value.fd == null;
}
