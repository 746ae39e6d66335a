// SPDX-License-Identifier: Apache-2.0
// Families of libiscsi's test suite, and the kind of unit on which each is run so that none of its tests is skipped.

import { join } from 'node:path'

/** Units, each served by a target of its own, and what for. Without `lun` it is `startPatientTarget`. */
export const UNITS = {
  disk: { lun: 'disk.img,size=256M', why: 'an image file, as most disks are' },
  removable: { lun: 'memory:256M,removable=yes', why: 'the medium can be ejected' },
  'read-only': { lun: 'memory:256M,readonly=yes', why: 'writes are refused' },
  thin: { lun: 'memory:256M', why: 'blocks can be given back, wherever the test runs; 512e' },
  'thin-512n': {
    lun: 'memory:256M,physical=512',
    why: 'the test adds the blocks of a physical block where it means one block, so physical and logical blocks are one size',
  },
  'cdb-16': {
    lun: 'memory:16M,cdb=16',
    why: 'the test holds 16 bytes of usage data and finds fault with every longer CDB, so the unit has none',
  },
  fresh: {
    lun: 'memory:16M',
    why: 'the test clears 256 blocks and then wants 257 of them clear: nothing may have been written before',
  },
  patient: {
    lun: null,
    why:
      'the test wants to see SANITIZE at work five seconds later, and sleeps for a minute without an answer to NOP-In: a slow store, ' +
      'served by a target that does not ask',
  },
  indifferent: {
    lun: `object:${join(import.meta.dirname, 'indifferent-storage.ts')}`,
    why:
      'unmapped blocks need not read as zeros: the test wants zeros from WRITE SAME with UNMAP of a block that is not zero, which ' +
      'SBC-4 has written where unmapped blocks do',
  },
} as const
export type Unit = keyof typeof UNITS

export interface Family {
  readonly name: string
  readonly unit: Unit
  /** Tests that are run on another unit than the family, since they would skip themselves or mislead on its own. */
  readonly on?: Readonly<Record<string, Unit>>
}

export const FAMILIES: readonly Family[] = [
  { name: 'CompareAndWrite', unit: 'thin' },
  { name: 'ExtendedCopy', unit: 'disk' },
  { name: 'GetLBAStatus', unit: 'thin-512n' },
  { name: 'Inquiry', unit: 'thin' },
  { name: 'iSCSIcmdsn', unit: 'disk' },
  { name: 'iSCSIdatasn', unit: 'disk' },
  { name: 'iSCSIResiduals', unit: 'disk' },
  { name: 'iSCSITMF', unit: 'disk' },
  { name: 'Mandatory', unit: 'disk' },
  { name: 'ModeSense6', unit: 'disk' },
  { name: 'MultipathIO', unit: 'fresh' },
  { name: 'NoMedia', unit: 'removable' },
  { name: 'OrWrite', unit: 'disk' },
  { name: 'Prefetch10', unit: 'disk' },
  { name: 'Prefetch16', unit: 'disk' },
  { name: 'PreventAllow', unit: 'removable' },
  { name: 'PrinReadKeys', unit: 'disk' },
  { name: 'PrinReportCapabilities', unit: 'disk' },
  { name: 'PrinServiceactionRange', unit: 'disk' },
  { name: 'ProutClear', unit: 'disk' },
  { name: 'ProutPreempt', unit: 'disk' },
  { name: 'ProutRegister', unit: 'disk' },
  { name: 'ProutReserve', unit: 'disk' },
  { name: 'Read10', unit: 'disk' },
  { name: 'Read12', unit: 'disk' },
  { name: 'Read16', unit: 'disk' },
  { name: 'Read6', unit: 'disk' },
  { name: 'ReadCapacity10', unit: 'disk' },
  { name: 'ReadCapacity16', unit: 'disk' },
  { name: 'ReadDefectData10', unit: 'disk' },
  { name: 'ReadDefectData12', unit: 'disk' },
  { name: 'ReadOnly', unit: 'read-only' },
  { name: 'ReceiveCopyResults', unit: 'disk' },
  { name: 'ReportSupportedOpcodes', unit: 'disk', on: { OneCommand: 'cdb-16' } },
  { name: 'Reserve6', unit: 'disk' },
  { name: 'Sanitize', unit: 'thin', on: { Reset: 'patient' } },
  { name: 'StartStopUnit', unit: 'removable' },
  { name: 'TestUnitReady', unit: 'disk' },
  { name: 'Unmap', unit: 'thin' },
  { name: 'Verify10', unit: 'disk' },
  { name: 'Verify12', unit: 'disk' },
  { name: 'Verify16', unit: 'disk' },
  { name: 'Write10', unit: 'disk' },
  { name: 'Write12', unit: 'disk' },
  { name: 'Write16', unit: 'disk' },
  { name: 'WriteAtomic16', unit: 'thin' },
  { name: 'WriteSame10', unit: 'thin', on: { UnmapUntilEnd: 'indifferent' } },
  { name: 'WriteSame16', unit: 'thin' },
  { name: 'WriteVerify10', unit: 'disk' },
  { name: 'WriteVerify12', unit: 'disk' },
  { name: 'WriteVerify16', unit: 'disk' },
]

