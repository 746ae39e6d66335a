// SPDX-License-Identifier: Apache-2.0
// VPD pages 80h and 83h: the names of the unit, and of the port and target that it is seen through.
import {
  Association,
  type Designator,
  designatorLength,
  naaDesignator,
  relativePortDesignator,
  scsiNameDesignator,
  t10Designator,
  VpdCode,
  writeDesignator,
} from '@lunkit/spec'
import type { Identity, Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'
import { type VpdPage, vpdBytes } from './vpd-page.ts'

export const unitSerialNumber: VpdPage = vpdBytes(VpdCode.unitSerialNumber, (device: PrimaryDevice) =>
  Buffer.from(device.unit.identity.serial, 'latin1'),
)

export const deviceIdentification: VpdPage = vpdBytes(
  VpdCode.deviceIdentification,
  (device: PrimaryDevice, task) => {
    const designators = [...unitDesignators(device.unit.identity), ...portDesignators(task)]
    const bytes = new Uint8Array(designators.reduce((sum, one) => sum + designatorLength(one), 0))
    let at = 0
    for (const one of designators) at = writeDesignator(one, bytes, at)
    return bytes
  },
)

/** What page 83h calls the unit itself. */
export function unitDesignators({ vendor, product, serial, naa }: Identity): Designator[] {
  // SPC-4 has the vendor's part begin with product and serial number where nothing else makes it unique.
  return [naaDesignator(naa), t10Designator(vendor, product.padEnd(16) + serial)]
}

function portDesignators(task: Task): Designator[] {
  const { port, target } = task.nexus
  const { protocol } = port
  const designators = [relativePortDesignator(port.relativeId, protocol)]
  const portName = port.portName(target.name)
  if (isScsiName(portName)) designators.push(scsiNameDesignator(portName, Association.targetPort, protocol))
  if (isScsiName(target.name)) {
    designators.push(scsiNameDesignator(target.name, Association.targetDevice, protocol))
  }
  return designators
}

/** A SCSI name string begins with one of these (SPC-4, SCSI name string designator format). */
const isScsiName = (name: string): boolean => /^(iqn|eui|naa)\./.test(name)
