// SPDX-License-Identifier: Apache-2.0
// Machines that boot from the target: iPXE by SAN boot, with and without CHAP, and QEMU with its own initiator.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ServedTarget, serve, workFolder } from '../../kit/serve-process.ts'
import { need } from '../../peers.ts'
import { CD_PRINTED, checkImage, DONE, makeBootableIso, makeImage, PRINTED } from './boot-image.ts'
import { type Boot, boot } from './boot-machine.ts'

interface Bootable {
  readonly folder: string
  readonly target: ServedTarget
  /** Expects that this boot did all that it should, and nothing else to the disk. */
  succeeded(boot: Boot): Promise<void>
}

/** A served boot image. */
async function bootable(t: TestContext, words: readonly string[] = [], env = {}): Promise<Bootable> {
  const { path: folder, dispose } = workFolder()
  t.after(dispose)
  const image = join(folder, 'boot.img')
  const before = makeImage(image)
  const target = await serve([image, ...words], env)
  t.after(() => target.stop('SIGKILL'))
  return {
    folder,
    target,
    async succeeded({ end, printed, screen }) {
      const all = `${screen}\n--- target\n${JSON.stringify(target.events)}\n${target.stderr()}`
      assert.equal(printed, PRINTED, all)
      assert.equal(end, DONE, all)
      assert.ok(target.events.some(({ event }) => event === 'session-opened'))
      assert.equal(await target.stop(), 0)
      checkImage(image, before)
    },
  }
}

/** Boots by iPXE in the ROM of the network card, which gets a script from the network as a real machine would. */
function bootByNetwork({ folder, target }: Bootable, ...settings: readonly string[]): Promise<Boot> {
  const [, port, name] = /:(\d+)\/([^/]+)\//.exec(target.ready.luns[0]!.url)!
  const uri = `iscsi:10.0.2.2::${port}:0:${name}`
  mkdirSync(join(folder, 'tftp'))
  writeFileSync(
    join(folder, 'tftp/boot.ipxe'),
    ['#!ipxe', ...settings.map(one => `set ${one}`), `sanboot ${uri}`, ''].join('\n'),
  )
  const network = `user,id=net,tftp=${join(folder, 'tftp')},bootfile=boot.ipxe`
  return boot(folder, 'n', '-netdev', network, '-device', 'virtio-net-pci,netdev=net')
}

const peers = ['qemu-system-x86_64', 'nasm', 'efi-virtio.rom'] as const

test('iPXE boots a machine over the network, and its disk can be read and written', async t => {
  if (!need(t, ...peers)) return
  const one = await bootable(t)
  await one.succeeded(await bootByNetwork(one, 'initiator-iqn iqn.2000-01.example.initiator:ipxe'))
})

test('iPXE boots with mutual CHAP', async t => {
  if (!need(t, ...peers)) return
  const secrets = {
    LUNKIT_CHAP_SECRET: 'the-initiators-secret',
    LUNKIT_MUTUAL_SECRET: 'the-targets-own-secret',
  }
  const one = await bootable(t, ['--chap-user', 'alice', '--mutual-user', 'target'], secrets)
  const booted = await bootByNetwork(
    one,
    'username alice',
    `password ${secrets.LUNKIT_CHAP_SECRET}`,
    'reverse-username target',
    `reverse-password ${secrets.LUNKIT_MUTUAL_SECRET}`,
  )
  await one.succeeded(booted)
})

test('QEMU boots from an iscsi:// disk', async t => {
  if (!need(t, 'qemu-system-x86_64', 'nasm', 'block-iscsi.so')) return
  const one = await bootable(t)
  const disk = `file=${one.target.ready.luns[0]!.url},format=raw,if=virtio`
  await one.succeeded(await boot(one.folder, 'c', '-drive', disk))
})

/** Ways in which QEMU gives its guest the CD: in a drive of its own, or by passing commands through to lunkit's. */
const CD_DRIVES = [
  ['in its own drive', (url: string) => ['-drive', `file=${url},format=raw,media=cdrom,if=ide`]],
  [
    "in lunkit's drive",
    (url: string) => [
      ...['-device', 'virtio-scsi-pci'],
      ...['-drive', `file=${url},format=raw,readonly=on,if=none,id=cd`],
      ...['-device', 'scsi-block,drive=cd'],
    ],
  ],
] as const

for (const [where, devices] of CD_DRIVES) {
  test(`QEMU boots from a CD ${where}`, async t => {
    if (!need(t, 'qemu-system-x86_64', 'nasm', 'block-iscsi.so', 'xorriso')) return
    const { path: folder, dispose } = workFolder()
    t.after(dispose)
    mkdirSync(join(folder, 'content'))
    const iso = join(folder, 'boot.iso')
    makeBootableIso(iso, join(folder, 'content'))
    const target = await serve([`cdrom:${iso}`])
    t.after(() => target.stop('SIGKILL'))
    const { end, printed, screen } = await boot(folder, 'd', ...devices(target.ready.luns[0]!.url))
    const all = `${screen}\n--- target\n${JSON.stringify(target.events)}\n${target.stderr()}`
    assert.equal(printed, CD_PRINTED, all)
    assert.equal(end, DONE, all)
    assert.equal(await target.stop(), 0)
  })
}
