// SPDX-License-Identifier: Apache-2.0
// lunkit's own initiator as load generator, in this process: for digests, a thousand sessions, ten thousand LUNs.
import { type ConnectOptions, openSession, type Session } from 'lunkit/initiator'
import type { Case, Pattern } from './cases.ts'
import type { Load } from './generators/generator.ts'

const NAME = 'iqn.2026-11.org.lunkit:bench'
const READ_16 = 0x88
const WRITE_16 = 0x8a
const BLOCK = 512
const MIB = 1 << 20

/** One worker's share: a disk, the session it is reached by, and the place of its next command in bytes. */
export interface Disk {
  readonly session: Session
  readonly lun: number
  readonly bytes: number
}

export interface Work {
  readonly pattern: Pattern
  readonly blockSize: number
  /** Commands under way at once, over all disks in turn. */
  readonly depth: number
}

/** A session of the benchmark with a target; silent when there is nothing to do. */
export function open(url: string, more: ConnectOptions = {}): Promise<Session> {
  return openSession(url, { initiatorName: NAME, nopIntervalMs: 0, queueDepth: 1024, ...more })
}

const lunOf = (url: string): number => Number(url.slice(url.lastIndexOf('/') + 1))

/** A case's load on its first LUN, with digests or without. */
export async function loadDisks(urls: readonly string[], one: Case, seconds: number): Promise<Load> {
  const digest = one.digests === true ? 'require' : 'refuse'
  const session = await open(urls[0]!, { headerDigest: digest, dataDigest: digest })
  try {
    const lun = lunOf(urls[0]!)
    return await load([{ session, lun, bytes: await capacity(session, lun) }], one, seconds)
  } finally {
    await session.close()
  }
}

export async function load(disks: readonly Disk[], work: Work, seconds: number): Promise<Load> {
  const took: number[] = []
  const begin = performance.now()
  const end = begin + seconds * 1000
  let turn = 0
  const worker = async (): Promise<void> => {
    const next = nextPlace(work)
    const buffer = Buffer.alloc(work.blockSize, 0x5a)
    const cdb = new Uint8Array(16)
    const view = new DataView(cdb.buffer)
    const writes = work.pattern.endsWith('write')
    cdb[0] = writes ? WRITE_16 : READ_16
    view.setUint32(10, work.blockSize / BLOCK)
    const data = writes ? { dataOut: buffer } : { dataIn: buffer }
    for (let now = performance.now(); now < end; ) {
      const disk = disks[turn++ % disks.length]!
      view.setBigUint64(2, BigInt(next(disk.bytes) / BLOCK))
      const { status } = await disk.session.execute({ lun: disk.lun, cdb, ...data })
      if (status !== 0) throw new Error(`LUN ${disk.lun} answered with status ${status}`)
      const then = performance.now()
      took.push(then - now)
      now = then
    }
  }
  await Promise.all(Array.from({ length: work.depth }, worker))
  const taken = (performance.now() - begin) / 1000
  took.sort((a, b) => a - b)
  const p99 = (took[Math.floor(took.length * 0.99)] ?? 0) * 1000
  return { iops: took.length / taken, commands: took.length, seconds: taken, p99, client: null }
}

/** Byte offsets of commands: random ones, or one behind the other from a random start on. */
function nextPlace({ pattern, blockSize }: Work): (bytes: number) => number {
  const random = (bytes: number): number =>
    Math.floor(Math.random() * Math.floor(bytes / blockSize)) * blockSize
  if (pattern.startsWith('rand')) return random
  let at = -1
  return bytes => {
    at = at < 0 || at + 2 * blockSize > bytes ? random(bytes / 2) : at + blockSize
    return at
  }
}

/** Size of a unit in bytes. Takes the attentions of a new nexus on the way. */
export async function capacity(session: Session, lun: number): Promise<number> {
  const cdb = Uint8Array.of(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0)
  for (let attempt = 0; attempt < 4; attempt++) {
    const { status, dataIn } = await session.execute({ lun, cdb, expectedIn: 32 })
    if (status !== 0) continue
    const view = new DataView(dataIn.buffer, dataIn.byteOffset)
    return (Number(view.getBigUint64(0)) + 1) * view.getUint32(8)
  }
  throw new Error(`LUN ${lun} does not tell its size`)
}

/** Writes the whole disk, so that no store can answer reads of it with what was never written. */
export async function fill(url: string, bytes: number): Promise<void> {
  const session = await open(url)
  const lun = lunOf(url)
  try {
    await capacity(session, lun)
    const cdb = new Uint8Array(16)
    const view = new DataView(cdb.buffer)
    cdb[0] = WRITE_16
    view.setUint32(10, MIB / BLOCK)
    const dataOut = Buffer.alloc(MIB, 0x5a)
    for (let at = 0; at < bytes; at += MIB) {
      view.setBigUint64(2, BigInt(at / BLOCK))
      await session.execute({ lun, cdb, dataOut })
    }
  } finally {
    await session.close()
  }
}
