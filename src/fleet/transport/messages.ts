/**
 * JSON-RPC messages at the door, in place of the SDK's schemas: those look at every key of every message, several times,
 * and all that is asked here is which kind of message it is. What is in it is between client and server.
 */
import type { JSONRPCMessage, JSONRPCRequest } from '@modelcontextprotocol/sdk/types.js';

type Fields = Readonly<Record<string, unknown>>;

const isMap = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const isId = (value: unknown): boolean => typeof value === 'string' || Number.isInteger(value);

const hasParams = ({ params }: Fields): boolean => params === undefined || isMap(params);

/** A request, and not the greeting. */
export function isCall(value: unknown): value is JSONRPCRequest {
  if (!isMap(value) || value['jsonrpc'] !== '2.0' || !isId(value['id']) || !hasParams(value)) return false;
  return typeof value['method'] === 'string' && value['method'] !== 'initialize';
}

/** Any message at all. */
export function isMessage(value: unknown): value is JSONRPCMessage {
  if (!isMap(value) || value['jsonrpc'] !== '2.0') return false;
  const { id, method, result, error } = value;
  if (method !== undefined) return typeof method === 'string' && (id === undefined || isId(id)) && hasParams(value);
  if (result !== undefined) return isId(id) && isMap(result);
  return isMap(error) && typeof error['code'] === 'number' && typeof error['message'] === 'string';
}
