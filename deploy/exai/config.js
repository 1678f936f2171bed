/** The configuration: config/exai.json, which is mounted read-only, and the keys, which are variables. */
import { readFileSync } from 'node:fs';

/**
 * @returns `callsPerMinute`, and of each provider its name, URL, model and key
 * @throws Error that names what is wrong, never a key
 */
export function readConfig(path = 'config/exai.json', environment = process.env) {
  const { callsPerMinute, providers } = JSON.parse(readFileSync(path, 'utf8'));
  const refuse = (what) => {
    throw new Error(`${path}: ${what}`);
  };
  if (!Number.isInteger(callsPerMinute) || callsPerMinute < 1) refuse('"callsPerMinute" must be a number from 1');
  const entries = Object.entries(Object(providers)).map(([name, { url, model }]) => {
    if (!URL.canParse(url)) refuse(`"providers.${name}.url" must be a URL`);
    if (typeof model !== 'string') refuse(`"providers.${name}.model" must be a text`);
    const variable = `${name.toUpperCase()}_API_KEY`;
    const key = environment[variable];
    if (!key) refuse(`the provider "${name}" needs ${variable}`);
    return [name, { url, model, key }];
  });
  return { callsPerMinute, providers: new Map(entries) };
}
