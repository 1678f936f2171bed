import { fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { makeLog } from '../../src/host/log.ts';
import { openSink } from '../../src/host/output-sink.ts';
import { makePipe, PipeReader } from '../support/pipe.ts';
import { until } from '../support/until.ts';

const directory = mkdtempSync(join(tmpdir(), 'tandem-log-'));
t.teardown(() => rmSync(directory, { recursive: true }));

/** A sink that writes a file of its own, and what is in it. */
function fileSink(name: string) {
  const path = join(directory, name);
  const file = openSync(path, 'a');
  return {
    sink: () => openSink(file, { shared: true }),
    size: () => fstatSync(file).size,
    text: () => readFileSync(path, 'utf8'),
    records: () =>
      readFileSync(path, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
  };
}

/** A sink whose reader stalls until `start`. */
function pipeSink() {
  const [readEnd, writeEnd] = makePipe();
  const reader = new PipeReader(readEnd);
  t.teardown(() => reader.close());
  return { sink: () => openSink(writeEnd, { shared: true }), reader };
}

t.test('writes a record: constant message, facts as fields', async (t) => {
  const file = fileSink('record');
  const log = makeLog({ sink: file.sink });
  await log.load();
  log.info({ service: 'hub', from: 'starting', to: 'ready', pid: 17, elapsed_ms: 412 }, 'service state');
  await log.flush();
  const facts = '"name":"tandem","service":"hub","from":"starting","to":"ready","pid":17,"elapsed_ms":412';
  t.match(file.text(), new RegExp(`^{"level":30,"time":\\d+,${facts},"msg":"service state"}\n$`));
});

t.test('keeps what comes before pino is loaded, with its time and in its order', async (t) => {
  const file = fileSink('early');
  const log = makeLog({ sink: file.sink });
  log.warn({}, 'first');
  const after = Date.now();
  await until('the clock has moved on', () => Date.now() > after + 20);
  t.equal(file.size(), 0);
  log.error({}, 'second');
  await log.load();
  log.info({}, 'third');
  await log.flush();
  const [first, second, third] = file.records();
  t.strictSame([first.msg, second.msg, third.msg], ['first', 'second', 'third']);
  t.strictSame([first.level, second.level, third.level], [40, 50, 30]);
  t.ok(first.time <= after, 'the time of the event, not of the writing');
  t.ok(second.time > after);
});

t.test('flush loads pino if nobody has', async (t) => {
  const file = fileSink('flush');
  const log = makeLog({ sink: file.sink });
  log.error({ code: 78 }, 'cannot start');
  await log.flush();
  t.match(file.records(), [{ code: 78, msg: 'cannot start' }]);
});

t.test('leaves out what is below its level, before and after pino is loaded', async (t) => {
  const file = fileSink('level');
  const log = makeLog({ level: 'warn', sink: file.sink });
  log.info({}, 'no');
  log.warn({}, 'yes');
  await log.load();
  log.debug({}, 'no');
  log.error({}, 'yes');
  await log.flush();
  t.strictSame(
    file.records().map(({ msg }) => msg),
    ['yes', 'yes'],
  );
});

t.test('writes an error with its stack', async (t) => {
  const file = fileSink('error');
  const log = makeLog({ sink: file.sink });
  log.error({ err: new TypeError('boom') }, 'a bug in tandem');
  await log.flush();
  t.match(file.records(), [{ err: { type: 'TypeError', message: 'boom', stack: /log\.test/ } }]);
});

t.test('pretty: one short line, facts after the message', async (t) => {
  const file = fileSink('pretty');
  const log = makeLog({ pretty: true, color: false, sink: file.sink });
  log.warn({ service: 'hub', pid: 17, reason: 'exit 3', raw: '\u001b[2J', startup_ms: { hub: 9 } }, 'service state');
  await log.flush();
  const facts = 'service=hub pid=17 reason="exit 3" raw="\\u001b[2J" startup_ms={"hub":9}';
  t.match(file.text(), /^\d\d:\d\d:\d\d\.\d{3} WARN: service state /);
  t.equal(file.text().slice('12:34:56.789 WARN: service state '.length), `${facts}\n`);
});

t.test('a stalled reader delays nothing: flush gives up, records beyond the bound are counted', async (t) => {
  const { sink, reader } = pipeSink();
  const log = makeLog({ sink });
  await log.load();
  const total = 3_000;
  const before = performance.now();
  for (let index = 0; index < total; index += 1) log.info({ index, filler: 'x'.repeat(1000) }, 'record');
  await log.flush(100);
  const elapsedMs = performance.now() - before;
  t.ok(elapsedMs < 2_000, `${elapsedMs} ms`);

  reader.start();
  await until('the loss is told', () => reader.text.includes('log records dropped'), { everyMs: 50 });
  const records = reader.lines.map((line) => JSON.parse(line));
  const { dropped } = records.at(-1);
  t.ok(dropped > 0);
  t.equal(records.length - 1 + dropped, total);
  t.strictSame(
    records.slice(0, -1).map(({ index }) => index),
    Array.from({ length: total - dropped }, (_, index) => index),
  );
});

t.test('a reader that has gone away is no error', async (t) => {
  const { sink, reader } = pipeSink();
  reader.close();
  const log = makeLog({ sink });
  await log.load();
  log.info({}, 'to nobody');
  await log.flush();
  log.info({}, 'to nobody either');
  await log.flush();
  t.pass();
});

t.test('a descriptor that is not open is no error', async (t) => {
  const log = makeLog({ sink: () => openSink(999, { shared: true }) });
  log.info({}, 'to nobody');
  await log.flush();
  t.pass();
});
