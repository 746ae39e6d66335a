// SPDX-License-Identifier: Apache-2.0
// Power failures at any moment: of what was not flushed, any part may be there; the image is sound, and what was flushed is in it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { need } from '../../../../testing/peers.ts'
import { type FileCalls, fileCalls } from '../file/file-calls.ts'
import { numbers, qemu, sound } from './qcow2.test-kit.ts'
import { openImage } from './store.ts'

const MIB = 2 ** 20
const SIZE = 2 * MIB
const BLOCK = 4096
/** Power failures looked at; LUNKIT_QCOW2_FAILURES=1000 for many. */
const FAILURES = Number(process.env['LUNKIT_QCOW2_FAILURES'] ?? 8)
const SEED = Number(process.env['LUNKIT_QCOW2_SEED'] ?? 1)

type Done =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer; readonly durable: boolean }
  | { readonly kind: 'length'; readonly length: number }
  /** Ended, and covers what was done before it began. */
  | { readonly kind: 'flush'; readonly covers: number }

/** Notes what the disk is told, in the order in which it was done. */
function recorded(log: Done[]): FileCalls {
  const durable = new Map<number, boolean>()
  /** Whether a write by that descriptor is durable when it ends (proc(5)). */
  const isDurable = (fd: number): boolean => {
    if (!durable.has(fd)) {
      const flags = /^flags:\s+(\d+)/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))![1]!
      durable.set(fd, (Number.parseInt(flags, 8) & fs.constants.O_DSYNC) !== 0)
    }
    return durable.get(fd)!
  }
  const note = (
    fd: number,
    buffers: readonly NodeJS.ArrayBufferView[],
    offset: number,
    put: number,
  ): void => {
    const bytes = Buffer.concat(buffers as Buffer[]).subarray(0, put)
    log.push({ kind: 'write', offset, bytes: Buffer.from(bytes), durable: isDurable(fd) })
  }
  return {
    ...fileCalls,
    writeSync: ((fd: number, bytes: Buffer, from: number, length: number, at: number) => {
      const put = fs.writeSync(fd, bytes, from, length, at)
      note(fd, [bytes.subarray(from)], at, put)
      return put
    }) as typeof fs.writeSync,
    writevSync: (fd, buffers, at) => {
      const put = fs.writevSync(fd, buffers, at)
      note(fd, buffers, at!, put)
      return put
    },
    write: ((fd: number, bytes: Buffer, from: number, length: number, at: number, done: never) => {
      fs.write(fd, bytes, from, length, at, (error, put, buffer) => {
        if (error === null) note(fd, [bytes.subarray(from)], at, put)
        ;(done as (error: Error | null, put: number, buffer: unknown) => void)(error, put, buffer)
      })
    }) as unknown as typeof fs.write,
    writev: ((fd: number, buffers: Buffer[], at: number, done: never) => {
      fs.writev(fd, buffers, at, (error, put, same) => {
        if (error === null) note(fd, buffers, at, put)
        ;(done as (error: Error | null, put: number, same: unknown) => void)(error, put, same)
      })
    }) as typeof fs.writev,
    ftruncate: ((fd: number, length: number, done: fs.NoParamCallback) => {
      fs.ftruncate(fd, length, error => {
        if (error === null) log.push({ kind: 'length', length })
        done(error)
      })
    }) as typeof fs.ftruncate,
    fdatasync: ((fd: number, done: fs.NoParamCallback) => {
      const covers = log.length
      fs.fdatasync(fd, error => {
        if (error === null) log.push({ kind: 'flush', covers })
        done(error)
      })
    }) as typeof fs.fdatasync,
  }
}

/** The file after a power failure at `cut`: all before the last flush, and any sectors of what came later. */
function survivor(start: Buffer, log: readonly Done[], cut: number, any: (end: number) => number): Buffer {
  let flushed = 0
  for (const one of log.slice(0, cut)) if (one.kind === 'flush') flushed = Math.max(flushed, one.covers)
  let length = start.length
  for (const one of log.slice(0, cut)) if (one.kind === 'length') length = one.length
  let most = Math.max(start.length, length)
  for (const one of log) if (one.kind === 'length') most = Math.max(most, one.length)
  const file = Buffer.alloc(most)
  start.copy(file)
  // All, none, or some of it.
  const mood = any(4)
  for (const [i, one] of log.slice(0, cut).entries()) {
    if (one.kind !== 'write') continue
    for (let at = 0; at < one.bytes.length; ) {
      const sector = 512 - ((one.offset + at) % 512)
      const lost = i >= flushed && !one.durable && (mood === 0 || (mood > 1 && any(2) === 0))
      if (!lost) one.bytes.copy(file, one.offset + at, at, at + sector)
      at += sector
    }
  }
  return file.subarray(0, length)
}

/** What may be in a block: what was flushed last, and what was written since. */
interface Ledger {
  readonly at: number
  readonly allowed: ReadonlyMap<number, ReadonlySet<number>>
}

