// SPDX-License-Identifier: Apache-2.0
// VPD pages 80h, 83h, 85h and 88h: the names of the unit, of its target and of the ports that lead to it.
import {
  Association,
  type Designator,
  designatorLength,
  eui64Designator,
  logicalUnitGroupDesignator,
  NETWORK_SERVICE,
  naaDesignator,
  relativePortDesignator,
  SCSI_PORT,
  SCSI_PORT_TARGET,
  scsiNameDesignator,
  t10Designator,
  targetPortGroupDesignator,
  VpdCode,
  writeDesignator,
} from '@lunkit/spec'
import type { Identity, ManagementAddress, Nexus, TargetPort, Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'
import { type VpdPage, vpdBytes } from './vpd-page.ts'

const unitSerialNumber = vpdBytes(VpdCode.unitSerialNumber, (device: PrimaryDevice) =>
  Buffer.from(device.unit.identity.serial, 'latin1'),
)

const deviceIdentification = vpdBytes(VpdCode.deviceIdentification, (device: PrimaryDevice, task) =>
  writtenDesignators([...unitDesignators(device.unit.identity), ...pathDesignators(task)]),
)

const managementAddresses = vpdBytes(
  VpdCode.managementAddresses,
  ({ unit }: PrimaryDevice) => Buffer.concat((unit.identity.management ?? []).map(networkService)),
  ({ unit }) => (unit.identity.management?.length ?? 0) > 0,
)

const scsiPorts = vpdBytes(VpdCode.scsiPorts, (_device: PrimaryDevice, task) => scsiPortsPage(task))

/** What follows the header of page 88h. */
export function scsiPortsPage({ nexus }: Task): Uint8Array {
  return Buffer.concat(portsOf(nexus).map(port => scsiPort(port, nexus.target.name)))
}

/** Every unit has them, and only initiators that were told of a service have 85h. */
export const namingPages: readonly VpdPage[] = [
  unitSerialNumber,
  deviceIdentification,
  managementAddresses,
  scsiPorts,
]

export function writtenDesignators(designators: readonly Designator[]): Uint8Array {
  const bytes = new Uint8Array(designators.reduce((sum, one) => sum + designatorLength(one), 0))
  let at = 0
  for (const one of designators) at = writeDesignator(one, bytes, at)
  return bytes
}

/** What page 83h calls the unit itself. */
export function unitDesignators(identity: Identity): Designator[] {
  const { vendor, product, serial, naa, eui64, scsiName, t10Id } = identity
  return [
    naaDesignator(naa),
    ...(eui64 === undefined ? [] : [eui64Designator(eui64)]),
    // SPC-4 has the vendor's part begin with product and serial number where nothing else makes it unique.
    t10Designator(vendor, t10Id ?? product.padEnd(16) + serial),
    ...(scsiName === undefined ? [] : [scsiNameDesignator(scsiName, Association.logicalUnit)]),
  ]
}

/** What page 83h says of the way that a command came: its port, its target, and the port's group. */
export function pathDesignators(task: Task): Designator[] {
  return [...groupDesignators(task), ...portDesignators(task)]
}

/** The unit is in one group with all others that the target's port groups lead to. */
function groupDesignators({ nexus }: Task): Designator[] {
  const { portGroups } = nexus.target
  return portGroups === null ? [] : [logicalUnitGroupDesignator(portGroups.unitGroup)]
}

function portDesignators({ nexus }: Task): Designator[] {
  const { port, target } = nexus
  const { protocol } = port
  const group = target.portGroups?.groupOf(port.relativeId) ?? null
  return [
    relativePortDesignator(port.relativeId, protocol),
    ...(group === null ? [] : [targetPortGroupDesignator(group.id, protocol)]),
    ...nameDesignators(port, target.name),
    ...(isScsiName(target.name) ? [scsiNameDesignator(target.name, Association.targetDevice, protocol)] : []),
  ]
}

function nameDesignators(port: TargetPort, target: string): Designator[] {
  const name = port.portName(target)
  return isScsiName(name) ? [scsiNameDesignator(name, Association.targetPort, port.protocol)] : []
}

/** The port that was asked counts even if it did not say that it is there. */
function portsOf({ port, target }: Nexus): readonly TargetPort[] {
  const known = target.ports.some(({ relativeId }) => relativeId === port.relativeId)
  return known ? target.ports : [...target.ports, port].sort((a, b) => a.relativeId - b.relativeId)
}

/** The names of initiator ports through which this device might speak are not told: it never does. */
function scsiPort(port: TargetPort, target: string): Uint8Array {
  const designators = writtenDesignators(nameDesignators(port, target))
  const bytes = new Uint8Array(SCSI_PORT.length + SCSI_PORT_TARGET.length + designators.length)
  SCSI_PORT.write({ relativePort: port.relativeId, initiatorLength: 0 }, bytes)
  SCSI_PORT_TARGET.write({ designatorsLength: designators.length }, bytes, SCSI_PORT.length)
  bytes.set(designators, SCSI_PORT.length + SCSI_PORT_TARGET.length)
  return bytes
}

/** The address ends with a zero and is padded to four bytes. */
function networkService({ service, address }: ManagementAddress): Uint8Array {
  const text = Buffer.from(address, 'utf8')
  const length = (text.length + 4) & ~3
  const bytes = new Uint8Array(NETWORK_SERVICE.length + length)
  NETWORK_SERVICE.write({ association: Association.logicalUnit, serviceType: service, length }, bytes)
  bytes.set(text, NETWORK_SERVICE.length)
  return bytes
}

/** A SCSI name string begins with one of these (SPC-4, SCSI name string designator format). */
const isScsiName = (name: string): boolean => /^(iqn|eui|naa)\./.test(name)
