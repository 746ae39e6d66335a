// SPDX-License-Identifier: Apache-2.0
// Who is measured: each a process of its own, on the target's core, with an image of its own.
import { randomFillSync } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from '../kit/serve-process.ts'
import { startIstgt } from './istgt.ts'
import { startLimit } from './limit/limit.ts'
import type { Peer } from './peer.ts'
import { startTgtd } from './tgtd.ts'

export type Store = 'file' | 'null'
/** What a figure is to lunkit's: its own, that of a target as packaged, of one that was tuned, or the bare limit. */
export type Role = 'own' | 'packaged' | 'tuned' | 'limit'

interface ContestantRow {
  readonly name: string
  readonly store: Store
  readonly role: Role
  /** Starts it on an image, or on a null store of that many bytes. */
  readonly start: (image: string | null, bytes: number, prefix: readonly string[]) => Promise<Peer>
}

export interface Contestant extends Peer {
  readonly name: string
  readonly store: Store
  readonly role: Role
}

/** In the order of the table. */
const ROWS: readonly ContestantRow[] = [
  { name: 'lunkit', store: 'file', role: 'own', start: startOwn },
  {
    name: 'tgtd',
    store: 'file',
    role: 'packaged',
    start: (image, _, prefix) => startTgtd(image, false, prefix),
  },
  {
    name: 'tgtd-tuned',
    store: 'file',
    role: 'tuned',
    start: (image, _, prefix) => startTgtd(image, true, prefix),
  },
  {
    name: 'istgt',
    store: 'file',
    role: 'packaged',
    start: (image, _, prefix) => startIstgt(image!, 64, prefix),
  },
  {
    name: 'istgt-tuned',
    store: 'file',
    role: 'tuned',
    start: (image, _, prefix) => startIstgt(image!, 0, prefix),
  },
  { name: 'limit', store: 'file', role: 'limit', start: (image, _, prefix) => startLimit(image!, prefix) },
  { name: 'lunkit-null', store: 'null', role: 'own', start: startOwn },
  {
    name: 'tgtd-null',
    store: 'null',
    role: 'packaged',
    start: (image, _, prefix) => startTgtd(image, false, prefix),
  },
  {
    name: 'limit-null',
    store: 'null',
    role: 'limit',
    start: (_, bytes, prefix) => startLimit(`null:${bytes}`, prefix),
  },
]

/** Names as `--targets` takes them, and those that are measured if none are named. */
export const NAMES: readonly string[] = ROWS.map(({ name }) => name)
export const USUAL: readonly string[] = ['lunkit', 'tgtd', 'tgtd-tuned', 'limit', 'lunkit-null', 'tgtd-null']

/** Starts one, pinned to a core, on an image made for it in `folder`. */
export async function start(
  name: string,
  core: number,
  folder: string,
  imageBytes: number,
): Promise<Contestant> {
  const row = ROWS.find(one => one.name === name)!
  const image = row.store === 'file' ? writeImage(join(folder, `${name}.img`), imageBytes) : null
  const peer = await row.start(image, imageBytes, ['taskset', '-c', String(core)])
  return { name, store: row.store, role: row.role, ...peer }
}

async function startOwn(image: string | null, bytes: number, prefix: readonly string[]): Promise<Peer> {
  const served = await serve([image ?? `null:${bytes}`], {}, prefix)
  const stop = async (): Promise<void> => {
    const code = await served.stop()
    const errors = served.stderr()
    if (code !== 0 || errors !== '') throw new Error(`lunkit ended with ${code}: ${errors}`)
  }
  return { url: served.ready.luns[0]!.url, pid: served.pid, stop }
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
