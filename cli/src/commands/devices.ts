// SPDX-License-Identifier: Apache-2.0
// `lunkit devices`: the SCSI devices of this machine, and which of them are free to be passed through.
import { TYPES, type UnitHere, unitsHere } from '@lunkit/target-passthrough/sg'
import { Command } from 'commander'
import { Table } from 'console-table-printer'
import { peripheralTypeName } from '../names.ts'
import { printJson } from '../output.ts'
import { formatBytes } from '../units.ts'

const HELP = `
Disks, tapes, drives, changers and others that Linux has as SCSI devices (also by USB and SATA), with the file that stands for each. 'Can be
served' is yes, or why it is not: what uses it here (a mount, swap, a volume), that Linux has set it offline, or that devices of its
type are not passed through. With --json each has also 'servable', 'usedBy', 'state' and 'address'.

  lunkit serve passthrough:/dev/sg3              all of its commands go to the device
  lunkit serve passthrough:/dev/sdb,force=yes    also though it is in use here; two that write to one disk destroy its data
  lunkit serve block:/dev/sdb                    a disk's blocks alone: see 'lunkit help block'

It takes Linux, the right to write to that file (root has it), and koffi, which npm installs where it can.
docs/cookbook/real-devices.md tells more.`

export function build(): Command {
  return new Command('devices')
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .action(async ({ json }: { readonly json?: true }) => {
      const units = await unitsHere()
      if (json) printJson(units.map(inJson))
      else if (units.length === 0) process.stdout.write(`${noneWords()}\n`)
      else print(units)
    })
}

/** Why a unit cannot be served; empty if it can. */
const obstacle = ({ type, usedBy, state }: Pick<UnitHere, 'type' | 'usedBy' | 'state'>): string =>
  !TYPES.includes(type) ? 'not this type' : state.endsWith('offline') ? state : usedBy

const inJson = ({ identity: _, ...unit }: UnitHere) => ({
  ...unit,
  typeName: peripheralTypeName(unit.type),
  servable: obstacle(unit) === '',
})

const noneWords = (): string =>
  process.platform === 'linux'
    ? "No SCSI devices here: Linux shows none in /sys/class/scsi_generic ('modprobe sg' loads its driver)"
    : 'No SCSI devices here: they can be passed through on Linux only'

function print(units: readonly UnitHere[]): void {
  const table = new Table({
    shouldDisableColors: !process.stdout.hasColors?.(),
    columns: [
      { name: 'path', title: 'Device', alignment: 'left' },
      { name: 'type', title: 'Type', alignment: 'left' },
      { name: 'size', title: 'Size', alignment: 'right' },
      { name: 'model', title: 'Model', alignment: 'left' },
      { name: 'disk', title: 'Disk', alignment: 'left' },
      { name: 'servable', title: 'Can be served', alignment: 'left' },
    ],
  })
  for (const unit of units) {
    const { path, type, size, vendor, product, disk } = unit
    table.addRow({
      path,
      type: peripheralTypeName(type),
      size: size === null ? '-' : formatBytes(size),
      model: `${vendor} ${product}`,
      disk: disk ?? '-',
      servable: obstacle(unit) || 'yes',
    })
  }
  process.stdout.write(`${table.render()}\n`)
}
