// SPDX-License-Identifier: Apache-2.0
// What several processes of `lunkit run` serve together: as many targets and clients each time, on all cores of the machine.
import { execFile } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { run } from '../kit/serve-process.ts'
import { CASES } from './cases.ts'
import type { Client } from './generators/generator.ts'
import { iscsiPerf } from './generators/tools.ts'
import { memoryOf, processorUse } from './processor.ts'

/** Served at all points of the curve, each to a client of its own. */
const TARGETS = 4
/** As many processes as there are targets, at most. */
export const COUNTS = [1, 2, TARGETS] as const
const WORK = CASES.find(({ name }) => name === 'randread-4k-qd32')!

const execute = promisify(execFile)
/** The benchmark itself keeps to one core, and what it starts would, too. */
const ANYWHERE = ['taskset', '-c', `0-${cpus().length - 1}`] as const

const onAnyCore: Client = async (seconds, program, ...words) => {
  const [taskset, ...cores] = ANYWHERE
  const { stdout } = await execute(taskset, [...cores, program, ...words], {
    timeout: (seconds * 4 + 30) * 1000,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 26,
  })
  return stdout
}

/**
 * Commands a second of all targets over so many processes, processor time a command of all that serve (the process with
 * the portals included), and their memory together.
 */
export async function withProcesses(
  count: number,
  seconds: number,
  { folder }: { readonly folder: string },
): Promise<{ rate: number; cost: number; memory: number }> {
  const path = join(folder, 'targets.json')
  const targets = Array.from({ length: TARGETS }, (_, at) => ({
    name: `iqn.2026-11.org.lunkit:bench-${at}`,
    luns: ['null:1T'],
  }))
  writeFileSync(path, JSON.stringify({ portal: '127.0.0.1:0', state: false, targets }))
  const served = await run([path, '--processes', String(count)], {}, ANYWHERE)
  try {
    const { luns, processes } = served.ready
    const pids = [...new Set([served.pid, ...processes!.map(({ pid }) => pid)])]
    const used = (): number => pids.reduce((sum, pid) => sum + processorUse(pid).target, 0)
    const load = () => Promise.all(luns.map(({ url }) => iscsiPerf(onAnyCore, url, WORK, seconds)))
    await load()
    const before = used()
    const loads = await load()
    const commands = loads.reduce((sum, one) => sum + one.commands, 0)
    return {
      rate: loads.reduce((sum, { iops }) => sum + iops, 0),
      cost: ((used() - before) / commands) * 1e6,
      memory: pids.reduce((sum, pid) => sum + memoryOf(pid).now, 0),
    }
  } finally {
    await served.stop()
    rmSync(path)
  }
}
