// SPDX-License-Identifier: Apache-2.0
// How fast a unit is beside a slow one of the same session: node testing/bench/slow-unit.ts [SECONDS [ROUNDS]], prints JSON.
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Load, LoadClient } from '../kit/load-client.ts'
import { workFolder } from '../kit/serve-process.ts'
import { median } from './measure.ts'

const NAME = 'iqn.2026-11.test.lunkit:slow'
const KIB = 1024
const COLD_BYTES = 256 * 1024 * KIB

const FAST: Load = { kind: 'read', lun: 0, bytes: 4 * KIB, depth: 32 }
/** What goes on beside it. The cold file is read from end to end, and its pages are dropped before each run. */
const BESIDE: Readonly<Record<string, Load>> = {
  'reads that take 50 ms': { kind: 'read', lun: 1, bytes: 4 * KIB, depth: 32 },
  'writes that take 50 ms': { kind: 'write', lun: 1, bytes: 4 * KIB, depth: 32, places: 1024 },
  'reads that take 50 ms, depth 192': { kind: 'read', lun: 1, bytes: 4 * KIB, depth: 192 },
  'a cold file': { kind: 'read', lun: 2, bytes: 4 * KIB, depth: 2, places: COLD_BYTES / (4 * KIB) },
}

const seconds = Number(process.argv[2] ?? 2)
const rounds = Number(process.argv[3] ?? 5)
const folder = workFolder()
const cached = join(folder.path, 'cached')
const cold = join(folder.path, 'cold')
writeFileSync(cached, Buffer.alloc(1024 * KIB, 1))
writeFileSync(cold, Buffer.alloc(COLD_BYTES, 1))

/** Takes the file's pages out of the page cache; without dd they stay. */
function chill(): void {
  const file = openSync(cold, 'r+')
  fsyncSync(file)
  closeSync(file)
  spawnSync('dd', [`of=${cold}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'])
}

const child = fork(join(dirname(fileURLToPath(import.meta.url)), 'slow-target.ts'), [NAME, cached, cold], {
  env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
})
// The target has a core to itself where there are two, as in the other measurements.
for (const [pid, core] of [
  [child.pid!, 0],
  [process.pid, 1],
] as const) {
  if (cpus().length > 1) spawnSync('taskset', ['-apc', String(core), String(pid)])
}
try {
  const [url] = (await once(child, 'message')) as [string]
  const port = Number(new URL(url.replace('iscsi:', 'http:')).port)
  const client = await LoadClient.open(port, NAME, false)
  for (const lun of [0, 1, 2]) await client.run({ kind: 'ready', lun, bytes: 0, depth: 1 }, 3, true)
  await client.keep([FAST], 1000)
  const results = []
  for (const [beside, load] of Object.entries(BESIDE)) {
    const runs: { alone: number; together: number; slow: number }[] = []
    for (let round = 0; round < rounds; round++) {
      const [alone] = await client.keep([FAST], seconds * 1000)
      if (load.lun === 2) chill()
      const [together, slow] = await client.keep([FAST, load], seconds * 1000)
      runs.push({ alone: alone! / seconds, together: together! / seconds, slow: slow! / seconds })
    }
    const of = (value: (run: (typeof runs)[number]) => number): number => Math.round(median(runs.map(value)))
    results.push({
      beside,
      alone: of(run => run.alone),
      together: of(run => run.together),
      slow: of(run => run.slow),
      ratio: Number(median(runs.map(({ alone, together }) => together / alone)).toFixed(3)),
    })
  }
  await client.close()
  process.stdout.write(
    `${JSON.stringify({ unit: '4 KiB reads a second at depth 32', seconds, rounds, results })}\n`,
  )
} finally {
  const gone = once(child, 'exit')
  if (child.connected) child.disconnect()
  await gone
  folder.dispose()
}
