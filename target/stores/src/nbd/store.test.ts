// SPDX-License-Identifier: Apache-2.0
// The contract of a store over real servers: qemu-nbd with qcow2 and raw images, nbdkit with filters.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type BackingStore, readParameters } from '@lunkit/target-api'
import { makeImage, nbdkit, qemuNbd } from '@lunkit/testing/kit/nbd-servers.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { need } from '@lunkit/testing/peers.ts'
import { store } from './store.ts'

/** What is against them is an error of the server, and so of the test. */
const BLOCKS = [
  'blocksize-minimum=4096',
  'blocksize-preferred=4096',
  'blocksize-maximum=65536',
  'blocksize-error-policy=error',
]

const open = (socket: string, keys: Record<string, string> = {}): Promise<BackingStore> =>
  store.open(readParameters('nbd', store.parameters, { uri: `nbd+unix:///?socket=${socket}`, ...keys }))

async function overNbdkit(context: TestContext, ...words: string[]): Promise<BackingStore> {
  const socket = join(await scratch(context), 's')
  await nbdkit(context, socket, ...words)
  return open(socket)
}

async function overQemu(context: TestContext, format: string, ...words: string[]): Promise<BackingStore> {
  const folder = await scratch(context)
  makeImage(format, join(folder, 'image'), '8M')
  await qemuNbd(context, join(folder, 's'), '-f', format, ...words, join(folder, 'image'))
  return open(join(folder, 's'))
}

const here = (program: string): boolean => spawnSync(program, ['--version']).error === undefined
const kit = here('nbdkit')
const qemu = here('qemu-nbd')

test('the servers are here', t => void need(t, 'nbdkit', 'qemu-nbd'))

if (kit) {
  storeSuite('nbd, memory of nbdkit', context => overNbdkit(context, 'memory', '8M'))
  storeSuite('nbd, file of nbdkit', async context => {
    const path = join(await scratch(context), 'image')
    makeImage('raw', path, '8M')
    return overNbdkit(context, 'file', path)
  })
  storeSuite('nbd, read-only', context => overNbdkit(context, '-r', 'memory', '8M'))
  storeSuite('nbd, slow server', context =>
    overNbdkit(context, '--filter=delay', 'memory', '8M', 'delay-read=1ms', 'delay-write=2ms'),
  )
  storeSuite('nbd, blocks of 4096 bytes and requests of 64 KiB', context =>
    overNbdkit(context, '--filter=blocksize-policy', 'memory', '8M', ...BLOCKS),
  )
  storeSuite('nbd, no more than reads and writes', context =>
    overNbdkit(context, '--no-sr', '--filter=nozero', '--filter=noextents', 'memory', '8M', 'zeromode=none'),
  )
}
if (qemu) {
  storeSuite('nbd, qcow2 of qemu-nbd', context => overQemu(context, 'qcow2', '--discard=unmap'))
  storeSuite('nbd, raw of qemu-nbd', context => overQemu(context, 'raw', '--discard=unmap'))
}
