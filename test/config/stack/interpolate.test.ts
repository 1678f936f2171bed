import t from 'tap';
import { interpolate } from '../../../src/config/stack/interpolate.ts';
import { scratchDir } from '../fixture.ts';
import { parse, specIn } from './fixture.ts';

const lookup = (name: string) => ({ SET: 'value', EMPTY: '', DOLLAR: '$SET' })[name];

t.test('variables as Compose has them', async (t) => {
  const cells: Readonly<Record<string, string>> = {
    plain: 'plain',
    $SET: 'value',
    '${SET}': 'value',
    'a$SET.b': 'avalue.b',
    $$SET: '$SET',
    $$$SET: '$value',
    '$${SET}': '${SET}',
    '${NONE:-x}': 'x',
    '${NONE-x}': 'x',
    '${EMPTY:-x}': 'x',
    '${EMPTY-x}': '',
    '${SET:-x}': 'value',
    '${SET:?message}': 'value',
    '${EMPTY?message}': '',
    '${SET:+x}': 'x',
    '${SET+x}': 'x',
    '${EMPTY:+x}': '',
    '${EMPTY+x}': 'x',
    '${NONE:+x}': '',
    '${NONE:-}': '',
    '${NONE:-${EMPTY:-${SET}}}': 'value',
    '${NONE:-a $SET b}': 'a value b',
    '${NONE:-a$$b}': 'a$b',
    '${NONE:-http://h:80/?a=b&c}': 'http://h:80/?a=b&c',
    '${SET:-${NONE:?never asked}}': 'value',
    $DOLLAR: '$SET',
  };
  for (const [text, expected] of Object.entries(cells)) {
    t.match(interpolate(text, lookup), { text: expected, problems: [], unset: [] }, text);
  }
});

t.test('what is unset becomes nothing, and is told', async (t) => {
  t.match(interpolate('a${NONE}b$NADA', lookup), { text: 'ab', unset: ['NONE', 'NADA'] });
});

t.test('what is required is a problem with its message', async (t) => {
  t.match(interpolate('${NONE:?set it}', lookup).problems, [/NONE is not set: set it/]);
  t.match(interpolate('${NONE?}', lookup).problems, [/NONE is not set;/]);
  t.match(interpolate('${EMPTY:?for $SET}', lookup).problems, [/EMPTY is empty: for value/]);
});

t.test('a $ that begins nothing is a problem', async (t) => {
  for (const text of [
    '$',
    'a$',
    '$1',
    '${',
    '${}',
    '${1}',
    '${SET',
    '${SET!x}',
    '${SET:x}',
    '${A:-${B}',
    '$ {A}',
    `${'${A:-'.repeat(99)}`,
  ]) {
    t.equal(interpolate(text, lookup).problems.length, 1, text);
  }
});

t.test('the environment wins over .env, which reaches no service by itself', async (t) => {
  const directory = scratchDir(t, { '.env': 'A=file\nB=file\n' });
  const text = 'services: {a: {command: ["x", "$A", "$B"], environment: [A, N]}}';
  const spec = await specIn(text, { directory, environment: { A: 'environment' } });
  t.same(spec.process.command, ['x', 'environment', 'file']);
  t.same(spec.process.environment, { A: 'environment' });
});

t.test('keys and x- parts are left alone, and one remark tells of each variable that is not set', async (t) => {
  const text = 'x-a: ${NEVER:?}\nservices: {a: {command: ["x$N", "y$N"], environment: {"$K": "1"}}}';
  const { specs, remarks } = await parse(text);
  t.same(specs[0]?.process.environment, { $K: '1' });
  t.same(
    remarks.map(({ facts }) => facts),
    [{ variable: 'N', place: 'tandem.yaml:2:26' }],
  );
});
