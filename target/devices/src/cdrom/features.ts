// SPDX-License-Identifier: Apache-2.0
// The drive's features (MMC-6), ascending: what it can do with which disc.
import {
  BD_READ_FEATURE,
  CD_READ_FEATURE,
  CORE_FEATURE,
  DVD_READ_FEATURE,
  Feature,
  MORPHING_FEATURE,
  PROFILE_DESCRIPTOR,
  Profile,
  RANDOM_READABLE_FEATURE,
  REMOVABLE_FEATURE,
  STREAMING_FEATURE,
  TIMEOUT_FEATURE,
} from '@lunkit/spec'
import { SECTOR } from './disc.ts'
import type { Drive } from './drive.ts'
import { TRAY } from './mode-pages.ts'

export interface FeatureRow {
  readonly feature: number
  readonly version: number
  /** Always current. */
  readonly persistent: boolean
  /** Whether it is there now, with the disc of this profile. */
  readonly current: (profile: number) => boolean
  /** What follows the descriptor's head. */
  readonly data: (drive: Drive) => Uint8Array
}

const NOTHING = new Uint8Array(0)
const always = (): boolean => true
const withDisc = (profile: number): boolean => profile !== Profile.none
const on =
  (...profiles: readonly number[]) =>
  (profile: number): boolean =>
    profiles.includes(profile)

/** PHYSICAL INTERFACE STANDARD: the SCSI family. */
const SCSI = 1
/** Sectors of an error correction block; READ takes any number of sectors all the same. */
const BLOCKING: Readonly<Record<number, number>> = {
  [Profile.cdRom]: 1,
  [Profile.dvdRom]: 16,
  [Profile.bdRom]: 32,
}

export const profileOf = ({ disc }: Drive): number => disc?.profile ?? Profile.none

/** MMC-6 Profile List feature: in the order in which the drive would rather be taken. */
const PROFILES = [Profile.bdRom, Profile.dvdRom, Profile.cdRom] as const

const profiles = (drive: Drive): Uint8Array =>
  Buffer.concat(
    PROFILES.map(profile =>
      PROFILE_DESCRIPTOR.write({ profile, current: profile === profileOf(drive) ? 1 : 0 }),
    ),
  )

/** Padded with blanks to four bytes. */
function serialNumber({ unit }: Drive): Uint8Array {
  const { serial } = unit.identity
  return Buffer.from(serial.padEnd(Math.ceil(serial.length / 4) * 4).slice(0, 252), 'latin1')
}

const row = (
  feature: number,
  version: number,
  current: FeatureRow['current'],
  data: FeatureRow['data'] = () => NOTHING,
): FeatureRow => ({ feature, version, persistent: current === always, current, data })

export const FEATURES: readonly FeatureRow[] = [
  row(Feature.profileList, 0, always, profiles),
  row(Feature.core, 2, always, () => CORE_FEATURE.write({ physicalInterface: SCSI, dbe: 1 })),
  row(Feature.morphing, 1, always, () => MORPHING_FEATURE.write({ operationalEvents: 1 })),
  row(Feature.removableMedium, 2, always, () =>
    REMOVABLE_FEATURE.write({ mechanism: TRAY, load: 1, eject: 1, lock: 1 }),
  ),
  row(Feature.randomReadable, 0, withDisc, drive =>
    RANDOM_READABLE_FEATURE.write({
      blockSize: SECTOR,
      blocking: BLOCKING[profileOf(drive)] ?? 1,
      errorRecoveryPage: 1,
    }),
  ),
  row(Feature.multiRead, 0, on(Profile.cdRom)),
  row(Feature.cdRead, 2, on(Profile.cdRom), () => CD_READ_FEATURE.write({})),
  row(Feature.dvdRead, 1, on(Profile.dvdRom), () => DVD_READ_FEATURE.write({})),
  row(Feature.bdRead, 0, on(Profile.bdRom), () => BD_READ_FEATURE.write({ rom0: 2, rom1: 2 })),
  row(Feature.powerManagement, 0, always),
  row(Feature.timeout, 1, always, () => TIMEOUT_FEATURE.write({})),
  row(Feature.realTimeStreaming, 4, withDisc, () => STREAMING_FEATURE.write({ setSpeed: 1 })),
  row(Feature.serialNumber, 0, always, serialNumber),
]
