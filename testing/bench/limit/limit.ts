// SPDX-License-Identifier: Apache-2.0
// The bare C target beside this: compiled where there is a compiler, and started.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Content, Peer } from '../peer.ts'

/** Files, or a null store. Rejects with the compiler's or the program's own words. */
export async function startLimit(content: Content, prefix: readonly string[]): Promise<Peer> {
  const stores = content.kind === 'null' ? [`null:${content.bytes}`] : content.files
  const folder = mkdtempSync(join(tmpdir(), 'lunkit-limit-'))
  const program = join(folder, 'limit')
  try {
    execFileSync('cc', ['-O2', '-o', program, join(import.meta.dirname, 'limit.c')], { stdio: 'pipe' })
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw new Error(`The bare limit cannot be compiled: ${(error as Error).message}`)
  }
  const words = [...prefix, program, ...stores]
  // It ends with its standard input, however this process ends.
  const child = spawn(words[0]!, words.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] })
  const clean = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', clean)
  const ended = new Promise<void>(resolve => void child.once('close', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    process.removeListener('exit', clean)
    clean()
  }
  let errors = ''
  child.stderr.on('data', data => {
    errors += data
  })
  const first = await new Promise<string>(resolve => {
    child.stdout.once('data', data => resolve(String(data)))
    child.once('close', () => resolve(''))
  })
  if (first === '') {
    await stop()
    throw new Error(`The bare limit did not start: ${errors}`)
  }
  const target = first.trim()
  return { urls: stores.map((_, lun) => `${target}/${lun}`), pid: child.pid!, stop }
}
