// SPDX-License-Identifier: Apache-2.0
// What tells a disk of another target from all others, so that none comes to its place unseen.
import type { Unit } from '@lunkit/initiator-driver-iscsi'
import { Association, readDesignators, VPD_HEADER, VpdCode } from '@lunkit/spec'

/** Its designators, without those of ports, or else its serial number; empty where it has neither. */
export async function nameOf(unit: Unit): Promise<string> {
  const pages = await unit.vpdPages()
  const body = async (code: number): Promise<Buffer> =>
    pages.includes(code) ? Buffer.from(await unit.vpd(code)).subarray(VPD_HEADER.length) : Buffer.alloc(0)
  const designators = readDesignators(await body(VpdCode.deviceIdentification), 0)
    .filter(({ association }) => association === Association.logicalUnit)
    .map(({ type, value }) => `${type}:${Buffer.from(value).toString('hex')}`)
  if (designators.length > 0) return designators.sort().join()
  return (await body(VpdCode.unitSerialNumber)).toString('latin1').trim()
}
