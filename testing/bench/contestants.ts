// SPDX-License-Identifier: Apache-2.0
// Who is measured: each a process of its own, on the target's core, with an image of its own.

import { randomFillSync } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from '../kit/serve-process.ts'
import { startTgtd } from './tgtd.ts'

export type Store = 'file' | 'null'

export interface Contestant {
  readonly name: string
  readonly store: Store
  /** True for the one that others are compared with, store by store. */
  readonly isPeer: boolean
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** Names as `--targets` takes them, in the order of the table. */
export const CONTESTANTS = ['lunkit', 'tgtd', 'lunkit-null', 'tgtd-null'] as const
export type ContestantName = (typeof CONTESTANTS)[number]

/** Starts one, pinned to a core, on an image made for it in `folder`. */
export async function start(
  name: ContestantName,
  core: number,
  folder: string,
  imageBytes: number,
): Promise<Contestant> {
  const prefix = ['taskset', '-c', String(core)]
  const store = name.endsWith('null') ? 'null' : 'file'
  const image = store === 'file' ? writeImage(join(folder, `${name}.img`), imageBytes) : null
  if (name.startsWith('tgtd')) {
    const { url, pid, stop } = await startTgtd(image, prefix)
    return { name, store, isPeer: true, url, pid, stop }
  }
  const served = await serve([image ?? `null:${imageBytes}`], {}, prefix)
  const stop = async (): Promise<void> => {
    const code = await served.stop()
    const errors = served.stderr()
    if (code !== 0 || errors !== '') throw new Error(`${name} ended with ${code}: ${errors}`)
  }
  return { name, store, isPeer: false, url: served.ready.luns[0]!.url, pid: served.pid, stop }
}

/** A full image, read once, so that reads meet neither holes nor the disk. Returns its path. */
function writeImage(path: string, bytes: number): string {
  const chunk = randomFillSync(Buffer.alloc(1 << 20))
  const file = openSync(path, 'w+')
  try {
    for (let at = 0; at < bytes; at += chunk.length) writeSync(file, chunk, 0, chunk.length, at)
    for (let at = 0; at < bytes; at += chunk.length) readSync(file, chunk, 0, chunk.length, at)
  } finally {
    closeSync(file)
  }
  return path
}

/** A folder for images: on the disk of the temporary files, so that the page cache is the one of everyday files. */
export function imageFolder(parent: string = tmpdir()): { path: string; dispose(): void } {
  const path = mkdtempSync(join(parent, 'lunkit-bench-'))
  return { path, dispose: () => rmSync(path, { recursive: true, force: true }) }
}
