/**
 * For mutation.mjs: Stryker's runner for tap, with an order. The test that has the name of the changed file comes first,
 * then the quick ones; most changes are noticed by the first.
 */
import { basename } from 'node:path';
import { INSTRUMENTER_CONSTANTS } from '@stryker-mutator/api/core';
import { commonTokens, declareFactoryPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin';
import { TapTestRunner } from '@stryker-mutator/tap-runner';

class OrderedTapRunner extends TapTestRunner {
  mutantRun(options) {
    const own = basename(options.activeMutant.fileName, '.ts');
    const rank = (file) => {
      const name = basename(file, '.test.mjs');
      if (name === own) return 0;
      return slowest.includes(name) ? 2 + slowest.indexOf(name) : 1;
    };
    const testFilter = (options.testFilter ?? this.testFiles).toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
    return super.mutantRun({ ...options, testFilter });
  }
}

/** In this order, after all others. */
const slowest = ['restart', 'supervisor', 'service'];

createRunner.inject = tokens(commonTokens.options, commonTokens.logger);
function createRunner(options, log) {
  return new OrderedTapRunner(options, log, INSTRUMENTER_CONSTANTS.NAMESPACE);
}

export const strykerPlugins = [declareFactoryPlugin(PluginKind.TestRunner, 'tap-ordered', createRunner)];
