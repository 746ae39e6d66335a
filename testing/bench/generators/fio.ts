// SPDX-License-Identifier: Apache-2.0
// fio with its libiscsi engine: every load but digests, which libiscsi has for headers only.
import { type Case, MIX_READS } from '../cases.ts'
import type { Client, Load } from './generator.ts'

interface Side {
  readonly iops: number
  readonly total_ios: number
  /** In milliseconds. */
  readonly runtime: number
  readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> }
}

interface Job {
  readonly read: Side
  readonly write: Side
  /** In percent of a core, without start and end. */
  readonly usr_cpu: number
  readonly sys_cpu: number
}

/**
 * fio opens a session for each file of a job, and takes two of one name for the same: zeros before port and LUN tell the
 * names of one disk apart. One job with one loop does more than many threads on one core.
 */
function places(urls: readonly string[], sessions: number): string[] {
  const names = sessions === 1 ? urls : Array.from({ length: sessions }, (_, index) => alias(urls[0]!, index))
  return names.map(name => name.replaceAll(':', '\\:'))
}

/** Names of one disk, up to 64: fio takes no more than 4096 characters for all of them. */
const alias = (url: string, index: number): string =>
  url.replace(/:(\d+\/.*\/)(\d+)$/, `:${'0'.repeat(index & 7)}$1${'0'.repeat(index >> 3)}$2`)

export async function runFio(
  client: Client,
  fio: string,
  urls: readonly string[],
  one: Case,
  seconds: number,
): Promise<Load> {
  const stdout = await client(
    seconds,
    fio,
    '--name=bench',
    '--ioengine=libiscsi',
    '--thread',
    `--filename=${places(urls, one.sessions).join(':')}`,
    `--rw=${one.pattern}`,
    `--rwmixread=${MIX_READS}`,
    `--bs=${one.blockSize}`,
    `--iodepth=${one.depth * one.sessions}`,
    '--randrepeat=0',
    // Cold, each block is read once: at its second turn it is no longer cold.
    ...(one.isCold ? [] : ['--norandommap', '--time_based']),
    // In whole units: of a fraction of a second it makes a run without end.
    `--runtime=${Math.round(seconds * 1000)}ms`,
    '--output-format=json',
  )
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as { jobs: Job[] }
  const { read, write, usr_cpu, sys_cpu } = jobs[0]!
  const sides = [read, write].filter(side => side.total_ios > 0)
  if (sides.length === 0) throw new Error(`fio moved nothing: ${stdout.slice(0, 300)}`)
  const sum = (of: (side: Side) => number): number => sides.reduce((total, side) => total + of(side), 0)
  return {
    iops: sum(side => side.iops),
    commands: sum(side => side.total_ios),
    seconds: Math.max(...sides.map(side => side.runtime)) / 1000,
    p99: Math.max(...sides.map(side => side.clat_ns.percentile?.['99.000000'] ?? 0)) / 1000,
    client: (usr_cpu + sys_cpu) / 100,
  }
}
