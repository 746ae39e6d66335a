// SPDX-License-Identifier: Apache-2.0
// What a machine has, from a /sys and a /proc of the test's own.
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import type { BridgeAnswer } from '../bridge.ts'
import { openSgWith } from './bridge.ts'
import { FakeKernel } from './fake-kernel.test-kit.ts'
import { type Roots, unitAt, unitsHere } from './units-here.ts'

const refused = (code: string, words: RegExp) => (error: Error & { code?: string; hint?: string }) => {
  assert.equal(error.code, code)
  assert.match(error.message, words)
  assert.notEqual(error.hint, '')
  return true
}

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text, 'latin1')
}

/** One device; returns its folder. */
function add(roots: Roots, address: string, node: string, files: Readonly<Record<string, string>>): string {
  const [host] = address.split(':')
  const device = join(roots.sys, `devices/pci0000:00/host${host}/target`, address)
  for (const [name, text] of Object.entries(files)) put(join(device, name), text)
  mkdirSync(join(device, 'scsi_generic', node), { recursive: true })
  symlinkSync(device, join(device, 'scsi_generic', node, 'device'))
  mkdirSync(join(roots.sys, 'class/scsi_generic'), { recursive: true })
  symlinkSync(join(device, 'scsi_generic', node), join(roots.sys, 'class/scsi_generic', node))
  return device
}

const TAPE = {
  type: '1\n',
  vendor: 'TAPES   \n',
  model: 'LTO             \n',
  rev: '0001\n',
  vpd_pg80: '\0\x80\0\x04T123',
  queue_depth: '1\n',
}

/** A tape, a disk with two parts, and a processor device without a name of its own. */
async function machine(t: TestContext): Promise<Roots> {
  const folder = await scratch(t)
  const roots = { sys: join(folder, 'sys'), proc: join(folder, 'proc') }
  const tape = add(roots, '2:0:0:0', 'sg10', TAPE)
  const disk = add(roots, '2:0:0:1', 'sg2', {
    type: '0\n',
    vendor: 'DISKS   \n',
    model: 'FAST            \n',
    rev: '9   \n',
    wwid: 'naa.5000\n',
  })
  for (const [name, text] of Object.entries({
    size: '2048\n',
    dev: '8:16\n',
    'sdb1/dev': '8:17\n',
    'sdb2/dev': '8:18\n',
  })) {
    put(join(disk, 'block/sdb', name), text)
  }
  add(roots, '2:0:0:2', 'sg3', { type: '3\n', vendor: 'ENC\n', model: 'BOX\n', rev: '1\n' })
  put(join(roots.sys, 'class/scsi_host/host2/proc_name'), 'mpt3sas\n')
  put(join(roots.sys, 'class/scsi_host/host2/can_queue'), '20\n')
  put(join(disk, 'queue_depth'), '32\n')
  put(join(roots.proc, 'self/status'), 'Name:\tnode\nCapEff:\t000001ffffffffff\n')
  put(join(roots.proc, 'self/mountinfo'), '22 1 8:2 / / rw - ext4 /dev/sda2 rw\n')
  put(join(roots.proc, 'swaps'), 'Filename Type Size Used Priority\n')
  // /dev/null is the tape
  const character = join(roots.sys, 'dev/char/1:3')
  mkdirSync(dirname(character), { recursive: true })
  symlinkSync(join(tape, 'scsi_generic/sg10'), character)
  return roots
}

test('what a machine has, in the order of its numbers', async t => {
  const roots = await machine(t)
  const units = await unitsHere(roots)
  assert.deepEqual(
    units.map(({ path, type, product, size, disk, usedBy }) => [path, type, product, size, disk, usedBy]),
    [
      ['/dev/sg2', 0, 'FAST', 1048576, '/dev/sdb', ''],
      ['/dev/sg3', 3, 'BOX', null, null, ''],
      ['/dev/sg10', 1, 'LTO', null, null, ''],
    ],
  )
  assert.deepEqual(
    units.map(({ identity }) => identity),
    ['scsi:0:DISKS:FAST:naa.5000', 'scsi:3:ENC:BOX:2:0:0:2', 'scsi:1:TAPES:LTO:T123'],
  )
  put(join(roots.sys, 'class/scsi_host/host2/can_queue'), '1\n')
  assert.deepEqual([units[0]!.depth, (await unitsHere(roots))[0]!.depth], [20, 1])
  assert.deepEqual([units[0]!.vendor, units[0]!.address, units[0]!.adapter], ['DISKS', '2:0:0:1', 'mpt3sas'])
})

test('a machine without the kernel’s driver has none', async t => {
  const folder = await scratch(t)
  assert.deepEqual(await unitsHere({ sys: folder, proc: folder }), [])
})

