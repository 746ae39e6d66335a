// SPDX-License-Identifier: Apache-2.0
// What a load generator is, and which one makes a case's load.
import { execFile, spawnSync } from 'node:child_process'
import { basename } from 'node:path'
import { promisify } from 'node:util'
import type { Case } from '../cases.ts'
import { loadDisks } from '../own-client.ts'
import { runFio } from './fio.ts'
import { iscsiPerf, qemuImg } from './tools.ts'

const execute = promisify(execFile)

/** A program that takes so many times what it was given, and so long to start, hangs. */
const LONGER = 4
const START_SECONDS = 15
/** Characters of a program's complaint that are repeated. */
const SAID = 200

/** What one run did. The target served `commands`, over `seconds` of load. */
export interface Load {
  readonly iops: number
  readonly commands: number
  readonly seconds: number
  /** 99th percentile of the time a command took, in microseconds; null where the generator does not tell. */
  readonly p99: number | null
  /** Share of one core that the generator took; null where it does not tell. */
  readonly client: number | null
}

export interface Generator {
  readonly label: string
  /** Why it cannot make a case's load; null if it can. */
  refuses(one: Case): string | null
  /** Loads the LUNs for about `seconds`, at least one. Rejects where the program fails or says nothing. */
  run(urls: readonly string[], one: Case, seconds: number): Promise<Load>
}

/** Runs a program on the client's core, and gives what it printed. */
export type Client = (seconds: number, program: string, ...words: string[]) => Promise<string>

/** `fio` names a program, which must then have the engine. Throws an Error if it has not. */
export function chooseGenerator(clientCore: number, fio: string | undefined): Generator {
  const client: Client = (seconds, program, ...words) => pinned(clientCore, seconds, program, words)
  if (fio === undefined) {
    return {
      label: 'iscsi-perf (random reads) and qemu-img bench (the rest)',
      refuses: one => (isPlain(one) ? null : 'it needs fio'),
      run: async (urls, one, seconds) => {
        if (one.digests !== null) return loadDisks(urls, one, seconds)
        return (one.pattern === 'randread' ? iscsiPerf : qemuImg)(client, urls[0]!, one, seconds)
      },
    }
  }
  const engines = spawnSync(fio, ['--enghelp'], { encoding: 'utf8' }).stdout ?? ''
  if (!/^\s*libiscsi$/m.test(engines)) throw new Error(`FIO=${fio} is no fio with the libiscsi engine`)
  return {
    label: 'fio, libiscsi engine',
    refuses: () => null,
    run: (urls, one, seconds) =>
      one.digests === null ? runFio(client, fio, urls, one, seconds) : loadDisks(urls, one, seconds),
  }
}

const isPlain = ({ pattern, sessions, luns, isCold }: Case): boolean =>
  pattern !== 'randrw' && sessions === 1 && luns === 1 && !isCold

async function pinned(
  core: number,
  seconds: number,
  program: string,
  words: readonly string[],
): Promise<string> {
  const limit = seconds * LONGER + START_SECONDS
  try {
    const options = { timeout: limit * 1000, killSignal: 'SIGKILL', maxBuffer: 1 << 26 } as const
    const running = execute('taskset', ['-c', String(core), program, ...words], options)
    const kill = (): void => void running.child.kill('SIGKILL')
    process.once('exit', kill)
    const { stdout } = await running.finally(() => process.removeListener('exit', kill))
    return stdout
  } catch (error) {
    const { killed, stderr, message } = error as { killed?: boolean; stderr?: string; message: string }
    const why =
      killed === true
        ? `did not end within ${limit} s`
        : `failed: ${(stderr?.trim() || message).slice(0, SAID)}`
    throw new Error(`${basename(program)} ${why.replaceAll('\n', '; ')}`)
  }
}
