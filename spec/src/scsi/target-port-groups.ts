// SPDX-License-Identifier: Apache-2.0
// Asymmetric access to a logical unit: states, and the parameter data of target port groups and of referrals.
import { bit, bits, u8, u16, u32, u64 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** ASYMMETRIC ACCESS STATE (SPC-4 REPORT TARGET PORT GROUPS command). */
export const AccessState = Object.freeze({
  optimized: 0x0,
  nonOptimized: 0x1,
  standby: 0x2,
  unavailable: 0x3,
  blockDependent: 0x4,
  offline: 0xe,
  transitioning: 0xf,
} as const)
export type AccessState = (typeof AccessState)[keyof typeof AccessState]

/** STATUS CODE: by what the state was changed last. */
export const AccessStatus = Object.freeze({ none: 0, explicit: 1, implicit: 2 } as const)

/** PARAMETER DATA FORMAT of REPORT TARGET PORT GROUPS. */
export const PortGroupsFormat = Object.freeze({ lengthOnly: 0, extended: 1 } as const)

/** Header of the parameter data in the length only format. */
export const PORT_GROUPS_HEADER = layout(
  'Target port groups, length only header',
  'SPC-4 REPORT TARGET PORT GROUPS command',
  4,
  { length: u32(0) },
)

/** Header in the extended format; FORMAT TYPE is 1. IMPLICIT TRANSITION TIME in seconds. */
export const PORT_GROUPS_EXTENDED_HEADER = layout(
  'Target port groups, extended header',
  'SPC-4 REPORT TARGET PORT GROUPS command',
  8,
  { length: u32(0), formatType: bits(4, 6, 4), implicitTransitionTime: u8(5) },
)

/** One target port group; a descriptor for each of its ports follows. */
export const PORT_GROUP_DESCRIPTOR = layout(
  'Target port group descriptor',
  'SPC-4 REPORT TARGET PORT GROUPS command',
  8,
  {
    preferred: bit(0, 7),
    state: bits(0, 3, 0),
    supportsTransitioning: bit(1, 7),
    supportsOffline: bit(1, 6),
    supportsBlockDependent: bit(1, 4),
    supportsUnavailable: bit(1, 3),
    supportsStandby: bit(1, 2),
    supportsNonOptimized: bit(1, 1),
    supportsOptimized: bit(1, 0),
    group: u16(2),
    statusCode: u8(5),
    portCount: u8(7),
  },
)

export const GROUP_PORT_DESCRIPTOR = layout(
  'Target port descriptor',
  'SPC-4 REPORT TARGET PORT GROUPS command',
  4,
  { relativePort: u16(2) },
)

/** What precedes the descriptors of SET TARGET PORT GROUPS: reserved. */
export const SET_PORT_GROUPS_HEADER = layout(
  'Set target port groups header',
  'SPC-4 SET TARGET PORT GROUPS command',
  4,
  {},
)

export const SET_PORT_GROUP_DESCRIPTOR = layout(
  'Set target port group descriptor',
  'SPC-4 SET TARGET PORT GROUPS command',
  4,
  { state: bits(0, 3, 0), group: u16(2) },
)

// ---- Referrals ----

export const REFERRALS_HEADER = layout('Referrals header', 'SBC-4 REPORT REFERRALS command', 4, {
  length: u16(2),
})

/** A run of blocks; for each target port group that leads to it, its descriptor follows. */
export const REFERRAL_SEGMENT = layout(
  'User data segment referral descriptor',
  'SBC-4 User data segment referral sense data descriptor',
  20,
  { groupCount: u8(3), firstLba: u64(4), lastLba: u64(12) },
)

export const REFERRAL_GROUP = layout(
  'Target port group descriptor of a referral',
  'SBC-4 User data segment referral sense data descriptor',
  4,
  { state: bits(0, 3, 0), group: u16(2) },
)
