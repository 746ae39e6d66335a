// SPDX-License-Identifier: Apache-2.0
// The load generators, pinned to the client's core: fio where it has libiscsi's engine, else libiscsi's and QEMU's tools.
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import type { Case } from './cases.ts'

const execute = promisify(execFile)

/** What one run did. The target served `commands`, over `seconds` of load. */
interface Load {
  readonly iops: number
  readonly commands: number
  readonly seconds: number
}

export interface Generator {
  readonly label: string
  /** Loads the LUN at `url` for about `seconds`, at least one. Rejects where the program fails or says nothing. */
  run(url: string, one: Case, seconds: number): Promise<Load>
}

/** `FIO` names a program, which must then have the engine. Throws an Error if it has not. */
export function chooseGenerator(clientCore: number): Generator {
  const client = (seconds: number, program: string, ...words: string[]): Promise<string> =>
    pinned(clientCore, seconds, program, words)
  const fio = process.env['FIO']
  if (fio === undefined) {
    return {
      label: 'iscsi-perf (random reads) and qemu-img bench (the rest)',
      run: (url, one, seconds) =>
        (one.pattern === 'randread' ? iscsiPerf : qemuImg)(client, url, one, seconds),
    }
  }
  const engines = spawnSync(fio, ['--enghelp'], { encoding: 'utf8' }).stdout ?? ''
  if (!/^\s*libiscsi$/m.test(engines)) throw new Error(`FIO=${fio} is no fio with the libiscsi engine`)
  return { label: 'fio, libiscsi engine', run: (url, one, seconds) => runFio(client, fio, url, one, seconds) }
}

type Client = (seconds: number, program: string, ...words: string[]) => Promise<string>

async function pinned(
  core: number,
  seconds: number,
  program: string,
  words: readonly string[],
): Promise<string> {
  const { stdout } = await execute('taskset', ['-c', String(core), program, ...words], {
    timeout: (seconds * 4 + 30) * 1000,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 26,
  })
  return stdout
}

async function runFio(client: Client, fio: string, url: string, one: Case, seconds: number): Promise<Load> {
  const stdout = await client(
    seconds,
    fio,
    '--name=bench',
    '--ioengine=libiscsi',
    '--thread',
    `--filename=${url.replaceAll(':', '\\:')}`,
    `--rw=${one.pattern}`,
    `--bs=${one.blockSize}`,
    `--iodepth=${one.depth}`,
    '--norandommap',
    '--randrepeat=0',
    '--time_based',
    `--runtime=${seconds}`,
    '--output-format=json',
  )
  type Side = { iops: number; total_ios: number; runtime: number }
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as { jobs: { read: Side; write: Side }[] }
  const side = jobs[0]![one.pattern.endsWith('read') ? 'read' : 'write']
  return { iops: side.iops, commands: side.total_ios, seconds: side.runtime / 1000 }
}

async function iscsiPerf(client: Client, url: string, one: Case, given: number): Promise<Load> {
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
  return { iops, commands: iops * seconds, seconds }
}

/** Requests' odd stride, in blocks, where the case is random: qemu-img has no random pattern. */
const STRIDE = 7919
/** What the short run that fits the number of requests moves, in bytes. */
const TRIAL = 8 << 20

async function qemuImg(client: Client, url: string, one: Case, given: number): Promise<Load> {
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
  return { iops, ...load }
}
