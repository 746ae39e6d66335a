// SPDX-License-Identifier: Apache-2.0
// Every kind of storage that becomes a disk, as a table: how its storage is made, and what `lunkit serve` is told.
import { randomBytes } from 'node:crypto'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTarget, memory } from 'lunkit/target'
import { ScriptedHandler } from '../../target/user/src/scripted-handler.test-kit.ts'
import type { Peer } from '../peers.ts'
import { loopDevice } from './loop-device.ts'
import { qemuNbd } from './nbd-servers.ts'
import { PythonHandler } from './python-handler.ts'

/** What is to be done at the end is told to it. */
export interface Ends {
  after(fn: () => unknown): void
}

export interface DiskKind {
  readonly name: string
  /** As a user writes it, for pages. */
  readonly served: string
  readonly peers: readonly Peer[]
  /** Bytes of a logical block, if not 512. */
  readonly block?: number
  /** Makes new storage of so many bytes in an empty folder; resolves to its LUN argument. */
  readonly make: (folder: string, bytes: number, ends: Ends) => Promise<string>
}

async function image(folder: string, bytes: number): Promise<string> {
  const path = join(folder, 'disk.img')
  await writeFile(path, '')
  await truncate(path, bytes)
  return path
}

const onLoop =
  (sector: number, keys = ''): DiskKind['make'] =>
  async (folder, bytes, ends) => {
    const { path } = await loopDevice(ends, bytes, { sector, folder })
    return `block:${path}${keys}`
  }

/** 64 bytes, as `encrypt` wants them. */
async function key(folder: string): Promise<string> {
  const path = join(folder, 'key')
  await writeFile(path, randomBytes(64), { mode: 0o600 })
  return path
}

/** A module whose default export keeps its bytes in memory, and knows which it holds. */
const OBJECT = (size: number): string => `const BLOCK = 4096
const bytes = Buffer.alloc(${size})
const held = new Set()
export default {
  size: bytes.length,
  discardGranularity: BLOCK,
  discardedReadsZero: true,
  read: (offset, buffer) => bytes.copy(buffer, 0, offset),
  write(offset, buffer) {
    for (let i = Math.floor(offset / BLOCK); i * BLOCK < offset + buffer.length; i++) held.add(i)
    return buffer.copy(bytes, offset)
  },
  discard(offset, length) {
    bytes.fill(0, offset, offset + length)
    for (let i = Math.ceil(offset / BLOCK); (i + 1) * BLOCK <= offset + length; i++) held.delete(i)
  },
  map(offset, length) {
    let i = Math.floor(offset / BLOCK)
    const is = held.has(i)
    while (i * BLOCK < offset + length && held.has(i) === is) i++
    return { held: is, length: Math.min(i * BLOCK - offset, length) }
  },
}
`

const THIN = { cache: true, discard: true, discardedReadsZero: true, zero: true, copy: true }

export const DISK_KINDS: readonly DiskKind[] = [
  { name: 'memory', served: 'memory:32M', peers: [], make: async (_, bytes) => `memory:${bytes}` },
  { name: 'file', served: 'disk.img', peers: [], make: image },
  { name: 'block', served: 'block:/dev/loop0', peers: ['losetup'], make: onLoop(512) },
  {
    name: 'block, sectors of 4096',
    served: 'block:/dev/loop0',
    peers: ['losetup'],
    make: onLoop(4096),
  },
  {
    name: 'block, blocks of 4096',
    served: 'block:/dev/loop0,block=4096',
    peers: ['losetup'],
    block: 4096,
    make: onLoop(4096, ',block=4096'),
  },
  {
    name: 'qcow2',
    served: 'qcow2:disk.qcow2',
    peers: [],
    make: async (folder, bytes) => `qcow2:${join(folder, 'disk.qcow2')},size=${bytes}`,
  },
  {
    name: 'qcow2 with backing',
    served: 'qcow2:new.qcow2,backing=disk.img',
    peers: [],
    make: async (folder, bytes) =>
      `qcow2:${join(folder, 'new.qcow2')},size=${bytes},backing=${await image(folder, bytes)},backing-format=raw`,
  },
  {
    name: 'nbd',
    served: 'nbd+unix:///?socket=/run/qemu-nbd',
    peers: ['qemu-nbd'],
    make: async (folder, bytes, ends) => {
      const socket = join(folder, 's')
      await qemuNbd(ends, socket, '-f', 'raw', '--discard=unmap', await image(folder, bytes))
      return `nbd+unix:///?socket=${socket}`
    },
  },
  {
    name: 'overlay',
    served: 'overlay:disk.img',
    peers: [],
    make: async (folder, bytes) => `overlay:${await image(folder, bytes)}`,
  },
  {
    name: 'overlay in a file',
    served: 'overlay:disk.img,upper=changes',
    peers: [],
    make: async (folder, bytes) => `overlay:${await image(folder, bytes)},upper=${join(folder, 'changes')}`,
  },
  {
    name: 'encrypt',
    served: 'encrypt:disk.img,keyfile=key',
    peers: [],
    make: async (folder, bytes) => `encrypt:${await image(folder, bytes)},keyfile=${await key(folder)}`,
  },
  {
    name: 'cache',
    served: 'cache:disk.img',
    peers: [],
    make: async (folder, bytes) => `cache:${await image(folder, bytes)}`,
  },
  {
    name: 'checksum',
    served: 'checksum:disk.img,checksums=disk.sum',
    peers: [],
    make: async (folder, bytes) =>
      `checksum:${await image(folder, bytes)},checksums=${join(folder, 'disk.sum')}`,
  },
  {
    name: 'handler in Node',
    served: 'handler:/run/h.sock',
    peers: [],
    make: async (folder, bytes, ends) => {
      const handler = new ScriptedHandler(join(folder, 's'), { size: bytes, ...THIN }, bytes)
      // It remembers what it was asked, for tests that look: here that would be all that is written.
      handler.otherwise = () => {
        handler.asked.length = 0
        return false
      }
      await handler.listen()
      ends.after(() => handler.die())
      return `handler:${handler.path}`
    },
  },
  {
    name: 'handler in Python',
    served: 'handler:/run/h.sock',
    peers: ['python3'],
    make: async (folder, bytes, ends) => {
      const handler = new PythonHandler(folder, bytes)
      ends.after(() => handler.kill())
      await handler.start()
      return `handler:${handler.path}`
    },
  },
  {
    name: 'object',
    served: 'object:./storage.mjs',
    peers: [],
    make: async (folder, bytes) => {
      const path = join(folder, 'storage.mjs')
      await writeFile(path, OBJECT(bytes))
      return `object:${path}`
    },
  },
  {
    name: 'iscsi',
    served: 'iscsi://array/iqn.2000-01.org.example:disk/1',
    peers: [],
    make: async (_, bytes, ends) => {
      const array = await createTarget({ luns: [memory(bytes)] })
      ends.after(() => array.close())
      return array.url
    },
  },
  {
    name: 'filters on each other',
    served: 'cache:checksum:encrypt:qcow2:disk.qcow2,keyfile=key',
    peers: [],
    make: async (folder, bytes) =>
      `cache:checksum:encrypt:qcow2:${join(folder, 'disk.qcow2')},size=${bytes},keyfile=${await key(folder)}`,
  },
]
