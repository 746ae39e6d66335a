// SPDX-License-Identifier: Apache-2.0
// What Linux does with a disk beyond reading and writing: reservations, space given back, several paths; and with a CD drive.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tell } from '../../kit/serve-process.ts'
import { need } from '../../peers.ts'
import { endsWell, folderFor, relayed, serving, succeeds } from './guest-target.ts'
import { Relay } from './relay.ts'
import { noGuest } from './skip.ts'

const MIB = 1024 * 1024

// Requirement: SPC-4, PERSISTENT RESERVE OUT command: reservations and registrations persist through power loss if APTPL asks for it.
test('two Linux initiators fence each other by persistent reservations, which outlive the target', async t => {
  if (noGuest(t)) return
  const folder = folderFor(t)
  const behind = await relayed(t, `${join(folder, 'disk.img')},size=64M`, '--state', join(folder, 'state'))
  const { relay, portal, restart } = behind
  const run = { relay, on: { restart }, env: { PORTAL: portal }, timeoutSeconds: 240 }
  await succeeds(t, behind.target, 'reservations.sh', run)
  await endsWell(behind.target)
})

test('Linux gives space back, and the image on the host shrinks', async t => {
  if (noGuest(t)) return
  const image = join(folderFor(t), 'disk.img')
  const target = await serving(t, `${image},size=256M`)
  const taken = () => (statSync(image).blocks * 512) / MIB
  const full = () => assert.ok(taken() > 20, `the image takes ${taken()} MiB only`)
  const shrunk = () => assert.ok(taken() < 16, `the image takes ${taken()} MiB still`)
  await succeeds(t, target, 'provisioning.sh', { on: { full, shrunk } })
  await endsWell(target)
})

test('Linux keeps a file system alive over two portals while one path is cut', async t => {
  if (noGuest(t)) return
  const disk = `${join(folderFor(t), 'disk.img')},size=128M`
  const target = await serving(
    t,
    disk,
    '--portal',
    '127.0.0.1:0,1',
    '--portal',
    '127.0.0.1:0,2',
    '--explicit-alua',
  )
  await using relay = await Relay.start(Number(target.ready.portals[1]!.split(':')[1]))
  await succeeds(t, target, 'multipath.sh', { relay, timeoutSeconds: 180 })
  await endsWell(target)
})

test('Linux formats and sanitizes a disk, waiting for it or asking how far it is', async t => {
  if (noGuest(t)) return
  const target = await serving(t, 'memory:512M')
  await succeeds(t, target, 'maintenance.sh')
  await endsWell(target)
})

test('Linux uses a disk with protection information, checks it and formats it to other types', async t => {
  if (noGuest(t)) return
  const disk = `${join(folderFor(t), 'disk.img')},size=64M,protection=1`
  const target = await serving(t, disk)
  await succeeds(t, target, 'protection.sh')
  await endsWell(target)
})

test('the block commands of sg3_utils do what a plain read then finds', async t => {
  if (noGuest(t)) return
  // Memory has them all: atomic writes and a cryptographic erase, too.
  const target = await serving(t, 'memory:16M')
  await succeeds(t, target, 'blocks.sh')
  await endsWell(target)
})

test('what a disk tells sg3_utils of itself agrees', async t => {
  if (noGuest(t)) return
  const folder = folderFor(t)
  const target = await serving(t, `${join(folder, 'disk.img')},size=16M`, '--state', join(folder, 'state'))
  await succeeds(t, target, 'pages.sh')
  await endsWell(target)
})

test('Linux mounts, ejects and changes discs in a CD drive', async t => {
  if (noGuest(t) || !need(t, 'xorriso')) return
  const folder = folderFor(t)
  const [a, b, c] = [disc(folder, 'A', 2), disc(folder, 'B', 4), disc(folder, 'C', 3)]
  const target = await serving(t, `cdrom:${a}`, `cdrom:${b},next=${c}`, '--control')
  const told = async (line: string): Promise<string> => (await tell(target, line)).error?.code ?? 'done'
  const on = {
    locked: async () => assert.equal(await told('lun 0 eject'), 'REMOVAL_PREVENTED'),
    insert: async () => assert.equal(await told(`lun 0 insert ${b}`), 'done'),
    eject: async () => assert.equal(await told('lun 0 eject'), 'done'),
  }
  await succeeds(t, target, 'cdrom.sh', { on, timeoutSeconds: 180 })
  await endsWell(target)
})

/** An ISO image of so many MiB: a name, random files, and their checksums. */
function disc(folder: string, name: string, mib: number): string {
  const content = join(folder, name)
  mkdirSync(content)
  writeFileSync(join(content, 'name'), name)
  const sums = [1, 2, 3, 4].map(number => {
    const bytes = randomBytes(Math.floor((mib * MIB) / 5))
    writeFileSync(join(content, `file${number}`), bytes)
    return `${createHash('sha256').update(bytes).digest('hex')}  file${number}\n`
  })
  writeFileSync(join(content, 'SUMS'), sums.join(''))
  const image = join(folder, `${name}.iso`)
  execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-o', image, content], { stdio: 'pipe' })
  truncateSync(image, mib * MIB)
  return image
}
