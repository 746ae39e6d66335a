// SPDX-License-Identifier: Apache-2.0
// Starts lunkit's target by its command line, as a process of its own, for initiators that are not Node.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const cli = join(import.meta.dirname, '../../../cli/src/main.ts')

/** A running `lunkit serve`. */
export type ServedTarget = {
  port: number
  /** The target's name. */
  iqn: string
  /** What it wrote to its standard error so far. */
  messages: () => string
  /** Ends it with a signal and gives its exit code, null if the signal ended it. */
  stop: (signal: 'SIGTERM' | 'SIGKILL') => Promise<number | null>
}

type Ready = { event: string; portals: string[]; luns: { lun: number; url: string }[] }

/** Runs `lunkit serve` with these arguments and a free port, until it says that it is ready. */
export async function serve(...args: readonly string[]): Promise<ServedTarget> {
  const command = [process.execPath, cli, 'serve', ...args, '--portal', '127.0.0.1:0', '--json']
  // The host's kernel ends it when this process ends, however that comes about
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close') as Promise<[number | null, string | null]>
  let messages = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    messages += text
  })
  const line = await firstLine(child)
  if (line === undefined) {
    const [code, signal] = await closed
    throw new Error(`lunkit serve ended with ${signal ?? `status ${code}`} before it was ready: ${messages}`)
  }
  const ready = JSON.parse(line) as Ready
  const url = ready.luns[0]?.url ?? ''
  const [, port, iqn] = /^iscsi:\/\/127\.0\.0\.1:(\d+)\/([^/]+)\/0$/.exec(url) ?? []
  if (ready.event !== 'ready' || port === undefined || iqn === undefined) {
    child.kill('SIGKILL')
    throw new Error(`lunkit serve said as its first line: ${line}`)
  }
  const stop: ServedTarget['stop'] = async signal => {
    child.kill(signal)
    return (await closed)[0]
  }
  return { port: Number(port), iqn, messages: () => messages, stop }
}

async function firstLine(child: ChildProcess): Promise<string | undefined> {
  const lines = createInterface({ input: child.stdout! })
  const [line] = await Promise.race([once(lines, 'line'), once(lines, 'close').then(() => [])])
  lines.close()
  child.stdout!.resume()
  return line as string | undefined
}
