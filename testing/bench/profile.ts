// SPDX-License-Identifier: Apache-2.0
// Where the processor time of a command goes: samples of a target under load, taken by perf.
import { execFile, execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { serve } from '../kit/serve-process.ts'
import { CASES } from './cases.ts'
import type { Generator } from './generators/generator.ts'
import { writeImage } from './images.ts'
import { processorUse } from './processor.ts'
import { type Share, sortSamples } from './profile-parts.ts'

const execute = promisify(execFile)

/** Names for what V8 compiles, and a frame of its own for each function that it only interprets. */
const FLAGS = '--perf-basic-prof --interpreted-frames-native-stack'
const SAMPLES_A_SECOND = '1999'
const WARM_UP_SECONDS = 2
/** What the load lasts longer than the samples are taken. */
const MARGIN_SECONDS = 2
/** Enough for ten thousand samples. */
const SECONDS = 5

/** Profiles lunkit under one case's load. Rejects with an Error where there is no perf, or it may not look. */
export async function profile(
  name: string,
  generator: Generator,
  folder: string,
  bytes: number,
  core: number,
): Promise<{ case: string; shares: Share[] }> {
  const one = CASES.find(found => found.name === name)!
  const image = writeImage(join(folder, 'profile.img'), bytes)
  const served = await serve([image], { NODE_OPTIONS: FLAGS }, ['taskset', '-c', String(core)])
  const samples = join(folder, 'profile.data')
  try {
    const urls = served.ready.luns.map(({ url }) => url)
    await generator.run(urls, one, WARM_UP_SECONDS)
    const before = processorUse(served.pid)
    const plain = await generator.run(urls, one, SECONDS)
    const used = processorUse(served.pid).target - before.target
    const running = generator.run(urls, one, SECONDS + MARGIN_SECONDS)
    // In the middle of the load; what perf does itself is on the client's core.
    await new Promise(resolve => setTimeout(resolve, (MARGIN_SECONDS * 1000) / 2))
    await record(served.pid, samples, SECONDS)
    await running
    const text = execFileSync('perf', ['script', '-i', samples, '-F', 'ip,sym,dso'], {
      encoding: 'utf8',
      maxBuffer: 1 << 30,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return { case: name, shares: sortSamples(text, (used / plain.commands) * 1e6) }
  } finally {
    await served.stop()
    rmSync(`/tmp/perf-${served.pid}.map`, { force: true })
    rmSync(samples, { force: true })
  }
}

async function record(pid: number, path: string, seconds: number): Promise<void> {
  const words = [
    'record',
    '-q',
    '-e',
    'cpu-clock',
    '-F',
    SAMPLES_A_SECOND,
    '-g',
    '-p',
    String(pid),
    '-o',
    path,
  ]
  try {
    await execute('perf', [...words, '--', 'sleep', String(seconds)])
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') throw new Error(`perf cannot look at lunkit: ${message}`)
    throw new Error('A profile needs perf (Debian package linux-perf)')
  }
}
