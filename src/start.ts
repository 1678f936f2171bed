/**
 * The program's first file: switches on the compile cache and loads the bundle, so that what was compiled once at build
 * time is not compiled at every start. Node 20 has no such cache. A cache of another Node, or one that cannot be read, is
 * passed over in silence; one that is missing cannot be made where the files are read-only, as they are in an image.
 */
import module from 'node:module';
import { join } from 'node:path';

const { enableCompileCache } = module as { enableCompileCache?: (directory: string) => unknown };
enableCompileCache?.(join(__dirname, 'cache'));

// require, because an import would be carried out before the line above.
require('./main.cjs');
