// SPDX-License-Identifier: Apache-2.0
// qemu-img convert of an image onto every kind of disk and back: byte for byte the same.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { createTarget, memory } from 'lunkit/target'
import { DISK_KINDS, type DiskKind, type Ends } from '../kit/disk-kinds.ts'
import { needLoops } from '../kit/loop-device.ts'
import { PythonHandler } from '../kit/python-handler.ts'
import { scratch } from '../kit/scratch.ts'
import { serve } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const execute = promisify(execFile)
const MIB = 2 ** 20
const SIZE = 12 * MIB

/** Disks whose commands lunkit does not answer itself. */
const OTHERS: readonly DiskKind[] = [
  {
    name: 'passthrough',
    served: 'passthrough:iscsi://array/iqn.2000-01.org.example:disk/1',
    peers: [],
    make: async (_, bytes, ends) => {
      const array = await createTarget({ luns: [memory(bytes)] })
      ends.after(() => array.close())
      return `passthrough:${array.url}`
    },
  },
  {
    name: 'user',
    served: 'user:/run/h.sock',
    peers: ['python3'],
    make: async (folder, bytes, ends) => {
      const handler = new PythonHandler(folder, bytes)
      ends.after(() => handler.kill())
      await handler.start()
      return `user:${handler.path}`
    },
  },
]

/** Data and zeros by turns: what the second has zeros for, the first has not. */
const PICTURES = [0, 3 * MIB + 512].map(first => {
  const bytes = Buffer.alloc(SIZE)
  for (let at = first; at < SIZE; at += 5 * MIB) randomBytes(2 * MIB + 4096).copy(bytes, at)
  return bytes
})

describe('qemu-img convert there and back is byte-identical', { concurrency: 2 }, () => {
  for (const kind of [...DISK_KINDS, ...OTHERS]) {
    test(kind.name, async t => {
      if (!need(t, 'qemu-img', 'block-iscsi.so', ...kind.peers)) return
      if (kind.peers.includes('losetup') && !needLoops(t)) return
      await using stack = new AsyncDisposableStack()
      const ends: Ends = { after: fn => stack.defer(async () => void (await fn())) }
      const parent = await scratch(ends)
      const at = (name: string): string => join(parent, name)
      await mkdir(at('storage'))
      const served = await serve([await kind.make(at('storage'), SIZE, ends)])
      ends.after(() => served.stop())
      const { url } = served.ready.luns[0]!
      for (const bytes of PICTURES) {
        await writeFile(at('source.raw'), bytes)
        const words = ['convert', '-f', 'raw', '-O', 'raw']
        await execute('qemu-img', [...words, '-n', at('source.raw'), url])
        await execute('qemu-img', [...words, url, at('back.raw')])
        assert.ok((await readFile(at('back.raw'))).equals(bytes))
      }
    })
  }
})
