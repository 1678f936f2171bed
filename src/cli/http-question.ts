/** One HTTP question, as the health command writes it. */

/** What is asked, once there is a connection. */
export interface Question {
  /** Path and query. */
  readonly target: string;
  /** The Host header. */
  readonly host: string;
  /** The Authorization header. */
  readonly authorization?: string | undefined;
}

/** The bytes of the question. The one who is asked closes the connection at the end of the answer. */
export function requestOf({ target, host, authorization }: Question): string {
  const credentials = authorization === undefined ? '' : `Authorization: ${authorization}\r\n`;
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json, */*;q=0.1\r\nUser-Agent: tandem-health\r\n${credentials}Connection: close\r\n\r\n`;
}
