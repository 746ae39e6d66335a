// SPDX-License-Identifier: Apache-2.0
// Families of libiscsi's test suite, and the kind of unit on which each is run so that none of its tests is skipped.

/** LUN arguments of the units, in LUN order. */
export const UNITS = {
  disk: 'disk.img,size=256M',
  removable: 'memory:256M,removable=yes',
  'read-only': 'memory:256M,readonly=yes',
  /** Memory can forget blocks, so it is thinly provisioned. */
  thin: 'memory:256M',
} as const
export type Unit = keyof typeof UNITS

export interface Family {
  readonly name: string
  readonly unit: Unit
  /** Tests of the family that are not run, with the reason: they need what this family's commands do not. */
  readonly without?: Readonly<Record<string, string>>
}

export const FAMILIES: readonly Family[] = [
  { name: 'Inquiry', unit: 'thin' },
  { name: 'Mandatory', unit: 'disk' },
  { name: 'ModeSense6', unit: 'disk' },
  { name: 'NoMedia', unit: 'removable' },
  { name: 'OrWrite', unit: 'disk' },
  { name: 'Prefetch10', unit: 'disk' },
  { name: 'Prefetch16', unit: 'disk' },
  { name: 'PreventAllow', unit: 'removable' },
  { name: 'Read6', unit: 'disk' },
  { name: 'Read10', unit: 'disk' },
  { name: 'Read12', unit: 'disk' },
  { name: 'Read16', unit: 'disk' },
  { name: 'ReadCapacity10', unit: 'disk' },
  { name: 'ReadCapacity16', unit: 'disk' },
  { name: 'ReadOnly', unit: 'read-only' },
  { name: 'ReportSupportedOpcodes', unit: 'disk' },
  { name: 'StartStopUnit', unit: 'removable' },
  { name: 'TestUnitReady', unit: 'disk' },
  { name: 'Unmap', unit: 'thin' },
  { name: 'Verify10', unit: 'disk' },
  { name: 'Verify12', unit: 'disk' },
  { name: 'Verify16', unit: 'disk' },
  { name: 'Write10', unit: 'disk' },
  { name: 'Write12', unit: 'disk' },
  { name: 'Write16', unit: 'disk' },
  { name: 'WriteVerify10', unit: 'disk' },
  { name: 'WriteVerify12', unit: 'disk' },
  { name: 'WriteVerify16', unit: 'disk' },
  { name: 'iSCSIcmdsn', unit: 'disk' },
  { name: 'iSCSIdatasn', unit: 'disk' },
  { name: 'iSCSIResiduals', unit: 'disk' },
  { name: 'iSCSITMF', unit: 'disk' },
  { name: 'MultipathIO', unit: 'disk' },
]

/** Families of the suite whose commands lunkit does not have yet, or not to the full. */
export const LATER: readonly string[] = [
  'CompareAndWrite',
  'GetLBAStatus',
  'ExtendedCopy',
  'PrinReadKeys',
  'PrinServiceactionRange',
  'PrinReportCapabilities',
  'ProutRegister',
  'ProutReserve',
  'ProutClear',
  'ProutPreempt',
  'ReadDefectData10',
  'ReadDefectData12',
  'ReceiveCopyResults',
  'Reserve6',
  'Sanitize',
  'WriteAtomic16',
  'WriteSame10',
  'WriteSame16',
]
