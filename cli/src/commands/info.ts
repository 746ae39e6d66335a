// SPDX-License-Identifier: Apache-2.0
// `lunkit info`: what a LUN says of itself.

import { connect, ScsiError } from '@lunkit/initiator-driver-iscsi'
import {
  DesignatorType,
  DeviceType,
  MODE_HEADER_6,
  MODE_SENSE_6,
  readDesignators,
  Status,
  VPD_HEADER,
} from '@lunkit/spec'
import { Command } from 'commander'
import { type ConnectionFlags, connectOptions, withConnection } from '../connection-options.ts'
import { peripheralTypeName, vpdPageName } from '../names.ts'
import { interruptible, printJson } from '../output.ts'
import { formatBytes } from '../units.ts'

const HELP = `
Names, size, blocks, and all vital product data pages as hex digits, whole with --json.

  lunkit info iscsi://10.0.0.1/iqn.2000-01.org.example:disk/0`

export function build(): Command {
  return withConnection(new Command('info'))
    .addHelpText('after', HELP)
    .argument('<url>', 'the LUN, iscsi://HOST/TARGET/LUN')
    .action(async (url: string, flags: ConnectionFlags) => {
      const disk = await connect(url, { ...(await connectOptions(flags, url)), signal: interruptible() })
      try {
        const facts = await ask(disk)
        if (flags.json) printJson(facts)
        else print(facts)
      } finally {
        await disk.close()
      }
    })
}

const SERIAL_PAGE = 0x80
const NAMES_PAGE = 0x83
/** PAGE CODE of all mode pages. */
const ALL_PAGES = 0x3f

/** Types whose mode parameter header says whether they are write-protected (SBC, SSC). */
const PROTECTABLE: readonly number[] = [DeviceType.disk, DeviceType.tape, DeviceType.opticalMemory]

/** Whether the unit refuses writes; null where it has no mode pages, or none that would say so. */
async function isReadOnly(disk: Awaited<ReturnType<typeof connect>>, type: number): Promise<boolean | null> {
  if (!PROTECTABLE.includes(type)) return null
  const { length } = MODE_HEADER_6
  const cdb = MODE_SENSE_6.cdb.write({ dbd: 1, pageCode: ALL_PAGES, allocation: length })
  cdb[0] = MODE_SENSE_6.opcode
  const { status, dataIn } = await disk.execute(cdb, { expectedIn: length })
  if (status !== Status.good || dataIn.length < length) return null
  return MODE_HEADER_6.field.writeProtect.get(dataIn, 0) === 1
}

/** NAA designator of the unit in hex, or null. */
function naaOf(page: string | undefined): string | null {
  if (page === undefined) return null
  const found = readDesignators(Buffer.from(page, 'hex'), VPD_HEADER.length).find(
    ({ type, association }) => type === DesignatorType.naa && association === 0,
  )
  return found === undefined ? null : Buffer.from(found.value).toString('hex')
}

/** What the unit refuses to tell is null; a connection that is lost is an error all the same. */
const orNull = <T>(asked: Promise<T>): Promise<T | null> =>
  asked.catch((error: unknown) => {
    if (error instanceof ScsiError) return null
    throw error
  })

async function ask(disk: Awaited<ReturnType<typeof connect>>) {
  const inquiry = await disk.inquiry()
  // An empty drive, a tape and a processor have none to tell.
  const capacity = await orNull(disk.capacity())
  const limits = await orNull(disk.limits())
  const pages: { code: number; name: string; hex: string }[] = []
  for (const code of await disk.vpdPages()) {
    pages.push({ code, name: vpdPageName(code), hex: Buffer.from(await disk.vpd(code)).toString('hex') })
  }
  const serial = pages.find(({ code }) => code === SERIAL_PAGE)
  return {
    target: disk.session.target,
    lun: disk.lun,
    type: peripheralTypeName(inquiry.deviceType),
    vendor: inquiry.vendor,
    product: inquiry.product,
    revision: inquiry.revision,
    serial:
      serial === undefined ? null : Buffer.from(serial.hex, 'hex').subarray(4).toString('latin1').trim(),
    naa: naaOf(pages.find(({ code }) => code === NAMES_PAGE)?.hex),
    readOnly: await isReadOnly(disk, inquiry.deviceType),
    removable: inquiry.removable,
    bytes: capacity?.bytes ?? null,
    blocks: capacity?.blocks ?? null,
    blockSize: capacity?.blockSize ?? null,
    physicalBlockSize: capacity?.physicalBlockSize ?? null,
    thin: capacity?.thin ?? null,
    protection: capacity?.protection ?? null,
    maxTransferBlocks: limits?.maxTransfer ?? null,
    pages,
  }
}

function print(facts: Awaited<ReturnType<typeof ask>>): void {
  const { pages, bytes, ...rest } = facts
  const size = bytes === null ? null : `${formatBytes(bytes)} (${bytes} bytes)`
  const lines = Object.entries({ ...rest, size })
  for (const [name, value] of lines) process.stdout.write(`${name.padEnd(18)} ${value ?? '-'}\n`)
  for (const { code, name, hex } of pages) {
    const shown = hex.length > 64 ? `${hex.slice(0, 64)}...` : hex
    process.stdout.write(`page ${code.toString(16).padStart(2, '0')}h ${name.padEnd(42)} ${shown}\n`)
  }
}
