// SPDX-License-Identifier: Apache-2.0
// Processor time and memory of processes, from /proc.
import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks a second in /proc; Linux shows 100 on every common machine. */
const TICKS = 100

interface Times {
  readonly own: number
  readonly children: number
  readonly isKernel: boolean
}

function timesOf(pid: string): Times | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may hold anything; the fields behind it are numbers.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const at = (index: number): number => fields[index]! / TICKS
    return { own: at(11) + at(12), children: at(13) + at(14), isKernel: fields[20] === 0 }
  } catch {
    return null
  }
}

/** Seconds of processor time so far: of one target, of this process and its ended children, of what is no part of the run. */
export interface ProcessorUse {
  readonly target: number
  readonly client: number
  readonly others: number
}

export function processorUse(target: number): ProcessorUse {
  const cpu = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.trim().split(/\s+/).slice(1).map(Number)
  const [user, nice, system, , , irq, softirq, steal] = cpu as [number, number, number, ...number[]]
  let others = (user + nice + system + (irq ?? 0) + (softirq ?? 0) + (steal ?? 0)) / TICKS
  let client = 0
  let own = 0
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const times = timesOf(pid)
    if (times === null) continue
    if (pid === String(target)) own = times.own
    else if (pid === String(process.pid)) {
      client = times.own + times.children
    } else if (times.isKernel) others -= times.own
  }
  return { target: own, client, others: others - own - client }
}

/** Resident memory in MiB: now, and the most so far. */
export function memoryOf(pid: number): { now: number; most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  return { now: mib('VmRSS'), most: mib('VmHWM') }
}
