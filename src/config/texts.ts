/**
 * Which text counts for each variable: an override, else the environment, else the .env file of the service that it
 * belongs to, else the default (B06).
 */
import type { Problem } from '../core/errors.ts';
import type { Environment, PresetChoice } from './config.ts';
import { mask, maskValue } from './mask.ts';
import type { Files } from './places.ts';
import { overridePrefix } from './scopes.ts';
import { type Refusals, type Texts, type VariableName, variable, variableNames } from './variables.ts';

/** The text of each variable and where it was found, as an error message names it. */
export interface Collected {
  readonly texts: Texts;
  readonly subjects: Readonly<Partial<Record<VariableName, string>>>;
  readonly secretNames: ReadonlySet<string>;
}

export interface Layers {
  readonly environment: Environment;
  readonly files: Files;
  /** Whose texts came from files of secrets. */
  readonly secretNames: ReadonlySet<string>;
}

/** Every variable at once. */
export function collectTexts(layers: Layers, preset: PresetChoice): Collected {
  const texts: Partial<Record<VariableName, string>> = {};
  const subjects: Partial<Record<VariableName, string>> = {};
  for (const name of variableNames) {
    const found = findText(name, layers);
    const text = found?.text ?? defaultText(name, preset);
    if (text !== undefined) texts[name] = text;
    subjects[name] = found?.subject ?? name;
  }
  return { texts, subjects, secretNames: layers.secretNames };
}

/** Overrides, then the environment, then the owner's file. */
function findText(name: VariableName, { environment, files }: Layers) {
  const { owner, ownName, emptyMeansNone } = variable(name);
  const candidates = [{ subject: name as string, text: environment[name] }];
  if (owner !== 'tandem') {
    const override = `${overridePrefix[owner]}${ownName}`;
    if (ownName !== undefined) candidates.unshift({ subject: override, text: environment[override] });
    const file = files[owner];
    for (const inFile of file ? [name, ownName ?? name] : []) {
      candidates.push({ subject: `${inFile} in ${file?.path}`, text: file?.values[inFile] });
    }
  }
  return candidates
    .map(({ subject, text }) => ({ subject, text: text?.trim() }))
    .find(({ text }) => text !== undefined && (text !== '' || emptyMeansNone));
}

function defaultText(name: VariableName, preset: PresetChoice): string | undefined {
  const { default: text } = variable(name);
  return typeof text === 'object' ? text[preset.name ?? 'embedded'] : text;
}

/** One text that is not accepted, as a problem. */
export function refused({ texts, subjects, secretNames }: Collected, { name, accepted }: Refusals[number]): Problem {
  const shown = secretNames.has(name) ? mask : maskValue(name, texts[name] ?? '');
  const message = `${JSON.stringify(shown)} is not accepted; accepted: ${accepted}`;
  return { subject: subjects[name] ?? name, message };
}
