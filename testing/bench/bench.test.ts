// SPDX-License-Identifier: Apache-2.0
// The benchmark itself: a short run gives figures of everybody and a whole table, and leaves nothing behind.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { need } from '../peers.ts'
import { CASES } from './cases.ts'
import { NAMES } from './contestants.ts'
import { median, type Run } from './measure.ts'
import { type Memory, markdown, type Result } from './table.ts'

const BENCH = join(dirname(fileURLToPath(import.meta.url)), 'bench.ts')
const execute = promisify(execFile)

test('a short run measures every target and ends all of them', async t => {
  if (!need(t, 'tgtd', 'tgtadm', 'istgt', 'qemu-img', 'cc')) return
  const { stdout } = await execute(process.execPath, [BENCH, '--smoke', '--peers', '--json'], {
    timeout: 60_000,
  })
  const { setting, results, memory } = JSON.parse(stdout) as {
    setting: { images: string }
    results: Result[]
    memory: (Memory & { pid: number })[]
  }
  assert.equal(results.length, 1)
  assert.deepEqual(Object.keys(results[0]!.medians), [...NAMES])
  for (const [name, run] of Object.entries(results[0]!.medians)) {
    assert.ok(run.rate > 0 && Number.isFinite(run.rate), `rate of ${name}`)
    assert.ok(run.cost > 0 && Number.isFinite(run.cost), `cost of ${name}`)
  }
  for (const { name, now, most, pid } of memory) {
    assert.ok(now > 0 && most >= now, `memory of ${name}`)
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, `${name} still runs`)
  }
  assert.ok(!existsSync(setting.images), `${setting.images} was left behind`)
})

test('a table has a cell for each target, the ratio, and the mark of a busy load generator', () => {
  const run = (rate: number, client = 0.5): Run => ({ rate, cost: 10, client, others: 0 })
  const results = CASES.map(one => ({ case: one, medians: { lunkit: run(3000), tgtd: run(1500, 0.99) } }))
  const contestants = [
    { name: 'lunkit', store: 'file', role: 'own' },
    { name: 'tgtd', store: 'file', role: 'packaged' },
  ] as const
  const lines = markdown(results, contestants, [{ name: 'lunkit', now: 90, most: 100 }]).split('\n')
  const rows = lines.filter(line => line.startsWith('|'))
  assert.equal(rows.length, 2 + CASES.length + 2 + CASES.length + 2 + 1)
  assert.ok(rows.includes('| randread-4k-qd32 | IOPS | 3,000 | 1,500† | ×2.00 |'))
  assert.ok(rows.includes('| randread-4k-qd32 | 10.0 | 10.0 |'))
  assert.ok(rows.includes('| lunkit | 90 | 100 |'))
})

test('the median is the middle, or between the two', () => {
  assert.equal(median([30, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 30]), 3)
})
