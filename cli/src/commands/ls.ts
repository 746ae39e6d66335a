// SPDX-License-Identifier: Apache-2.0
// `lunkit ls`: the targets of a portal, and the LUNs of each.

import {
  type ConnectOptions,
  discover,
  discoverUnits,
  type FoundTarget,
  formatUrl,
  openSession,
  parseUrl,
  portalText,
} from '@lunkit/initiator-driver-iscsi'
import { Command } from 'commander'
import { Table } from 'console-table-printer'
import { type ConnectionFlags, connectOptions, withConnection } from '../connection-options.ts'
import { describeError } from '../exit.ts'
import { exitCodeOf } from '../exit-codes.ts'
import { peripheralTypeName } from '../names.ts'
import { interruptible, printJson } from '../output.ts'
import { formatBytes } from '../units.ts'

interface Row {
  readonly lun: number | string
  readonly url: string
  readonly type: string
  readonly bytes: number | null
  readonly blockSize: number | null
  readonly vendor: string
  readonly product: string
}

interface Listed {
  readonly target: string
  readonly portals: readonly string[]
  readonly luns: readonly Row[]
  /** Why the LUNs could not be asked for, or null. */
  readonly error: string | null
  /** The way out of that, or empty. */
  readonly hint: string
}

type LunsOf = Pick<Listed, 'luns' | 'error' | 'hint'> & { readonly exitCode: number }

const HELP = `
A target that lets nobody in is listed with the reason, and sets the exit code.

  lunkit ls                                           what this machine serves
  lunkit ls 10.0.0.1 --chap-user alice --chap-secret-file ./secret`

export function build(): Command {
  return withConnection(new Command('ls'))
    .addHelpText('after', HELP)
    .argument('[portal]', 'iscsi://HOST[:PORT], or the URL of one target', 'iscsi://127.0.0.1')
    .option('--no-luns', 'targets only, without logging in to them')
    .action((where: string, flags: ConnectionFlags & { luns: boolean }) => list(where, flags))
}

async function list(where: string, flags: ConnectionFlags & { luns: boolean }): Promise<void> {
  const place = where.includes('://') ? where : `iscsi://${where}`
  const url = parseUrl(place)
  const options = { ...(await connectOptions(flags, place)), signal: interruptible() }
  const targets: readonly FoundTarget[] =
    url.target === null ? await discover(place, options) : [{ name: url.target, portals: [] }]
  const listed: Listed[] = []
  for (const { name, portals } of targets) {
    const { exitCode, ...found } = flags.luns ? await lunsOf(place, name, options) : NOT_ASKED
    listed.push({ target: name, portals: portals.map(portalText), ...found })
    // One target that lets nobody in does not hide the others; but the exit code says so.
    process.exitCode ||= exitCode
  }
  if (flags.json) printJson(listed)
  else print(listed, flags.luns)
}

const NOT_ASKED: LunsOf = { luns: [], error: null, hint: '', exitCode: 0 }

async function lunsOf(place: string, target: string, options: ConnectOptions): Promise<LunsOf> {
  try {
    const { portal } = parseUrl(place)
    const session = await openSession(place, { ...options, target })
    try {
      const luns: Row[] = []
      for (const { lun, unit, inquiry } of await discoverUnits(session)) {
        // Units without a medium have no capacity to tell.
        const capacity = await unit.capacity().catch(() => null)
        luns.push({
          lun: typeof lun === 'number' ? lun : Buffer.from(lun).toString('hex'),
          url: typeof lun === 'number' ? formatUrl(portal, target, lun) : '',
          type: peripheralTypeName(inquiry.deviceType),
          bytes: capacity?.bytes ?? null,
          blockSize: capacity?.blockSize ?? null,
          vendor: inquiry.vendor,
          product: inquiry.product,
        })
      }
      return { ...NOT_ASKED, luns }
    } finally {
      await session.close()
    }
  } catch (error) {
    const { message, hint } = describeError(error)
    return { luns: [], error: message, hint, exitCode: exitCodeOf(error) }
  }
}

function print(listed: readonly Listed[], withLuns: boolean): void {
  if (listed.length === 0) process.stdout.write('No targets\n')
  for (const { target, portals, luns, error, hint } of listed) {
    process.stdout.write(`${target}${portals.length === 0 ? '' : `  ${portals.join(' ')}`}\n`)
    if (error !== null) process.stdout.write(`  ${error}\n${hint === '' ? '' : `    ${hint}\n`}`)
    else if (withLuns && luns.length > 0) printLuns(luns)
  }
}

function printLuns(luns: readonly Row[]): void {
  const table = new Table({
    shouldDisableColors: !process.stdout.hasColors?.(),
    columns: [
      { name: 'lun', title: 'LUN', alignment: 'right' },
      { name: 'type', title: 'Type', alignment: 'left' },
      { name: 'size', title: 'Size', alignment: 'right' },
      { name: 'block', title: 'Block', alignment: 'right' },
      { name: 'model', title: 'Model', alignment: 'left' },
      { name: 'url', title: 'URL', alignment: 'left' },
    ],
  })
  for (const { lun, type, bytes, blockSize, vendor, product, url } of luns) {
    table.addRow({
      lun,
      type,
      size: bytes === null ? '-' : formatBytes(bytes),
      block: blockSize ?? '-',
      model: `${vendor} ${product}`,
      url,
    })
  }
  process.stdout.write(`${table.render()}\n`)
}