/** Families with tests that are run on this unit. */
export const runsOn = (unit: Unit): Family[] =>
  FAMILIES.filter(family => family.unit === unit || Object.values(family.on ?? {}).includes(unit))

/** Whether a test of a family that runs on a unit counts there: all but those that are run elsewhere, or just those that are run here. */
export const countsOn = ({ unit: own, on = {} }: Family, unit: Unit, test: string): boolean =>
  (on[test] ?? own) === unit

/** What the suite is asked for: the family, or those tests of it that are run on this unit. */
export const askedOn = ({ name, unit: own, on = {} }: Family, unit: Unit): string[] =>
  own === unit
    ? [name]
    : Object.keys(on)
        .filter(test => on[test] === unit)
        .map(test => `${name}.${test}`)

/**
 * Tests that mean something to a CD drive, by family; each is one. The suite is about disks: what is not here skips itself (NoMedia, PreventAllow and
 * ReadOnly, too), writes, or wants the power conditions of SBC. Two paths to anything but a disk are refused, so there is one.
 */
export const CDROM_FAMILIES: Readonly<Record<string, readonly string[]>> = {
  Inquiry: ['Standard', 'AllocLength', 'EVPD', 'SupportedVPD', 'VersionDescriptors'],
  iSCSIResiduals: ['Read10Invalid', 'Read10Residuals', 'Read12Residuals'],
  ModeSense6: ['AllPages', 'Control', 'Residuals'],
  PrinReadKeys: ['Simple', 'Truncate'],
  PrinReportCapabilities: ['Simple'],
  PrinServiceactionRange: ['Range'],
  ProutClear: ['Simple'],
  ProutPreempt: ['RemoveRegistration'],
  ProutRegister: ['Simple'],
  ProutReserve: [
    'Simple',
    'OwnershipEA',
    'OwnershipWE',
    'OwnershipEARO',
    'OwnershipWERO',
    'OwnershipEAAR',
    'OwnershipWEAR',
  ],
  Read10: ['Simple', 'BeyondEol', 'ZeroBlocks'],
  Read12: ['Simple', 'BeyondEol', 'ZeroBlocks'],
  ReadCapacity10: ['Simple'],
  ReportSupportedOpcodes: ['Simple', 'OneCommand', 'RCTD', 'SERVACTV'],
  Reserve6: [
    'Simple',
    '2Initiators',
    'Logout',
    'ITNexusLoss',
    'TargetColdReset',
    'TargetWarmReset',
    'LUNReset',
  ],
  StartStopUnit: ['Simple'],
  TestUnitReady: ['Simple'],
}