test('a disk is in use by its mounts, its swap and those that are made of it', async t => {
  const roots = await machine(t)
  const used = async (): Promise<string> => (await unitsHere(roots))[0]!.usedBy
  put(join(roots.proc, 'swaps'), 'Filename Type Size Used Priority\n/dev/sdb2 partition 1 0 -2\n')
  assert.equal(await used(), 'swap')
  put(join(roots.proc, 'self/mountinfo'), '30 1 8:17 / /home rw - ext4 /dev/sdb1 rw\n')
  assert.equal(await used(), 'mounted on /home')
  put(join(roots.proc, 'self/mountinfo'), '')
  put(join(roots.proc, 'swaps'), '')
  mkdirSync(join(roots.sys, 'devices/pci0000:00/host2/target/2:0:0:1/block/sdb/holders/dm-3'), {
    recursive: true,
  })
  assert.equal(await used(), 'part of dm-3')
})

test('the file of /dev is any that stands for the device', async t => {
  const roots = await machine(t)
  assert.equal((await unitAt('/dev/null', roots)).path, '/dev/sg10')
  await assert.rejects(unitAt('/dev/zero', roots), refused('SG_NONE', /'\/dev\/zero' is no SCSI device/))
  await assert.rejects(unitAt(import.meta.filename, roots), refused('SG_NONE', /is no SCSI device/))
  await assert.rejects(unitAt('/dev/sg-none', roots), refused('SG_MISSING', /no such file/))
})

test('a device is opened, refused while it is in use, and its errors say what to do', async t => {
  const roots = await machine(t)
  const kernel = new FakeKernel()
  const opened = await openSgWith(kernel, '/dev/null', false, roots)
  assert.equal(opened.identity, 'scsi:1:TAPES:LTO:T123')
  assert.equal(opened.note, undefined)
  assert.equal(opened.maxTransfer, 1 << 20)
  assert.deepEqual(kernel.openFiles(), ['/dev/sg10'])
  await opened.close()
  assert.deepEqual(kernel.openFiles(), [])
  put(join(roots.proc, 'self/status'), 'Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000020000\n')
  const limited = await openSgWith(kernel, '/dev/null', false, roots)
  assert.match(limited.note ?? '', /^\/dev\/sg10: resets do not reach it/)
  await limited.close()
  kernel.failures.open.push('EACCES', 'EBUSY', 'ENXIO')
  await assert.rejects(openSgWith(kernel, '/dev/null', false, roots), refused('SG_OPEN', /permission denied/))
  await assert.rejects(openSgWith(kernel, '/dev/null', false, roots), refused('SG_OPEN', /another program/))
  await assert.rejects(openSgWith(kernel, '/dev/null', false, roots), refused('SG_OPEN', /nothing is behind/))
  const tape = join(roots.sys, 'devices/pci0000:00/host2/target/2:0:0:0')
  put(join(tape, 'state'), 'transport-offline\n')
  await assert.rejects(openSgWith(kernel, '/dev/null', false, roots), refused('SG_OFFLINE', /offline/))
  put(join(tape, 'state'), 'running\n')
  const disk = join(tape, 'block/sdc')
  put(join(disk, 'dev'), '8:32\n')
  put(join(roots.proc, 'self/mountinfo'), '30 1 8:32 / /mnt rw - ext4 /dev/sdc rw\n')
  await assert.rejects(
    openSgWith(kernel, '/dev/null', false, roots),
    refused('SG_IN_USE', /\/dev\/sdc is mounted on \/mnt/),
  )
  await (await openSgWith(kernel, '/dev/null', true, roots)).close()
})

test('a device that comes back is known by what it is, and lunkit’s own LUN is not taken for it', async t => {
  const roots = await machine(t)
  const kernel = new FakeKernel()
  const { bridge, close } = await openSgWith(kernel, '/dev/null', false, roots)
  kernel.hangUp()
  rmSync(join(roots.sys, 'class/scsi_generic/sg10'))
  // What an initiator of this machine has from lunkit
  put(join(roots.sys, 'class/scsi_host/host7/proc_name'), 'iscsi_tcp\n')
  add(roots, '7:0:0:0', 'sg4', TAPE)
  const ask = () =>
    new Promise<BridgeAnswer>(finish => {
      const cdb = Uint8Array.of(0, 0, 0, 0, 0, 0)
      const nothing = { direction: 'none', dataOut: [], dataIn: Buffer.alloc(0), cancel: null } as const
      bridge.execute({ ...nothing, cdb, timeout: 1000, finish })
    })
  await new Promise(resolve => setTimeout(resolve, 1001))
  const answer = await ask()
  assert.deepEqual([answer.outcome, answer.reason], ['lost', '/dev/sg10: it is away'])
  put(join(roots.sys, 'class/scsi_host/host8/proc_name'), 'mpt3sas\n')
  add(roots, '8:0:0:0', 'sg6', TAPE)
  await new Promise(resolve => setTimeout(resolve, 1001))
  const back = ask()
  while (kernel.given.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  assert.deepEqual(kernel.openFiles(), ['/dev/sg6'])
  kernel.end({}, ...kernel.underWay())
  assert.equal((await back).outcome, 'done')
  await close()
})
