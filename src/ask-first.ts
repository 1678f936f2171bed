/** `tandem health` is asked before anything is loaded that it does not need; if that has an answer, the process ends here. */
import { join } from 'node:path';

const { argv } = process;
if (argv.length === 3 && argv[2] === 'health') require(join(__dirname, 'health.cjs'));
