// SPDX-License-Identifier: Apache-2.0
// Who is measured: each a process of its own, on the target's core, with images of its own.
import { join } from 'node:path'
import { serve } from '../kit/serve-process.ts'
import type { Case, Serving, StoreKind } from './cases.ts'
import { writeImage } from './images.ts'
import { startIstgt } from './istgt.ts'
import { startLimit } from './limit/limit.ts'
import { fill } from './own-client.ts'
import type { Content, Peer } from './peer.ts'
import { memoryOf } from './processor.ts'
import { startTgtd } from './tgtd.ts'

/** What a figure is to lunkit's: its own, that of a target as packaged, of one that was tuned, or the bare limit. */
export type Role = 'own' | 'packaged' | 'tuned' | 'limit'

interface ContestantRow {
  readonly name: string
  readonly role: Role
  readonly stores: readonly StoreKind[]
  /** Sessions that it serves at once; any number if not given. */
  readonly most?: number
  readonly start: (content: Content, prefix: readonly string[]) => Promise<Peer>
}

export interface Contestant extends Peer {
  readonly name: string
  /** The files it serves; none where its store is no file. */
  readonly images: readonly string[]
  /** Resident memory before the first command, in MiB. */
  readonly idleMemory: number
}

/** Short: fio takes names of many disks as one text, which has a limit. */
const NAME = 'iqn.2026-11.test:lunkit'

/** In the order of the table. */
export const ROWS: readonly ContestantRow[] = [
  { name: 'lunkit', role: 'own', stores: ['file', 'null', 'memory'], start: startOwn },
  { name: 'tgtd', role: 'packaged', stores: ['file', 'null'], start: startTgtd.bind(null, false) },
  { name: 'tgtd-tuned', role: 'tuned', stores: ['file'], start: startTgtd.bind(null, true) },
  { name: 'istgt', role: 'packaged', stores: ['file'], most: 8, start: startIstgt.bind(null, 64) },
  { name: 'istgt-tuned', role: 'tuned', stores: ['file'], most: 8, start: startIstgt.bind(null, 0) },
  { name: 'limit', role: 'limit', stores: ['file', 'null'], start: startLimit },
]

/** Names as `--targets` takes them, and those that are measured if none are named. */
export const NAMES: readonly string[] = ROWS.map(({ name }) => name)
export const USUAL: readonly string[] = ['lunkit', 'tgtd', 'tgtd-tuned', 'limit']

/** Those of the names that take part in a case, in the order of the table. */
export function entrants(one: Case, names: readonly string[]): string[] {
  const sessions = Math.max(one.sessions, one.luns)
  const rows = ROWS.filter(({ name, stores }) => names.includes(name) && stores.includes(one.store))
  return rows
    .filter(({ role, most = sessions }) => sessions <= most && (one.digests === null || role === 'own'))
    .map(({ name }) => name)
}

/** Starts one, pinned to a core, on images made for it in `folder`, of `bytes` in all. */
export async function start(
  name: string,
  core: number,
  folder: string,
  { store, luns }: Serving,
  bytes: number,
): Promise<Contestant> {
  const row = ROWS.find(one => one.name === name)!
  const paths = Array.from({ length: luns }, (_, lun) => join(folder, `${name}-${luns}-${lun}.img`))
  const images = store === 'file' ? paths.map(path => writeImage(path, bytes / luns)) : []
  const peer = await row.start({ files: images, kind: store, bytes }, ['taskset', '-c', String(core)])
  const idleMemory = memoryOf(peer.pid).now
  if (store === 'memory') await fill(peer.urls[0]!, bytes)
  return { name, images, idleMemory, ...peer }
}

async function startOwn(content: Content, prefix: readonly string[]): Promise<Peer> {
  const luns = content.kind === 'file' ? content.files : [`${content.kind}:${content.bytes}`]
  const served = await serve([...luns, '--name', NAME], {}, prefix)
  const stop = async (): Promise<void> => {
    const code = await served.stop()
    const errors = served.stderr()
    if (code !== 0 || errors !== '') throw new Error(`lunkit ended with ${code}: ${errors}`)
  }
  return { urls: served.ready.luns.map(({ url }) => url), pid: served.pid, stop }
}
