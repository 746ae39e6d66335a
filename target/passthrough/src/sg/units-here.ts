// SPDX-License-Identifier: Apache-2.0
// The SCSI devices of this Linux machine as its /sys shows them: where they are, what they are, and who uses them.
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileTrouble, OperatorError } from '@lunkit/target-api'

/** One SCSI device that Linux knows. */
export interface UnitHere {
  /** Path of its SCSI generic file: `/dev/sg3`. */
  readonly path: string
  /** Driver of its host adapter, such as `usb-storage`; empty if Linux does not tell. */
  readonly adapter: string
  /** Its address: host adapter, channel, target, logical unit. */
  readonly address: string
  /** SPC peripheral device type. */
  readonly type: number
  readonly vendor: string
  readonly product: string
  readonly revision: string
  /** Tells the unit from all others, also when it comes back under another name. */
  readonly identity: string
  /** What Linux does with it: `running`, or `offline` after errors that it could not recover from. */
  readonly state: string
  /** Commands that Linux gives the unit at once; 1 if it does not tell. */
  readonly depth: number
  /** Path of its block device, or null. */
  readonly disk: string | null
  /** Bytes of its medium as the kernel knows them, or null. */
  readonly size: number | null
  /** What uses it on this machine, such as `mounted on /home`; empty if nothing is known to. */
  readonly usedBy: string
}

/** Where the kernel's files are; another folder in tests. */
export interface Roots {
  readonly sys: string
  readonly proc: string
}

const ROOTS: Roots = { sys: '/sys', proc: '/proc' }

/** All of them, by number; none where the kernel has no SCSI generic driver. */
export async function unitsHere(roots: Roots = ROOTS): Promise<UnitHere[]> {
  const nodes = await readdir(join(roots.sys, 'class/scsi_generic')).catch(() => [])
  const sorted = nodes.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  const units: UnitHere[] = []
  for (const node of sorted) {
    const unit = await readUnit(node, roots)
    if (unit !== null) units.push(unit)
  }
  return units
}

/**
 * The SCSI device that a file of /dev stands for: its SCSI generic file, or that of a disk, drive or tape. Rejects with
 * OperatorError if it stands for none.
 */
export async function unitAt(path: string, roots: Roots = ROOTS): Promise<UnitHere> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const hint = "'lunkit devices' lists the ones of this machine"
    throw new OperatorError('SG_MISSING', `'${path}' cannot be looked at: ${fileTrouble(error)}`, { hint })
  })
  const kind = found.isBlockDevice() ? 'block' : found.isCharacterDevice() ? 'char' : null
  const device = join(roots.sys, 'dev', kind ?? '', numberOf(found.rdev), 'device/scsi_generic')
  const [node] = kind === null ? [] : await readdir(device).catch(() => [])
  const unit = node === undefined ? null : await readUnit(node, roots)
  if (unit !== null) return unit
  const hint =
    kind === 'block'
      ? "give the whole disk, not a part of it; 'modprobe sg' loads the kernel's driver"
      : "'lunkit devices' lists the ones of this machine"
  throw new OperatorError('SG_NONE', `'${path}' is no SCSI device that can be passed through`, { hint })
}

/** Major and minor number of a device, as glibc packs them. */
const numberOf = (rdev: number): string =>
  `${(rdev >>> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`

/** Null: it went away while it was looked at. */
async function readUnit(node: string, roots: Roots): Promise<UnitHere | null> {
  const device = await realpath(join(roots.sys, 'class/scsi_generic', node, 'device')).catch(() => null)
  if (device === null) return null
  const text = (name: string): Promise<string> =>
    readFile(join(device, name), 'latin1').then(
      all => all.replace(/[\0\s]+$/, '').trim(),
      () => '',
    )
  const [type, vendor, product, revision] = [
    await text('type'),
    await text('vendor'),
    await text('model'),
    await text('rev'),
  ]
  if (type === '') return null
  const [wwid, serial] = [await text('wwid'), await text('vpd_pg80')]
  const address = basename(device)
  // A unit without a name of its own is known by where it is
  const name = wwid || serial.slice(4) || address
  const [block] = await readdir(join(device, 'block')).catch(() => [])
  const host = join(roots.sys, 'class/scsi_host', `host${address.split(':')[0]}`)
  const [adapter, room] = await Promise.all(
    ['proc_name', 'can_queue'].map(name =>
      readFile(join(host, name), 'latin1').then(
        all => all.trim(),
        () => '',
      ),
    ),
  )
  const depths = [Number(room), Number(await text('queue_depth'))].filter(one => one > 0)
  const sectors = block === undefined ? '' : await text(`block/${block}/size`)
  return {
    path: `/dev/${node}`,
    adapter: adapter!,
    address,
    type: Number(type),
    vendor,
    product,
    revision,
    identity: `scsi:${type}:${vendor}:${product}:${name}`,
    state: await text('state'),
    depth: depths.length === 0 ? 1 : Math.min(...depths),
    disk: block === undefined ? null : `/dev/${block}`,
    size: sectors === '' ? null : Number(sectors) * 512,
    usedBy: block === undefined ? '' : await usedBy(join(device, 'block', block), roots.proc),
  }
}

/** Who on this machine uses a disk or a part of it. */
async function usedBy(disk: string, proc: string): Promise<string> {
  const parts = (await readdir(disk).catch(() => [])).filter(name => name.startsWith(basename(disk)))
  const [mounts, swaps] = await Promise.all(
    ['self/mountinfo', 'swaps'].map(name => readFile(join(proc, name), 'utf8').catch(() => '')),
  )
  for (const folder of [disk, ...parts.map(part => join(disk, part))]) {
    const number = (await readFile(join(folder, 'dev'), 'utf8').catch(() => '')).trim()
    for (const line of mounts!.split('\n')) {
      const [, , device, , where] = line.split(' ')
      if (number !== '' && device === number) return `mounted on ${where}`
    }
    if (swaps!.split('\n').some(line => line.startsWith(`/dev/${basename(folder)} `))) return 'swap'
    const [holder] = await readdir(join(folder, 'holders')).catch(() => [])
    if (holder !== undefined) return `part of ${holder}`
  }
  return ''
}

/** CAP_SYS_RAWIO and CAP_SYS_ADMIN. */
const RESET_RIGHTS = (1n << 17n) | (1n << 21n)

/** Whether Linux lets this process reset units. */
export async function mayReset({ proc }: Roots = ROOTS): Promise<boolean> {
  const status = await readFile(join(proc, 'self/status'), 'latin1').catch(() => '')
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  return effective === undefined || (BigInt(`0x${effective}`) & RESET_RIGHTS) === RESET_RIGHTS
}
