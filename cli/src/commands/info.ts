// SPDX-License-Identifier: Apache-2.0
// `lunkit info`: what a LUN says of itself.
import { connect } from '@lunkit/initiator-driver-iscsi'
import { Command } from 'commander'
import { type ConnectionFlags, connectOptions, withConnection } from '../connection-options.ts'
import { peripheralTypeName, vpdPageName } from '../names.ts'
import { interruptible, printJson } from '../output.ts'
import { formatBytes } from '../units.ts'

export function build(): Command {
  return withConnection(new Command('info'))
    .argument('<url>', 'the LUN')
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

async function ask(disk: Awaited<ReturnType<typeof connect>>) {
  const inquiry = await disk.inquiry()
  const capacity = await disk.capacity()
  const limits = await disk.limits()
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
    removable: inquiry.removable,
    bytes: capacity.bytes,
    blocks: capacity.blocks,
    blockSize: capacity.blockSize,
    physicalBlockSize: capacity.physicalBlockSize,
    thin: capacity.thin,
    maxTransferBlocks: limits.maxTransfer,
    pages,
  }
}

function print(facts: Awaited<ReturnType<typeof ask>>): void {
  const { pages, bytes, ...rest } = facts
  const lines = Object.entries({ ...rest, size: `${formatBytes(bytes)} (${bytes} bytes)` })
  for (const [name, value] of lines) process.stdout.write(`${name.padEnd(18)} ${value ?? '-'}\n`)
  for (const { code, name, hex } of pages) {
    const shown = hex.length > 64 ? `${hex.slice(0, 64)}...` : hex
    process.stdout.write(`page ${code.toString(16).padStart(2, '0')}h ${name.padEnd(42)} ${shown}\n`)
  }
}
