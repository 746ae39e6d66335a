// SPDX-License-Identifier: Apache-2.0
// The benchmark itself: a short run gives figures of everybody, tables and pictures, and leaves nothing behind.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'
import { CASES } from './cases.ts'
import { entrants, NAMES } from './contestants.ts'
import { isLinear } from './curves.ts'
import { fillMarkers, markdown } from './docs.ts'
import { outcomes } from './goals.ts'
import { replaced } from './matrix.ts'
import { median, type Run } from './measure.ts'
import { pictures } from './plots.ts'
import { sortSamples } from './profile-parts.ts'
import { emptyReport, type Report } from './report.ts'

const BENCH = join(dirname(fileURLToPath(import.meta.url)), 'bench.ts')
const execute = promisify(execFile)
const SETTING = {
  generator: 'fio',
  processor: 'P',
  cores: 2,
  versions: 'V',
  folder: 'tmpfs',
  diskFolder: 'ext4',
  imageBytes: 2 ** 29,
  runs: 3,
  seconds: 1,
}

const run = (rate: number, more: Partial<Run> = {}): Run => ({
  rate,
  cost: 10,
  p99: 90,
  client: 0.5,
  others: 0,
  ...more,
})

/** lunkit with 3,000 in each case, and the others with 1,500 where they take part. */
function wholeReport(own: Partial<Run> = {}): Report {
  const report = emptyReport(SETTING)
  for (const one of CASES) {
    const medians = Object.fromEntries(
      entrants(one, NAMES).map(name => [name, name === 'lunkit' ? run(3000, own) : run(1500)]),
    )
    report.results.push({ case: one.name, medians, disturbed: 0 })
  }
  const points = [1, 10, 100].map(x => ({ x, figures: { memory: 50 + x / 100, idle: 0, cost: 9 } }))
  report.curves.push({ name: 'sessions', points })
  report.memory.push({ name: 'lunkit', serving: 'file', idle: 70, now: 90, most: 100 })
  report.starts = [
    { command: 'published', loginMs: 250, cpuMs: 200, idleMiB: 70, sessionKiB: 40, idlePercent: 0 },
  ]
  report.slow = [{ beside: 'x', alone: 100, together: 95, slow: 20, ratio: 0.95 }]
  return report
}

test('a short run measures every target, keeps its report and ends all of them', async t => {
  if (!need(t, 'tgtd', 'tgtadm', 'istgt', 'qemu-img', 'cc')) return
  const { path, dispose } = workFolder()
  t.after(dispose)
  const out = join(path, 'report.json')
  const { FIO: _, ...env } = process.env
  const words = ['--smoke', '--peers', '--json', '--folder', path, '--disk-folder', path, '--out', out]
  const { stdout } = await execute(process.execPath, [BENCH, ...words], { timeout: 60_000, env })
  const { results, memory, failures } = JSON.parse(stdout) as Report
  assert.deepEqual(failures, [])
  assert.equal(results.length, 1)
  assert.deepEqual(Object.keys(results[0]!.medians), [...NAMES])
  for (const [name, { rate, cost }] of Object.entries(results[0]!.medians)) {
    assert.ok(rate > 0 && Number.isFinite(rate), `rate of ${name}`)
    // The kernel counts in hundredths of a second: a short run may have none.
    assert.ok(cost >= 0 && Number.isFinite(cost), `cost of ${name}`)
  }
  for (const { name, now, most } of memory) assert.ok(now > 0 && most >= now, `memory of ${name}`)
  assert.deepEqual(JSON.parse(readFileSync(out, 'utf8')), JSON.parse(stdout))
  assert.deepEqual(readdirSync(path), ['report.json'], 'images were left behind')
  const again = await execute(process.execPath, [BENCH, ...words, '--resume'], { timeout: 60_000, env })
  assert.deepEqual(JSON.parse(again.stdout), JSON.parse(stdout), 'what is there is measured again')
})

test('tables have a cell for each target, ratios, and the mark of a busy load generator', () => {
  const lines = markdown(wholeReport({ client: 0.99 })).split('\n')
  const cells = 'IOPS | 3,000† | 1,500 | 1,500 | 1,500 | 1,500 | 1,500 | ×2.00 | ×2.00 | ×2.00 | ×2.00 |'
  assert.ok(lines.includes(`| randread-4k-qd32 | ${cells}`))
  assert.ok(lines.includes('| randread-4k-qd32-memory | IOPS | 3,000† | – | – | – | – | – | – | – | – | – |'))
  assert.ok(lines.includes('| lunkit | file | 70 | 90 | 100 |'))
})

