/** Whatever is in a file, it is accepted or refused with a ConfigError. TANDEM_FUZZ_RUNS sets how many files are tried. */
import fc from 'fast-check';
import t from 'tap';
import { serviceKeys, stackKeys } from '../../../src/config/stack/keys.ts';
import { refusedServiceKeys } from '../../../src/config/stack/refused.ts';
import { ConfigError } from '../../../src/core/errors.ts';
import { parse } from './fixture.ts';

t.setTimeout(300_000);

const runs = Number(process.env['TANDEM_FUZZ_RUNS'] ?? 1_000);

/** Throws what is neither a stack nor a refusal that names its place. */
async function isHandled(text: string): Promise<void> {
  try {
    await parse(text, { environment: { A: '1', PATH: '/bin' }, profiles: ['p'] });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (error.problems.length === 0) throw new Error('refused without a reason');
    for (const { subject, message } of error.problems) {
      if (!/^tandem\.yaml:\d+:\d+$/.test(subject) || message === '') throw new Error(`${subject}: ${message}`);
    }
  }
}

const words = [
  ...[
    'node x.js',
    'true',
    'no',
    'always',
    'on-failure:3',
    'SIGTERM',
    '5s',
    '1m30s',
    '8080',
    'a',
    'b',
    '/health',
    '',
    ' ',
    '~',
  ],
  ...[
    'http://h/x',
    'postgres://u:p@h/d',
    'redis://h',
    'h:80',
    'CMD',
    'CMD-SHELL',
    'NONE',
    'service_healthy',
    'service_started',
  ],
  ...[
    'service_completed_successfully',
    '$A',
    '${A}',
    '${B:-x}',
    '${B:?y}',
    '$',
    '${',
    '$$',
    'root',
    '0:0',
    '__proto__',
    'constructor',
  ],
];
const keys = [
  ...Object.keys(serviceKeys),
  ...Object.keys(stackKeys),
  ...Object.keys(refusedServiceKeys).slice(0, 5),
  ...[
    'test',
    'http',
    'tcp',
    'port',
    'probe',
    'interval',
    'retries',
    'condition',
    'required',
    'path',
    'url',
    'json',
    'except',
  ],
  ...['x-a', '<<', '__proto__', 'constructor', 'toString', '', '0', 'a', 'b'],
];

const word = fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 8 }));
const key = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...keys) },
  { weight: 1, arbitrary: fc.string({ maxLength: 6 }) },
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    word,
    fc.constantFrom(0, 1, 80, -1, 1.5, 1e21, true, false, null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}));
const service = fc.oneof(
  fc.dictionary(fc.constantFrom(...Object.keys(serviceKeys), 'x-a', 'image'), value, { maxKeys: 8 }),
  value,
);
const stack = fc.record(
  {
    services: fc.oneof(fc.dictionary(fc.constantFrom('a', 'b', 'c', 'D', '__proto__'), service, { maxKeys: 4 }), value),
    preflight: value,
    wait_for: value,
    name: value,
    version: value,
    'x-y': value,
    volumes: value,
  },
  { requiredKeys: ['services'] },
);

t.test(`B20 ${runs} files of known words in any order`, { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(stack, (document) => isHandled(JSON.stringify(document))),
    { numRuns: runs },
  );
});

const line = fc.tuple(
  fc.constantFrom('', '  ', '    ', '      ', '\t', '- ', '  - ', '    - '),
  fc.oneof(
    key,
    fc.constantFrom(
      'services',
      'a',
      'command',
      '&x',
      '*x',
      '<<',
      '? ',
      '{',
      '[',
      '"',
      "'",
      '|',
      '>',
      '#',
      '---',
      '%YAML 1.1',
      '!t',
    ),
  ),
  fc.constantFrom(
    ': ',
    ':',
    '',
    ' ',
    ': *x',
    ': &x',
    ': |',
    ': >',
    ': {',
    ': [',
    ' }',
    ' ]',
    ': !!binary ',
    ': !!set ',
  ),
  fc.oneof(word, fc.string({ unit: 'binary', maxLength: 6 })),
);
const text = fc
  .array(
    line.map((parts) => parts.join('')),
    { maxLength: 14 },
  )
  .map((lines) => lines.join('\n'));

t.test(`B20 ${runs} texts that may be no YAML`, { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(text, fc.string({ maxLength: 60 }), fc.string({ unit: 'binary' })), isHandled),
    { numRuns: runs },
  );
});
