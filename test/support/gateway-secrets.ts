/** What MCP-Gateway is not started without: secrets of one's own, as the variables that are for the gateway alone. */
import { randomBytes } from 'node:crypto';

export const gatewaySecrets: Readonly<Record<string, string>> = Object.fromEntries(
  ['JWT_SECRET_KEY', 'AUTH_ENCRYPTION_SECRET', 'BASIC_AUTH_PASSWORD', 'PLATFORM_ADMIN_PASSWORD'].map((name) => [
    `GW_ENV_${name}`,
    randomBytes(32).toString('hex'),
  ]),
);
