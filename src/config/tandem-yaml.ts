/**
 * The door of everything about tandem.yaml. The build makes a file of its own of it, which is loaded only where there is such a
 * file: so nothing here may throw an error class, of which the program has another copy.
 */
export { loadStack } from './load-stack.ts';
export { stackSchema } from './stack/json-schema.ts';
export { serializeStack } from './stack/serialize.ts';