test('each goal has its verdict, by processor time where the load generator is the limit', () => {
  const of = (report: Report, label: string, against: string): string => {
    const found = outcomes(report).find(one => one.label === label && one.against.startsWith(against))
    return `${found?.reached} ${found?.verdict}`
  }
  assert.equal(of(wholeReport(), 'randread-4k-qd32', 'tgtd'), '2.00 missed')
  assert.equal(of(wholeReport(), 'randread-4k-qd1', 'tgtd'), '2.00 met')
  assert.equal(of(wholeReport({ client: 1, cost: 5 }), 'randread-4k-qd32', 'tgtd'), '2.00† (2.00) missed')
  assert.equal(of(wholeReport({ client: 1, cost: 3 }), 'randread-4k-qd32', 'tgtd'), '2.00† (3.33) met')
  const bare = outcomes(wholeReport()).map(one => [one.label, one.against, one.bare].join(', '))
  assert.ok(bare.includes('randread-4k-qd32, tgtd as packaged, 1.00'))
  assert.ok(bare.includes('randread-4k-qd32, the bare limit, '))
  assert.equal(of(wholeReport(), 'memory, idle', ''), '70 MiB met')
  assert.equal(of(wholeReport(), 'a fast unit beside a slow one, to itself alone, least', ''), '0.95 met')
  assert.equal(of(wholeReport(), 'randread-4k-qd32-digests', 'itself'), '1.00 met')
})

test('whatever was measured has its picture', () => {
  const names = pictures(wholeReport()).map(({ name, svg }) => {
    assert.match(svg, /^<svg [\s\S]*<\/svg>\n$/, name)
    return name
  })
  for (const name of ['randread-4k', 'write-1024k', 'randread-sessions', 'cost', 'sessions-memory'])
    assert.ok(names.includes(name), name)
  assert.deepEqual(pictures(emptyReport(SETTING)), [])
})

test('a page keeps what is outside its markers, and a marker for nothing is an error', () => {
  const page = 'a\n<!-- bench: goals -->\nold\n<!-- bench end -->\nb'
  const filled = 'a\n<!-- bench: goals -->\n\nnew\n\n<!-- bench end -->\nb'
  assert.equal(fillMarkers(page, { goals: 'new' }), filled)
  assert.equal(fillMarkers(filled, { goals: 'new' }), filled)
  assert.throws(() => fillMarkers(page, {}), /'goals'/)
})

test('a curve that bends upwards is told from a straight one', () => {
  const curve = (...values: number[]) => values.map((y, index) => ({ x: 10 ** index, figures: { y } }))
  assert.ok(isLinear(curve(50, 50, 51, 60, 150), 'y'))
  assert.ok(isLinear(curve(5, 5, 6, 5, 5), 'y'))
  assert.ok(!isLinear(curve(50, 50, 60, 160, 10_000), 'y'))
  assert.ok(!isLinear(curve(5, 5, 10, 100, 10_000), 'y'))
})

test('samples are sorted by what the processor was doing', () => {
  const stack = (...frames: string[]): string => frames.map(frame => `\t   7f00 ${frame}\n`).join('')
  const js = "JS:*'#send file:///lunkit/target/drivers/iscsi/src/send-queue.ts:162:8 (/tmp/perf-1.map)"
  const text = [
    stack('tcp_sendmsg ([kernel.kallsyms])', '__GI___writev (/usr/lib/libc.so.6)', js),
    stack('Builtins_KeyedLoadIC (/usr/bin/node)', js, 'uv_run (/usr/bin/node)'),
    stack('uv__read (/usr/bin/node)', 'uv_run (/usr/bin/node)'),
    stack('filemap_read ([kernel.kallsyms])', 'do_preadv ([kernel.kallsyms])'),
  ].join('\n\n')
  assert.deepEqual(
    new Set(sortSamples(text, 8).map(({ part, cost }) => `${part} ${cost}`)),
    new Set([
      'Kernel: writing to the socket 2',
      'iSCSI driver: what goes out 2',
      "Node's C++ and libuv 2",
      'Kernel: reading the file 2',
    ]),
  )
})

test('memory of a part that goes on replaces its own rows only', () => {
  const row = (serving: string, now: number) => ({ name: 'lunkit', serving, idle: 1, now, most: now })
  assert.deepEqual(replaced([row('file', 2), row('null', 3)], [row('null', 4)]), [
    row('file', 2),
    row('null', 4),
  ])
})

test('the median is the middle, or between the two', () => {
  assert.equal(median([30, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 30]), 3)
})
