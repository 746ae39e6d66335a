// SPDX-License-Identifier: Apache-2.0
// Standard INQUIRY data: its layout, device types, qualifiers and version descriptors.
import { bit, bits, bytes, text, u8, u16 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** PERIPHERAL DEVICE TYPE (SPC-4, standard INQUIRY data). */
export const DeviceType = Object.freeze({
  disk: 0x00,
  tape: 0x01,
  printer: 0x02,
  processor: 0x03,
  writeOnce: 0x04,
  cdrom: 0x05,
  opticalMemory: 0x07,
  changer: 0x08,
  arrayController: 0x0c,
  enclosure: 0x0d,
  reducedDisk: 0x0e,
  opticalCard: 0x0f,
  bridge: 0x10,
  objectStorage: 0x11,
  automationDrive: 0x12,
  zonedDisk: 0x14,
  wellKnown: 0x1e,
  unknown: 0x1f,
} as const)

/** PERIPHERAL QUALIFIER: a unit is there, could be there, or cannot be. */
export const Qualifier = Object.freeze({ connected: 0, notConnected: 1, impossible: 3 } as const)

/** TPGS: asymmetric access without, by the target, by the initiator, or by both. */
export const Tpgs = Object.freeze({ none: 0, implicit: 1, explicit: 2, both: 3 } as const)

/** Bytes 0 to 95: as long as a target with version descriptors needs. ADDITIONAL LENGTH counts from byte 5. */
export const STANDARD_INQUIRY = layout('Standard INQUIRY data', 'SPC-4 Standard INQUIRY data', 96, {
  qualifier: bits(0, 7, 5),
  deviceType: bits(0, 4, 0),
  rmb: bit(1, 7),
  logicalUnitConglomerate: bit(1, 6),
  version: u8(2),
  normalAca: bit(3, 5),
  hierarchical: bit(3, 4),
  responseFormat: bits(3, 3, 0),
  additionalLength: u8(4),
  sccs: bit(5, 7),
  acc: bit(5, 6),
  tpgs: bits(5, 5, 4),
  thirdPartyCopy: bit(5, 3),
  protect: bit(5, 0),
  encServ: bit(6, 6),
  multiPort: bit(6, 4),
  commandQueue: bit(7, 1),
  vendor: text(8, 8),
  product: text(16, 16),
  revision: text(32, 4),
  vendorSpecific: bytes(36, 20),
  versionDescriptor1: u16(58),
  versionDescriptor2: u16(60),
  versionDescriptor3: u16(62),
  versionDescriptor4: u16(64),
  versionDescriptor5: u16(66),
  versionDescriptor6: u16(68),
  versionDescriptor7: u16(70),
  versionDescriptor8: u16(72),
})

/** VERSION field. */
export const InquiryVersion = Object.freeze({ spc2: 0x04, spc3: 0x05, spc4: 0x06, spc5: 0x07 } as const)

/** Version descriptors that claim no particular revision (SPC-4, version descriptor values). */
export const VersionDescriptor = Object.freeze({
  sam2: 0x0040,
  sam3: 0x0060,
  sam4: 0x0080,
  sam5: 0x00a0,
  spc2: 0x0260,
  spc3: 0x0300,
  spc4: 0x0460,
  spc5: 0x05c0,
  sbc2: 0x0320,
  sbc3: 0x04c0,
  sbc4: 0x0600,
  mmc6: 0x04e0,
  ssc3: 0x0400,
  ssc4: 0x0520,
  smc3: 0x0480,
  ses2: 0x03e0,
  iscsi: 0x0960,
  fcp4: 0x0a40,
  sas2: 0x0c20,
} as const)