for (const { name, cluster, words, cache = 2 ** 24 } of [
  { name: 'clusters of 512', cluster: 512, words: null },
  { name: 'clusters of 4096', cluster: 4096, words: null },
  { name: 'clusters of 64K', cluster: 65536, words: null },
  {
    name: 'refcount tables that grow, hardly any in memory',
    cluster: 512,
    words: ['-o', 'cluster_size=512,refcount_bits=64'],
    cache: 1,
  },
  { name: 'snapshots made and deleted', cluster: 4096, words: ['-o', 'cluster_size=4096'] },
]) {
  test(`power failures: ${name}`, async t => {
    if (!need(t, 'qemu-img', 'qemu-io')) return
    const folder = await scratch(t)
    const path = join(folder, 'disk.qcow2')
    if (words === null) await (await openImage({ path, size: SIZE, cluster })).close()
    else {
      await qemu('qemu-img', 'create', '-f', 'qcow2', ...words, path, String(SIZE))
      await qemu('qemu-io', '-f', 'qcow2', '-c', `write -P 0 0 ${SIZE / 2}`, path)
      await qemu('qemu-img', 'snapshot', '-c', 'first', path)
    }
    const start = await readFile(path)
    const log: Done[] = []
    const any = numbers(SEED * 10 + cluster)
    const exchange = new StoreExchange(await openImage({ path, cache, calls: recorded(log) }))
    const blocks = SIZE / BLOCK
    const durable = new Array<number>(blocks).fill(0)
    const since = new Map<number, Set<number>>()
    const pending = new Map<number, number>()
    const ledgers: Ledger[] = []
    let seed = 1
    const ledger = (): void => {
      const allowed = new Map(Array.from({ length: blocks }, (_, i) => [i, new Set([durable[i]!])]))
      for (const [block, seeds] of since) for (const one of seeds) allowed.get(block)!.add(one)
      ledgers.push({ at: log.length, allowed })
    }
    ledger()
    for (let round = 0; round < 60; round++) {
      // Blocks of one round are apart, so that their order does not matter.
      const mine = Array.from({ length: 12 }, () => any(blocks)).filter(
        (one, i, all) => all.indexOf(one) === i,
      )
      const values = mine.map(() => (any(5) === 0 ? 0 : ++seed))
      mine.forEach((block, i) => {
        since.set(block, (since.get(block) ?? new Set()).add(values[i]!))
      })
      ledger()
      await Promise.all(
        mine.map(async (block, i) => {
          const value = values[i]!
          const forced = value > 0 && any(12) === 0
          if (value > 0) await exchange.wrote(block * BLOCK, filled(value), [], forced)
          else assert.equal((await exchange.range('discard', block * BLOCK, BLOCK)).error, StoreError.none)
          pending.set(block, value)
          if (!forced) return
          durable[block] = value
          since.delete(block)
          ledger()
        }),
      )
      const { snapshot, delete: remove } = exchange.store.controls!
      if (words !== null && round % 10 === 4) await snapshot!.run([`s${round}`], () => {})
      if (words !== null && round % 20 === 12)
        await remove!.run([round === 12 ? 'first' : `s${round - 8}`], () => {})
      if (any(3) !== 0) continue
      assert.equal((await exchange.flush()).error, StoreError.none)
      for (const [block, value] of pending) durable[block] = value
      pending.clear()
      since.clear()
      ledger()
    }
    await exchange.close()
    assert.ok(log.filter(({ kind }) => kind === 'flush').length > 20)
    for (let failure = 0; failure < FAILURES; failure++) {
      const cut = any(log.length)
      const left = join(folder, 'left.qcow2')
      await writeFile(left, survivor(start, log, cut, any))
      await sound(left, true)
      const allowed = ledgers.filter(({ at }) => at <= cut)
      const after = new StoreExchange(await openImage({ path: left }))
      const found = await after.bytes(0, SIZE)
      await after.close()
      await sound(left, true)
      // From the last flush that had ended before the cut, to what was under way then.
      const said = allowed.at(-1) ?? ledgers[0]!
      for (const [block, seeds] of said.allowed) {
        const bytes = found.subarray(block * BLOCK, (block + 1) * BLOCK)
        // A block is eight sectors, each old or new.
        for (let at = 0; at < BLOCK; at += 512) {
          const sector = bytes.subarray(at, at + 512)
          const fits = [...seeds].some(one => sector.equals(filled(one).subarray(at, at + 512)))
          assert.ok(fits, `sector ${at / 512} of block ${block} after a failure at ${cut} of ${log.length}`)
        }
      }
    }
  })
}

const made = new Map<number, Buffer>([[0, Buffer.alloc(BLOCK)]])
function filled(seed: number): Buffer {
  let bytes = made.get(seed)
  if (bytes === undefined) made.set(seed, (bytes = pattern(BLOCK, seed)))
  return bytes
}
