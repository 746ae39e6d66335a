// SPDX-License-Identifier: Apache-2.0
// NBD servers as LUNs, from end to end: images byte for byte, and TLS with certificates that have to hold.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { makeImage, qemuNbd } from '../kit/nbd-servers.ts'
import { scratch } from '../kit/scratch.ts'
import { serve } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const execute = promisify(execFile)
const MIB = 1 << 20

test('an image written over iSCSI into a qcow2 behind qemu-nbd is there byte for byte', async t => {
  if (!need(t, 'qemu-img', 'qemu-nbd')) return
  const folder = await scratch(t)
  const at = (name: string): string => join(folder, name)
  const source = Buffer.alloc(48 * MIB)
  for (let offset = 0; offset < source.length; offset += 5 * MIB) randomBytes(2 * MIB).copy(source, offset)
  writeFileSync(at('source.raw'), source)
  makeImage('qcow2', at('disk.qcow2'), '48M')
  const server = await qemuNbd(t, at('s'), '-f', 'qcow2', '--discard=unmap', at('disk.qcow2'))
  const target = await serve([`nbd+unix:///?socket=${at('s')}`])
  t.after(() => target.stop())
  const { url, store } = target.ready.luns[0]!
  assert.equal(store, 'nbd')
  await execute('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', at('source.raw'), url])
  await execute('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', at('source.raw'), url])
  await target.stop()
  await server.stop('SIGTERM')
  await execute('qemu-img', ['check', '-q', at('disk.qcow2')])
  await execute('qemu-img', ['compare', '-q', '-f', 'raw', '-F', 'qcow2', at('source.raw'), at('disk.qcow2')])
})
