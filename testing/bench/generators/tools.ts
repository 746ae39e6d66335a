// SPDX-License-Identifier: Apache-2.0
// libiscsi's and QEMU's own tools, for where there is no fio with libiscsi's engine. They give no latencies.
import type { Case } from '../cases.ts'
import type { Client, Load } from './generator.ts'

export async function iscsiPerf(client: Client, url: string, one: Case, given: number): Promise<Load> {
  const seconds = Math.max(1, Math.ceil(given))
  const stdout = await client(
    seconds,
    'iscsi-perf',
    '-r',
    '-m',
    String(one.depth),
    '-b',
    String(one.blockSize / 512),
    '-t',
    String(seconds),
    url,
  )
  // It rewrites its line once a second; the last average is that of the whole run.
  const iops = Number([...stdout.matchAll(/iops average (\d+)/g)].at(-1)?.[1])
  if (!(iops > 0)) throw new Error(`iscsi-perf gave no figure: ${stdout.slice(-200)}`)
  return { iops, commands: iops * seconds, seconds, p99: null, client: null }
}

/** Requests' odd stride, in blocks, where the case is random: qemu-img has no random pattern. */
const STRIDE = 7919
/** What the short run that fits the number of requests moves, in bytes. */
const TRIAL = 8 << 20

export async function qemuImg(client: Client, url: string, one: Case, given: number): Promise<Load> {
  const stride = one.pattern.startsWith('rand') ? STRIDE * one.blockSize : one.blockSize
  const write = one.pattern.endsWith('write') ? ['-w'] : []
  const load: { commands: number; seconds: number } = { commands: 0, seconds: 0 }
  const timed = async (count: number): Promise<number> => {
    const depth = String(one.depth)
    const size = String(one.blockSize)
    const words = ['-f', 'raw', '-c', String(count), '-d', depth, '-s', size, '-S', String(stride), ...write]
    const stdout = await client(given, 'qemu-img', 'bench', ...words, url)
    const taken = Number(/completed in ([\d.]+) seconds/.exec(stdout)?.[1])
    if (!(taken >= 0)) throw new Error(`qemu-img gave no figure: ${stdout.slice(-200)}`)
    load.commands += count
    load.seconds += taken
    return count / Math.max(0.001, taken)
  }
  const trial = await timed(Math.max(one.depth, TRIAL / one.blockSize))
  const iops = await timed(Math.max(one.depth, Math.ceil(trial * given)))
  return { iops, ...load, p99: null, client: null }
}
